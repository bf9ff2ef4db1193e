"""Sending, against a real SMTP server on this machine."""

import smtplib
import threading
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from renewals.deadlines import recompute_card
from renewals.models import Channel, Delivery, Reading, Reminder, ReminderRun
from renewals.reminders import delivery as delivery_module
from renewals.reminders.delivery import LEASE, back_off, claim_next, deliver, run_once
from renewals.reminders.planning import plan_member, queue_test
from renewals.reminders.postman import Postman, SignInRefused
from renewals.walkthrough import start_renewal, take_renewal
from tests.factories import CardFactory, MemberFactory, cubacel
from tests.family import has_heard_of_the_month
from tests.smtp import DROP

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 24, 15, tzinfo=UTC)


def due_member(today=None, **fields):
    """A member who has something to be told today: a card with three days left."""
    today = today or NOW.date()
    member = MemberFactory(time_zone="UTC", **fields)
    card = CardFactory(household=member.household, plan=cubacel())
    Reading.objects.create(
        household=card.household,
        card=card,
        read_on=today - timedelta(days=20),
        valid_until=today + timedelta(days=3),
    )
    recompute_card(card)
    has_heard_of_the_month(member, today)
    return member


def run(now=NOW):
    return run_once(None, lambda: now)


def test_a_due_mail_arrives_once(smtp_server):
    member = due_member()
    first, second = run(), run(NOW + timedelta(minutes=5))
    assert [(r.due, r.sent, r.failed) for r in (first, second)] == [(1, 1, 0), (0, 0, 0)]
    (message,) = smtp_server.messages
    delivery = Delivery.objects.get(kind="digest")
    assert message["To"] == member.user.email
    assert message.recipients == [member.user.email]
    assert message["Message-ID"] == delivery.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "Mamá: 3 days left"
    text = message.get_body(("plain",)).get_content()
    assert "Top up at least 100 CUP inside the country, or 250 CUP from abroad" in text
    assert "*222#" in text
    assert "<style" not in message.get_body(("html",)).get_content()
    assert (delivery.state, delivery.attempts) == ("sent", 1)
    assert delivery.sent_at is not None
    assert first.finished_at is not None


def test_mail_is_in_the_language_of_its_reader(smtp_server):
    due_member(language="zh-hans")
    due_member(language="es")
    run()
    texts = {m.get_body(("html",)).get_content().split('lang="')[1][:7].split('"')[0] for m in smtp_server.messages}
    assert texts == {"zh-Hans", "es"}


def test_a_refused_address_fails_alone_and_for_good(smtp_server):
    bad, good = due_member(), due_member()
    smtp_server.answer = lambda command, argument: (
        "550 No such user" if command == "RCPT" and argument == bad.user.email else None
    )
    result = run()
    assert (result.due, result.sent, result.failed) == (2, 1, 1)
    assert [message["To"] for message in smtp_server.messages] == [good.user.email]
    failed = Delivery.objects.get(member=bad, kind="digest")
    assert (failed.state, failed.last_error) == ("failed", "550 No such user")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("MAIL", "451 Try again later"),
        ("RCPT", "450 Mailbox busy"),
        ("DATA", "452 No space"),
        ("DATA", DROP),
        ("EHLO", DROP),
    ],
)
def test_a_passing_fault_is_tried_again_until_it_works(smtp_server, command, reply):
    due_member()
    smtp_server.answer = lambda asked, argument: reply if asked == command else None
    result = run()
    assert (result.sent, result.failed) == (0, 0)
    delivery = Delivery.objects.get(kind="digest")
    assert delivery.state == "retry"
    assert delivery.last_error
    assert NOW < delivery.next_try_at <= NOW + timedelta(seconds=72)
    smtp_server.answer = lambda asked, argument: None
    assert run(NOW + timedelta(minutes=2)).sent == 1
    assert len(smtp_server.messages) == 1


def test_a_server_that_is_away_costs_one_try_and_loses_nothing(smtp_server):
    for _ in range(3):
        due_member()
    smtp_server.stop()
    result = run()
    assert (result.due, result.sent, result.failed) == (1, 0, 0)
    assert result.finished_at is not None
    smtp_server.start()
    assert run(NOW + timedelta(minutes=2)).sent == 3


def test_a_refused_sign_in_stops_the_run_and_loses_nothing(smtp_server, settings, monkeypatch):
    for _ in range(2):
        due_member(timezone.localdate(), remind_at="00:00")
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "wrong"

    def refuse(self, *args, **kwargs):
        raise smtplib.SMTPAuthenticationError(535, b"Bad credentials")

    with monkeypatch.context() as patch:
        patch.setattr("smtplib.SMTP.login", refuse)
        with pytest.raises(CommandError, match="Check EMAIL_URL"):
            call_command("send_reminders")
        # The other mail is not tried for nothing: the server would lock us out.
        assert run(timezone.now()).due == 0
        with pytest.raises(SignInRefused, match="535 Bad credentials"):
            run(timezone.now() + timedelta(minutes=2))
    unfinished = ReminderRun.objects.filter(finished_at=None)
    assert set(unfinished.values_list("problem", flat=True)) == {"535 Bad credentials"}
    settings.EMAIL_HOST_USER = ""
    run(timezone.now() + timedelta(minutes=10))
    assert len(smtp_server.messages) == 2


