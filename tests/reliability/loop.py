"""The reminder loop in simulated time: a run every minute, without those that would find nothing to do."""

import datetime

from cards.models import Member
from renewals.models import Delivery
from renewals.reminders.delivery import run_once
from tests.reliability.scale import SOAK

MINUTE = datetime.timedelta(minutes=1)


def live(start, end, *, every_minute=bool(SOAK)):
    """Run from `start` until before `end`, and give the moment of each run after it; the long form leaves none out."""
    now = start
    while now < end:
        run_once(60, lambda now=now: now)
        yield now
        now += MINUTE if every_minute else max(MINUTE, idle_time(now))


def idle_time(now):
    """Return how many whole minutes it takes from `now` until there is something to do."""
    open_mails = Delivery.objects.filter(state__in=Delivery.OPEN_STATES).values_list("next_try_at", flat=True)
    days = Member.objects.filter(mail_stopped_at=None).values_list("next_plan_at", flat=True)
    return -((now - min([*open_mails, *days])) // MINUTE) * MINUTE
