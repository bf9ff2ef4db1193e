"""No mail is lost, wherever a run is killed; one comes twice only where the server had it and nobody knew yet."""

import itertools
import random
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from cards.models import Member
from renewals.models import Delivery
from renewals.reminders.delivery import LEASE, run_once
from tests.reliability.crowd import NOW, forget_mails, make_crowd
from tests.reliability.scale import SOAK, scaled

pytestmark = pytest.mark.django_db(transaction=True)

MAILS = 5
# Seconds of a claim where two hundred runs, one after the other's claims have run out, are to end on the same day.
LEASE_HERE = 20
# The step, how often one run comes to it, and how many mails come twice when it is killed there.
POINTS = {
    "F0": ("start", 1, 0),
    "F1": ("before the plan", MAILS, 0),
    "F2": ("after the plan", MAILS, 0),
    "F3": ("before the claim", MAILS, 0),
    "F4": ("after the claim", MAILS, 0),
    "F5": ("connected", 1, 0),
    "F6": ("recipient", MAILS, 0),
    "F7": ("kept", MAILS, 1),
    "F8": ("answer to the dot", MAILS, 1),
    "F9": ("before the mark", MAILS, 1),
    "F10": ("after the mark", MAILS, 0),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_run_that_is_killed_anywhere_loses_nothing(point, fleet, counting_server, figure):
    step, times, expected = POINTS[point]
    members = {member.user.email for member in make_crowd(MAILS)}
    kills = scaled(3, 30, postgres=(1, 30))
    for number in range(kills):
        forget_mails()
        counting_server.messages.clear()
        nth = number % times + 1
        worker = (
            kill_where_kept(fleet, counting_server, nth)
            if step == "kept"
            else kill_at(fleet, counting_server, step, nth)
        )
        assert worker.wait() == -9, worker.log
        counting_server.wait_until_alone()
        run = run_once(None, lambda: NOW + LEASE + timedelta(seconds=1))
        assert (run.failed, run.problem) == (0, "")
        assert {message["To"] for message in counting_server.messages} == members
        assert extra_copies(counting_server).total() == expected
        assert not Delivery.objects.exclude(state="sent").exists()
    figure("R1", f"{point:<3} {step:<17} {kills} kills, {kills * MAILS} mails: 0 lost, {kills * expected} came twice")


def kill_at(fleet, server, step, nth):
    worker = fleet.start(NOW, server.port, kill=(step, nth))
    worker.wait()
    assert worker.reports[-1]["killed"] == step
    assert worker.reports[-1]["steps"][step] == nth
    return worker


def kill_where_kept(fleet, server, nth):
    """Kill a run when the server has kept its nth mail and has not said so yet."""
    begun, kept = threading.Event(), []

    def answer(command, argument):
        if command == "KEPT" and argument not in kept:
            kept.append(argument)
            if len(kept) == nth:
                begun.wait()
                worker.kill()
                worker.wait()

    server.answer = answer
    worker = fleet.start(NOW, server.port)
    begun.set()
    worker.wait()
    server.answer = lambda command, argument: None
    assert len(kept) == nth
    return worker


def extra_copies(server):
    """Return how many times too often each mail came: as the same mail, by its Message-ID."""
    ids = Counter(message["Message-ID"] for message in server.messages)
    recipients = Counter(message["To"] for message in server.messages)
    assert len(ids) == len(recipients)
    return ids - Counter(set(ids))


def test_random_kills_lose_none_of_many_mails(fleet, counting_server, figure):
    kills, mails = (200, 500) if SOAK or connection.vendor == "sqlite" else (40, 100)
    members = {member.user.email for member in make_crowd(mails)}
    for seed in range(scaled(1, 10, postgres=(1, 5))):
        forget_mails()
        counting_server.messages.clear()
        again, where, chance = Counter(), Counter(), random.Random(seed)  # noqa: S311
        moments = (NOW + timedelta(seconds=number) for number in itertools.count(step=LEASE_HERE + 1))
        while where.total() < kills:
            before = len(counting_server.messages)
            nth = chance.randint(1, 2 + 2 * steps_left(members, counting_server) // (kills - where.total()))
            worker = fleet.start(next(moments), counting_server.port, kill=("any", nth), lease=LEASE_HERE)
            if worker.wait() == 0:  # There was less to do than steps_left thought.
                continue
            assert worker.wait() == -9, worker.log
            where[worker.reports[-1]["killed"]] += 1
            counting_server.wait_until_alone()
            unmarked = kept_but_not_marked(counting_server.messages[before:])
            assert len(unmarked) <= 1
            again.update(unmarked)
        last = fleet.start(next(moments), counting_server.port, lease=LEASE_HERE).told()
        assert (last["failed"], last["problem"]) == (0, "")
        assert {message["To"] for message in counting_server.messages} == members
        assert extra_copies(counting_server) == again
        assert not Delivery.objects.exclude(state="sent").exists()
        assert where.keys() >= {"statement", "line to the server"}
        figure("R2", f"{kills} random kills, {mails} mails: 0 lost, {again.total()} copies too many")


def steps_left(members, server):
    """Return about how many steps are to be done until everybody has their mail."""
    unplanned = Member.objects.filter(next_plan_at=None).count()
    return 25 * unplanned + 35 * (len(members) - len({message["To"] for message in server.messages}))


def kept_but_not_marked(messages):
    """Return which of these mails, which the server has, no run has written down as sent."""
    ids = [message["Message-ID"] for message in messages]
    return list(Delivery.objects.filter(message_id__in=ids).exclude(state="sent").values_list("message_id", flat=True))
