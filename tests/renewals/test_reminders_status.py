"""What `manage.py reminders_status` prints, and its exit status."""

import datetime
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from cards.models import Card, Member
from renewals.models import Delivery, ReminderRun
from renewals.reminders.delivery import run_once
from tests.factories import CardFactory, MemberFactory
from tests.family import Family

pytestmark = pytest.mark.django_db

MINUTE, HOUR = datetime.timedelta(minutes=1), datetime.timedelta(hours=1)


@pytest.fixture
def family():
    return Family()


def status(**options):
    """Return what is printed, and the exit status with what the command complains about, if it does."""
    out = StringIO()
    try:
        call_command("reminders_status", stdout=out, **options)
    except CommandError as error:
        return out.getvalue(), f"{error.returncode}: {error}"
    return out.getvalue(), ""


def part(printed, title):
    """Return the lines of one part without its title, each as its columns."""
    [block] = [block for block in printed.split("\n\n") if block.startswith(f"{title}\n")]
    return [re.split(r"\s{2,}", line) for line in block.splitlines()[1:]]


def utc(at):
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def run(ago, **fields):
    at = timezone.now() - ago
    return ReminderRun.objects.create(**{"started_at": at, "finished_at": at, "period": 60} | fields)


def mail(member, ago, **fields):
    at = timezone.now() - ago
    about = {"household": member.household, "member": member, "local_date": at.date(), "message_id": f"<{at}@test>"}
    return Delivery.objects.create(**about | {"created_at": at, "next_try_at": timezone.now() + HOUR} | fields)


def test_without_a_household_there_is_nothing_to_complain_about():
    printed, complaint = status()
    assert complaint == ""
    assert printed.startswith("Reminders: never\nLast good run: never\n")
    titles = ("Last runs", "Waiting mails", "Members out of reach", "Next mails")
    assert [part(printed, title) for title in titles] == [[["none"]]] * 4


@pytest.mark.parametrize(
    ("ago", "problem", "pulse"),
    [(MINUTE, "", "working"), (HOUR, "", "late"), (2 * HOUR, "535 no", "stuck"), (None, "", "never")],
)
def test_exit_status_says_whether_reminders_work(family, ago, problem, pulse):
    if ago:
        run(ago, problem=problem)
    printed, complaint = status()
    assert printed.startswith(f"Reminders: {pulse}\n")
    assert complaint == ("" if pulse == "working" else f"1: Reminders do not work as they should: {pulse}.")


def test_last_ten_runs_are_printed_newest_first(family):
    for minute in range(12, 0, -1):
        last = run(minute * MINUTE, due=minute, sent=minute - 1, failed=1)
    ReminderRun.objects.filter(pk=last.pk).update(finished_at=last.started_at + datetime.timedelta(seconds=1.26))
    refused = run(30 * MINUTE * 0, finished_at=None, problem="535 wrong password for post@example.org")
    rows = part(status()[0], "Last runs")
    assert rows[0] == ["BEGAN", "TOOK", "DUE", "SENT", "FAILED", "PROBLEM"]
    assert rows[1] == [utc(refused.started_at), "not finished", "0", "0", "0", "535 wrong password for …@…"]
    assert rows[2] == [utc(last.started_at), "1.3 s", "1", "0", "1"]
    assert [row[2] for row in rows[2:]] == [str(minute) for minute in range(1, 10)]


def test_what_is_wrong_is_said_with_since_when(family):
    run(3 * HOUR)
    refused = run(2 * HOUR, problem="535 no", finished_at=None)
    unfinished = run(90 * MINUTE, finished_at=None)
    printed, _complaint = status()
    assert printed.splitlines()[2:4] == [
        f"Problem: 535 no, since {utc(refused.started_at)}",
        f"A run has not finished, since {utc(unfinished.started_at)}",
    ]
    run(MINUTE)
    due = mail(family.owner, 4 * HOUR, next_try_at=timezone.now() - 4 * HOUR)
    assert status()[0].splitlines()[2:3] == [f"Something is due that runs pass over, since {utc(due.next_try_at)}"]


