"""What one member is to be told on a day: the rows are fetched once, the lines of any day follow without a query."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.db import models
from django.db.models import Max

from cards.models import Card, Member, Promotion
from renewals.deadlines import kept_dates, stage_of, today_for
from renewals.lifecycle import Reason, Stage
from renewals.models import Document, Reading, Renewal, RuleChange, Snooze, Task, Trip
from renewals.models.renewal import CLAIM_LASTS
from renewals.tasks import Todo, tasks_ahead
from renewals.trips import TripCard, cards_of_trip

from . import ladder
from .ladder import Moment, Part, Pause, Wishes

Key = tuple[str, str, datetime.date, datetime.date]


@dataclass(frozen=True)
class Line:
    """One line of a mail: what it is about, the moment that has come, and the day it is counted from.

    `card` of None: it is not about a card. `about` is the row behind it, where there is one besides the card; of a
    flight, `trip_cards` are those to see to.
    """

    moment: Moment
    subject: str
    today: datetime.date
    card: Card | None = None
    renewal: Renewal | None = None
    about: RuleChange | Document | Promotion | Trip | Todo | Member | None = None
    trip_cards: tuple[TripCard, ...] = ()

    @property
    def key(self) -> Key:
        """What makes it the same line in another mail to the same member."""
        return self.subject, self.moment.kind, self.moment.about_on, self.moment.on


@dataclass
class Watch:
    """All that the lines of one member depend on, as it stands now."""

    member: Member
    cards: list[Card]
    closed_cards: list[Card]
    members: list[Member]
    snoozes: dict[int, Snooze]
    last_readings: dict[int, datetime.date]
    todos: list[Todo]
    documents: list[Document]
    promotions: list[Promotion]
    trips: list[Trip]
    _wishes: dict[tuple[int, Part], Wishes] = field(default_factory=dict)
    _days: dict[tuple[str, datetime.datetime], datetime.date] = field(default_factory=dict)

    def today_of(self, card: Card, now: datetime.datetime) -> datetime.date:
        """Return the day to count from for a card."""
        key = card.plan.operator.country, now
        if key not in self._days:
            self._days[key] = today_for(self.member, key[0], now)
        return self._days[key]

    def wishes_for(self, card: Card, part: Part) -> Wishes:
        """Return how the member wants to hear of a card, as what they are for it."""
        key = card.pk, part
        if key not in self._wishes:
            self._wishes[key] = wishes_of(self.member, card, part, self.snoozes.get(card.pk))
        return self._wishes[key]


def watch_over(member: Member, now: datetime.datetime) -> Watch:
    """Fetch what the lines of a member depend on, in a fixed number of queries."""
    household = member.household_id
    cards = list(watched_cards(member))
    watched = {card.pk for card in cards}
    leaving = Task.objects.open().for_member(member).filter(kind=Task.Kind.MOVE_ACCOUNTS).values("card")
    closed = list(_with_what_mails_say(Card.objects.for_member(member).exclude(closed_on=None).filter(pk__in=leaving)))
    today = now.astimezone(member.zone).date()
    readings = Reading.objects.valid().filter(card__in=watched).values_list("card")
    return Watch(
        member=member,
        cards=cards,
        closed_cards=closed,
        members=list(Member.objects.filter(household=household).present().order_by("pk")),
        snoozes={snooze.card_id: snooze for snooze in member.snoozes.all()},
        last_readings=dict(readings.annotate(last=Max("read_on"))),
        todos=tasks_ahead(member, [*cards, *closed], today),
        documents=list(Document.objects.for_member(member).kept().select_related("person__member")),
        promotions=list(
            Promotion.objects.filter(operator__in={card.plan.operator_id for card in cards}, ends_on__gte=today)
        ),
        trips=list(Trip.objects.for_member(member).filter(cancelled_at=None, leaves_on__gte=today)),
    )


def watched_cards(member: Member) -> Iterable[Card]:
    """Return the open cards of the member's household with what a mail says about them, in six queries."""
    return _with_what_mails_say(Card.objects.for_member(member).open())


def lines_on(watch: Watch, now: datetime.datetime) -> list[Line]:
    """Return everything that has come by `now` for the member, said or not, worst first. No query, no clock."""
    lines = [*_lines_of_cards(watch, now), *_lines_of_tasks(watch, now), *_lines_of_household(watch, now)]
    return sorted(lines, key=lambda line: (*ladder.worst_first(line.moment), line.subject))


