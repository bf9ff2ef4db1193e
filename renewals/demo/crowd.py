"""Random but plausible cards over the whole catalogue, many at a time: for lists, reminders and benchmarks."""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import phonenumbers

from cards.models import Card, KeepRule, LinkedAccount, Person, Plan
from cards.secrets import write_secret
from renewals.deadlines import recompute_cards
from renewals.models import Activity, Document, Payment, Reading, SignalCheck
from renewals.walkthrough import start_renewal

from .family import Family

# The last six digits tell the numbers of a household apart.
MOST_CARDS = 10**6

BATCH = 500
CARDS_PER_OPEN_RENEWAL = 40
DAY = datetime.timedelta(days=1)
DAYS = {"days": 1, "months": 30, "years": 365}
RELATIVES = ("Mamá", "Papá", "Abuela", "Abuelo", "Tío", "Tía", "Prima", "Office")
PLACES = ("", "blue phone", "drawer, envelope 1", "drawer, envelope 2", "at grandmother's", "tablet")
ACCOUNTS = (
    ("WhatsApp", LinkedAccount.Kind.MESSENGER),
    ("WeChat", LinkedAccount.Kind.MESSENGER),
    ("Banco Metropolitano", LinkedAccount.Kind.BANK),
    ("Alipay", LinkedAccount.Kind.BANK),
    ("Amazon", LinkedAccount.Kind.SHOP),
    ("Tax office", LinkedAccount.Kind.STATE),
)

Row = Payment | Activity | Reading | SignalCheck | LinkedAccount


def add_random_cards(family: Family, count: int, random: Random, now: datetime.datetime) -> Iterator[int]:
    """Give the household `count` cards with their history; yield after each batch how many it had.

    Most are alive, some due or late, a few unknown or closed. An equal `random` on the same day gives equal cards.
    """
    crowd = _Crowd(family, random, now.astimezone(family.owner.zone).date())
    serials = random.sample(range(MOST_CARDS), count)
    for start in range(0, count, BATCH):
        cards = [crowd.card(start + place, serial) for place, serial in enumerate(serials[start : start + BATCH])]
        Card.objects.bulk_create(cards)
        rows = [row for card in cards for row in crowd.history(card)]
        for model in (Payment, Activity, Reading, SignalCheck, LinkedAccount):
            of_model: list[Any] = [row for row in rows if isinstance(row, model)]
            model._default_manager.bulk_create(of_model)
        made = Card.objects.filter(pk__in=[card.pk for card in cards])
        recompute_cards(made)
        for card in made.open().select_related("plan__operator").order_by("pk")[::CARDS_PER_OPEN_RENEWAL]:
            opened_at = now - datetime.timedelta(hours=random.randint(1, 90))
            start_renewal(card, random.choice([family.owner, family.manager]), opened_at)
        yield len(cards)


