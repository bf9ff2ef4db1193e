"""A member's mail hour over every summer-time change there is, against a walk through the minutes of the world."""

import datetime
import zoneinfo
from datetime import UTC, date, time, timedelta

import pytest

from cards.models import Member
from renewals.deadlines import recompute_card
from renewals.models import Delivery, Reading
from renewals.reminders.hours import first_instant
from renewals.reminders.planning import members_due, plan_member
from tests.factories import CardFactory, MemberFactory, cubacel
from tests.reliability.scale import SOAK

FIRST, LAST = datetime.datetime(2026, 1, 1, tzinfo=UTC), datetime.datetime(2033, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
AROUND = 3
# In the long form every fifth minute of the day is somebody's mail hour, else every full hour.
HOURS = range(0, 24 * 60, 5 if SOAK else 60)
NAMED = [
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Santiago",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "America/Nuuk",
]


def offset(zone, instant):
    """Return how many minutes the zone is ahead of UTC."""
    minutes, seconds = divmod(int(instant.astimezone(zone).utcoffset().total_seconds()), 60)
    assert seconds == 0
    return minutes


def transitions(zone):
    """Return the first minute of each new offset within the years, with that offset before and after."""
    found, day, before = [], FIRST, offset(zone, FIRST)
    while day < LAST:
        if offset(zone, day + DAY) != before:
            low, high = 0, 24 * 60
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, day + middle * MINUTE) == before else (low, middle)
            after = offset(zone, day + DAY)
            found.append((day + high * MINUTE, before, after))
            before = after
        day += DAY
    return found


def different_zones():
    """Return one zone of each kind: those with the same offset and the same changes are one."""
    zones = {}
    for name in sorted(zoneinfo.available_timezones()):
        zone = zoneinfo.ZoneInfo(name)
        zones.setdefault((offset(zone, FIRST), *transitions(zone)), name)
    return {name: [instant for instant, _before, _after in key[1:]] for key, name in zones.items()}


def walk(zone, middle, minutes):
    """Return {(day, minute of the day): moment} for the days around a moment, by looking at the clock every minute.

    The moment of a minute is the first at which the clock of that day shows it or a later one; where the day ends
    before, it is the end of the day.
    """
    first_day, last_day = ((middle + side * AROUND * DAY).astimezone(zone).date() for side in (-1, 1))
    instant, end = middle - (AROUND + 1) * DAY, middle + (AROUND + 1) * DAY
    reached, left, day = {}, {None: []}, None
    while instant < end:
        local = instant.astimezone(zone)
        if day is None or local.day != day.day:
            reached |= {(day, minute): instant for minute in left[day]}
            left[day] = []
            day = local.date()
            left.setdefault(day, sorted(minutes, reverse=True))
        to_come, shown = left[day], local.hour * 60 + local.minute
        while to_come and to_come[-1] <= shown:
            reached[day, to_come.pop()] = instant
        instant += MINUTE
    return {key: moment for key, moment in reached.items() if first_day <= key[0] <= last_day}


def test_every_zone_has_one_moment_for_every_day_and_hour(figure):
    zones, changes, moments = different_zones(), 0, 0
    assert len(zones) > 50
    for name, instants in zones.items():
        zone = zoneinfo.ZoneInfo(name)
        for middle in instants or [datetime.datetime(2028, 2, 29, tzinfo=UTC)]:
            expected = walk(zone, middle, HOURS)
            days = sorted({day for day, _minute in expected})
            for minute in HOURS:
                hour = time(*divmod(minute, 60))
                got = [first_instant(zone, day, hour) for day in days]
                assert got == [expected[day, minute] for day in days], (name, middle, hour)
                assert got == sorted(set(got)), (name, middle, hour)
                moments += len(got)
            changes += 1
    names = len(zoneinfo.available_timezones())
    figure("R9", f"{names} zones, {len(zones)} of them different, {changes} changes: all {moments} moments right")


def changes_of(name):
    """Return the moments at which the zone's clock is changed in 2027; any moment where it never is."""
    found = [instant for instant, _before, _after in transitions(zoneinfo.ZoneInfo(name)) if instant.year == 2027]
    return found or [datetime.datetime(2027, 3, 14, tzinfo=UTC)]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "middle"), [(name, middle) for name in NAMED for middle in changes_of(name)])
def test_a_member_gets_one_mail_a_day_across_each_change(name, middle):
    zone = zoneinfo.ZoneInfo(name)
    first, end = middle.astimezone(zone).date() - 3 * DAY, middle + 3 * DAY
    hours = (time(0), time(2, 15), time(8), time(23, 30))
    members = [insistent_member(first + 7 * DAY, time_zone=name, remind_at=hour) for hour in hours]
    planned = plan_all(members, first_instant(zone, first, time(0)), end)
    for member in members:
        moments = [(day, first_instant(zone, day, member.remind_at)) for day in days_between(first, first + 7 * DAY)]
        # In Nuuk the last hour of a Saturday in March is skipped: its mail comes on Sunday, and says Sunday's line too.
        said = {moment.astimezone(zone).date() for day, moment in moments if moment.astimezone(zone).date() > day}
        expected = [(day, moment) for day, moment in moments if moment < end and day not in said]
        assert planned[member] == expected, member.remind_at


@pytest.mark.django_db
@pytest.mark.parametrize("move", [("America/Havana", "Asia/Shanghai"), ("Asia/Shanghai", "America/Havana")])
@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_a_member_whose_zone_changes_gets_one_mail_that_day(move, hour):
    """Whatever the hour of the change, no day of the calendar has two mails or, as far as it lasts, none."""
    before, after = map(zoneinfo.ZoneInfo, move)
    day = date(2027, 6, 10)
    member = insistent_member(day + 4 * DAY, time_zone=before.key, remind_at=time(8))
    moment = datetime.datetime.combine(day, time(hour), before)
    planned = plan_all([member], first_instant(before, day - DAY, time(0)), moment)[member]
    Member.objects.filter(pk=member.pk).update(time_zone=after.key, next_plan_at=None)
    planned += plan_all([member], moment, first_instant(after, day + 3 * DAY, time(0)))[member]
    assert [on for on, _moment in planned] == days_between(day - DAY, day + 2 * DAY)


def insistent_member(deadline, **fields):
    """A member who has something to be told on each of the seven days before a deadline."""
    member = MemberFactory(reminder_level="insistent", **fields)
    card = CardFactory(household=member.household, plan=cubacel())
    Reading.objects.create(household=card.household, card=card, read_on=deadline - 200 * DAY, valid_until=deadline)
    recompute_card(card)
    return member


def plan_all(members, start, end):
    """Plan as a loop that looks every minute; return the day and the moment of each member's mails."""
    planned, now = {member: [] for member in members}, start
    while now < end:
        for member in members_due(now):
            if delivery := plan_member(member, now):
                planned[member].append((delivery.local_date, now))
                Delivery.objects.filter(pk=delivery.pk).update(state="sent")
        # Until the next of them comes the loop would find nothing.
        now = max(now + MINUTE, min(Member.objects.values_list("next_plan_at", flat=True)))
    return planned


def days_between(first, last):
    return [first + number * DAY for number in range((last - first).days + 1)]
