"""Everything a mail server can do wrong: the run ends by itself, and every mail arrives once the server is well."""

from collections import Counter
from datetime import timedelta

import pytest

from cards.models import Member
from renewals.models import Delivery, ReminderRun
from renewals.reminders.postman import SignInRefused
from tests.factories import MemberFactory
from tests.reliability.crowd import NOW, SOON, addresses, arrived, make_crowd, nothing_is_lost, run
from tests.reliability.scripted import GARBAGE, STALL, TOO_LONG
from tests.smtp import DROP, free_port

pytestmark = pytest.mark.django_db

# What goes wrong before any mail is named goes wrong for all of them: the server is asked once, not once a mail.
BEFORE_ANY_MAIL = {"BANNER", "EHLO", "MAIL"}
EVERYWHERE = ("BANNER", "EHLO", "MAIL", "RCPT", "DATA", "DOT", "KEPT")
PASSING = [
    *((command, reply) for command in EVERYWHERE for reply in (STALL, DROP, "421 Closing", GARBAGE, TOO_LONG)),
    *((command, f"{code} Not now") for command in ("MAIL", "RCPT", "DATA", "DOT") for code in (450, 451, 452)),
    ("MAIL", "550 Blocked"),
    ("BANNER", "554 No service"),
]


def concerns(address, argument):
    """Whether what a server was told, an address or a mail, is about this recipient."""
    return address == (argument if isinstance(argument, str) else argument["To"])


@pytest.mark.parametrize(("command", "reply"), PASSING)
def test_a_passing_fault_of_the_server_delays_all_mails_and_loses_none(
    command, reply, server_with, settings, impatient
):
    members, server = make_crowd(2), server_with()
    server.answer = lambda asked, argument: reply if asked == command else None
    first = run()
    assert (first.sent, first.failed) == (0, 0)
    assert first.finished_at is not None
    assert nothing_is_lost(members)
    if command in BEFORE_ANY_MAIL:
        assert (server.connections, first.due, bool(first.problem)) == (1, 1, True)
    server.heal()
    impatient()
    assert run(SOON).sent == 2
    # Only what the server had kept, without being heard, comes twice: as the same mail.
    assert arrived(server) == dict.fromkeys(addresses(members), 2 if command == "KEPT" else 1)
    assert len({message["Message-ID"] for message in server.messages}) == 2
    assert not Delivery.objects.exclude(state="sent").exists()


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        *((command, reply) for command in ("RCPT", "DOT") for reply in ("450 Busy", "451 Later", "452 Full")),
        *((command, reply) for command in ("RCPT", "DOT", "KEPT") for reply in (STALL, DROP, "421 Closing", GARBAGE)),
    ],
)
def test_a_passing_fault_with_one_mail_delays_that_one_alone(command, reply, server_with, settings, impatient):
    members, server = make_crowd(3), server_with()
    bad, *others = addresses(members)
    server.answer = lambda asked, argument: reply if asked == command and concerns(bad, argument) else None
    first = run()
    assert (first.due, first.sent, first.failed, first.problem) == (3, 2, 0, "")
    assert arrived(server) - Counter([bad]) == Counter(others)
    assert Delivery.objects.exclude(state="sent").get().state == "retry"
    server.heal()
    impatient()
    assert run(SOON).sent == 1
    assert arrived(server) == {bad: 2 if command == "KEPT" else 1} | dict.fromkeys(others, 1)
    assert len({message["Message-ID"] for message in server.messages}) == 3


@pytest.mark.parametrize(("command", "code"), [("RCPT", 550), ("RCPT", 552), ("RCPT", 554), ("DOT", 550), ("DOT", 554)])
def test_a_refusal_for_good_concerns_one_member_and_the_others_hear_of_it_in_the_same_run(command, code, server_with):
    bad, stranger = make_crowd(2)
    family = [MemberFactory(household=bad.household, time_zone="UTC") for _ in range(2)]
    server = server_with()
    server.answer = lambda asked, argument: (
        f"{code} No such user" if asked == command and concerns(bad.user.email, argument) else None
    )
    first = run()
    assert first.problem == ""
    assert (first.failed, first.sent) == (1, len(server.messages))
    refused = Delivery.objects.get(member=bad)
    assert (refused.state, refused.last_error) == ("failed", f"{code} No such user")
    bad.refresh_from_db()
    assert (bad.unreachable_since, bad.unreachable_reason) == (NOW, f"{code} No such user")
    alerts = Delivery.objects.filter(kind="alert", about=bad)
    assert sorted(alerts.values_list("member__name", "state")) == [(each.name, "sent") for each in family]
    assert stranger.user.email in arrived(server)
    assert not Member.objects.exclude(pk=bad.pk).exclude(unreachable_since=None).exists()
    server.heal()
    tomorrow = run(NOW + timedelta(days=1))
    assert tomorrow.failed == 0
    bad.refresh_from_db()
    assert (bad.unreachable_since, bad.unreachable_reason) == (None, "")
    assert arrived(server)[bad.user.email] == 1
    said = Delivery.objects.get(member=bad, state="sent").reminders.values_list("subject", "kind")
    assert (f"card:{bad.household.cards.get().pk}", "deadline") in said


