"""From a local day and hour to a moment of the world."""

import datetime
import zoneinfo


def first_instant(zone: zoneinfo.ZoneInfo, day: datetime.date, hour: datetime.time) -> datetime.datetime:
    """Return the moment at which a day in a zone first reaches an hour.

    An hour that summer time skips is reached at the next minute there is; one that comes twice, the first time.
    """
    wall = datetime.datetime.combine(day, hour)
    instant = min(wall.replace(tzinfo=zone, fold=fold).astimezone(datetime.UTC) for fold in (0, 1))
    while instant.astimezone(zone).replace(tzinfo=None) < wall:
        instant += datetime.timedelta(minutes=1)
    return instant


def last_day_reached(zone: zoneinfo.ZoneInfo, hour: datetime.time, now: datetime.datetime) -> datetime.date:
    """Return the last day of a zone whose hour has come by `now`: today, or yesterday while the hour is still ahead."""
    today = now.astimezone(zone).date()
    return today if first_instant(zone, today, hour) <= now else today - datetime.timedelta(days=1)