def test_waiting_mails_are_printed_without_addresses(family):
    late = mail(family.owner, 2 * HOUR, state="retry", attempts=4, last_error="452 <olga@example.org>: full")
    soon = mail(family.manager, HOUR, kind="test", next_try_at=timezone.now())
    mail(family.viewer, HOUR, state="sent")
    assert part(status()[0], "Waiting mails") == [
        ["MAIL", "MEMBER", "KIND", "STATE", "TRIES", "NEXT TRY", "LAST ERROR"],
        [str(soon.pk), str(family.manager.pk), "test", "queued", "0", utc(soon.next_try_at)],
        [str(late.pk), str(family.owner.pk), "digest", "retry", "4", utc(late.next_try_at), "452 <…@…>: full"],
    ]


def test_members_out_of_reach_are_printed_with_the_reason(family):
    at = timezone.now() - HOUR
    reason = "550 <mario@example.org> unknown"
    Member.objects.filter(pk=family.manager.pk).update(unreachable_since=at, unreachable_reason=reason)
    Member.objects.filter(pk=family.viewer.pk).update(mail_stopped_at=at)
    assert part(status()[0], "Members out of reach") == [
        ["MEMBER", "SINCE", "NAME", "WHY"],
        [str(family.manager.pk), utc(at), "Mario Chen", "550 <…@…> unknown"],
        [str(family.viewer.pk), utc(at), "Vera Chen", "stopped their mails"],
    ]


def test_next_mail_of_each_member_is_printed_at_their_own_clock(family):
    family.add_card(name="Mamá")
    family.add_card(name="Papá", number="+8613012345678")
    alone = MemberFactory(name="Alone", time_zone="Asia/Shanghai")
    alone.household.backs_up_papers = False
    alone.household.save()
    Member.objects.filter(pk=family.viewer.pk).update(mail_stopped_at=timezone.now())
    Member.objects.exclude(pk=alone.pk).update(remind_at=datetime.time(23, 59, 59))
    printed, _complaint = status()
    today = timezone.now().astimezone(family.owner.zone).date()
    hour = f"{today} 23:59 America/Havana"
    assert sorted(part(printed, "Next mails")[1:]) == sorted(
        [
            [str(family.owner.pk), hour, "Olga Chen", "unknown x2, watching"],
            [str(family.manager.pk), hour, "Mario Chen", "unknown x2, watching"],
            [str(alone.pk), "none", "Alone"],
        ]
    )


def test_only_the_first_twenty_are_printed_unless_all_are_wanted(family):
    household = family.household
    CardFactory(household=household)
    for number in range(22):
        at = timezone.now() + number * MINUTE
        member = MemberFactory(household=household, name=f"Member {number}", next_plan_at=at)
        mail(member, HOUR, state="retry")
        Member.objects.filter(pk=member.pk).update(unreachable_since=at)
    printed, _complaint = status()
    for title, more in (("Waiting mails", 2), ("Members out of reach", 2), ("Next mails", 5)):
        rows = part(printed, title)
        assert (title, len(rows)) == (title, 22)
        assert (title, rows[-1]) == (title, [f"and {more} more: --all prints them."])
    printed, _complaint = status(all=True)
    assert [len(part(printed, title)) for title in ("Waiting mails", "Members out of reach", "Next mails")] == [
        23,
        23,
        26,
    ]
    assert "--all" not in printed


def test_twenty_members_are_asked_about_however_many_there_are(family, django_assert_max_num_queries):
    for _each in range(30):
        MemberFactory(household=family.household)
    with django_assert_max_num_queries(20 * 16):
        status()


def test_no_number_and_no_address_is_printed(family):
    family.fill()
    run_once(None)
    printed, _complaint = status()
    assert "Olga Chen" in printed
    for secret in (*Card.objects.values_list("number", flat=True), family.owner.user.email):
        assert secret not in printed
    assert "@" not in printed


def test_columns_stay_in_line_and_names_stay_text(family):
    at = timezone.now()
    for member, name in ((family.owner, "陈伟"), (family.manager, "Mario \x1b[31m\nx"), (family.viewer, "V")):
        Member.objects.filter(pk=member.pk).update(name=name, unreachable_since=at, unreachable_reason="550")
    printed, _complaint = status()
    lines = [line for line in printed.splitlines() if line.endswith("  550")]
    assert [line.index("550") + line.count("陈") + line.count("伟") for line in lines] == [lines[2].index("550")] * 3
    assert "\x1b" not in printed
