"""The arithmetic of keep rules: which day a number lives until, and why.

Pure functions: no database, no clock, no text. Days are `datetime.date`; "today" is always an argument.
Months and years are calendar units, clamped to the end of the month, and always counted from an anchor day:
31 January + 1 month is 28 February, + 2 months is 31 March. The rules themselves are told in docs/keep-rules.md.
"""

import dataclasses
import datetime
import enum
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from dateutil.relativedelta import relativedelta

DAY = datetime.timedelta(days=1)
# Days beyond it are not told apart: no operator promises anything so far ahead, and date arithmetic ends in year 9999.
HORIZON = datetime.date(9000, 1, 1)
# Acts without a price: where a rule accepts one, no ladder and no fee is asked of it.
_USES = frozenset({"sms", "call", "data", "sign_in"})


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
class Event:
    """Something that happened to a card on a day.

    `act` is what was done (a `cards.Act` value), or None for a reading. An act counts only when `is_confirmed`.
    A reading made before the acts of the same day (the first steps of a walk-through) says so by `is_before_acts`;
    every other reading is taken to have seen them. `sequence` tells two readings of one day apart.
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


@dataclass(frozen=True)
class Because:
    """Where a date comes from: the reason, the event behind it (None: no event) and the rule."""

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


def standing(rules: Sequence[Rule], events: Iterable[Event], *, activated_on: datetime.date | None = None) -> Standing:
    """Return the dates of a number under `rules` after `events`, in whatever order they are given.

    The earliest deadline of several rules wins, and so does the earliest of each other date: the rule with
    the later deadline can be the first to take the number. The end of grace is told only where the rule of the
    deadline knows one. A life limit counts from `activated_on`, or, when that is not known, from the first
    event (which can only be later than the truth was, so it is shown as such).
    """
    ordered = sorted(events, key=_same_day_order)
    answers = [_standing_under(rule, ordered, activated_on) for rule in rules]
    known = [answer for answer in answers if answer.deadline is not None]
    if not known:
        return Standing()
    first = min(known, key=lambda answer: answer.deadline or datetime.date.max)
    lost_on = _earliest(answer.lost_on for answer in known)
    graces = [answer.grace_ends_on for answer in known] + [lost_on and lost_on - DAY]
    return dataclasses.replace(
        first,
        due_on=_earliest(answer.due_on for answer in known),
        safe_on=_earliest(answer.safe_on for answer in known),
        grace_ends_on=first.grace_ends_on and _earliest(graces),
        lost_on=lost_on,
        is_incomplete=len(known) < len(answers),
    )


def stage(dates: Standing, today: datetime.date) -> Stage:
    """Return how a number with these dates stands on `today`; the ranges are half-open."""
    if dates.deadline is None or dates.due_on is None or dates.safe_on is None:
        return Stage.UNKNOWN
    if dates.lost_on is not None and today >= dates.lost_on:
        return Stage.LOST
    if dates.grace_ends_on is not None and today > dates.grace_ends_on:
        return Stage.RECOVERY
    if today > dates.deadline:
        return Stage.GRACE
    if today > dates.safe_on:
        return Stage.URGENT
    if today >= dates.due_on:
        return Stage.DUE
    return Stage.UNKNOWN if dates.is_incomplete else Stage.ACTIVE


def why_unchanged(
    rules: Sequence[Rule],
    event: Event,
    earlier: Iterable[Event],
    *,
    activated_on: datetime.date | None = None,
) -> Reason | None:
    """Return why `event`, coming after `earlier`, does not count under any rule; None when it counts.

    Of several rules the first tells why. Without the `activated_on` that `standing` had, the two can disagree.
    """
    if event.act is None:
        return None
    ordered = sorted(earlier, key=_same_day_order)
    reasons = [_clock_after(rule, ordered, activated_on).refusal(event) for rule in rules]
    return None if None in reasons or not reasons else reasons[0]


def _earliest(days: Iterable[datetime.date | None]) -> datetime.date | None:
    return min((day for day in days if day is not None), default=None)


def _same_day_order(event: Event) -> tuple[object, ...]:
    """Sort by day; within a day by nature, so that the order of writing things down decides nothing.

    Readings made before the acts, the acts, then the readings that saw them. Readings of one kind on one day keep
    the order in which they were made: the last one is what the operator says. Where `sequence` does not tell them
    apart, the one that promises less comes last.
    """
    if event.act is not None:
        bought, amount = event.covers_until or datetime.date.min, event.amount or Decimal(0)
        return (event.on, 1, bought, event.act, amount, event.currency, event.channel)
    promised = (event.valid_until or datetime.date.max).toordinal()
    money = (event.balance is not None, -(event.balance or Decimal(0)), event.currency)
    return (event.on, 0 if event.is_before_acts else 2, event.sequence, -promised, *money)


def _standing_under(rule: Rule, ordered: Sequence[Event], activated_on: datetime.date | None) -> Standing:
    clock = _clock_after(rule, ordered, activated_on)
    if clock.deadline is None:
        return Standing()
    deadline, because = clock.deadline, clock.because
    grace_ends_on, lost_on = _ends(rule, deadline)
    if rule.life_limit_days is not None:
        # Nothing outlives it, neither recovery nor grace, which `standing` ends before the number is lost.
        end = Period(days=rule.life_limit_days).after(activated_on or ordered[0].on)
        if end <= deadline:
            deadline, because, grace_ends_on = end, Because(Reason.LIFE_LIMIT, None, rule), end
        lost_on = _earliest([lost_on, end + DAY])
    return Standing(
        deadline=deadline,
        due_on=deadline - datetime.timedelta(days=rule.lead_days),
        safe_on=deadline - datetime.timedelta(days=rule.buffer_days),
        grace_ends_on=grace_ends_on,
        lost_on=lost_on,
        because=because,
    )


def _clock_after(rule: Rule, ordered: Sequence[Event], activated_on: datetime.date | None) -> "_Clock":
    clock = _BalanceClock(rule, activated_on) if rule.kind == "fee_from_balance" else _Clock(rule)
    for event in ordered:
        clock.take(event)
    return clock


def _ends(rule: Rule, deadline: datetime.date) -> tuple[datetime.date | None, datetime.date | None]:
    """Return the last day of grace and the first day on which the number is lost; None where not known."""
    if rule.grace is None:
        return None, None
    grace_ends_on = rule.grace.after(deadline)
    recovery_ends_on = rule.recovery.after(grace_ends_on) if rule.recovery is not None else grace_ends_on
    return grace_ends_on, recovery_ends_on + DAY


def _until(day: datetime.date, anchor: datetime.date, length: Period, keeps: Period) -> Period:
    """Return the shortest of `length`, `length` + `keeps`, `length` + 2 × `keeps` … that reaches `day` from `anchor`.

    Searched, not walked: nothing passes HORIZON, and a walk to a day beyond it would not end.
    """
    most = range(max((day - anchor).days, 0) + 1)
    return length + keeps * bisect_left(most, day, key=lambda times: (length + keeps * times).after(anchor))


class _Clock:
    """Walks through the events of one card in order and keeps the deadline of one rule.

    The deadline is `length` after `anchor`, so that stacked months are counted from the anchor and never drift.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.anchor: datetime.date | None = None
        self.length = Period()
        self.because: Because = Because(Reason.ACT, None, rule)

    @property
    def deadline(self) -> datetime.date | None:
        return None if self.anchor is None else self.length.after(self.anchor)

    def take(self, event: Event) -> None:
        """Let one event change the deadline, or not."""
        if event.act is None:
            self.read(event)
        elif self.refusal(event) is None:
            self.act(event)

    def read(self, event: Event) -> None:
        """What the operator shows overrides what was computed before it."""
        if event.valid_until is None:
            return
        if event.valid_until != self.deadline:
            self.anchor, self.length = event.valid_until, Period()
        self.because = Because(Reason.READING, event, self.rule)

    def refusal(self, event: Event) -> Reason | None:
        """Return why the act does not count; None when it does."""
        if not event.is_confirmed:
            return Reason.NOT_CONFIRMED
        accepted = self.rule.qualifying_acts
        if self.deadline is not None and event.on > self.deadline:
            grace_ends_on, _lost_on = _ends(self.rule, self.deadline)
            if grace_ends_on is not None and event.on > grace_ends_on:
                return Reason.AFTER_GRACE
            accepted = self.rule.grace_acts or accepted
        if event.act not in accepted:
            return Reason.WRONG_ACT
        return self.price_refusal(event)

    def price_refusal(self, event: Event) -> Reason | None:
        if event.act in _USES or self.step(event) is not None:
            return None
        if not self.rule.steps:
            wants, currency = self.rule.fee, self.rule.currency
            if self.rule.kind != "fee_paid" or wants is None or event.amount is None:
                return None
            if currency and event.currency != currency:
                return Reason.WRONG_CURRENCY
            return Reason.TOO_SMALL if event.amount < wants else None
        if all(step.currency != event.currency for step in self.rule.steps):
            return Reason.WRONG_CURRENCY
        return Reason.TOO_SMALL

    def step(self, event: Event) -> Step | None:
        """Return the rung of the ladder that the payment reaches, the longest one; None when it reaches none."""
        if event.act in _USES:
            return None
        reached = [
            step
            for step in self.rule.steps
            if step.channel in {"anywhere", event.channel}
            and (
                step.minimum is None
                or (event.amount is not None and event.currency == step.currency and event.amount >= step.minimum)
            )
        ]
        return max(reached, key=lambda step: step.keeps.after(event.on), default=None)

    def act(self, event: Event) -> None:
        """Move the deadline for an act that counts; never to an earlier day."""
        step = self.step(event)
        keeps = step.keeps if step else self.rule.keeps
        running = self.deadline
        if self.rule.kind == "fee_paid":
            anchor, length = self._next_paid_period(event, keeps)
        elif self.rule.counts_from == "plan_end":
            anchor, length = event.covers_until or event.on, keeps
        elif self.rule.counts_from == "expiry" and self.anchor is not None and running and running >= event.on:
            anchor, length = self.anchor, self.length + keeps
        else:
            anchor, length = self._start(event), keeps
        if self.rule.counts_from == "expiry" and self.rule.stack_limit_days is not None:
            limit = Period(days=self.rule.stack_limit_days).after(event.on)
            if length.after(anchor) > limit:
                anchor, length = limit, Period()
        if running is None or length.after(anchor) > running:
            self.anchor, self.length = anchor, length
            self.because = Because(Reason.ACT, event, self.rule)

    def _start(self, event: Event) -> datetime.date:
        """Return the day from which an act counts that no running deadline comes before."""
        return event.on.replace(day=1) if self.rule.counts_from == "month_start" else event.on

    def _next_paid_period(self, event: Event, keeps: Period) -> tuple[datetime.date, Period]:
        """Return the end of the period a fee pays: the first day of the schedule after the deadline and the act.

        Where the operator said until when it pays, that day; still counted from the anchor when the schedule has
        it, so that it does not drift.
        """
        said = event.covers_until
        if self.anchor is None:
            return (self._start(event), keeps) if said is None else (said, Period())
        if said is None:
            after = max(self.length.after(self.anchor), event.on)
            return self.anchor, _until(after + DAY, self.anchor, self.length, keeps)
        length = _until(said, self.anchor, self.length, keeps)
        return (self.anchor, length) if length.after(self.anchor) == said else (said, Period())


