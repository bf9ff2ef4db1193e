"""Where an answer comes later than a claim lasts, one copy too many is the worst."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from renewals.models import Delivery
from renewals.reminders.delivery import LEASE, run_once
from tests.reliability.crowd import NOW, addresses, arrived, make_crowd, run

MAILS = 5


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_takes_two_leases_costs_one_copy(fleet, counting_server):
    members = make_crowd(MAILS)
    held, at_the_dot, go_on = [], threading.Event(), threading.Event()

    def answer(command, argument):
        if command == "KEPT" and not held:
            held.append(argument)
            at_the_dot.set()
            go_on.wait()

    counting_server.answer = answer
    slow = fleet.start(NOW, counting_server.port)
    assert at_the_dot.wait(60)
    assert run(NOW + LEASE - timedelta(seconds=1)).sent == MAILS - 1
    assert run(NOW + 2 * LEASE).sent == 1
    go_on.set()
    assert slow.told()["sent"] == 1
    assert arrived(counting_server) == Counter(addresses(members)) + Counter([held[0]["To"]])
    assert len({message["Message-ID"] for message in counting_server.messages}) == MAILS
    assert set(Delivery.objects.values_list("state", "lease")) == {("sent", None)}
    assert run(NOW + 4 * LEASE).due == 0


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_a_server_that_always_takes_two_leases_come_to_an_end(counting_server):
    members = make_crowd(MAILS)
    # All mails of the day stay on it, whatever the server takes.
    clock, errors = [NOW.replace(hour=8)], []

    def answer(command, argument):
        if command == "KEPT":
            clock[0] += 2 * LEASE

    def work():
        try:
            run_once(None, lambda: clock[0])
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    counting_server.answer = answer
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    copies = arrived(counting_server)
    assert set(copies) == set(addresses(members))
    assert set(copies.values()) <= {1, 2}
    assert len({message["Message-ID"] for message in counting_server.messages}) == MAILS
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