def part_of(member: Member, card: Card, today: datetime.date, now: datetime.datetime) -> Part:
    """Return what the member is for the card. Without a responsible member everyone is responsible."""
    responsible, deputy = card.responsible, card.deputy
    if responsible is None or responsible == member or _doer_of(card, now) == member:
        return Part.RESPONSIBLE
    is_lost_to_mail = responsible.out_of_reach_since is not None
    if deputy == member:
        return Part.RESPONSIBLE if is_lost_to_mail or responsible.is_away(today) else Part.DEPUTY
    if is_lost_to_mail and (deputy is None or deputy.out_of_reach_since):
        return Part.RESPONSIBLE
    return Part.EVERYONE


def holder_of(card: Card, now: datetime.datetime) -> Member | None:
    """Return who is doing the card's open renewal just now and can be reached; None when nobody."""
    doer = _doer_of(card, now)
    return doer if doer and doer.out_of_reach_since is None else None


def open_renewal_of(card: Card) -> Renewal | None:
    """Return the card's open renewal, from what was fetched with it where it is one that is watched."""
    fetched: Sequence[Renewal] | None = getattr(card, "open_renewals", None)
    renewals = card.renewals.all() if fetched is None else fetched
    return next((renewal for renewal in renewals if renewal.is_open), None)


def wishes_of(member: Member, card: Card, part: Part, snooze: Snooze | None) -> Wishes:
    """Return how the member wants to hear of the card; the card's own level goes before theirs."""
    return Wishes(
        part=part,
        level=card.reminder_level or member.reminder_level,
        more_days=frozenset(member.reminder_days) | frozenset(card.reminder_days),
        absence=member.absence,
        pause=Pause(snooze.about_on, snooze.until_on) if snooze else None,
    )


def _doer_of(card: Card, now: datetime.datetime) -> Member | None:
    renewal = open_renewal_of(card)
    return renewal.holder(now) if renewal else None


def _with_what_mails_say(cards: models.QuerySet[Card]) -> models.QuerySet[Card]:
    return cards.select_related("plan__operator", "responsible", "deputy").prefetch_related(
        "plan__rules__steps",
        "linked_accounts",
        models.Prefetch("rule_changes", to_attr="changes_of_rules"),
        models.Prefetch("renewals", Renewal.objects.open().select_related("taken_by"), to_attr="open_renewals"),
    )


def _lines_of_cards(watch: Watch, now: datetime.datetime) -> Iterator[Line]:
    member = watch.member
    for card in watch.cards:
        today = watch.today_of(card, now)
        part = part_of(member, card, today, now)
        renewal, holder = open_renewal_of(card), holder_of(card, now)
        wishes = watch.wishes_for(card, part)
        line = Line(Moment("", today, today), f"card:{card.pk}", today, card, renewal)
        moments = [ladder.due_moment(kept_dates(card), today, wishes, _kind_of_deadline(card))]
        if renewal and renewal.follow_up_at and renewal.state == Renewal.State.AWAITING:
            moments.append(ladder.review_moment(renewal.follow_up_at.astimezone(member.zone).date(), today))
        is_quiet = card.quiet_since is not None and card.quiet_since <= now < card.quiet_since + CLAIM_LASTS
        is_silenced = is_quiet and holder is not None and holder != member
        for moment in moments:
            if moment and not (is_silenced and moment.kind in ladder.SILENCED_BY_HOLDER):
                yield dataclasses.replace(line, moment=moment)
        changes: list[RuleChange] = getattr(card, "changes_of_rules", [])
        for change in changes:
            if moment := ladder.change_moment(change.changed_on, change.new_deadline, today):
                yield dataclasses.replace(line, moment=moment, about=change)
        if part is Part.RESPONSIBLE:
            yield from _lines_of_papers(watch, line)
            if moment := _reading_moment(watch, card, today):
                yield dataclasses.replace(line, moment=moment)


def _kind_of_deadline(card: Card) -> str:
    return "balance" if card.deadline_source.get("reason") == Reason.BALANCE else "deadline"


def _reading_moment(watch: Watch, card: Card, today: datetime.date) -> Moment | None:
    if stage_of(card, today) not in {Stage.ACTIVE, Stage.DUE}:
        return None
    last = watch.last_readings.get(card.pk) or card.created_at.astimezone(watch.member.zone).date()
    first = last + datetime.timedelta(days=ladder.READING_EVERY)
    return ladder.repeated("reading", last, first, today, ladder.READING_EVERY)