class _Crowd:
    """Draws cards and their history for one household; the order of the draws is what makes a seed repeatable."""

    def __init__(self, family: Family, random: Random, today: datetime.date) -> None:
        self.family, self.random, self.today = family, random, today
        shared = Plan.objects.filter(household=None).current().order_by("slug")
        self.plans: list[Plan] = list(shared.select_related("operator").prefetch_related("rules__steps"))
        random.shuffle(self.plans)
        self.people = list(Person.objects.filter(household=family.household).order_by("pk"))
        documents = Document.objects.bulk_create(
            Document(
                household=family.household,
                person=person,
                kind=Document.Kind.PASSPORT,
                expires_on=self.day(random.randint(-3000, 60)),
            )
            for person in self.people
        )
        for document in documents:
            write_secret(document, "number", f"E{random.randrange(10**8):08d}")
        Document.objects.bulk_update(documents, ["number"])

    def day(self, days_ago: int) -> datetime.date:
        return self.today - days_ago * DAY

    def card(self, position: int, serial: int) -> Card:
        """Return a card, not yet saved; the plans come in turn, so that none is left out."""
        random, family = self.random, self.family
        plan = self.plans[position % len(self.plans)]
        limits = [rule.life_limit_days for rule in plan.rules.all() if rule.life_limit_days]
        responsible, deputy = random.choice(
            [(family.owner, family.manager), (family.manager, family.owner), (None, None)]
        )
        return Card(
            household=family.household,
            person=random.choice(self.people),
            name=f"{random.choice(RELATIVES)} {plan.operator}"[:50] + f" {position + 1}",
            number=_number(plan.operator.country, serial),
            plan=plan,
            responsible=responsible,
            deputy=deputy,
            form=random.choice(Card.Form.values),
            location=random.choice(PLACES),
            activated_on=self.day(random.randint(5, min(limits)) if limits else random.randint(500, 3000)),
            closed_on=self.day(random.randint(1, 400)) if random.random() < 0.03 else None,
        )

    def history(self, card: Card) -> Iterator[Row]:
        """Return what happened to a card and what hangs on it, not yet saved; nothing happened to one in 25."""
        random = self.random
        for name, kind in random.sample(ACCOUNTS, random.randint(0, 3)):
            yield LinkedAccount(household=card.household, card=card, name=name, kind=kind)
        if random.random() < 0.04:
            return
        day = self.day(random.randint(1, 120))
        yield SignalCheck(**self.record(card, day), checked_on=day, bars=random.randint(0, 4))
        for rule in card.plan.rules.all():
            if rule.kind == KeepRule.Kind.FEE_FROM_BALANCE:
                day = self.day(random.randint(1, 60))
                balance = (card.plan.fee or Decimal(5)) * random.randint(0, 9)
                yield Reading(**self.record(card, day), read_on=day, balance=balance, currency=card.plan.currency)
                continue
            keeps = rule.value * DAYS[rule.unit]
            age = random.randint(1, keeps) if random.random() < 0.93 else keeps + random.randint(1, 45)
            for earlier in range(3):
                day = self.day(age + earlier * keeps * 9 // 10)
                if card.activated_on is None or day >= card.activated_on:
                    yield self.act(card, rule, day)

    def act(self, card: Card, rule: KeepRule, day: datetime.date) -> Payment | Activity:
        """Return an act that the rule accepts: a use of the line where one is enough, else a payment that is enough."""
        random = self.random
        uses = [kind for kind in Activity.Kind.values if kind in rule.qualifying_acts]
        payments = [kind for kind in Payment.Kind.values if kind in rule.qualifying_acts]
        record = {**self.record(card, day), "confirmed_on": day}
        if uses and (not payments or random.random() < 0.7):
            return Activity(**record, kind=random.choice(uses), done_on=day)
        step = random.choice([step for step in rule.steps.all() if step.minimum_amount] or [None])
        amount = step.minimum_amount if step else card.plan.fee
        is_placed = step and step.channel in Payment.Channel.values
        return Payment(
            **record,
            kind=payments[0],
            amount=amount or Decimal(10 * random.randint(1, 9)),
            currency=(step.currency if step else card.plan.currency) or "EUR",
            channel=step.channel if step and is_placed else Payment.Channel.INSIDE,
            method=random.choice(Payment.Method.values),
            paid_on=day,
            reference=f"{random.randrange(10**8):08d}",
        )

    def record(self, card: Card, day: datetime.date) -> dict[str, Any]:
        """Return what every record has in common."""
        recorded_at = datetime.datetime.combine(day, datetime.time(12), tzinfo=datetime.UTC)
        by = card.responsible or self.family.owner
        return {"household": card.household, "card": card, "by": by, "recorded_at": recorded_at}


def _number(country: str, serial: int) -> str:
    """Return a mobile number of the right length for the country (the US for none); `serial` is its last six digits."""
    mobile = phonenumbers.PhoneNumberType.MOBILE
    example = phonenumbers.example_number_for_type(country or "US", mobile)
    if example is None:
        return f"+1202{serial:07d}"
    return phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)[:-6] + f"{serial:06d}"