@pytest.mark.parametrize("mails_each", [1, 2])
def test_a_server_that_takes_few_mails_of_one_connection_gets_all_in_one_run(mails_each, server_with):
    members, server = make_crowd(5), server_with(mails_each=mails_each)
    assert run().sent == 5
    assert arrived(server) == Counter(addresses(members))
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}


@pytest.mark.parametrize("command", ["RSET", "QUIT"])
@pytest.mark.parametrize("reply", [STALL, DROP, "421 Closing", GARBAGE, TOO_LONG])
def test_what_a_server_does_at_the_end_of_a_conversation_loses_nothing(command, reply, server_with, impatient):
    bad, good = make_crowd(2)
    server = server_with()

    def answer(asked, argument):
        if asked == "RCPT" and argument == bad.user.email:
            return "450 Busy"
        return reply if asked == command else None

    server.answer = answer
    first = run()
    assert (first.failed, first.finished_at is None) == (0, False)
    server.heal()
    run(SOON)
    assert arrived(server) == Counter(addresses([bad, good]))


def test_a_port_that_nobody_listens_at(server_with, settings):
    members, server = make_crowd(3), server_with()
    settings.EMAIL_PORT = free_port()
    first = run()
    assert (first.due, first.sent, first.failed) == (1, 0, 0)
    assert "ConnectionRefusedError" in first.problem
    assert nothing_is_lost(members)
    settings.EMAIL_PORT = server.port
    assert run(SOON).sent == 3
    assert arrived(server) == Counter(addresses(members))


def test_a_name_that_nobody_knows(server_with, settings, monkeypatch):
    members, server = make_crowd(3), server_with()
    settings.EMAIL_HOST = "mail.invalid"
    first = run()
    assert (first.due, first.sent, first.failed) == (1, 0, 0)
    assert "gaierror" in first.problem
    assert nothing_is_lost(members)
    settings.EMAIL_HOST = "127.0.0.1"
    assert run(SOON).sent == 3
    assert arrived(server) == Counter(addresses(members))


def test_an_answer_to_the_dot_that_takes_longer_than_any_other_is_waited_for(server_with, settings):
    members, server = make_crowd(1), server_with()
    settings.EMAIL_TIMEOUT, settings.EMAIL_FINAL_TIMEOUT = 1, 60
    waited = server.well

    def answer(asked, argument):
        if asked == "KEPT":
            waited.wait(1.5)

    server.answer = answer
    assert run().sent == 1
    assert arrived(server) == Counter(addresses(members))


@pytest.mark.parametrize("reply", ["454 Not now", STALL, DROP, "421 Closing", GARBAGE, TOO_LONG])
def test_a_sign_in_that_fails_in_passing_is_tried_again(reply, server_with, settings, impatient):
    members, server = make_crowd(3), server_with(offers=["AUTH PLAIN LOGIN"])
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "ours"
    server.answer = lambda asked, argument: reply if asked == "AUTH" else None
    first = run()
    assert (first.due, first.sent, first.failed, first.finished_at is None) == (1, 0, 0, False)
    assert nothing_is_lost(members)
    assert server.connections == 1
    server.heal()
    impatient()
    assert run(SOON).sent == 3
    assert arrived(server) == Counter(addresses(members))


def test_a_refused_sign_in_ends_the_run_and_loses_nothing(server_with, settings):
    members, server = make_crowd(3), server_with(offers=["AUTH PLAIN LOGIN"])
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "wrong"
    server.answer = lambda asked, argument: "535 Bad credentials" if asked == "AUTH" else None
    with pytest.raises(SignInRefused, match="535 Bad credentials"):
        run()
    only = ReminderRun.objects.get()
    assert (only.finished_at, only.due, only.sent) == (None, 1, 0)
    assert nothing_is_lost(members)
    assert server.connections == 1
    server.heal()
    assert run(SOON).sent == 3
    assert arrived(server) == Counter(addresses(members))
