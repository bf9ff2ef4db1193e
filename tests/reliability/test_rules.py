"""The ten rules of delivery, each in one fast test; test_ten_rules.py breaks the code to see each of them fail."""

import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.conf import settings as real_settings
from django.db import IntegrityError, connection, transaction

from cards.models import Member, User
from renewals.deadlines import recompute_card
from renewals.models import Delivery, Reading, Reminder, ReminderRun
from renewals.reminders.delivery import LEASE, claim_next, deliver
from renewals.reminders.planning import new_lines, plan_member
from renewals.reminders.postman import Postman
from tests.factories import MemberFactory
from tests.family import has_heard_of_the_month
from tests.reliability.crowd import NOW, addresses, arrived, make_crowd, run

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def plan_again(member, now):
    """Plan the member's day although it has been planned: as a run with an old copy of the row would."""
    Member.objects.filter(pk=member.pk).update(next_plan_at=None)
    return plan_member(Member.objects.get(pk=member.pk), now)


def renew(member):
    """Let the operator be seen to keep the member's card for long; return it."""
    card, today = member.household.cards.get(), NOW.date()
    Reading.objects.create(household=card.household, card=card, read_on=today, valid_until=today + 300 * DAY)
    recompute_card(card)
    return card


def test_rule_1_a_missed_day_is_caught_up(counting_server):
    (member,) = make_crowd(1, days_left=15)
    # Fourteen days before the deadline nobody looks; on the day after, that is still to be said.
    run(NOW + 2 * DAY)
    assert arrived(counting_server) == Counter([member.user.email])
    said = Reminder.objects.filter(member=member, kind="deadline").values_list("moment_on", flat=True)
    assert list(said) == [(NOW + DAY).date()]


def test_rule_2_a_member_has_one_digest_a_day_and_one_line_of_each_kind():
    (member,) = make_crowd(1)
    first = plan_member(member, NOW)
    # Something more to say on the same day waits for the next.
    MemberFactory(household=member.household, unreachable_since=NOW - 8 * DAY)
    assert [line.moment.kind for line in new_lines(member, NOW)] == ["unreachable"]
    assert plan_again(member, NOW) is None
    assert Delivery.objects.get() == first
    again = {"household_id": first.household_id, "member": member, "message_id": "another", "kind": "digest"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(local_date=first.local_date, **again)
    line = Reminder.objects.first()
    line.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        line.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_rule_3_a_claim_is_committed_before_the_server_is_called(server_with):
    make_crowd(2)
    server, seen = server_with(), []

    def answer(command, argument):
        if command == "BANNER":
            # The server's own connection to the database: it sees only what is committed.
            seen.extend(Delivery.objects.order_by("pk").values_list("state", flat=True))
            connection.close()

    server.answer = answer
    assert run().sent == 2
    assert seen == ["claimed", "queued"]


def test_rule_4_of_two_who_read_one_mail_one_claims_it():
    (member,) = make_crowd(1)
    plan_member(member, NOW)
    claims = []

    def another_is_first(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not claims:
            claims.append(None)
            claims[0] = claim_next(NOW)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(another_is_first):
        assert claim_next(NOW) is None
    assert claims == [Delivery.objects.get()]
    assert Delivery.objects.get().attempts == 1


def test_rule_5_nobody_takes_a_claimed_mail_before_its_lease_has_run_out():
    (member,) = make_crowd(1)
    delivery = plan_member(member, NOW)
    assert claim_next(NOW) == delivery
    assert claim_next(NOW + LEASE - timedelta(seconds=1)) is None
    assert claim_next(NOW + LEASE) == delivery


def test_rule_5_a_lease_covers_every_answer_that_a_conversation_waits_for(server_with, settings):
    make_crowd(1)
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "ours"
    server = server_with(offers=["AUTH PLAIN LOGIN"])
    server.answer = lambda asked, argument: "550 No such user" if asked == "DOT" else None
    run()
    # The banner, one for each line, and, where it is over TLS: STARTTLS, the handshake, and another greeting.
    answers = 1 + len(server.heard) + 3
    assert real_settings.EMAIL_FINAL_TIMEOUT >= 600
    assert real_settings.EMAIL_TIMEOUT <= 60
    assert timedelta(seconds=answers * real_settings.EMAIL_TIMEOUT + real_settings.EMAIL_FINAL_TIMEOUT) <= LEASE


def test_rule_6_what_the_server_has_taken_is_sent_though_the_lease_is_lost(counting_server):
    (member,) = make_crowd(1)
    plan_member(member, NOW)
    slow = claim_next(NOW)
    assert claim_next(NOW + LEASE) == slow
    postman = Postman()
    assert deliver(slow, postman, NOW + LEASE) == "sent"
    postman.hang_up()
    assert Delivery.objects.get().state == "sent"
    assert claim_next(NOW + 3 * LEASE) is None


def test_rule_6_what_is_sent_stays_sent_though_a_late_run_finds_nothing_to_say(counting_server):
    (member,) = make_crowd(1)
    has_heard_of_the_month(member, NOW.date())
    plan_member(member, NOW)
    late = claim_next(NOW)
    assert run(NOW + LEASE).sent == 1
    renew(member)
    deliver(late, Postman(), NOW + LEASE)
    assert Delivery.objects.get(kind="digest").state == "sent"


def test_rule_7_one_message_has_one_recipient(counting_server):
    (member,) = make_crowd(1)
    members = [member, *(MemberFactory(household=member.household, time_zone="UTC") for _ in range(2))]
    assert run().sent == 3
    recipients = sorted(message.recipients for message in counting_server.messages)
    assert recipients == sorted([each] for each in addresses(members))


def test_rule_8_a_card_that_was_renewed_meanwhile_drops_out(counting_server):
    (member,) = make_crowd(1)
    plan_member(member, NOW)
    card = renew(member)
    run()
    assert not [message for message in counting_server.messages if card.name in message["Subject"]]


def test_rule_9_the_failure_of_one_mail_stops_no_other(counting_server):
    members = make_crowd(3)
    # No mail can be written to an address with a line break.
    User.objects.filter(pk=members[1].user_id).update(email="member\n1@example.org")
    only = run()
    assert (only.due, only.sent, only.failed) == (3, 2, 0)
    assert arrived(counting_server) == Counter(addresses([members[0], members[2]]))
    assert Delivery.objects.get(member=members[1]).state == "retry"


@contextmanager
def listening_monitor(server):
    """Give the address of a monitor, and what it heard: how many mails the server had when it was told."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(len(server.messages))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    monitor = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=monitor.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{monitor.server_port}/", heard
    finally:
        monitor.shutdown()
        monitor.server_close()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_rule_10_a_run_is_done_and_the_monitor_told_after_the_work(server_with, settings):
    make_crowd(2)
    server, seen = server_with(), []

    def answer(command, argument):
        if command == "KEPT":
            seen.append(ReminderRun.objects.get().finished_at)
            connection.close()

    server.answer = answer
    with listening_monitor(server) as (settings.MONITOR_URL, heard):
        assert run().finished_at == NOW
        assert seen == [None, None]
        assert heard == [2]
