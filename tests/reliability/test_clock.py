"""A clock that jumps, between two runs or within one: nothing is lost and nothing comes twice once it is right."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from cards.models import Member
from renewals.models import Delivery, Reminder
from renewals.reminders.delivery import run_once
from renewals.reminders.planning import new_lines
from tests.reliability.crowd import NOW, make_crowd, run
from tests.reliability.loop import MINUTE
from tests.reliability.scale import SOAK

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
JUMPS = {
    "an hour back": lambda now: now - HOUR,
    "an hour ahead": lambda now: now + HOUR,
    "a day back": lambda now: now - DAY,
    "a day ahead": lambda now: now + DAY,
    "400 days ahead": lambda now: now + 400 * DAY,
    "1970": lambda now: datetime(1970, 1, 1, 12, tzinfo=UTC),
}
# A run that finds the clock so far off says nothing; the next one takes it as it is.
HELD = {"an hour back", "a day back", "400 days ahead", "1970"}


def live_with(jump, lasts):
    """Look every three hours for four days, with some wrong runs in between; return what was said for which moment."""
    now, end = NOW - 2 * DAY, NOW + 2 * DAY
    while now < end:
        run(now)
        if jump and now == NOW:
            for minutes in range(1, lasts + 1):
                run(jump(now + minutes * MINUTE))
            # The first right run may hold, as the clock has jumped again.
            for minutes in (1, 2):
                run(now + (lasts + minutes) * MINUTE)
        now += 3 * HOUR
    for member in Member.objects.all():
        assert new_lines(member, now) == []
    assert not Delivery.objects.exclude(state="sent").exists()
    return set(Reminder.objects.values_list("subject", "kind", "about_on", "moment_on"))


def test_a_clock_that_jumps_and_comes_right_loses_nothing_and_repeats_nothing(counting_server):
    make_crowd(2, days_left=3)
    undisturbed = tried(counting_server, None, 0)
    assert undisturbed
    for jump, lasts in itertools.product(JUMPS, (1, 3)):
        said = tried(counting_server, JUMPS[jump], lasts)
        assert said >= undisturbed, (jump, lasts)
        if jump in HELD and lasts == 1:
            assert said == undisturbed, jump


def tried(server, jump, lasts):
    """Return what was said in days with a jump, and leave no trace of them in the database."""
    server.messages.clear()
    with transaction.atomic():
        said = live_with(jump, lasts)
        ids = [message["Message-ID"] for message in server.messages]
        assert len(set(ids)) == len(ids) == Delivery.objects.count()
        days = Delivery.objects.filter(kind="digest").values_list("member", "local_date")
        assert len(set(days)) == len(days)
        transaction.set_rollback(True)
    return said


@pytest.mark.parametrize("reading", range(1, 12) if SOAK else (3, 5, 6, 7, 8))
@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_within_a_run_loses_nothing(jump, reading, counting_server):
    """From its so-many-eth look at the clock on, a run sees a wrong time; the next runs see the right one."""
    make_crowd(2, days_left=3)
    looks = []

    def clock():
        looks.append(NOW)
        return JUMPS[jump](NOW) if len(looks) >= reading else NOW

    run_once(None, clock)
    for later in (MINUTE, 2 * MINUTE, *(hours * HOUR for hours in (3, 17, 24))):
        run(NOW + later)
    now = NOW + DAY
    for member in Member.objects.all():
        assert new_lines(member, now) == []
        # A mail that was written at the wrong time may have found nothing to say; today it has.
        assert member.deliveries.filter(state="sent", local_date__gte=NOW.date()).exists()
    assert not Delivery.objects.filter(state__in=Delivery.OPEN_STATES).exists()
    ids = [message["Message-ID"] for message in counting_server.messages]
    assert len(set(ids)) == len(ids)
