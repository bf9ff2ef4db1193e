"""Two families and what happens to them by a seeded chance, written to the database and to the oracle alike."""

import datetime
import random
from decimal import Decimal
from functools import partial

from cards.models import Act, Card, KeepRule, LinkedAccount, Member, Person, Promotion, TopUpStep
from renewals.deadlines import recompute_card
from renewals.leaving import keep_after_all, let_go
from renewals.models import Activity, Document, Payment, Reading, Renewal, RuleChange, SignalCheck, Snooze, Task, Trip
from renewals.snoozing import resume_mails
from renewals.tasks import change_details, close_task
from renewals.trips import cards_of_trip
from renewals.walkthrough import (
    abandon_renewal,
    ask_again,
    confirm_renewal,
    finish_step,
    reject_renewal,
    start_renewal,
    take_renewal,
)
from tests.factories import (
    CardFactory,
    HouseholdFactory,
    MemberFactory,
    OperatorFactory,
    PersonFactory,
    PlanFactory,
    UserFactory,
    cubacel,
    giffgaff,
    starhub,
    unicom,
)
from tests.renewals import reminder_oracle as oracle

DAY = datetime.timedelta(days=1)
FOUNDED = datetime.datetime(2025, 9, 10, 3, 30, tzinfo=datetime.UTC)

# Family, name, role, zone, mail hour, level, more days before.
MEMBERS = [
    ("Chen", "Olga", "owner", "America/Havana", "08:00", "standard", (45, 21)),
    ("Chen", "Mario", "manager", "America/Havana", "00:15", "insistent", (90,)),
    ("Chen", "Vera", "viewer", "Asia/Shanghai", "21:30", "calm", ()),
    ("Diaz", "Ana", "owner", "Europe/Madrid", "08:00", "calm", (60, 2)),
]
# Family, name, whose login.
PEOPLE = [
    ("Chen", "Chen Olga", "Olga"),
    ("Chen", "Chen Bao", None),
    ("Chen", "Chen Li", None),
    ("Diaz", "Diaz Ana", "Ana"),
    ("Diaz", "Diaz Juan", None),
]
# Family, plan, holder, responsible, deputy, level, more days before, days from the last act to the first day.
CARDS = [
    ("Chen", "cubacel", "Chen Olga", "Olga", "Mario", "", (), 290),
    ("Chen", "cubacel", "Chen Bao", "Olga", "Vera", "insistent", (400,), 20),
    ("Chen", "cubacel", "Chen Li", None, None, "", (), 250),
    ("Chen", "cubacel", None, "Mario", "Vera", "calm", (), 150),
    ("Chen", "giffgaff", "Chen Bao", "Vera", "Olga", "", (), 60),
    ("Chen", "giffgaff", None, "Vera", None, "standard", (9, 100), 170),
    ("Chen", "unicom", "Chen Bao", "Vera", "Olga", "", (), 20),
    ("Chen", "unicom", "Chen Li", None, "Mario", "", (50,), 10),
    ("Chen", "unicom", "Chen Olga", "Mario", None, "insistent", (), 5),
    ("Chen", "starhub", "Chen Li", "Vera", "Mario", "", (), 10),
    ("Chen", "starhub", None, None, None, "calm", (365,), 25),
    ("Chen", "tourist", "Chen Bao", "Olga", "Vera", "", (), 100),
    ("Chen", "double", "Chen Olga", "Mario", "Olga", "", (), 40),
    ("Chen", "double", None, "Olga", None, "standard", (400,), 90),
    ("Chen", "vague", "Chen Li", "Olga", "Mario", "", (), 70),
    ("Chen", "strict", None, "Mario", "Vera", "", (5,), 80),
    ("Chen", "wide", "Chen Bao", "Mario", "Olga", "", (12, 8), 120),
    ("Chen", "wide", "Chen Olga", "Vera", "Mario", "insistent", (), 160),
    ("Chen", "wide", None, "Olga", "Mario", "", (200,), None),
    ("Chen", "starhub", "Chen Olga", "Olga", "Vera", "", (), 20),
    ("Chen", "vague", None, None, None, "", (), 85),
    ("Diaz", "cubacel", "Diaz Ana", "Ana", None, "", (), 310),
    ("Diaz", "cubacel", "Diaz Juan", None, "Ana", "insistent", (400, 200), 100),
    ("Diaz", "giffgaff", None, "Ana", None, "calm", (), None),
    ("Diaz", "unicom", "Diaz Ana", None, None, "standard", (), 15),
    ("Diaz", "unicom", "Diaz Juan", "Ana", None, "", (30,), None),
    ("Diaz", "strict", "Diaz Ana", "Ana", None, "", (), 60),
    ("Diaz", "double", "Diaz Juan", "Ana", None, "", (), None),
    ("Diaz", "wide", "Diaz Juan", None, None, "", (), 140),
    ("Diaz", "tourist", None, "Ana", None, "", (), 200),
]
# What happens in a family, and how often beside the others.
CHANCES = {
    "pay": 22,
    "read": 26,
    "see_payment": 6,
    "check_signal": 9,
    "dismiss_signal": 5,
    "go_away": 6,
    "come_back": 2,
    "snooze": 13,
    "start": 12,
    "take": 9,
    "submit": 5,
    "ask_again": 2,
    "confirm": 10,
    "reject": 2,
    "abandon": 2,
    "add_document": 4,
    "edit_document": 3,
    "delete_document": 2,
    "promote": 3,
    "plan_trip": 5,
    "cancel_trip": 1,
    "change_details": 1,
    "tell_details": 6,
    "let_go": 1,
    "keep": 1,
    "move_account": 2,
    "change_rule": 4,
    "stop_mails": 1,
    "resume_mails": 4,
    "lose": 1,
    "copy_papers": 1,
    "change_level": 1,
}