def test_the_members_channel_takes_the_mail_and_email_is_the_way_out(smtp_server, settings, monkeypatch):
    member = due_member()
    settings.PUSH_ALLOW_PRIVATE = True
    channel = Channel.objects.create(
        household=member.household, member=member, url="json://127.0.0.1:9/", service="webhook"
    )
    assert run().sent == 1
    (message,) = smtp_server.messages
    delivery = Delivery.objects.get(kind="digest")
    channel.refresh_from_db()
    assert (message["To"], message["Message-ID"]) == (member.user.email, delivery.message_id)
    assert (delivery.state, delivery.attempts, delivery.channel) == ("sent", 2, None)
    assert channel.failed_at == NOW
    assert channel.last_error
    taken = []
    monkeypatch.setattr("renewals.channels.send", lambda url, title, body: taken.append((url, title, body)) or "taken")
    queue_test(member, NOW)
    assert run(NOW + timedelta(minutes=5)).sent == 1
    assert len(smtp_server.messages) == 1
    assert [(url, title) for url, title, _body in taken] == [
        ("json://127.0.0.1:9/", "Keepnumber: the test mail has arrived")
    ]
    channel.refresh_from_db()
    assert (channel.failed_at, channel.last_error) == (None, "")
    assert Delivery.objects.get(kind="test", state="sent", channel=channel).answer == "taken"


def test_the_others_are_told_in_the_same_run_of_whom_no_mail_reaches(smtp_server):
    bad = due_member()
    other = MemberFactory(household=bad.household, time_zone="UTC")
    has_heard_of_the_month(other, NOW.date())
    smtp_server.answer = lambda command, argument: (
        "550 No such user" if command == "RCPT" and argument == bad.user.email else None
    )
    run()
    bad.refresh_from_db()
    assert (bad.unreachable_since, bad.unreachable_reason) == (NOW, "550 No such user")
    assert Counter(message["To"] for message in smtp_server.messages) == {other.user.email: 2}
    assert Delivery.objects.get(kind="alert").about == bad
    run(NOW + timedelta(days=1))
    assert Delivery.objects.filter(kind="alert").count() == 1
    smtp_server.answer = lambda command, argument: None
    run(NOW + timedelta(days=2))
    bad.refresh_from_db()
    assert (bad.unreachable_since, bad.unreachable_reason) == (None, "")


@pytest.mark.parametrize("jump", [-timedelta(hours=1), timedelta(days=8), -timedelta(days=20000)])
def test_a_clock_that_jumped_holds_one_run(smtp_server, jump):
    due_member()
    assert run(NOW - timedelta(days=40)).finished_at
    before = len(smtp_server.messages)
    assert run(NOW - timedelta(days=40) + jump).problem.startswith("The clock says")
    assert ReminderRun.objects.order_by("pk").last().finished_at is None
    assert len(smtp_server.messages) == before


def test_a_mail_put_off_by_a_wrong_clock_is_put_right(smtp_server):
    plan_member(due_member(), NOW)
    Delivery.objects.filter(kind="digest").update(next_try_at=NOW + timedelta(days=400), state="retry")
    assert run().sent == 1


def test_the_lease_outlasts_a_whole_conversation(settings):
    assert settings.EMAIL_FINAL_TIMEOUT >= 600
    assert LEASE.total_seconds() > 12 * settings.EMAIL_TIMEOUT + settings.EMAIL_FINAL_TIMEOUT


def test_the_answer_to_the_final_dot_may_take_longer_than_any_other(smtp_server, settings):
    settings.EMAIL_TIMEOUT, settings.EMAIL_FINAL_TIMEOUT = 0.5, 30
    due_member()
    smtp_server.answer = lambda command, argument: time.sleep(1) if command == "DATA" else None
    assert run().sent == 1
    assert Delivery.objects.get(kind="digest").answer == "250 Kept"


def test_two_stale_copies_claim_one_mail():
    plan_member(due_member(), NOW)
    seen = Delivery.objects.get(kind="digest")
    assert claim_next(NOW) == seen
    assert claim_next(NOW) is None
    assert claim_next(NOW + LEASE - timedelta(seconds=1)) is None
    assert claim_next(NOW + LEASE) == seen
    assert Delivery.objects.get(kind="digest").attempts == 2


@pytest.mark.django_db(transaction=True)
def test_many_runs_at_once_send_each_mail_once(smtp_server):
    members = [due_member() for _ in range(12)]
    barrier, errors = threading.Barrier(4), []

    def work():
        try:
            barrier.wait()
            run()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(message["To"] for message in smtp_server.messages) == sorted(m.user.email for m in members)
    assert set(Delivery.objects.filter(kind="digest").values_list("state", flat=True)) == {"sent"}


