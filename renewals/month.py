"""A month of the calendar as a grid of weeks; no database, no clock."""

import calendar
import datetime
import re
from dataclasses import dataclass

from cards.fields import EARLIEST, LATEST


@dataclass(frozen=True, order=True)
class Month:
    """A month of a year from 1990 to 2100; others are no months of a SIM card."""

    year: int
    number: int

    @classmethod
    def of(cls, day: datetime.date) -> "Month":
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> "Month | None":
        """Return the month written as “2027-03”; None for anything else."""
        found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text)
        return cls(int(found[1]), int(found[2]))._if_possible() if found else None

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first(self) -> datetime.date:
        return datetime.date(self.year, self.number, 1)

    @property
    def before(self) -> "Month | None":
        """The month before; None at the beginning of all months."""
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)._if_possible()

    @property
    def after(self) -> "Month | None":
        """The month after; None at the end of all months."""
        return Month(self.year + (self.number == 12), self.number % 12 + 1)._if_possible()

    def has(self, day: datetime.date) -> bool:
        return Month.of(day) == self

    def weeks(self) -> list[list[datetime.date | None]]:
        """Return the weeks from Monday to Sunday; None stands where a day belongs to another month."""
        weeks = calendar.Calendar().monthdatescalendar(self.year, self.number)
        return [[day if self.has(day) else None for day in week] for week in weeks]

    def _if_possible(self) -> "Month | None":
        return self if Month.of(EARLIEST) <= self <= Month.of(LATEST) else None
