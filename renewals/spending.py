"""The pictures of the ledger: what was spent by month and by card."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from babel.dates import format_skeleton
from dateutil.relativedelta import relativedelta
from django.utils.translation import ngettext

from cards.money import babel_locale
from cards.rates import Converted, Rates

from .charts import Bar, Strip, bars, strips
from .ledger import Amount, Spent

WIDTH, HEIGHT = 600, 120
MONTHS = 12
# So many cards have a strip of their own; the others share one.
MOST_CARDS = 10


@dataclass(frozen=True)
class Chart:
    """What was spent in one currency, by month and by card, the dearest card first.

    `converted` is the whole of it when rates were needed for that, else None.
    """

    currency: str
    months: list[tuple[datetime.date, Decimal]]
    cards: list[tuple[str, Decimal]]
    converted: Converted | None

    @cached_property
    def bars(self) -> list[Bar]:
        return bars([(say_month(month), amount) for month, amount in self.months], WIDTH, HEIGHT)

    @cached_property
    def strips(self) -> list[Strip]:
        few, many = self.cards[:MOST_CARDS], self.cards[MOST_CARDS:]
        if len(many) > 1:
            rest = ngettext("%(count)d other card", "%(count)d other cards", len(many)) % {"count": len(many)}
            few = [*few, (rest, sum((amount for _name, amount in many), Decimal(0)))]
        else:
            few = self.cards
        return strips(few, WIDTH)

    @property
    def most(self) -> Decimal:
        """What was spent in the dearest month."""
        return max(amount for _month, amount in self.months)

    @property
    def short_months(self) -> list[str]:
        return [format_skeleton("MMM", month, locale=babel_locale()) for month, _amount in self.months]

    @property
    def rows(self) -> list[tuple[str, Decimal]]:
        """The months in words with their amounts, for whoever does not see the picture."""
        return [(say_month(month), amount) for month, amount in self.months]


@dataclass(frozen=True)
class Spending:
    """The charts of a ledger for some months, and the amounts that are in none of them for want of a rate."""

    charts: list[Chart]
    left_out: list[Amount]
    months: Sequence[datetime.date]

    @property
    def first(self) -> str:
        return say_month(self.months[0])

    @property
    def last(self) -> str:
        return say_month(self.months[-1])


def months_until(today: datetime.date) -> list[datetime.date]:
    """Return the first days of the twelve months that end with this one."""
    this = today.replace(day=1)
    return [this - relativedelta(months=back) for back in reversed(range(MONTHS))]


def months_of(year: int) -> list[datetime.date]:
    """Return the first days of a year's months."""
    return [datetime.date(year, month, 1) for month in range(1, MONTHS + 1)]


def last_day_of(months: Sequence[datetime.date]) -> datetime.date:
    """Return the day on which the last of these months ends."""
    return months[-1] + relativedelta(months=1, days=-1)


def say_month(month: datetime.date) -> str:
    """Write a month with its year: “November 2026”."""
    return format_skeleton("yMMMM", month, locale=babel_locale())


def spending(
    spent: Iterable[Spent], months: Sequence[datetime.date], names: Mapping[int, str], currency: str, rates: Rates
) -> Spending:
    """Return what was spent in these months: in `currency` where rates lead there, or one chart for each currency.

    `names` are those of the cards by their keys. Without a currency, or where no rate leads to it at all, nothing is
    converted.
    """
    rows = list(spent)
    if currency:
        worth = [(row, rates.convert(row.amount, row.currency, currency)) for row in rows]
        known = [(row, converted) for row, converted in worth if converted]
        if known:
            together = rates.add_up([(row.amount, row.currency) for row in rows], currency)
            is_converted = any(row.currency != currency for row, _converted in known)
            counted = [(row, converted.amount) for row, converted in known]
            chart = _chart(counted, months, names, currency, together.sum if is_converted else None)
            return Spending([chart], together.left_out, months)
    currencies = sorted({row.currency for row in rows})
    alike = {code: [(row, row.amount) for row in rows if row.currency == code] for code in currencies}
    return Spending([_chart(alike[code], months, names, code, None) for code in currencies], [], months)


def _chart(
    rows: list[tuple[Spent, Decimal]],
    months: Sequence[datetime.date],
    names: Mapping[int, str],
    currency: str,
    converted: Converted | None,
) -> Chart:
    by_month, by_card = dict.fromkeys(months, Decimal(0)), dict[int, Decimal]()
    for row, amount in rows:
        by_month[row.month] += amount
        by_card[row.card] = by_card.get(row.card, Decimal(0)) + amount
    dearest = sorted(((names[card], amount) for card, amount in by_card.items()), key=lambda pair: (-pair[1], pair[0]))
    return Chart(currency, list(by_month.items()), dearest, converted)
