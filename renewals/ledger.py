"""The ledger: the payments of a household, and what they add up to. What was really charged is what counts."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Case, DateField, F, Q, Sum, When
from django.db.models.functions import TruncMonth

from cards.models import Card, Member
from cards.numbers import format_number
from cards.rates import CENT

from .models import Payment
from .models.events import RecordQuerySet

CHARGED = Q(charged_amount__isnull=False) & ~Q(charged_currency="")
FROM_BALANCE = Q(method=Payment.Method.BALANCE)
A_YEAR = datetime.timedelta(days=365)

Amount = tuple[Decimal, str]


@dataclass(frozen=True)
class Total:
    """What was paid in one currency; `from_balance` is the part of it that had been topped up before."""

    amount: Decimal
    currency: str
    from_balance: Decimal


@dataclass(frozen=True)
class Spent:
    """What was paid for one card in one month and currency; the month is its first day."""

    month: datetime.date
    card: int
    amount: Decimal
    currency: str


def ledger_of(member: Member) -> RecordQuerySet:
    """Return the household's payments that no later entry corrects, newest first.

    Each has `counted_amount` and `counted_currency`: what was really charged, or, where nothing is said of that, what
    reached the line.
    """
    return (
        Payment.objects.for_member(member)
        .valid()
        .annotate(
            counted_amount=Case(When(CHARGED, then=F("charged_amount")), default=F("amount")),
            counted_currency=Case(When(CHARGED, then=F("charged_currency")), default=F("currency")),
        )
    )


def years_and_currencies(rows: RecordQuerySet) -> tuple[list[int], list[str]]:
    """Return the years in which something was paid, newest first, and the currencies it was paid in."""
    pairs = set(rows.order_by().values_list("paid_on__year", "counted_currency").distinct())
    return sorted({year for year, _code in pairs}, reverse=True), sorted({code for _year, code in pairs})


def totals_of(rows: RecordQuerySet) -> list[Total]:
    """Return one total for each currency of these payments."""
    found = (
        rows.order_by()
        .values("counted_currency")
        .annotate(total=Sum("counted_amount"), from_balance=Sum("counted_amount", filter=FROM_BALANCE))
        .order_by("counted_currency")
    )
    return [Total(_money(row["total"]), row["counted_currency"], _money(row["from_balance"])) for row in found]


def spent_by_month(rows: RecordQuerySet, first: datetime.date, last: datetime.date) -> list[Spent]:
    """Return what was paid from the first to the last day, by month, card and currency."""
    found = (
        rows.filter(paid_on__range=(first, last))
        .order_by()
        .values("card", "counted_currency", month=TruncMonth("paid_on", output_field=DateField()))
        .annotate(total=Sum("counted_amount"))
        .order_by("month", "card", "counted_currency")
    )
    return [Spent(row["month"], row["card"], _money(row["total"]), row["counted_currency"]) for row in found]


def paid_in_a_year(rows: RecordQuerySet, today: datetime.date) -> dict[int, list[Amount]]:
    """Return, for each card's key, what was paid in the 365 days up to `today`, one amount per currency.

    What was paid from the balance is left out: it was paid when the balance was topped up.
    """
    found = (
        rows.filter(~FROM_BALANCE, paid_on__gt=today - A_YEAR, paid_on__lte=today)
        .order_by()
        .values("card", "counted_currency")
        .annotate(total=Sum("counted_amount"))
        .order_by("card", "counted_currency")
    )
    paid: dict[int, list[Amount]] = {}
    for row in found:
        paid.setdefault(row["card"], []).append((_money(row["total"]), row["counted_currency"]))
    return paid


def names_of(cards: Iterable[Card]) -> dict[int, str]:
    """Return what to call each card, by its key: its name, and its number too where two have the same name."""
    rows = list(cards)
    names = [card.name for card in rows]
    return {
        card.pk: f"{card.name} · {format_number(card.number)}" if names.count(card.name) > 1 else card.name
        for card in rows
    }


def _money(amount: Decimal | None) -> Decimal:
    """Return a sum to the cent: SQLite adds amounts up in floating point."""
    return (amount or Decimal(0)).quantize(CENT)