def _lines_of_papers(watch: Watch, line: Line) -> Iterator[Line]:
    """A paper that expires before the operator will ask for it, and nothing that lasts longer."""
    card = line.card
    if card is None or card.person_id is None or card.deadline is None or not card.plan.operator.requires_document:
        return
    if stage_of(card, line.today) not in {Stage.ACTIVE, Stage.DUE, Stage.URGENT}:
        return
    kinds = card.plan.operator.document_kinds
    papers = [
        document
        for document in watch.documents
        if document.person_id == card.person_id and (not kinds or document.kind in kinds)
    ]
    if any(document.expires_on is None or document.expires_on > card.deadline for document in papers):
        return
    for document in papers:
        if document.expires_on:
            moment = ladder.counted_down("papers", document.expires_on, line.today, ladder.PAPERS_OFFSETS)
            if moment:
                yield dataclasses.replace(line, moment=moment, about=document)


def _lines_of_tasks(watch: Watch, now: datetime.datetime) -> Iterator[Line]:
    member = watch.member
    for todo in watch.todos:
        if todo.since is None:
            continue
        card = todo.card
        if card is None:
            own = now.astimezone(member.zone).date()
            moment = ladder.repeated("copy", todo.since, todo.since, own, ladder.TASK_EVERY)
            if moment and member.may_change:
                yield Line(moment, f"household:{member.household_id}", own, about=todo)
            continue
        today = watch.today_of(card, now)
        if part_of(member, card, today, now) is Part.RESPONSIBLE and (moment := _task_moment(todo, today)):
            about = dataclasses.replace(todo, today=today)
            yield Line(moment, f"card:{card.pk}", today, card, open_renewal_of(card), about)


def _task_moment(todo: Todo, today: datetime.date) -> Moment | None:
    assert todo.since is not None  # noqa: S101 - asked before
    if todo.kind == Task.Kind.MOVE_ACCOUNTS:
        return ladder.accounts_moment(todo.due_on, todo.since, today)
    kind = "signal" if todo.kind == Task.Kind.SIGNAL_CHECK else "details"
    return ladder.repeated(kind, todo.since, todo.since, today, ladder.TASK_EVERY)


def _lines_of_household(watch: Watch, now: datetime.datetime) -> Iterator[Line]:
    member = watch.member
    today = now.astimezone(member.zone).date()
    household = f"household:{member.household_id}"
    for document in watch.documents:
        if document.expires_on and member in _told_of_document(watch, document):
            moment = ladder.counted_down(
                "document", document.expires_on, today, ladder.DOCUMENT_OFFSETS, lasts=ladder.DOCUMENT_END
            )
            if moment:
                yield Line(moment, f"document:{document.pk}", today, about=document)
    for promotion in watch.promotions:
        if promotion.is_running(today) and _uses(watch, promotion, now):
            moment = Moment("promotion", promotion.ends_on, promotion.starts_on)
            yield Line(moment, f"promotion:{promotion.pk}", today, about=promotion)
    for trip in watch.trips:
        moment = ladder.counted_down("trip", trip.leaves_on, today, ladder.TRIP_OFFSETS)
        if moment and (to_see_to := cards_of_trip(trip, watch.cards, today)):
            yield Line(moment, f"trip:{trip.pk}", today, about=trip, trip_cards=tuple(to_see_to))
    for other in watch.members:
        if other != member and (since := other.out_of_reach_since):
            first_on = since.astimezone(member.zone).date()
            again = first_on + datetime.timedelta(days=ladder.UNREACHABLE_EVERY)
            if moment := ladder.repeated("unreachable", first_on, again, today, ladder.UNREACHABLE_EVERY):
                yield Line(moment, f"member:{other.pk}", today, about=other)
    if watch.cards:
        first_of_month = today.replace(day=1)
        yield Line(Moment("watching", first_of_month, first_of_month), household, today)


def _told_of_document(watch: Watch, document: Document) -> Sequence[Member]:
    """Return whose document it is, else who keeps that person's cards; everybody when no mail reaches any of them."""
    if document.person.member:
        told = [document.person.member]
    else:
        told = [card.responsible for card in watch.cards if card.person_id == document.person_id and card.responsible]
    return told if any(member.out_of_reach_since is None for member in told) else watch.members


def _uses(watch: Watch, promotion: Promotion, now: datetime.datetime) -> bool:
    """Whether the member is responsible for a card to which the promotion applies."""
    return any(
        part_of(watch.member, card, watch.today_of(card, now), now) is Part.RESPONSIBLE
        for card in watch.cards
        if card.plan.operator_id == promotion.operator_id and promotion.plan_id in {None, card.plan_id}
    )
