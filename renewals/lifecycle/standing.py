"""All dates of a number, from its rules and what happened to it.

Pure functions: no database, no clock, no text. Days are `datetime.date`; "today" is always an argument.
Months and years are calendar units, clamped to the end of the month, and always counted from an anchor day:
31 January + 1 month is 28 February, + 2 months is 31 March. The rules themselves are told in docs/keep-rules.md.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal

from .clocks import BalanceClock, Clock, ends_of
from .facts import DAY, Because, Event, Opening, Period, Reason, Rule, Stage, Standing, Terms


def standing(
    rules: Sequence[Rule],
    events: Iterable[Event],
    *,
    activated_on: datetime.date | None = None,
    changes: Sequence[Terms] = (),
) -> Standing:
    """Return the dates of a number under `rules` after `events`, in whatever order they are given.

    The earliest deadline of several rules wins, and so does the earliest of each other date: the rule with
    the later deadline can be the first to take the number. The end of grace is told only where the rule of the
    deadline knows one. A life limit counts from `activated_on`, or, when that is not known, from the first
    event (which can only be later than the truth was, so it is shown as such).

    `changes` are changes of plan in the order of their days: acts before the first one count by `rules`, later ones
    by the terms of their day. A number whose deadline was past before a change keeps the end its old plan gave it,
    until something happens under the new one.
    """
    return _walk(rules, sorted(events, key=_same_day_order), activated_on, changes)[1]


def clocks_of(
    rules: Sequence[Rule],
    events: Iterable[Event],
    *,
    activated_on: datetime.date | None = None,
    changes: Sequence[Terms] = (),
) -> list[Clock]:
    """Return the clocks of the rules that hold last, as they stand after `events`; arguments as for `standing`."""
    return _walk(rules, sorted(events, key=_same_day_order), activated_on, changes)[0]


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
    changes: Sequence[Terms] = (),
) -> Reason | None:
    """Return why `event`, coming after `earlier`, does not count under any rule; None when it counts.

    Of several rules the first tells why. Without the `activated_on` that `standing` had, the two can disagree.
    """
    if event.act is None:
        return None
    held = [terms for terms in changes if terms.starts_on <= event.on]
    clocks = clocks_of(rules, earlier, activated_on=activated_on, changes=held)
    reasons = [clock.refusal_by_terms(event) for clock in clocks]
    return None if None in reasons or not reasons else reasons[0]


def _walk(
    rules: Sequence[Rule], ordered: Sequence[Event], activated_on: datetime.date | None, changes: Sequence[Terms]
) -> tuple[list[Clock], Standing]:
    """Go through the events, plan by plan; return the clocks of the last one, and the dates."""
    clocks = [_clock(rule, activated_on) for rule in rules]
    first = changes[0].starts_on if changes else None
    _run(clocks, ordered, None, first)
    dates = _combine(clocks, activated_on or (ordered[0].on if ordered else None))
    with_operator = ordered
    for number, terms in enumerate(changes):
        opening = _opening(clocks, with_operator, terms, dates)
        if not terms.keeps_balance:
            with_operator = [event for event in ordered if event.on >= terms.starts_on]
        clocks = [_clock(rule, terms.starts_on) for rule in terms.rules]
        for clock in clocks:
            clock.open(opening)
        until = changes[number + 1].starts_on if number + 1 < len(changes) else None
        _run(clocks, ordered, terms.starts_on, until)
        was_past = dates.deadline is not None and dates.deadline < terms.starts_on
        if not was_past or any(_has_moved(clock) for clock in clocks):
            dates = _combine(clocks, terms.starts_on)
    return clocks, dates


def _clock(rule: Rule, activated_on: datetime.date | None) -> Clock:
    return BalanceClock(rule, activated_on) if rule.kind == "fee_from_balance" else Clock(rule)


def _run(
    clocks: Sequence[Clock],
    ordered: Sequence[Event],
    since: datetime.date | None,
    until: datetime.date | None,
) -> None:
    """Let every clock take the events from `since` on and before `until`; None is no bound."""
    for event in ordered:
        if (since is None or event.on >= since) and (until is None or event.on < until):
            for clock in clocks:
                clock.take(event)


def _has_moved(clock: Clock) -> bool:
    """Whether anything but the change of plan itself stands behind the clock's deadline."""
    return clock.because.event is not None and clock.because.reason is not Reason.PLAN_CHANGE


def _opening(clocks: Sequence[Clock], read: Sequence[Event], terms: Terms, dates: Standing) -> Opening:
    """Return what a change of plan finds: the balance as its fee left it, or else as it was last read.

    `read` are the events since the card came to its operator; at another one nothing is known of a balance.
    """
    found = Opening(terms.starts_on, dates.deadline, dates.grace_ends_on, limit=dates.deadline)
    if not terms.keeps_balance:
        return found
    for clock in clocks:
        if isinstance(clock, BalanceClock) and clock.balance is not None:
            others = [other.deadline for other in clocks if other is not clock or clock.is_bound]
            if dates.because and dates.because.reason is Reason.LIFE_LIMIT:
                others.append(dates.deadline)
            balance = clock.balance_at(terms.starts_on)
            return dataclasses.replace(found, limit=_earliest(others), balance=balance, currency=clock.rule.currency)
    seen = [event for event in read if event.on < terms.starts_on and event.balance is not None]
    return dataclasses.replace(found, balance=seen[-1].balance, currency=seen[-1].currency) if seen else found


def _combine(clocks: Sequence[Clock], begun_on: datetime.date | None) -> Standing:
    """Return the dates of the rules together. `begun_on` is the day a life limit counts from."""
    answers = [_dates_of(clock, begun_on) for clock in clocks]
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


def _dates_of(clock: Clock, begun_on: datetime.date | None) -> Standing:
    """Return the dates one rule gives."""
    if clock.deadline is None:
        return Standing()
    rule, deadline, because = clock.rule, clock.deadline, clock.because
    grace_ends_on, lost_on = ends_of(rule, deadline)
    if rule.life_limit_days is not None and begun_on is not None:
        # Nothing outlives it, neither recovery nor grace, which `_combine` ends before the number is lost.
        end = Period(days=rule.life_limit_days).after(begun_on)
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
