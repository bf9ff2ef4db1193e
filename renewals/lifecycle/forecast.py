"""How long a balance lasts under a fee that the operator takes from it."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .clocks import BalanceClock
from .facts import DAY, HORIZON, Event, Rule, Terms
from .standing import clocks_of

# So many charges are listed at the most: two years of months, enough for any picture.
MOST_CHARGES = 24


@dataclass(frozen=True)
class Charge:
    """A fee to come: its day, and what is left after it; None when the balance cannot cover it."""

    on: datetime.date
    balance_after: Decimal | None


@dataclass(frozen=True)
class Forecast:
    """What happens to a balance if nobody tops up.

    balance: what is left today, as if every charge before today was taken. seen_on: the day it was last known.
    charges: those to come, up to the first that cannot be covered. covers: how many are covered in all.
    runs_out_on: the day of the first that is not, past or to come; None when it is too far ahead to tell.
    """

    balance: Decimal
    seen_on: datetime.date
    fee: Decimal
    currency: str
    charges: tuple[Charge, ...]
    covers: int
    runs_out_on: datetime.date | None
    clock: BalanceClock
    taken: int

    def top_up_to_reach(self, day: datetime.date) -> Decimal:
        """Return what has to be topped up so that every charge up to and on `day` is covered; 0 when it is already."""
        to_come = self.clock.charges_before(day + DAY) - self.taken
        return max(to_come * self.fee - self.balance, Decimal(0))


def forecast(
    rules: Sequence[Rule],
    events: Iterable[Event],
    today: datetime.date,
    *,
    activated_on: datetime.date | None = None,
    changes: Sequence[Terms] = (),
) -> Forecast | None:
    """Return the forecast of the rule whose fee is taken from the balance; arguments as for `standing`.

    None when the plan has no such rule, its fee is not known, or nobody has ever seen the balance.
    """
    clocks = clocks_of(rules, events, activated_on=activated_on, changes=changes)
    clock = next((each for each in clocks if isinstance(each, BalanceClock)), None)
    if clock is None or clock.balance is None or clock.balance_on is None or not clock.rule.fee:
        return None
    fee, taken = clock.rule.fee, clock.charges_before(max(today, clock.balance_on))
    balance = max(clock.balance - taken * fee, Decimal(0))
    covers = int(balance // fee)
    charges = [
        Charge(clock.charge_day(taken + number), balance - (number + 1) * fee if number < covers else None)
        for number in range(min(covers, MOST_CHARGES) + 1)
    ]
    runs_out_on = clock.charge_day(int(clock.balance // fee))
    return Forecast(
        balance=balance,
        seen_on=clock.balance_on,
        fee=fee,
        currency=clock.rule.currency,
        charges=tuple(charges),
        covers=covers,
        runs_out_on=runs_out_on if runs_out_on < HORIZON else None,
        clock=clock,
        taken=taken,
    )
