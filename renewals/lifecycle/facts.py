"""The words of the arithmetic: periods, rules, events, and the dates that follow from them."""

import datetime
import enum
from dataclasses import dataclass
from decimal import Decimal

from dateutil.relativedelta import relativedelta

DAY = datetime.timedelta(days=1)
# Days beyond it are not told apart: no operator promises anything so far ahead, and date arithmetic ends in year 9999.
HORIZON = datetime.date(9000, 1, 1)


class Stage(enum.StrEnum):
    """How a number stands on a day. `closed` is never computed: a member closes a card."""

    ACTIVE = "active"
    DUE = "due"
    URGENT = "urgent"
    GRACE = "grace"
    RECOVERY = "recovery"
    LOST = "lost"
    UNKNOWN = "unknown"
    CLOSED = "closed"


class Reason(enum.StrEnum):
    """Where a deadline comes from, or why an event did not change it."""

    ACT = "act"
    READING = "reading"
    BALANCE = "balance"
    LIFE_LIMIT = "life_limit"
    PLAN_CHANGE = "plan_change"
    WRONG_ACT = "wrong_act"
    TOO_SMALL = "too_small"
    WRONG_CURRENCY = "wrong_currency"
    AFTER_GRACE = "after_grace"
    NOT_CONFIRMED = "not_confirmed"


@dataclass(frozen=True, order=True)
class Period:
    """A length of time in calendar units; `months` and `days` add up."""

    months: int = 0
    days: int = 0

    @classmethod
    def of(cls, value: int, unit: str) -> "Period":
        """Return `value` of `unit`, which is days, months or years. Raises KeyError for another unit."""
        return cls(**{"days": {"days": value}, "months": {"months": value}, "years": {"months": 12 * value}}[unit])

    def __add__(self, other: "Period") -> "Period":
        return Period(self.months + other.months, self.days + other.days)

    def __mul__(self, times: int) -> "Period":
        return Period(self.months * times, self.days * times)

    def after(self, day: datetime.date) -> datetime.date:
        """Return the day this long after `day`: the months first, clamped, then the days. Never past HORIZON."""
        if self.months > 12 * (HORIZON.year - day.year):
            return HORIZON
        moved = day + relativedelta(months=self.months)
        return HORIZON if self.days > (HORIZON - moved).days else moved + self.days * DAY


@dataclass(frozen=True)
class Step:
    """A rung of a ladder. A `minimum` of None is not known: any amount is taken for enough."""

    minimum: Decimal | None
    currency: str
    channel: str
    keeps: Period


@dataclass(frozen=True)
class Rule:
    """A keep rule as the arithmetic needs it; the fields are those of `cards.KeepRule`.

    A `grace` of None is not known, which is not the same as none; `recovery` of None means that nobody says the
    number can be asked back. `fee` of None is not known and leaves `fee_from_balance` without an answer.
    """

    kind: str
    keeps: Period
    qualifying_acts: frozenset[str]
    id: int = 0
    counts_from: str = "event"
    stack_limit_days: int | None = None
    steps: tuple[Step, ...] = ()
    grace: Period | None = None
    grace_acts: frozenset[str] = frozenset()
    recovery: Period | None = None
    life_limit_days: int | None = None
    lead_days: int = 30
    buffer_days: int = 7
    fee: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True)
class Terms:
    """The rules a card comes under from the day `starts_on` on, by a change of its plan.

    `keeps_balance`: the operator is the same one; money at another is lost from sight.
    """

    rules: tuple[Rule, ...]
    starts_on: datetime.date
    keeps_balance: bool = True


@dataclass(frozen=True)
class Event:
    """Something that happened to a card on a day.

    `act` is what was done (a `cards.Act` value), or None for a reading. An act counts only when `is_confirmed`.
    A reading made before the acts of the same day (the first steps of a walk-through) says so by `is_before_acts`;
    every other reading is taken to have seen them. `sequence` tells two readings of one day apart. `terms` are the
    rules it counts by where they are not those of the card: it was begun before a rule changed.
    """

    on: datetime.date
    act: str | None = None
    amount: Decimal | None = None
    currency: str = ""
    channel: str = "inside"
    covers_until: datetime.date | None = None
    is_confirmed: bool = True
    valid_until: datetime.date | None = None
    balance: Decimal | None = None
    is_before_acts: bool = False
    sequence: int = 0
    terms: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Because:
    """Where a date comes from: the reason, the event behind it (None: no event) and the rule.

    Of a change of plan the event is the first day of the other plan, without an act.
    """

    reason: Reason
    event: Event | None
    rule: Rule


@dataclass(frozen=True)
class Standing:
    """All dates of a number. A None is not known; all None is a card of which nothing is known.

    deadline: last day on which the number is fully alive. due_on: first day to renew. safe_on: last day we advise.
    grace_ends_on: last day on which an act still saves it. lost_on: first day on which it is gone.
    Each is the earliest that any rule of the plan gives; `because` tells of the deadline.
    is_incomplete: another rule of the plan has no answer yet, so the card must not be called safe.
    """

    deadline: datetime.date | None = None
    due_on: datetime.date | None = None
    safe_on: datetime.date | None = None
    grace_ends_on: datetime.date | None = None
    lost_on: datetime.date | None = None
    because: Because | None = None
    is_incomplete: bool = False


@dataclass(frozen=True)
class Opening:
    """What a change of plan finds: the deadline that ran until then with its grace, and the balance.

    None is not known. `limit` is the deadline that rested on anything but the balance: a known balance does not
    outlast it. None where nothing but the balance decided.
    """

    on: datetime.date
    deadline: datetime.date | None = None
    grace_ends_on: datetime.date | None = None
    limit: datetime.date | None = None
    balance: Decimal | None = None
    currency: str = ""
