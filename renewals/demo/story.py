"""What happened to the cards of the Chen family, told in its order and through the app's own verbs.

Days are counted back from `now`, so that the dates of every card follow from its history and none is written by hand.
"""

import datetime
import io
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dateutil.relativedelta import relativedelta
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageDraw, ImageFont

from cards.models import Card, LinkedAccount, Member, Person, Plan
from cards.secrets import write_secret
from renewals.deadlines import expected_deadline, recompute_card, today_for
from renewals.models import (
    Activity,
    Document,
    DocumentCheck,
    Payment,
    Reading,
    Renewal,
    RenewalStep,
    SignalCheck,
    Trip,
)
from renewals.papers import best_of, judge, wanted_kinds
from renewals.uploads import check, keep
from renewals.walkthrough import (
    confirm_renewal,
    finish_step,
    note_deadline_before,
    record_checks,
    record_order,
    record_reading,
    reject_renewal,
    start_renewal,
)

from .family import Family

STORY_PLANS = ("cu-cubacel-permanent", "cn-unicom-8", "gb-giffgaff-payg", "hk-clubsim", "us-ultra-paygo")

DAY = datetime.timedelta(days=1)
Key = RenewalStep.Key
Kind = LinkedAccount.Kind


def tell_story(family: Family, now: datetime.datetime) -> Payment:
    """Give the Chen family its five open cards, a closed one, and all that happened to them until `now`.

    Returns the payment that awaits the operator's review; `attach_receipt` gives it its receipt.
    """
    story = _Story(family, now)
    story.tell_papers()
    story.tell_flight()
    story.tell_urgent()
    story.tell_active()
    story.tell_due()
    story.tell_grace()
    story.tell_closed()
    return story.tell_awaiting()


def attach_receipt(payment: Payment) -> None:
    """Draw a receipt for the payment, keep it as an upload would be kept, and save that."""
    lines = [
        f"{payment.card.plan.operator}: receipt",
        payment.card.number,
        f"{payment.amount} {payment.currency}",
        f"Reference {payment.reference}",
        payment.paid_on.isoformat(),
    ]
    image = Image.new("RGB", (420, 280), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, 411, 271), outline="#0f766e", width=2)
    for row, line in enumerate(lines):
        draw.text((32, 32 + 44 * row), line, fill="#1c1917", font=ImageFont.load_default(18 if row else 24))
    content = io.BytesIO()
    image.save(content, "PNG")
    upload = SimpleUploadedFile("receipt.png", content.getvalue(), "image/png")
    keep(payment, "receipt", *check(upload, payment.household))
    payment.save(update_fields=["receipt", "receipt_type"])


def last_act_on(plan: Plan, deadline: datetime.date) -> datetime.date:
    """Return the day on which an act keeps a number of this plan until `deadline`, by the plan's first rule.

    Or until up to three days before it, where months are clamped: no day plus six months is 31 August.
    """
    rule = plan.rules.all()[0]
    keeps: dict[str, Any] = {rule.unit: rule.value}
    return deadline - relativedelta(**keeps)


