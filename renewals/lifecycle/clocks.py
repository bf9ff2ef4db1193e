"""The clock of one rule: it walks through a card's events in order and knows the deadline after each."""

import datetime
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from .facts import DAY, HORIZON, Because, Event, Opening, Period, Reason, Rule, Step

# Acts without a price: where a rule accepts one, no ladder and no fee is asked of it.
USES = frozenset({"sms", "call", "data", "sign_in"})


def ends_of(rule: Rule, deadline: datetime.date) -> tuple[datetime.date | None, datetime.date | None]:
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


class Clock:
    """Walks through the events of one card in order and keeps the deadline of one rule.

    The deadline is `length` after `anchor`, so that stacked months are counted from the anchor and never drift.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.anchor: datetime.date | None = None
        self.length = Period()
        self.because: Because = Because(Reason.ACT, None, rule)
        self.saved_until: datetime.date | None = None

    @property
    def deadline(self) -> datetime.date | None:
        return None if self.anchor is None else self.length.after(self.anchor)

    def open(self, opening: Opening) -> None:
        """Start with what a change of plan finds.

        The deadline that ran stays, unless this rule, counted from the day of the change, ends earlier: a change of
        plan is no act that the operator must count, so it never makes a date later. Nor does it bring a number back
        whose grace is over: nothing saves it after `saved_until`, but that the operator shows it alive.
        """
        if opening.deadline is not None:
            self.anchor, self.length = min(opening.deadline, self.rule.keeps.after(opening.on)), Period()
            self.because = Because(Reason.PLAN_CHANGE, Event(on=opening.on), self.rule)
            if opening.deadline < opening.on:
                self.saved_until = opening.grace_ends_on

    def take(self, event: Event) -> None:
        """Let one event change the deadline, or not."""
        if event.act is None:
            self.read(event)
        elif self.refusal_by_terms(event) is None:
            with self._terms_of(event):
                self.act(event)

    def refusal_by_terms(self, event: Event) -> Reason | None:
        """Return why the act does not count by the terms it was begun under; None when it counts."""
        with self._terms_of(event):
            return self.refusal(event)

    @contextmanager
    def _terms_of(self, event: Event) -> Iterator[None]:
        """Go by the event's own terms for this one act; what comes after it goes by those of the card again."""
        held = self.rule
        self.rule = next((rule for rule in event.terms if rule.id == held.id), held)
        yield
        self.rule = held

    def read(self, event: Event) -> None:
        """What the operator shows overrides what was computed before it."""
        if event.valid_until is None:
            return
        self.saved_until = None
        if event.valid_until != self.deadline:
            self.anchor, self.length = event.valid_until, Period()
        self.because = Because(Reason.READING, event, self.rule)

    def refusal(self, event: Event) -> Reason | None:
        """Return why the act does not count; None when it does."""
        if not event.is_confirmed:
            return Reason.NOT_CONFIRMED
        if self.saved_until is not None and event.on > self.saved_until:
            return Reason.AFTER_GRACE
        accepted = self.rule.qualifying_acts
        if self.deadline is not None and event.on > self.deadline:
            grace_ends_on, _lost_on = ends_of(self.rule, self.deadline)
            if grace_ends_on is not None and event.on > grace_ends_on:
                return Reason.AFTER_GRACE
            accepted = self.rule.grace_acts or accepted
        if event.act not in accepted:
            return Reason.WRONG_ACT
        return self.price_refusal(event)

    def price_refusal(self, event: Event) -> Reason | None:
        if event.act in USES or self.step(event) is not None:
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
        if event.act in USES:
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
            self.anchor, self.length, self.saved_until = anchor, length, None
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


class BalanceClock(Clock):
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

    def open(self, opening: Opening) -> None:
        """Start with the balance, where it is known in this fee's currency, and within the limit of what ran."""
        super().open(opening)
        is_other_money = opening.currency and self.rule.currency and opening.currency != self.rule.currency
        if opening.balance is not None and not is_other_money:
            self.balance, self.balance_on = opening.balance, opening.on
            self._recount(Because(Reason.PLAN_CHANGE, Event(on=opening.on), self.rule))
            if opening.limit is not None and self.deadline is not None and self.deadline > opening.limit:
                self.anchor, self.length = opening.limit, Period()

    @property
    def is_bound(self) -> bool:
        """Whether the deadline is another day than the balance alone would give."""
        fee, balance = self.rule.fee, self.balance
        return not fee or balance is None or self.deadline != self.charge_day(int(balance // fee))

    def charge_day(self, number: int) -> datetime.date:
        """Return the day of a charge, counted from 0 at the first one on or after the last known balance."""
        anchor, length = self._next_charge(self.balance_on or HORIZON)
        return (length + self.rule.keeps * number).after(anchor)

    def charges_before(self, day: datetime.date) -> int:
        """Return how many charges there were since the last known balance and before `day`.

        Searched, not walked, as `_until` is.
        """
        most = range(max((day - (self.balance_on or day)).days, 0) + 1)
        return bisect_left(most, day, key=self.charge_day)

    def balance_at(self, day: datetime.date) -> Decimal | None:
        """Return what is left on the morning of `day`, as if every charge before it was taken; None when not known."""
        taken = self.charges_before(day)
        if self.balance is None or not taken:
            return self.balance
        return None if self.rule.fee is None else max(self.balance - taken * self.rule.fee, Decimal(0))

    def read(self, event: Event) -> None:
        is_other_money = event.currency and self.rule.currency and event.currency != self.rule.currency
        if event.balance is not None and not is_other_money:
            self.balance, self.balance_on = event.balance, event.on
            self.saved_until = None
            self._recount(Because(Reason.BALANCE, event, self.rule))
        super().read(event)

    def take(self, event: Event) -> None:
        """Add what counts by its terms; the fee is taken from it as it is now, whatever it was then."""
        if event.act is None:
            self.read(event)
        elif self.refusal_by_terms(event) is None:
            self.act(event)

    def refusal_by_terms(self, event: Event) -> Reason | None:
        """Return why the act does not count; by no terms does money of another currency than the fee's."""
        return super().refusal_by_terms(event) or self.price_refusal(event)

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
        else:
            self.saved_until = None

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
