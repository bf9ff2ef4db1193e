"""Who watches the watcher: whether reminders have run as they should."""

import datetime
import enum
from dataclasses import dataclass

from renewals.models import ReminderRun

# What is called by cron or a timer is expected at least daily.
UNTOLD_PERIOD = datetime.timedelta(days=1)


class Pulse(enum.StrEnum):
    WORKING = "working"
    LATE = "late"
    NEVER = "never"


@dataclass(frozen=True)
class Health:
    """The pulse, and when the last run finished; None when none ever did."""

    pulse: Pulse
    last_at: datetime.datetime | None


def reminder_health(now: datetime.datetime) -> Health:
    """Return whether a run finished within the last two periods. At least five minutes count as on time."""
    last = ReminderRun.objects.exclude(finished_at=None).order_by("-finished_at").first()
    if last is None or last.finished_at is None:
        return Health(Pulse.NEVER, None)
    period = datetime.timedelta(seconds=last.period) if last.period else UNTOLD_PERIOD
    late = now - last.finished_at > max(2 * period, datetime.timedelta(minutes=5))
    return Health(Pulse.LATE if late else Pulse.WORKING, last.finished_at)