class _Story:
    """`today` is the owner's day as Cuba counts it, the one her dashboard shows."""

    def __init__(self, family: Family, now: datetime.datetime) -> None:
        self.family, self.now = family, now
        self.today = today_for(family.owner, "CU", now)

    def tell_papers(self) -> None:
        """Papá's passport runs out in 58 days, Tío's travel permit has done so; the others are good for years."""
        kinds = Document.Kind
        for name, kind, number, issued_by, days_left in (
            ("Guoqiang Chen", kinds.PASSPORT, "E00001234", "China", 58),
            ("Guoqiang Chen", kinds.IDENTITY_CARD, "110101195003070000", "China", 2400),
            ("Ming Chen", kinds.TRAVEL_PERMIT, "H00001234", "China", -20),
            ("Ming Chen", kinds.PASSPORT, "K00005678", "Hong Kong", 1460),
            ("Lucía Chen", kinds.PASSPORT, "J000123", "Cuba", 1100),
            ("Rosa Chen", kinds.IDENTITY_CARD, "52031500000", "Cuba", 900),
        ):
            document = Document.objects.create(
                household=self.family.household,
                person=self.person(name),
                kind=kind,
                issued_by=issued_by,
                expires_on=self.today + days_left * DAY,
            )
            self.keep_secret(document, number=number)

    def tell_flight(self) -> None:
        """The family flies home in twelve days: what is cheaper in Cuba is done before."""
        Trip.objects.create(
            household=self.family.household,
            leaves_on=self.today + 12 * DAY,
            from_country="CU",
            to_country="CN",
            by=self.family.owner,
        )

    def tell_urgent(self) -> None:
        """Mamá's number in Cuba: renewed once in all steps, and now three days are left."""
        card = self.card(
            "cu-cubacel-permanent",
            "Mamá",
            "+5352345678",
            "Rosa Chen",
            location="blue phone, at Mamá's in Havana",
            account_username="rosa.chen",
            activated_on=self.day(2100),
        )
        self.keep_secret(card, iccid="8953010000000012345", pin="1234", puk="12345678")
        self.link(card, ("Banco Metropolitano", Kind.BANK), ("WhatsApp", Kind.MESSENGER), ("WeChat", Kind.MESSENGER))
        channels = {channel.name: channel for channel in card.plan.operator.channels.all()}
        deadline = self.today + 3 * DAY
        renewed_on = last_act_on(card.plan, deadline)
        self.pay(
            card,
            last_act_on(card.plan, renewed_on + 9 * DAY),
            "250 CUP",
            by=self.family.manager,
            channel=Payment.Channel.ABROAD,
            method=Payment.Method.CREDIT_CARD,
            via=channels.get("Fonoma"),
            charged_amount=Decimal("12.50"),
            charged_currency="USD",
            reference="F-51077",
        )
        recompute_card(card)
        walk = self.start(card, self.family.owner, self.at(renewed_on))
        walk.prepare("200 CUP", "*222#")
        walk.order(Payment.Kind.TOP_UP, "120 CUP")
        walk.pay(method=Payment.Method.DEBIT_CARD, via=channels.get("Transfermóvil"), reference="88231")
        walk.confirm("320 CUP", deadline, "*222#")
        self.read(card, self.day(1), "320 CUP", "*222#", valid_until=deadline)
        self.check_signal(card, self.day(21), 3)
        recompute_card(card)

    def tell_active(self) -> None:
        """Papá's number from home, roaming in Havana: the balance pays half a year ahead."""
        card = self.card(
            "cn-unicom-8",
            "Papá roaming",
            "+8618600001234",
            "Guoqiang Chen",
            location="Papá's old phone, second slot",
            activated_on=self.day(3300),
        )
        self.link(card, ("Bank of China", Kind.BANK), ("Alipay", Kind.BANK), ("WeChat", Kind.MESSENGER))
        paid_on, seen_on = self.day(40), self.day(5)
        months = 12 * (seen_on.year - paid_on.year) + seen_on.month - paid_on.month
        self.read(card, paid_on, "14 CNY", "app")
        self.pay(
            card, paid_on, "50 CNY", by=self.family.manager, method=Payment.Method.E_WALLET, reference="220014660810"
        )
        self.read(card, seen_on, f"{64 - 8 * months} CNY", "app")
        self.check_signal(card, self.day(12), 2, "Roams on Cubacel")
        recompute_card(card)

    def tell_due(self) -> None:
        """Lucía's British eSIM: one SMS keeps it, and it is time for the next one."""
        card = self.card(
            "gb-giffgaff-payg",
            "Lucía UK",
            "+447400123456",
            "Lucía Chen",
            form=Card.Form.ESIM,
            location="Lucía's phone",
            account_username="lucia.chen",
            activated_on=self.day(1020),
        )
        self.link(card, ("Monzo", Kind.BANK))
        self.link(card, ("Google account", Kind.OTHER), importance=LinkedAccount.Importance.NORMAL)
        used_on = last_act_on(card.plan, self.today + 24 * DAY)
        for day in (used_on - 170 * DAY, used_on):
            Activity.objects.create(
                **self.record(card, day),
                kind=Activity.Kind.SMS,
                done_on=day,
                cost=Decimal("0.10"),
                currency="GBP",
                confirmed_on=day,
            )
        self.read(card, used_on, "9.40 GBP", "app")
        self.check_signal(card, self.day(30), 4)
        recompute_card(card)

    def tell_grace(self) -> None:
        """Lucía's American number: nobody topped it up in time, and 18 days are left to save it."""
        deadline = self.day(12)
        card = self.card(
            "us-ultra-paygo",
            "Lucía US",
            "+12025550143",
            "Lucía Chen",
            location="drawer in Havana, envelope 2",
            account_username="lucia.chen@example.org",
            activated_on=deadline - 600 * DAY,
        )
        self.link(card, ("PayPal", Kind.BANK), ("WhatsApp", Kind.MESSENGER))
        seen_on = deadline - 38 * DAY
        self.pay(
            card,
            deadline - 158 * DAY,
            "15 USD",
            channel=Payment.Channel.ABROAD,
            method=Payment.Method.CREDIT_CARD,
        )
        self.read(card, seen_on, "3.40 USD", "website")
        self.check_signal(card, seen_on, 0, "No network in Cuba; Wi-Fi Calling works")
        recompute_card(card)

    def tell_closed(self) -> None:
        """Abuela's old number, given up once everything had moved to Mamá's."""
        closed_on = self.day(75)
        card = self.card("cu-cubacel-permanent", "Abuela", "+5359871122", "Rosa Chen", closed_on=closed_on)
        self.link(card, ("WhatsApp", Kind.MESSENGER), moved_on=closed_on - 5 * DAY)
        self.pay(card, self.day(400), "100 CUP", method=Payment.Method.CASH_DEPOSIT)
        recompute_card(card)

    def tell_awaiting(self) -> Payment:
        """Tío's number in Hong Kong: the first try was rejected, the second has awaited its review for five hours."""
        card = self.card(
            "hk-clubsim",
            "Tío HK",
            "+85291234567",
            "Ming Chen",
            responsible=self.family.manager,
            deputy=self.family.owner,
            location="Tío's phone in Kowloon",
            activated_on=self.day(1200),
        )
        self.link(card, ("HSBC", Kind.BANK), ("WeChat", Kind.MESSENGER))
        buys: dict[str, Any] = {"kind": Payment.Kind.PLAN_PURCHASE, "method": Payment.Method.E_WALLET}
        bought_on = last_act_on(card.plan, self.today + 45 * DAY)
        self.pay(card, bought_on, "6 HKD", by=self.family.manager, reference="CS-20417", **buys)
        recompute_card(card)
        rejected = self.start(card, self.family.owner, self.at(self.day(3)))
        rejected.prepare("2.50 HKD", "app")
        rejected.order(Payment.Kind.PLAN_PURCHASE, "6 HKD")
        rejected.pay(method=Payment.Method.DEBIT_CARD, channel=Payment.Channel.ABROAD, reference="CS-31870")
        reason = "The bank declined the card, so the pack was not bought. Pay with another method."
        reject_renewal(rejected.renewal, self.family.owner, Key.PAY, reason, self.at(self.day(2)))
        walk = self.start(card, self.family.manager, self.now - datetime.timedelta(hours=5, minutes=4))
        return walk.pay(method=Payment.Method.E_WALLET, reference="CS-31902")

    def day(self, days_ago: int) -> datetime.date:
        return self.today - days_ago * DAY

    def at(self, day: datetime.date) -> datetime.datetime:
        """Return ten in the morning of an earlier day, where the owner is."""
        return datetime.datetime.combine(day, datetime.time(10), tzinfo=self.family.owner.zone)

    def person(self, name: str) -> Person:
        return Person.objects.get_or_create(household=self.family.household, name=name)[0]

    def card(self, plan: str, name: str, number: str, person: str, **fields: Any) -> Card:
        return Card.objects.create(
            household=self.family.household,
            plan=Plan.objects.select_related("operator").get(household=None, slug=plan),
            name=name,
            number=number,
            person=self.person(person),
            **{"responsible": self.family.owner, "deputy": self.family.manager, **fields},
        )

    def keep_secret(self, row: Card | Document, **texts: str) -> None:
        for field, text in texts.items():
            write_secret(row, field, text)
        row.save(update_fields=list(texts))

    def link(self, card: Card, *accounts: tuple[str, Kind], **fields: Any) -> None:
        LinkedAccount.objects.bulk_create(
            LinkedAccount(household=card.household, card=card, name=name, kind=kind, **fields)
            for name, kind in accounts
        )

    def record(self, card: Card, day: datetime.date, by: Member | None = None) -> dict[str, Any]:
        """Return what every record made outside a walk-through has in common."""
        by = by or card.responsible
        return {"household": card.household, "card": card, "by": by, "recorded_at": self.at(day)}

    def pay(self, card: Card, day: datetime.date, money: str, by: Member | None = None, **fields: Any) -> None:
        """A payment that the operator was seen to have on the same day."""
        paid = {"amount": _amount(money), "currency": money[-3:], "paid_on": day, "confirmed_on": day}
        Payment.objects.create(**self.record(card, day, by), **paid, **fields)

    def read(self, card: Card, day: datetime.date, money: str, how: str, **fields: Any) -> None:
        seen = {"read_on": day, "balance": _amount(money), "currency": money[-3:], "how": how}
        Reading.objects.create(**self.record(card, day), **seen, **fields)

    def check_signal(self, card: Card, day: datetime.date, bars: int, note: str = "") -> None:
        SignalCheck.objects.create(**self.record(card, day), checked_on=day, bars=bars, note=note)

    def start(self, card: Card, member: Member, at: datetime.datetime) -> "_Walk":
        return _Walk(start_renewal(card, member, at), member, at)


