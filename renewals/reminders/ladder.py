"""The reminder ladder: on which days who is told. Pure: no database, no clock."""

import datetime
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from renewals.lifecycle import DAY, Stage, Standing, stage

# Days before the deadline. Calm still speaks three times: one mail can be missed.
OFFSETS: dict[str, tuple[int, ...]] = {
    "calm": (14, 3, 0),
    "standard": (30, 14, 7, 3, 1, 0),
    "insistent": (60, 30, 14, 7, 6, 5, 4, 3, 2, 1, 0),
}
DEPUTY_JOINS = 7
GRACE_EVERY = 2
LONG_GRACE_EVERY = 7
LONG_GRACE_AFTER = 30
RECOVERY_EVERY = 7
UNKNOWN_EVERY = 14
REVIEW_EVERY = 2
# A member who was not there when a rule changed is not told of it for ever.
CHANGE_IS_NEWS = 30


class Part(enum.Enum):
    """What a member is for a card: the deputy joins late, everyone else later still."""

    RESPONSIBLE = enum.auto()
    DEPUTY = enum.auto()
    EVERYONE = enum.auto()


@dataclass(frozen=True)
class Moment:
    """A day on which something is to be said: its kind, the date it is about, and the day itself."""

    kind: str
    about_on: datetime.date
    on: datetime.date


def due_moment(dates: Standing, today: datetime.date, level: str, part: Part) -> Moment | None:
    """Return the last moment of this card that has come by `today`; None when there is nothing to say yet.

    Due is “on or before”, so a day without a run is caught up by the next one, with one moment instead of many.
    """
    now = stage(dates, today)
    if now is Stage.UNKNOWN and (dates.deadline is None or dates.is_incomplete):
        on = today - datetime.timedelta(days=today.toordinal() % UNKNOWN_EVERY)
        return Moment("unknown", on, on)
    if dates.deadline is None:
        return None
    if now is Stage.LOST and dates.lost_on:
        return Moment("lost", dates.lost_on, dates.lost_on)
    if now is Stage.RECOVERY and dates.grace_ends_on and dates.lost_on:
        return Moment("recovery", dates.lost_on, _last_step(dates.grace_ends_on + DAY, today, RECOVERY_EVERY))
    if now is Stage.GRACE:
        return Moment("grace", dates.deadline, _grace_moment(dates, today))
    past = [on for on in deadline_days(dates, level, part) if on <= today]
    return Moment("deadline", dates.deadline, max(past)) if past else None


def deadline_days(dates: Standing, level: str, part: Part) -> Iterator[datetime.date]:
    """Yield the days before a deadline on which a member with this part is told, in no order."""
    if dates.deadline is None or dates.safe_on is None:
        return
    for offset in OFFSETS[level]:
        day = dates.deadline - datetime.timedelta(days=offset)
        if part is Part.RESPONSIBLE or day > dates.safe_on or (part is Part.DEPUTY and offset <= DEPUTY_JOINS):
            yield day
    if dates.safe_on < dates.deadline:
        yield dates.safe_on + DAY
    if part is Part.DEPUTY:
        yield dates.deadline - datetime.timedelta(days=DEPUTY_JOINS)


def review_moment(follow_up_on: datetime.date, today: datetime.date) -> Moment | None:
    """Return the last moment to ask about a review that has outlasted its time; None while there is time."""
    if today < follow_up_on:
        return None
    return Moment("review", follow_up_on, _last_step(follow_up_on, today, REVIEW_EVERY))


def change_moment(changed_on: datetime.date, new_deadline: datetime.date | None, today: datetime.date) -> Moment | None:
    """Return the moment to tell that a rule was changed on a day; None once that is no news any more.

    `new_deadline` of None is not known. A second change of one day has another deadline, and so a moment of its own.
    """
    if today > changed_on + datetime.timedelta(days=CHANGE_IS_NEWS):
        return None
    return Moment("rule", new_deadline or changed_on, changed_on)


def next_day(dates: Standing, today: datetime.date, level: str, part: Part) -> datetime.date | None:
    """Return the first day after `today` on which this card is spoken of; None when no day is set.

    Looks at what is known today; in grace, recovery and when nothing is known, somebody is told again soon.
    """
    ahead = [day for day in deadline_days(dates, level, part) if day > today]
    if ahead:
        return min(ahead)
    told = due_moment(dates, today, level, part)
    for days in range(1, UNKNOWN_EVERY + 1):
        day = today + datetime.timedelta(days=days)
        if due_moment(dates, day, level, part) != told:
            return day
    return None


def worst_first(moment: Moment) -> tuple[int, datetime.date]:
    """Sort the lines of a mail: what can still be saved today before what has time."""
    order: Sequence[str] = ("grace", "recovery", "lost", "deadline", "rule", "review", "unknown")
    return order.index(moment.kind), moment.about_on


def _grace_moment(dates: Standing, today: datetime.date) -> datetime.date:
    """Every second day; the last day always; a grace of unknown length is told weekly after a month."""
    assert dates.deadline is not None  # noqa: S101 - the stage says so
    start = dates.deadline + DAY
    if dates.grace_ends_on == today:
        return today
    if dates.grace_ends_on is None and today >= start + datetime.timedelta(days=LONG_GRACE_AFTER):
        return _last_step(start + datetime.timedelta(days=LONG_GRACE_AFTER), today, LONG_GRACE_EVERY)
    return _last_step(start, today, GRACE_EVERY)


def _last_step(start: datetime.date, today: datetime.date, every: int) -> datetime.date:
    return today - datetime.timedelta(days=(today - start).days % every)