class Family:
    """A household and its twin in the oracle; `members` and `people` are its rows by name, as they were at first."""

    def __init__(self, name: str) -> None:
        self.household = HouseholdFactory(name=f"{name} family", created_at=FOUNDED, checks_signal=name == "Chen")
        self.twin = oracle.Household(self.household.pk, FOUNDED, checks_signal=name == "Chen")
        self.members = {}
        for family, given, role, zone, hour, level, days in MEMBERS:
            if family == name:
                self._add_member(given, role, zone, hour, level, days)
        self.people = {}
        for family, full, login in PEOPLE:
            if family == name:
                row = PersonFactory(household=self.household, name=full, member=login and self.members[login])
                self.people[full] = row
                self.twin.people.append(oracle.Person(row.pk, login and self.find(self.members[login])))

    def _add_member(self, name, role, zone, hour, level, days):
        self.members[name] = row = MemberFactory(
            household=self.household,
            user=UserFactory(email=f"{name.lower()}@example.org"),
            name=name,
            role=role,
            time_zone=zone,
            remind_at=datetime.time.fromisoformat(hour),
            reminder_level=level,
            reminder_days=list(days),
        )
        self.twin.members.append(
            oracle.Member(row.pk, name, self.twin, zone, row.remind_at, level, days, may_change=role != "viewer")
        )

    def find(self, row):
        """Return the twin of a member, a person or a card; None of None."""
        if row is None:
            return None
        twins = {Member: self.twin.members, Person: self.twin.people, Card: self.twin.cards}[type(row)]
        return next(twin for twin in twins if twin.id == row.pk)

    def member(self, twin):
        return Member.objects.get(pk=twin.id)

    def card(self, twin):
        return Card.objects.select_related("plan__operator").get(pk=twin.id)


