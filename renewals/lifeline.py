"""The picture of the product: past, valid time, grace and the end of each number, on one scale for all cards."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from .lifecycle import DAY, Standing

WIDTH = 600
BEHIND = datetime.timedelta(days=90)
SHORTEST, LONGEST = datetime.timedelta(days=180), datetime.timedelta(days=730)


@dataclass(frozen=True)
class Part:
    """A stretch of one colour and pattern: its name, and where it starts and how long it is in the picture."""

    name: str
    x: float
    width: float


@dataclass(frozen=True)
class Scale:
    """The days a picture shows, from the first to the last."""

    first: datetime.date
    last: datetime.date

    def x(self, day: datetime.date) -> float:
        """Return where a day starts in the picture; days outside lie on its edge."""
        share = (day - self.first).days / (self.last - self.first).days
        return round(min(max(share, 0), 1) * WIDTH, 1)

    def months(self) -> list[float]:
        """Return where each month starts."""
        marks, day = [], (self.first.replace(day=1) + 31 * DAY).replace(day=1)
        while day <= self.last:
            marks.append(self.x(day))
            day = (day + 31 * DAY).replace(day=1)
        return marks


@dataclass(frozen=True)
class Lifeline:
    parts: list[Part]
    today: float
    end: float | None


def shared_scale(all_dates: Iterable[Standing], today: datetime.date) -> Scale:
    """Return one scale for many cards: from three months ago to past the last end, within limits."""
    ends = [dates.lost_on or dates.deadline for dates in all_dates]
    furthest = max((end for end in ends if end), default=today)
    ahead = min(max(furthest + 10 * DAY - today, SHORTEST), LONGEST)
    return Scale(today - BEHIND, today + ahead)


def lifeline(dates: Standing, today: datetime.date, scale: Scale) -> Lifeline:
    """Return the picture of one number. A number of which nothing is known has one part, called unknown."""
    now = scale.x(today)
    if dates.deadline is None or dates.due_on is None or dates.safe_on is None:
        return Lifeline([Part("unknown", 0, WIDTH)], now, None)
    if dates.lost_on and today >= dates.lost_on:
        return Lifeline([Part("past", 0, scale.x(dates.deadline))], now, scale.x(dates.lost_on))
    turns = [
        ("past", scale.first),
        ("valid", today),
        ("lead", dates.due_on),
        ("urgent", dates.safe_on + DAY),
        ("grace", dates.deadline + DAY),
        ("recovery", (dates.grace_ends_on or (dates.lost_on or scale.last) - DAY) + DAY),
        ("end", dates.lost_on or scale.last + DAY),
    ]
    starts = [turns[0][1]] + [max(day, today) for _name, day in turns[1:]]
    parts = []
    for (name, _day), start, stop in zip(turns, starts, starts[1:], strict=False):
        x, width = scale.x(start), round(scale.x(stop) - scale.x(start), 1)
        if width > 0:
            parts.append(Part(name, x, width))
    return Lifeline(parts, now, scale.x(dates.lost_on) if dates.lost_on else None)
