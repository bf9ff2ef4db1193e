"""A mail server that is away for days, and a machine that is off for weeks: what waited is said once, as it is then."""

import itertools
import random
from collections import Counter
from datetime import time, timedelta

import pytest
from django.db import transaction

from cards.models import Member
from renewals.deadlines import recompute_card
from renewals.models import Delivery
from renewals.words import say_days_left
from tests.reliability.crowd import NOW, addresses, arrived, make_crowd, run
from tests.reliability.loop import MINUTE, live
from tests.reliability.scale import scaled
from tests.smtp import DROP

pytestmark = pytest.mark.django_db

FIVE_DAYS = timedelta(days=5)
LONGEST_WAIT = timedelta(hours=2, minutes=24)
ZONES = ("America/Havana", "Asia/Shanghai", "Europe/Madrid", "Asia/Kolkata", "Pacific/Auckland")


def outage(server, start):
    """Let the server be away for five days, heal it, and return at which of the runs it was asked."""
    asked, before = [], 0
    server.answer = lambda command, argument: DROP if command == "BANNER" else None
    for now in live(start, start + FIVE_DAYS):
        assert server.connections - before <= 1
        if server.connections > before:
            asked.append(now)
        before = server.connections
    server.heal()
    return asked


def test_one_mail_is_tried_after_1_5_15_and_60_minutes_and_then_every_two_hours_without_end(server_with):
    (member,), server = make_crowd(1, days_left=30), server_with()
    asked = outage(server, NOW)
    minutes = [(later - now) / MINUTE for now, later in itertools.pairwise(asked)]
    expected = [*(1, 5, 15, 60), *itertools.repeat(120, len(minutes) - 4)]
    # A run comes every minute, so the first one after the time does it.
    assert all(0.8 * middle <= wait <= 1.2 * middle + 1 for wait, middle in zip(minutes, expected, strict=True))
    assert asked[-1] > NOW + FIVE_DAYS - LONGEST_WAIT - MINUTE
    assert Delivery.objects.get().state == "retry"
    for _ in live(NOW + FIVE_DAYS, NOW + FIVE_DAYS + LONGEST_WAIT + MINUTE):
        pass
    assert arrived(server) == Counter(addresses([member]))
    assert Delivery.objects.get().state == "sent"


def test_after_an_outage_of_five_days_everybody_hears_within_the_longest_wait(server_with, figure):
    members, server = make_crowd(scaled(4, 20), days_left=7), server_with()
    chance = random.Random(7)  # noqa: S311
    for member in members:
        hour = time(chance.randrange(24), chance.randrange(60))
        Member.objects.filter(pk=member.pk).update(time_zone=chance.choice(ZONES), remind_at=hour)
    asked = outage(server, NOW)
    assert max(later - now for now, later in itertools.pairwise(asked)) <= LONGEST_WAIT + MINUTE
    waiting = set(Delivery.objects.values_list("pk", flat=True))
    assert {delivery.member for delivery in Delivery.objects.filter(pk__in=waiting)} == set(members)
    assert not Delivery.objects.exclude(state__in=["queued", "retry"]).exists()
    for _ in live(NOW + FIVE_DAYS, NOW + FIVE_DAYS + LONGEST_WAIT + MINUTE):
        pass
    assert set(Delivery.objects.filter(pk__in=waiting).values_list("state", flat=True)) == {"sent"}
    assert set(arrived(server)) == set(addresses(members))
    assert len({message["Message-ID"] for message in server.messages}) == len(server.messages)
    figure("R6", f"5 days away, {len(waiting)} mails waiting: asked {len(asked)} times, 0 lost, 0 twice")


def test_after_any_number_of_days_off_one_mail_says_how_it_stands_now(counting_server, figure):
    """In sixty days one card comes from its first reminder into its grace, the other is lost."""
    members = make_crowd(2, days_left=31)
    soon = members[1].household.cards.get()
    soon.readings.update(valid_until=NOW.date() + timedelta(days=20))
    Member.objects.filter(pk=members[1].pk).update(reminder_days=list(range(20)))
    recompute_card(soon)
    run()
    for days in range(1, 61):
        now = NOW + timedelta(days=days)
        counting_server.messages.clear()
        with transaction.atomic():
            # After more than a week the clock is doubted once.
            assert bool(run(now).problem) == (days > 7)
            for minutes in (1, 2):
                run(now + minutes * MINUTE)
            assert arrived(counting_server) == Counter(addresses(members))
            for message in counting_server.messages:
                member = Member.objects.get(user__email=message["To"])
                assert days_now(member.household.cards.get(), now.date()) in message["Subject"]
                delivery = Delivery.objects.get(message_id=message["Message-ID"])
                assert (delivery.local_date, delivery.state) == (now.date(), "sent")
            transaction.set_rollback(True)
    figure("R7", "off for 1 to 60 days: one mail for each member, and none of an earlier day")


def days_now(card, today):
    """Return what the subject of a mail says of the card on a day."""
    if today <= card.deadline:
        return say_days_left(card.deadline, today)
    left = (card.grace_ends_on - today).days
    return f"{left} day" if left > 0 else "last day" if left == 0 else "lost"