@dataclass
class _Walk:
    """One member going through the steps of a renewal, a few minutes each; `at` is the present moment."""

    renewal: Renewal
    member: Member
    at: datetime.datetime

    @property
    def on(self) -> datetime.date:
        return self.at.astimezone(self.member.zone).date()

    def prepare(self, money: str, how: str) -> None:
        """The three steps of preparation: the operator shows what is known, and the person's papers are as they are."""
        card = self.renewal.card
        self.do(Key.BALANCE)
        record_reading(self.reading(Key.BALANCE, how, balance=_amount(money), currency=money[-3:]))
        self.do(Key.VALIDITY)
        record_reading(self.reading(Key.VALIDITY, how, valid_until=card.deadline))
        note_deadline_before(self.renewal)
        self.do(Key.DOCUMENTS)
        papers = list(Document.objects.kept().filter(person=card.person))
        needed_until = expected_deadline(card, self.on)
        best = {kind: best_of(papers, kind) for kind in wanted_kinds(card.plan.operator)}
        checks = [
            DocumentCheck(kind=kind, document=paper, result=judge(paper, self.on, needed_until))
            for kind, paper in best.items()
        ]
        record_checks(self.renewal, self.member, checks, self.at)

    def order(self, act: Payment.Kind, money: str) -> None:
        """The steps from the operator's site to the chosen offer."""
        for key in (Key.VISIT, Key.SIGN_IN, Key.CHOOSE):
            self.do(key)
        order = {"plan": self.renewal.card.plan, "act": act, "amount": _amount(money), "currency": money[-3:]}
        record_order(self.renewal, order)

    def pay(self, **fields: Any) -> Payment:
        """Pay what was ordered; the operator is still to show that it has it."""
        self.do(Key.PAY)
        order = {name: getattr(self.renewal, name) for name in ("amount", "currency")}
        return Payment.objects.create(**self.record(), **order, kind=self.renewal.act, paid_on=self.on, **fields)

    def confirm(self, money: str, valid_until: datetime.date, how: str) -> None:
        """See at the operator that the number is renewed. Raises RuntimeError when that did not move the deadline."""
        self.at += datetime.timedelta(minutes=20)
        step = self.renewal.steps.get(key=Key.CONFIRM)
        seen = {"balance": _amount(money), "currency": money[-3:], "valid_until": valid_until}
        reading = self.reading(Key.CONFIRM, how, **seen)
        if not confirm_renewal(step, self.member, step.revision, self.at, self.on, reading):
            raise RuntimeError(f"The catalogue's rule does not renew {self.renewal.card}.")

    def do(self, key: RenewalStep.Key) -> None:
        self.at += datetime.timedelta(minutes=4)
        step = self.renewal.steps.get(key=key)
        finish_step(step, self.member, step.revision, self.at)

    def reading(self, key: RenewalStep.Key, how: str, **seen: Any) -> Reading:
        return Reading(**self.record(), step=key, read_on=self.on, how=how, **seen)

    def record(self) -> dict[str, Any]:
        """Return what every record of this walk has in common."""
        card = self.renewal.card
        about = {"household": card.household, "card": card, "renewal": self.renewal}
        return {**about, "by": self.member, "recorded_at": self.at}


def _amount(money: str) -> Decimal:
    return Decimal(money.split()[0])