def test_a_mail_whose_card_was_renewed_meanwhile_is_withdrawn(smtp_server):
    member = due_member()
    plan_member(member, NOW)
    card = member.household.cards.get()
    Reading.objects.create(
        household=card.household, card=card, read_on=date(2026, 12, 24), valid_until=date(2027, 11, 1)
    )
    recompute_card(card)
    assert run().sent == 0
    assert smtp_server.messages == []
    assert Delivery.objects.get(kind="digest").state == "withdrawn"


def test_what_the_server_has_taken_is_sent_also_after_the_lease_was_lost(smtp_server):
    plan_member(due_member(), NOW)
    slow = claim_next(NOW)
    later = NOW + LEASE
    assert claim_next(later) == slow
    postman = Postman()
    assert deliver(slow, postman, NOW) == "sent"
    postman.hang_up()
    assert Delivery.objects.get(kind="digest").state == "sent"
    assert claim_next(later + LEASE) is None


def test_what_was_silenced_on_its_way_out_is_said_another_day(smtp_server):
    member = due_member()
    held = member.household.cards.get()
    other = MemberFactory(household=member.household, time_zone="UTC", remind_at="23:00")
    quiet = CardFactory(household=member.household, plan=cubacel(), name="Papá")
    plan_member(member, NOW)
    take_renewal(start_renewal(held, other, NOW), other, NOW)
    assert run().sent == 1
    said = Reminder.objects.filter(member=member, delivery__kind="digest")
    assert {(row.card, row.kind) for row in said} == {(quiet, "unknown")}
    run(NOW + timedelta(days=1))
    assert (held, "deadline") in {(row.card, row.kind) for row in said.all()}


def test_a_mail_that_cannot_be_written_does_not_stop_the_others(smtp_server, monkeypatch):
    bad, good = due_member(), due_member()
    real = delivery_module.render

    def render(delivery, now):
        if delivery.member == bad:
            raise ValueError("broken")
        return real(delivery, now)

    monkeypatch.setattr(delivery_module, "render", render)
    result = run()
    assert (result.sent, result.failed) == (1, 0)
    assert [message["To"] for message in smtp_server.messages] == [good.user.email]
    assert Delivery.objects.get(member=bad, kind="digest").state == "retry"


def test_back_off_grows_to_two_hours_and_never_gives_up():
    minutes = [back_off(attempts).total_seconds() / 60 for attempts in (1, 2, 3, 4, 5, 50)]
    for got, middle in zip(minutes, (1, 5, 15, 60, 120, 120), strict=True):
        assert 0.8 * middle <= got <= 1.2 * middle


def test_a_test_mail_goes_the_same_way(smtp_server):
    member = MemberFactory(time_zone="UTC")
    queue_test(member, NOW)
    assert run().sent == 1
    assert smtp_server.messages[0]["Subject"] == "Keepnumber: the test mail has arrived"


def test_without_a_mail_server_mails_are_written_to_the_outbox(settings, tmp_path):
    settings.EMAIL_BACKEND, settings.OUTBOX_DIR = "config.outbox.EmailBackend", tmp_path / "outbox"
    due_member()
    assert run().sent == 1
    (path,) = settings.OUTBOX_DIR.iterdir()
    assert path.suffix == ".eml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"Message-ID: " in path.read_bytes()


def test_a_full_disk_puts_the_mail_back(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.EMAIL_BACKEND, settings.OUTBOX_DIR = "config.outbox.EmailBackend", tmp_path / "file"
    due_member()
    assert run().sent == 0
    assert Delivery.objects.get(kind="digest").state == "retry"


def test_command_prints_one_summary_line_and_fails_when_a_mail_failed_for_good(smtp_server, capsys):
    due_member(timezone.localdate(), remind_at="00:00")
    smtp_server.answer = lambda command, argument: "550 No such user" if command == "RCPT" else None
    with pytest.raises(CommandError, match="1 due, 0 sent, 1 failed"):
        call_command("send_reminders")
    call_command("send_reminders")
    assert capsys.readouterr().out == "0 due, 0 sent, 0 failed\n"


def test_dry_run_says_what_would_be_sent_and_writes_nothing(smtp_server, capsys):
    due_member()
    call_command("send_reminders", "--dry-run", "--today", "2026-12-24")
    assert "1 lines would be sent; nothing was written." in capsys.readouterr().out
    assert (Delivery.objects.count(), Reminder.objects.count(), ReminderRun.objects.count()) == (1, 1, 0)
    assert smtp_server.messages == []


def test_a_rehearsed_day_needs_a_dry_run():
    with pytest.raises(CommandError, match="add --dry-run"):
        call_command("send_reminders", "--today", "2026-12-24")