class Life:
    """Both families, with all that happens to them from the first day on."""

    def __init__(self, first_day: datetime.date, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.oracle = oracle.Oracle()
        self.families = [Family("Chen"), Family("Diaz")]
        self.oracle.households = [family.twin for family in self.families]
        self.plans = _make_plans()
        self.operators = {
            plan.operator_id: oracle.Operator(
                plan.operator_id,
                plan.operator.country,
                plan.operator.requires_document,
                tuple(plan.operator.document_kinds),
            )
            for plan in self.plans.values()
        }
        self.refused: set[str] = set()
        for number, about in enumerate(CARDS):
            self._add_card(number, about, first_day)

    @property
    def members(self) -> list[oracle.Member]:
        return [member for family in self.families for member in family.twin.members]

    def refuse(self, names: set[str]) -> None:
        """Let the server refuse the mails of exactly these members from now on."""
        self.refused = set(names)

    def settle(self) -> None:
        """Let everybody be marked as the server answers, for a run that brings the mails of a whole household.

        The specification leaves open in which order they leave, and the first of them changes what the others say.
        """
        for family in self.families:
            for member in family.twin.members:
                if (member.name in self.refused) != bool(member.refused_since):
                    member.refused_since = None if member.refused_since else family.member(member).next_plan_at
                    Member.objects.filter(pk=member.id).update(unreachable_since=member.refused_since)

    def live(self, now: datetime.datetime) -> None:
        """Let something happen at `now`, or nothing."""
        for _ in range(self.random.choices([0, 1, 2, 3], [40, 35, 15, 10])[0]):
            name = self.random.choices(list(CHANCES), list(CHANCES.values()))[0]
            getattr(self, name)(self.random.choice(self.families), now)

    # Money, readings and uses

    def pay(self, family, now):
        card = self._some_card(family, now)
        self._act(family, card, (now - self.random.choice([0, 0, 1, 4]) * DAY).date(), self.random.random() < 0.75)

    def read(self, family, now):
        card = self._some_card(family, now)
        row = family.card(card)
        takes_fee = any(rule.kind == "fee_from_balance" for rule in row.plan.rules.all())
        balance = self.random.choice([0, 5, 9, 17, 33, 60, 130]) if takes_fee or self.random.random() < 0.3 else None
        days = self.random.choice([2, 6, 10, 20, 45, 100, 200])
        self._read(
            family,
            card,
            read_on=(now - self.random.choice([0, 0, 0, 2, 30]) * DAY).date(),
            balance=balance,
            currency="" if balance is None else row.plan.currency or "CUP",
            valid_until=now.date() + days * DAY if balance is None or self.random.random() < 0.2 else None,
        )

    def see_payment(self, family, now):
        waiting = Payment.objects.filter(household=family.household, confirmed_on=None, renewal=None).order_by("pk")
        if row := waiting.first():
            row.confirmed_on = now.date()
            row.save()
            self._sync(family, family.find(row.card))

    def check_signal(self, family, now):
        card, day = self._some_card(family, now), now.date()
        SignalCheck.objects.create(household=family.household, card=family.card(card), checked_on=day, bars=3)
        card.signal_seen_on = max(day, card.signal_seen_on or day)

    def dismiss_signal(self, family, now):
        card, member = self._some_card(family, now), family.member(self._some(family.twin.members))
        if close_task(member, "signal_check", family.card(card), self._some(["done", "dismissed"]), now):
            card.signal_closed_at = now

    # Members

    def go_away(self, family, now):
        member = self._some(family.twin.members)
        first = now.date() + self._some([-1, 0, 1, 3, 8, 20]) * DAY
        self._set_absence(member, (first, first + self._some([0, 2, 6, 13, 25]) * DAY))

    def come_back(self, family, now):
        self._set_absence(self._some(family.twin.members), None)

    def snooze(self, family, now):
        member = self._some(family.twin.members)
        ahead = [card for card in self._open_cards(family) if card.stage(now.date()) in {"active", "due", "urgent"}]
        ahead = [card for card in ahead if card.dates.deadline - now.date() < 60 * DAY] or ahead
        if ahead:
            card = self._some(ahead)
            until_on = now.date() + self._some([1, 2, 3, 7, 7, 14, 40]) * DAY
            about = {"member_id": member.id, "card_id": card.id}
            days = {"about_on": card.dates.deadline, "until_on": until_on, "household": family.household}
            Snooze.objects.update_or_create(**about, defaults=days)
            card.snoozes[member] = card.dates.deadline, until_on

    def change_level(self, family, now):
        member, level = self._some(family.twin.members), self._some(list(oracle.LEVELS))
        Member.objects.filter(pk=member.id).update(reminder_level=level)
        member.level = level

    def stop_mails(self, family, now):
        member = self._some(family.twin.members)
        Member.objects.filter(pk=member.id).update(mail_stopped_at=now)
        member.stopped_at = now

    def resume_mails(self, family, now):
        for member in family.twin.members:
            if member.stopped_at:
                resume_mails(family.member(member))
                member.stopped_at, member.is_new = None, True

    def lose(self, family, now):
        """The member was marked by a mail of which nothing is known here; the next one arrives again."""
        member = self._some(family.twin.members)
        if member.refused_since is None:
            Member.objects.filter(pk=member.id).update(unreachable_since=now, unreachable_reason="550 Mailbox full")
            member.refused_since = now

    # Renewals

    def start(self, family, now):
        unknown = [card for card in self._open_cards(family) if card.stage(now.date()) == "unknown"]
        card = self._some(unknown) if unknown and self.random.random() < 0.3 else self._some_card(family, now)
        member = family.member(self._some(family.twin.members))
        start_renewal(family.card(card), member, now)
        self._sync_renewal(family, card)

    def take(self, family, now):
        if renewal := self._some_renewal(family):
            take_renewal(renewal, family.member(self._some(family.twin.members)), now)
            self._sync_renewal(family, family.find(renewal.card))

    def submit(self, family, now):
        if renewal := self._some_renewal(family):
            member = family.member(self._some(family.twin.members))
            for step in renewal.steps.filter(done_at=None).exclude(key="confirm"):
                finish_step(step, member, step.revision, now)
            self._sync_renewal(family, family.find(renewal.card))

    def ask_again(self, family, now):
        if renewal := self._some_renewal(family, state="awaiting"):
            member = family.member(self._some(family.twin.members))
            ask_again(renewal, now.date() + self._some([1, 3, 5]) * DAY, member)
            self._sync_renewal(family, family.find(renewal.card))

    def confirm(self, family, now):
        if renewal := self._some_renewal(family, state="awaiting"):
            card, member = family.find(renewal.card), family.member(self._some(family.twin.members))
            valid_until = now.date() + self._some([3, 30, 90, 180]) * DAY
            reading = Reading(
                household=family.household, card=renewal.card, renewal=renewal, step="confirm",
                read_on=now.date(), valid_until=valid_until, by=member,
            )  # fmt: skip
            step = renewal.steps.get(key="confirm")
            confirm_renewal(step, member, step.revision, now, now.date(), reading)
            card.last_read_on = max(now.date(), card.last_read_on or now.date())
            self._sync(family, card)
            self._sync_renewal(family, card)

    def reject(self, family, now):
        if renewal := self._some_renewal(family, state="awaiting"):
            failed = next(key for key in ("pay", "act") if renewal.steps.filter(key=key).exists())
            reject_renewal(renewal, family.member(self._some(family.twin.members)), failed, "The photo was bad", now)
            self._sync_renewal(family, family.find(renewal.card))

    def abandon(self, family, now):
        if renewal := self._some_renewal(family):
            abandon_renewal(renewal, family.member(self._some(family.twin.members)), "Another time", now)
            self._sync_renewal(family, family.find(renewal.card))

    # Papers, offers and flights

    def add_document(self, family, now):
        person, kind = self._some(list(family.people.values())), self._some(["passport", "identity_card", "other"])
        expires_on = self._some_expiry(now)
        row = Document.objects.create(household=family.household, person=person, kind=kind, expires_on=expires_on)
        family.twin.documents.append(oracle.Document(row.pk, family.find(person), kind, expires_on))

    def edit_document(self, family, now):
        if family.twin.documents:
            document = self._some(family.twin.documents)
            document.expires_on = self._some_expiry(now)
            Document.objects.filter(pk=document.id).update(expires_on=document.expires_on)

    def delete_document(self, family, now):
        if family.twin.documents:
            document = self._some(family.twin.documents)
            family.twin.documents.remove(document)
            Document.objects.get(pk=document.id).delete()

    def promote(self, family, now):
        plan = self.plans[self._some(list(self.plans))]
        starts_on = now.date() + self._some([-2, 0, 1, 10]) * DAY
        ends_on = starts_on + self._some([0, 1, 6, 30]) * DAY
        of_plan = plan if self.random.random() < 0.5 else None
        row = Promotion.objects.create(
            operator=plan.operator, plan=of_plan, title="Twice the money", starts_on=starts_on, ends_on=ends_on
        )
        self.oracle.promotions.append(
            oracle.Promotion(row.pk, self.operators[plan.operator_id], of_plan and of_plan.pk, starts_on, ends_on)
        )

    def plan_trip(self, family, now):
        leaves_on = now.date() + self._some([0, 2, 5, 10, 20, 60]) * DAY
        countries = self._some([("CU", "ES"), ("ES", "CU"), ("CU", "CN"), ("NZ", "CU"), ("BR", "AR")])
        row = Trip.objects.create(
            household=family.household, leaves_on=leaves_on, from_country=countries[0], to_country=countries[1]
        )
        family.twin.trips.append(oracle.Trip(row.pk, leaves_on, partial(_has_cards, family, row)))

    def cancel_trip(self, family, now):
        ahead = [trip for trip in family.twin.trips if trip.leaves_on >= now.date() and not trip.is_cancelled]
        if ahead:
            trip = self._some(ahead)
            Trip.objects.filter(pk=trip.id).update(cancelled_at=now)
            trip.is_cancelled = True

    # Letting go, details, rules and copies

    def change_details(self, family, now):
        person = self._some(list(family.people.values()))
        details = {"name": person.name, "address": f"Calle {now:%d%H}", "phone": "", "email": ""}
        if change_details(person, details, now):
            for card in self._open_cards(family):
                if card.holder is family.find(person):
                    card.details_asked_at = card.details_asked_at or now

    def tell_details(self, family, now):
        asked = [card for card in self._open_cards(family) if card.details_asked_at]
        if asked:
            card, member = self._some(asked), family.member(self._some(family.twin.members))
            assert close_task(member, "update_details", family.card(card), self._some(["done", "dismissed"]), now)
            card.details_asked_at = None

    def let_go(self, family, now):
        card, member = self._some_card(family, now), family.member(self._some(family.twin.members))
        row = family.card(card)
        for name in ("WeChat", "Bank"):
            LinkedAccount.objects.create(household=family.household, card=row, name=name)
        ends_on = now.date() + self._some([0, 5, 40, 100]) * DAY
        let_go(row, member, how="lapsed", ends_on=ends_on, note="", moved=[], now=now, today=now.date())
        card.is_closed = True
        self._sync_accounts(card)
        self._sync_renewal(family, card)

    def keep(self, family, now):
        closed = [card for card in family.twin.cards if card.is_closed]
        if closed:
            card, member = self._some(closed), family.member(self._some(family.twin.members))
            keep_after_all(family.card(card), member, now)
            card.is_closed = False
            self._sync_accounts(card)

    def move_account(self, family, now):
        staying = LinkedAccount.objects.filter(household=family.household, moved_on=None).order_by("pk")
        if account := staying.first():
            account.moved_on = now.date()
            account.save()
            self._sync_accounts(family.find(account.card))

    def change_rule(self, family, now):
        card = self._some_card(family, now)
        new_deadline = card.dates.deadline
        about = {"household": family.household, "card_id": card.id, "plan_id": card.plan}
        _row, is_new = RuleChange.objects.get_or_create(
            **about, changed_on=now.date(), defaults={"new_deadline": new_deadline, "old_deadline": now.date()}
        )
        if is_new:
            card.rule_changes.append((now.date(), new_deadline))

    def copy_papers(self, family, now):
        if close_task(family.member(family.twin.members[0]), "copy_papers", None, "done", now):
            family.twin.copied_at = now

    # What the acts above are made of

    def _some(self, choices):
        return self.random.choice(choices)

    def _open_cards(self, family) -> list[oracle.Card]:
        return [card for card in family.twin.cards if not card.is_closed]

    def _some_card(self, family, now) -> oracle.Card:
        """Return an open card, half the time one about which something is to be done soon or was lately."""
        cards = self._open_cards(family)
        near = [card for card in cards if card.dates.deadline and abs(card.dates.deadline - now.date()) < 40 * DAY]
        return self._some(near if near and self.random.random() < 0.5 else cards)

    def _some_renewal(self, family, **about) -> Renewal | None:
        renewals = list(Renewal.objects.open().filter(household=family.household, **about).order_by("pk"))
        return self._some(renewals) if renewals else None

    def _some_expiry(self, now) -> datetime.date | None:
        days = self._some([None, -20, 0, 5, 14, 20, 61, 100, 190, 400])
        return None if days is None else now.date() + days * DAY

    def _set_absence(self, member, absence):
        first, last = absence or (None, None)
        Member.objects.filter(pk=member.id).update(away_from=first, away_until=last)
        member.absence = absence

    def _add_card(self, number, about, first_day):
        name, plan, holder, responsible, deputy, level, days, begun = about
        family = next(each for each in self.families if each.household.name.startswith(name))
        created_at = FOUNDED + number * 6 * DAY
        row = CardFactory(
            household=family.household,
            plan=self.plans[plan],
            name=f"{plan} {number}",
            person=holder and family.people[holder],
            responsible=responsible and family.members[responsible],
            deputy=deputy and family.members[deputy],
            reminder_level=level,
            reminder_days=list(days),
            created_at=created_at,
        )
        card = oracle.Card(
            row.pk,
            family.twin,
            self.operators[row.plan.operator_id],
            row.plan_id,
            created_at,
            holder=family.find(row.person),
            responsible=family.find(row.responsible),
            deputy=family.find(row.deputy),
            level=level,
            days=days,
        )
        family.twin.cards.append(card)
        if begun is not None:
            self._act(family, card, first_day - begun * DAY, is_confirmed=True)
            if plan == "unicom":
                self._read(family, card, read_on=first_day - begun * DAY, balance=25, currency="CNY")

    def _act(self, family, card, on, is_confirmed):
        """Write down what keeps the card: a payment, or where that is not asked for, a use."""
        row = family.card(card)
        rule = self._some(list(row.plan.rules.order_by("pk")))
        about = {"household": family.household, "card": row, "confirmed_on": on if is_confirmed else None}
        if rule.kind == "activity":
            Activity.objects.create(kind=self._some(["sms", "call", "data"]), done_on=on, **about)
        else:
            Payment.objects.create(
                kind="fee" if rule.kind == "fee_paid" else "top_up",
                amount=Decimal(self._some([99, 100, 250, 250])),
                currency=row.plan.currency or "CUP",
                channel=self._some(["inside", "abroad"]),
                paid_on=on,
                **about,
            )
        self._sync(family, card)

    def _read(self, family, card, *, read_on, **seen):
        Reading.objects.create(household=family.household, card=family.card(card), read_on=read_on, **seen)
        card.last_read_on = max(read_on, card.last_read_on or read_on)
        self._sync(family, card)

    def _sync(self, family, card):
        """Let the card's dates be computed from its history, and take them over."""
        row = family.card(card)
        recompute_card(row)
        card.dates = oracle.Dates(
            row.deadline,
            row.due_on,
            row.safe_on,
            row.grace_ends_on,
            row.lost_on,
            rests_on_balance=row.deadline_source.get("reason") == "balance",
            is_incomplete=row.is_incomplete,
        )

    def _sync_renewal(self, family, card):
        renewal = Renewal.objects.open().filter(card=card.id).first()
        taken = renewal and renewal.taken_by and (family.find(renewal.taken_by), renewal.taken_at)
        if taken and taken != card.taken:
            card.take(*taken)
        card.taken = taken
        card.review_at = renewal.follow_up_at if renewal and renewal.state == "awaiting" else None

    def _sync_accounts(self, card):
        task = Task.objects.filter(card=card.id, kind="move_accounts", state="open").first()
        are_left = LinkedAccount.objects.filter(card=card.id, moved_on=None).exists()
        card.accounts = (task.due_on, task.opened_at) if task and are_left else None


def _has_cards(family: Family, trip: Trip, today: datetime.date) -> bool:
    cards = Card.objects.filter(household=family.household).select_related("plan__operator")
    return bool(cards_of_trip(trip, cards.prefetch_related("plan__rules__steps"), today))


def _make_plans() -> dict[str, object]:
    """Return a plan for each way in which a number is kept and ends."""
    plans = {"cubacel": cubacel(), "giffgaff": giffgaff(), "unicom": unicom(), "starhub": starhub()}
    for name, kinds in (("unicom", []), ("cubacel", ["identity_card", "passport"])):
        operator = plans[name].operator
        operator.requires_document, operator.document_kinds = True, kinds
        operator.save()
    plans["giffgaff"].operator.requires_document = None
    plans["giffgaff"].operator.save()
    plans["tourist"] = cubacel(operator=plans["cubacel"].operator)
    plans["tourist"].rules.update(life_limit_days=380)
    for name, country in (("vague", ""), ("strict", "NZ"), ("wide", "ES"), ("double", "CN")):
        plans[name] = PlanFactory(operator=OperatorFactory(name=name, country=country), currency="CUP")
    _top_up_rule(plans["vague"], value=120)
    _top_up_rule(plans["strict"], value=100, grace_value=0, lead_days=10, buffer_days=0)
    _top_up_rule(plans["wide"], value=4, unit="months", grace_value=15, recovery_value=60, lead_days=45, buffer_days=10)
    _top_up_rule(plans["double"], value=200, grace_value=60)
    KeepRule.objects.create(
        plan=plans["double"], kind="activity", value=90, qualifying_acts=[Act.SMS], grace_value=10, recovery_value=20
    )
    wide = plans["wide"].operator
    wide.requires_document, wide.document_kinds = True, ["passport"]
    wide.save()
    return plans


def _top_up_rule(plan, **fields):
    rule = KeepRule.objects.create(plan=plan, kind="top_up", qualifying_acts=[Act.TOP_UP], **fields)
    step = {"value": fields["value"], "unit": fields.get("unit", "days")}
    TopUpStep.objects.create(rule=rule, minimum_amount=Decimal(100), currency="CUP", **step)
