"""Many members who have something to be told, made in few statements, and what has become of their mails."""

import datetime
from collections import Counter

from cards.models import Card, Household, Member, User
from renewals.deadlines import recompute_cards
from renewals.models import Delivery, Reading, Reminder, ReminderRun
from renewals.reminders.delivery import run_once
from tests.factories import cubacel

NOW = datetime.datetime(2026, 12, 24, 15, tzinfo=datetime.UTC)
# When every mail that was tried once is tried again.
SOON = NOW + datetime.timedelta(minutes=2)


def make_crowd(count, today=None, days_left=3, **fields):
    """Return so many members, each alone in a household with one card that has so many days left on `today`."""
    today, plan = today or NOW.date(), cubacel()
    fields = {"time_zone": "UTC", "remind_at": datetime.time(8), "role": Member.Role.OWNER} | fields
    households = Household.objects.bulk_create(Household(name=f"Family {n}") for n in range(count))
    users = User.objects.bulk_create(User(email=f"member{n}@example.org", password="!") for n in range(count))
    members = Member.objects.bulk_create(
        Member(household=household, user=user, name=f"Member {n}", **fields)
        for n, (household, user) in enumerate(zip(households, users, strict=True))
    )
    cards = Card.objects.bulk_create(
        Card(household=household, plan=plan, name=f"Card {n}", number=f"+535{n:07d}")
        for n, household in enumerate(households)
    )
    Reading.objects.bulk_create(
        Reading(
            household_id=card.household_id,
            card=card,
            read_on=today - datetime.timedelta(days=20),
            valid_until=today + datetime.timedelta(days=days_left),
        )
        for card in cards
    )
    recompute_cards(Card.objects.all())
    return members


def forget_mails():
    """Bring the database back to before the first run."""
    Reminder.objects.all().delete()
    Delivery.objects.all().delete()
    ReminderRun.objects.all().delete()
    Member.objects.update(next_plan_at=None)


def run(now=NOW):
    return run_once(None, lambda: now)


def addresses(members):
    return [member.user.email for member in members]


def arrived(server):
    """Return how many mails came to each address."""
    return Counter(message["To"] for message in server.messages)


def nothing_is_lost(members):
    """Check that one mail for each waits to be tried again soon, and that nobody is taken for out of reach."""
    states = Delivery.objects.values_list("state", "next_try_at")
    assert len(states) == len(members)
    assert {state for state, _again_at in states} <= {"queued", "retry"}
    assert all(again_at <= SOON for _state, again_at in states)
    assert not Member.objects.exclude(unreachable_since=None).exists()
    return True
