"""The reminder ladder: on which days who is told. Pure: no database, no clock. In words: docs/reminders.md."""

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from renewals.lifecycle import DAY, Stage, Standing, stage

# Days before the deadline. Calm still speaks three times: one mail can be missed.
OFFSETS: dict[str, tuple[int, ...]] = {
    "calm": (14, 3, 0),
    "standard": (30, 14, 7, 3, 1, 0),
    "insistent": (60, 30, 14, 7, 6, 5, 4, 3, 2, 1, 0),
}
DEPUTY_JOINS = 7
URGENT_EVERY = 2
GRACE_EVERY = 2
RECOVERY_EVERY = 7
UNKNOWN_EVERY = 14
REVIEW_EVERY = 2
# A member who was not there when a rule changed is not told of it for ever.
CHANGE_IS_NEWS = 30
READING_EVERY = 90
TASK_EVERY = 30
ACCOUNTS_OFFSETS = OFFSETS["standard"]
ACCOUNTS_EVERY = 7
ACCOUNTS_WITHOUT_DAY_EVERY = 14
ACCOUNTS_END = 30
DOCUMENT_OFFSETS = (180, 90, 30, 0)
DOCUMENT_END = 30
PAPERS_OFFSETS = (60, 14)
TRIP_OFFSETS = (14, 7, 3, 1)
UNREACHABLE_EVERY = 7

# What can still be saved today comes before what has time.
WORST_FIRST = (
    "grace",
    "recovery",
    "lost",
    "deadline",
    "balance",
    "unreachable",
    "accounts",
    "rule",
    "review",
    "trip",
    "unknown",
    "papers",
    "document",
    "details",
    "reading",
    "signal",
    "copy",
    "promotion",
    "watching",
)
_RANK = {kind: WORST_FIRST.index("deadline" if kind == "balance" else kind) for kind in WORST_FIRST}
# What nobody else needs to hear while somebody is doing it.
SILENCED_BY_HOLDER = frozenset({"deadline", "balance", "grace", "recovery", "review"})


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


@dataclass(frozen=True)
class Pause:
    """A snooze: nothing of the deadline `about_on` before `until_on`."""

    about_on: datetime.date
    until_on: datetime.date


@dataclass(frozen=True)
class Wishes:
    """How one member wants to hear of one card's deadline.

    `more_days` are days before the deadline beside those of the level. `absence` is the member's first and last day
    away. Either may be None or empty.
    """

    part: Part
    level: str
    more_days: frozenset[int] = frozenset()
    absence: tuple[datetime.date, datetime.date] | None = None
    pause: Pause | None = None


