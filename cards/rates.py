"""From one currency to another by the rates that were written down. Nothing is fetched from the network."""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from operator import itemgetter
from typing import Self

from django.db.models import Exists, OuterRef

from .models import ExchangeRate

OLD_AFTER = datetime.timedelta(days=90)
CENT = Decimal("0.01")
# Wide enough for the largest amount by the largest rate, three times over.
WIDE = Context(prec=60)


@dataclass(frozen=True)
class Converted:
    """An amount in another currency, and the day of the oldest rate it rests on; None for no rate at all."""

    amount: Decimal
    currency: str
    dated_on: datetime.date | None

    def is_old(self, today: datetime.date) -> bool:
        """Whether a rate behind it is older than 90 days, so that the page says so."""
        return self.dated_on is not None and today - self.dated_on > OLD_AFTER


@dataclass(frozen=True)
class Together:
    """Amounts of several currencies as one. A `sum` of None: no rate is known for any of them.

    `left_out` are those without a rate, one amount per currency: they are not in the sum, which is never silent.
    """

    sum: Converted | None
    left_out: list[tuple[Decimal, str]]


class Rates:
    """The newest rate of each pair of currencies, either way round."""

    def __init__(self, rows: Iterable[ExchangeRate]) -> None:
        self._worth: dict[str, dict[str, tuple[Decimal, datetime.date]]] = {}
        ways = []
        for row in rows:
            ways.append((row.dated_on, False, row.target, row.currency, WIDE.divide(Decimal(1), row.rate)))
            ways.append((row.dated_on, True, row.currency, row.target, row.rate))
        # The last one wins: of two rates of one day, the one that was written this way round.
        for dated_on, _is_direct, currency, target, rate in sorted(ways, key=itemgetter(0, 1)):
            self._worth.setdefault(currency, {})[target] = (rate, dated_on)

    @classmethod
    def load(cls, today: datetime.date) -> Self:
        """Return the rates known by `today`, in one query."""
        known = ExchangeRate.objects.filter(dated_on__lte=today)
        newer = known.filter(
            currency=OuterRef("currency"), target=OuterRef("target"), dated_on__gt=OuterRef("dated_on")
        )
        return cls(known.filter(~Exists(newer)))

    def convert(self, amount: Decimal, currency: str, target: str) -> Converted | None:
        """Return the amount in `target`, to the cent; None when no rate leads there.

        A pair without a rate of its own is reached through one currency in between, by the rates that are newest.
        """
        if currency == target:
            return Converted(amount, target, None)
        direct = self._worth.get(currency, {}).get(target)
        ways = [direct] if direct else list(self._through(currency, target))
        if not ways:
            return None
        rate, dated_on = max(ways, key=itemgetter(1))
        return Converted(WIDE.multiply(amount, rate).quantize(CENT, context=WIDE), target, dated_on)

    def add_up(self, amounts: Iterable[tuple[Decimal, str]], target: str) -> Together:
        """Return amounts of any currencies as one in `target`, and those for which no rate leads there."""
        converted, left_out = [], dict[str, Decimal]()
        for amount, currency in amounts:
            if worth := self.convert(amount, currency, target):
                converted.append(worth)
            else:
                left_out[currency] = left_out.get(currency, Decimal(0)) + amount
        missing = [(amount, currency) for currency, amount in sorted(left_out.items())]
        return Together(sum_of(converted), missing)

    def _through(self, currency: str, target: str) -> Iterator[tuple[Decimal, datetime.date]]:
        for between, (first, first_on) in sorted(self._worth.get(currency, {}).items()):
            if second := self._worth.get(between, {}).get(target):
                yield WIDE.multiply(first, second[0]), min(first_on, second[1])


def sum_of(converted: Iterable[Converted]) -> Converted | None:
    """Return amounts of one currency as one, with the day of the oldest rate behind any of them; None for none."""
    rows = list(converted)
    if not rows:
        return None
    days = [row.dated_on for row in rows if row.dated_on]
    return Converted(sum((row.amount for row in rows), Decimal(0)), rows[0].currency, min(days, default=None))
