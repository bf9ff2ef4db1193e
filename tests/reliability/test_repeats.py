"""Runs too many, a payment that comes while mails go out, a database that is behind."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from django.db import connection, transaction

from cards.models import Card, Member
from renewals.deadlines import recompute_card, recompute_cards
from renewals.models import Delivery, Payment, ReminderRun
from renewals.reminders.planning import plan_member
from tests.app import ROOT
from tests.family import has_heard_of_the_month
from tests.reliability.crowd import NOW, addresses, arrived, forget_mails, make_crowd, run
from tests.reliability.fleet import environment
from tests.reliability.scale import scaled


@pytest.mark.django_db
def test_twenty_runs_in_a_row_send_each_mail_once(counting_server):
    members = make_crowd(3)
    assert [run().sent for _ in range(20)] == [3] + [0] * 19
    assert arrived(counting_server) == Counter(addresses(members))


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_send_each_mail_once(fleet, counting_server, figure):
    members, times = make_crowd(10), scaled(3, 50)
    for _ in range(times):
        forget_mails()
        counting_server.messages.clear()
        runs = fleet.run_together(2, NOW, counting_server.port)
        assert sum(told["sent"] for told in runs) == 10
        assert arrived(counting_server) == Counter(addresses(members))
    figure("R8", f"2 runs at the same moment, {times} times {len(members)} mails: 0 twice")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_behind_sends_nothing_and_says_so(counting_server, tmp_path):
    make_crowd(1)
    command = [sys.executable, "manage.py", "send_reminders"]
    changes = {"EMAIL_URL": counting_server.url}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, app, name, applied FROM django_migrations WHERE app = 'renewals' ORDER BY id DESC")
        last = cursor.fetchone()
        cursor.execute("DELETE FROM django_migrations WHERE id = %s", last[:1])
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment(tmp_path, **changes), capture_output=True, text=True
            )
        finally:
            cursor.execute("INSERT INTO django_migrations (id, app, name, applied) VALUES (%s, %s, %s, %s)", last)
    assert done.returncode == 3, done.stderr
    assert "run manage.py migrate" in done.stderr
    assert counting_server.messages == []
    assert (Delivery.objects.count(), ReminderRun.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_no_mail_that_is_claimed_after_a_payment_says_that_the_card_is_due(fleet, counting_server, figure):
    """Payments are recorded while a run sends: from the moment on at which the server is told of one of its mails."""
    members = {member.user.email: member for member in make_crowd(5)}
    times, fates = scaled(20, 200), Counter()
    for seed in range(times):
        prepare(members.values())
        counting_server.messages.clear()
        chance = random.Random(seed)  # noqa: S311
        begin = begin_with_mail(chance.randrange(5), counting_server)
        worker = fleet.start(NOW, counting_server.port, tells_claims=True)
        assert begin.wait(60)
        paid_at = {}
        for email in chance.sample(sorted(members), len(members)):
            pay(members[email].household.cards.get())
            paid_at[email] = time.monotonic()
        worker.told()
        claimed_at = {report["claimed"]: report["at"] for report in worker.reports if "claimed" in report}
        assert claimed_at.keys() == paid_at.keys()
        too_late = {email for email in members if claimed_at[email] > paid_at[email]}
        came = arrived(counting_server)
        assert came.total() == len(came)
        assert too_late.isdisjoint(came)
        states = set(Delivery.objects.filter(kind="digest").values_list("member__user__email", "state"))
        assert states == {(email, "sent" if email in came else "withdrawn") for email in members}
        fates += Counter(state for _email, state in states)
    assert fates.keys() == {"sent", "withdrawn"}
    figure(
        "R17", f"{times} times {len(members)} payments against {len(members)} mails: {dict(fates)}, none said too late"
    )


def prepare(members):
    """Let each member have a mail queued, which says nothing but that their card is due."""
    forget_mails()
    Payment.objects.all().delete()
    recompute_cards(Card.objects.all())
    for member in members:
        has_heard_of_the_month(member, NOW.date())
        plan_member(Member.objects.get(pk=member.pk), NOW)


def begin_with_mail(number, server):
    """Return an event that is set as soon as the server is told of one more than so many mails."""
    begin, told = threading.Event(), []

    def answer(command, argument):
        if command == "MAIL":
            told.append(argument)
            if len(told) > number:
                begin.set()

    server.answer = answer
    return begin


def pay(card):
    about = {"household_id": card.household_id, "card": card, "paid_on": NOW.date(), "confirmed_on": NOW.date()}
    with transaction.atomic():
        Payment.objects.create(amount=100, currency="CUP", **about)
        recompute_card(card)
