"""Several runs at once: each mail is sent by one of them, and none waits for another until it fails."""

from collections import Counter

import pytest
from django.db import connection

from renewals.models import Delivery
from tests.app import wait_until
from tests.reliability.crowd import NOW, forget_mails, make_crowd
from tests.reliability.scale import SOAK, scaled

pytestmark = pytest.mark.django_db(transaction=True)

MAILS = 2000


def test_runs_at_once_send_each_of_two_thousand_mails_once(fleet, counting_server, figure):
    members = {member.user.email for member in make_crowd(MAILS)}
    runs = fleet.run_together(4 if connection.vendor == "postgresql" else 2, NOW, counting_server.port)
    assert Counter(message["To"] for message in counting_server.messages) == Counter(members)
    assert len({message["Message-ID"] for message in counting_server.messages}) == MAILS
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}
    assert sum(run["sent"] for run in runs) == sum(run["due"] for run in runs) == MAILS
    assert {(run["failed"], run["problem"]) for run in runs} == {(0, "")}
    assert min(run["sent"] for run in runs) > 0
    each = 1000 * sum(run["cpu"] for run in runs) / MAILS
    seconds = max(run["seconds"] for run in runs)
    figure("R3", f"{len(runs)} runs at once, {MAILS} mails: each once, {seconds:.0f} s, {each:.0f} ms of CPU a mail")


@pytest.mark.parametrize("processes", [2, 4, 8] if SOAK else [2])
def test_members_write_while_runs_send(processes, fleet, counting_server, figure):
    """Twenty writes a second, as pages make them, while so many runs send."""
    mails = scaled(40, 400)
    members = {member.user.email for member in make_crowd(mails)}
    took = []
    for _ in range(scaled(1, 2)):
        forget_mails()
        counting_server.messages.clear()
        writer = fleet.start(NOW, act="write")
        wait_until(lambda writer=writer: writer.reports, "the first write")
        runs = fleet.run_together(processes, NOW, counting_server.port)
        writer.end()
        took += writer.told()["took"]
        assert Counter(message["To"] for message in counting_server.messages) == Counter(members)
        assert sum(run["sent"] for run in runs) == mails
        assert {(run["failed"], run["problem"]) for run in runs} == {(0, "")}
    took.sort()
    slowest = f"p99 {1000 * took[len(took) * 99 // 100]:.0f} ms, slowest {1000 * took[-1]:.0f} ms"
    figure("R3", f"{processes} runs at once, {mails} mails, {len(took)} writes meanwhile: no error, {slowest}")