class _BalanceClock(_Clock):
    """The deadline of a fee that the operator takes from the balance: the first charge day it cannot cover.

    Charges fall on the first of each month (`month_start`), or each period counted from the day of activation.
    When that day is not known, a charge is assumed on the day the balance was read, and a charge on that day is
    assumed not taken yet: each time the earlier answer.
    Every confirmed top-up since the reading adds to the balance; without a reading it is the least there can be.
    """

    def __init__(self, rule: Rule, activated_on: datetime.date | None) -> None:
        super().__init__(rule)
        self.activated_on = activated_on
        self.balance: Decimal | None = None
        self.balance_on: datetime.date | None = None

    def read(self, event: Event) -> None:
        is_other_money = event.currency and self.rule.currency and event.currency != self.rule.currency
        if event.balance is not None and not is_other_money:
            self.balance, self.balance_on = event.balance, event.on
            self._recount(Because(Reason.BALANCE, event, self.rule))
        super().read(event)

    def price_refusal(self, event: Event) -> Reason | None:
        if self.rule.currency and event.currency != self.rule.currency:
            return Reason.WRONG_CURRENCY
        return None

    def act(self, event: Event) -> None:
        running, before = self.deadline, (self.anchor, self.length, self.because)
        if self.balance is None or self.balance_on is None:
            self.balance, self.balance_on = Decimal(0), event.on
        self.balance += event.amount or Decimal(0)
        self._recount(Because(Reason.BALANCE, event, self.rule))
        if running is not None and (self.deadline is None or self.deadline <= running):
            self.anchor, self.length, self.because = before

    def _recount(self, because: Because) -> None:
        fee = self.rule.fee
        if not fee or self.balance is None or self.balance_on is None:
            return
        self.anchor, self.length = self._next_charge(self.balance_on)
        self.length += self.rule.keeps * max(int(self.balance // fee), 0)
        self.because = because

    def _next_charge(self, day: datetime.date) -> tuple[datetime.date, Period]:
        """Return the first charge day on or after `day`, as an anchor and the length after it."""
        if self.rule.counts_from == "month_start":
            return day.replace(day=1), Period(months=0 if day.day == 1 else 1)
        if self.activated_on is None:
            return day, Period()
        return self.activated_on, _until(day, self.activated_on, Period(), self.rule.keeps)