def due_moment(dates: Standing, today: datetime.date, wishes: Wishes, kind: str = "deadline") -> Moment | None:
    """Return the last moment of this card that has come by `today`; None when there is nothing to say yet.

    Due is “on or before”, so a day without a run is caught up by the next one, with one moment instead of many.
    `kind` is what a moment before the deadline is called: the deadline, or the balance that it rests on.
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
        return Moment("recovery", dates.lost_on, last_step(dates.grace_ends_on + DAY, today, RECOVERY_EVERY))
    if now is Stage.GRACE:
        return Moment("grace", dates.deadline, _grace_moment(dates, dates.deadline, today))
    if is_paused(dates, today, wishes.pause):
        return None
    past = [on for on in deadline_days(dates, wishes) if on <= today]
    return Moment(kind, dates.deadline, max(past)) if past else None


@lru_cache(maxsize=4096)
def deadline_days(dates: Standing, wishes: Wishes) -> frozenset[datetime.date]:
    """Return the days up to a deadline on which a member with these wishes is told; none without a deadline."""
    deadline, safe_on = dates.deadline, dates.safe_on
    if deadline is None or safe_on is None:
        return frozenset()
    offsets = {*OFFSETS[wishes.level], *wishes.more_days}
    if wishes.part is Part.DEPUTY:
        offsets = {offset for offset in offsets if offset <= DEPUTY_JOINS} | {DEPUTY_JOINS}
    days = {deadline - datetime.timedelta(days=offset) for offset in offsets}
    if wishes.part is Part.EVERYONE:
        days = {day for day in days if day > safe_on}
    if safe_on < deadline:
        # From here on the number is in danger: nobody waits for more than a day.
        after = range(1, (deadline - safe_on).days + 1, URGENT_EVERY)
        days |= {deadline, *(safe_on + datetime.timedelta(days=each) for each in after)}
    if wishes.absence:
        first, last = wishes.absence
        days = {first - DAY if first <= day <= last and day <= safe_on else day for day in days}
    if wishes.pause and wishes.pause.about_on == deadline:
        days.add(min(wishes.pause.until_on, safe_on))
    return frozenset(days)


def is_paused(dates: Standing, today: datetime.date, pause: Pause | None) -> bool:
    """Whether a snooze holds on `today`: only for the deadline it was made for, and never past the safe date."""
    if pause is None or pause.about_on != dates.deadline or dates.safe_on is None:
        return False
    return today < pause.until_on and today < dates.safe_on


def review_moment(follow_up_on: datetime.date, today: datetime.date) -> Moment | None:
    """Return the last moment to ask about a review that has outlasted its time; None while there is time."""
    if today < follow_up_on:
        return None
    return Moment("review", follow_up_on, last_step(follow_up_on, today, REVIEW_EVERY))


def change_moment(changed_on: datetime.date, new_deadline: datetime.date | None, today: datetime.date) -> Moment | None:
    """Return the moment to tell that a rule was changed on a day; None once that is no news any more.

    `new_deadline` of None is not known. A second change of one day has another deadline, and so a moment of its own.
    """
    if not changed_on <= today <= changed_on + datetime.timedelta(days=CHANGE_IS_NEWS):
        return None
    return Moment("rule", new_deadline or changed_on, changed_on)


def accounts_moment(last_day: datetime.date | None, opened_on: datetime.date, today: datetime.date) -> Moment | None:
    """Return the last moment to ask for accounts to be moved off a number; None when none has come.

    `last_day` of the number; None when it is not known.
    """
    if last_day is None:
        return repeated("accounts", opened_on, opened_on, today, ACCOUNTS_WITHOUT_DAY_EVERY)
    if today > last_day:
        until = min(today, last_day + datetime.timedelta(days=ACCOUNTS_END))
        return Moment("accounts", last_day, last_step(last_day, until, ACCOUNTS_EVERY))
    return counted_down("accounts", last_day, today, ACCOUNTS_OFFSETS)


def counted_down(
    kind: str, day: datetime.date, today: datetime.date, offsets: Iterable[int], *, lasts: int = 0
) -> Moment | None:
    """Return the last moment so many days before `day`; None before the first, and later than `lasts` days after it."""
    past = [on for on in (day - datetime.timedelta(days=offset) for offset in offsets) if on <= today]
    return Moment(kind, day, max(past)) if past and today <= day + datetime.timedelta(days=lasts) else None


def repeated(
    kind: str, about_on: datetime.date, first: datetime.date, today: datetime.date, every: int
) -> Moment | None:
    """Return the last of the moments that come every so many days from `first`; None before it."""
    return Moment(kind, about_on, last_step(first, today, every)) if first <= today else None


def next_day(dates: Standing, today: datetime.date, wishes: Wishes) -> datetime.date | None:
    """Return the first day after `today` on which this card is spoken of; None when no day is set.

    Looks at what is known today; in grace, recovery and when nothing is known, somebody is told again soon.
    """
    ahead = [day for day in deadline_days(dates, wishes) if day > today and not is_paused(dates, day, wishes.pause)]
    if ahead:
        return min(ahead)
    told = due_moment(dates, today, wishes)
    for days in range(1, UNKNOWN_EVERY + 1):
        day = today + datetime.timedelta(days=days)
        if due_moment(dates, day, wishes) != told:
            return day
    return None


def worst_first(moment: Moment) -> tuple[int, datetime.date]:
    """Sort the lines of a mail: what can still be saved today before what has time."""
    return _RANK[moment.kind], moment.about_on


def last_step(start: datetime.date, today: datetime.date, every: int) -> datetime.date:
    """Return the last day on or before `today` that is a multiple of `every` days from `start`."""
    return today - datetime.timedelta(days=(today - start).days % every)


def _grace_moment(dates: Standing, deadline: datetime.date, today: datetime.date) -> datetime.date:
    """Every second day, however long it lasts, and the last day always."""
    return today if dates.grace_ends_on == today else last_step(deadline + DAY, today, GRACE_EVERY)
