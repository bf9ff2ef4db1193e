"""Each of the ten rules of delivery, taken out of a copy of the code: a test must notice."""

import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.app import ROOT, bare_environment

TESTS = "tests/reliability/test_rules.py"
DELIVERY = "renewals/reminders/delivery.py"
PLANNING = "renewals/reminders/planning.py"


@dataclass(frozen=True)
class Mutant:
    """A rule taken out: in a file, an old text becomes a new one, and this test fails."""

    file: str
    old: str
    new: str
    test: str


MUTANTS = {
    "1 catch up": Mutant(
        "renewals/reminders/ladder.py",
        "past = [on for on in deadline_days(dates, wishes) if on <= today]",
        "past = [on for on in deadline_days(dates, wishes) if on == today]",
        "test_rule_1_a_missed_day_is_caught_up",
    ),
    "2 one digest a day, in the code": Mutant(
        PLANNING,
        "_has_digest(member, day):\n            return None",
        "False:\n            return None",
        "test_rule_2_a_member_has_one_digest_a_day_and_one_line_of_each_kind",
    ),
    "2 one digest a day, in the database": Mutant(
        "renewals/models/reminder.py",
        'fields=["member", "local_date"], condition=Q(kind="digest")',
        'fields=["member", "local_date", "message_id"], condition=Q(kind="digest")',
        "test_rule_2_a_member_has_one_digest_a_day_and_one_line_of_each_kind",
    ),
    "2 one line of each kind": Mutant(
        "renewals/models/reminder.py",
        'fields=["member", "subject", "kind", "about_on", "moment_on"]',
        'fields=["member", "subject", "kind", "about_on", "moment_on", "id"]',
        "test_rule_2_a_member_has_one_digest_a_day_and_one_line_of_each_kind",
    ),
    "3 claim committed first": Mutant(
        DELIVERY,
        'with tqdm(unit="mail", disable=None) as progress:',
        'with transaction.atomic(), tqdm(unit="mail", disable=None) as progress:',
        "test_rule_3_a_claim_is_committed_before_the_server_is_called",
    ),
    "4 conditional update": Mutant(
        DELIVERY,
        "pk=seen.pk, state=seen.state, lease=seen.lease, next_try_at=seen.next_try_at",
        "pk=seen.pk",
        "test_rule_4_of_two_who_read_one_mail_one_claims_it",
    ),
    "5 lease": Mutant(
        DELIVERY,
        "next_try_at=now + LEASE,",
        "next_try_at=now,",
        "test_rule_5_nobody_takes_a_claimed_mail_before_its_lease_has_run_out",
    ),
    "5 longer than all time-outs": Mutant(
        DELIVERY,
        "datetime.timedelta(seconds=ANSWERS * settings.EMAIL_TIMEOUT + settings.EMAIL_FINAL_TIMEOUT) * 1.5",
        "datetime.timedelta(seconds=settings.EMAIL_FINAL_TIMEOUT)",
        "test_rule_5_a_lease_covers_every_answer_that_a_conversation_waits_for",
    ),
    "6 taken is sent": Mutant(
        DELIVERY,
        "Delivery.objects.filter(pk=delivery.pk).update(\n            state=state,",
        "Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease).update(\n            state=state,",
        "test_rule_6_what_the_server_has_taken_is_sent_though_the_lease_is_lost",
    ),
    "7 one recipient": Mutant(
        "renewals/reminders/mail.py",
        "to=[delivery.member.user.email]",
        "to=[each.user.email for each in delivery.household.members.all()]",
        "test_rule_7_one_message_has_one_recipient",
    ),
    "8 written when it leaves": Mutant(
        "renewals/reminders/watch.py",
        "def watch_over(member: Member, now: datetime.datetime) -> Watch:",
        "@__import__('functools').cache\ndef watch_over(member: Member, now: datetime.datetime) -> Watch:",
        "test_rule_8_a_card_that_was_renewed_meanwhile_drops_out",
    ),
    "9 one failure": Mutant(
        DELIVERY,
        "return _put_back(delivery, now, type(error).__name__)",
        "raise",
        "test_rule_9_the_failure_of_one_mail_stops_no_other",
    ),
    "10 done after the work": Mutant(
        DELIVERY,
        "ReminderRun.objects.create(started_at=clock(), period=period)",
        "ReminderRun.objects.create(started_at=clock(), finished_at=clock(), period=period)",
        "test_rule_10_a_run_is_done_and_the_monitor_told_after_the_work",
    ),
    "10 the monitor after the work": Mutant(
        DELIVERY,
        "    postman = Postman()\n",
        "    postman = Postman()\n    tell_monitor()\n",
        "test_rule_10_a_run_is_done_and_the_monitor_told_after_the_work",
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, whose code may be broken."""
    project = tmp_path_factory.mktemp("mutants") / "project"
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".*", "data", "__pycache__"))
    return project


def run_tests(project, *names):
    """Run these tests in the copy; return the process that has ended."""
    command = [sys.executable, "-m", "pytest", "-q", "--nomigrations", "-p", "no:cacheprovider"]
    environment = bare_environment() | {"PYTHONPYCACHEPREFIX": str(project.parent / "pycache")}
    tests = [f"{TESTS}::{name}" for name in names]
    return subprocess.run([*command, *tests], cwd=project, env=environment, capture_output=True, text=True, timeout=300)


def test_the_rules_hold_as_the_code_is(project):
    tests = {mutant.test for mutant in MUTANTS.values()}
    done = run_tests(project, *tests)
    assert done.returncode == 0, done.stdout
    assert f"{len(tests)} passed" in done.stdout
    assert {name.split()[0] for name in MUTANTS} == {str(number) for number in range(1, 11)}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_that_is_taken_out_is_noticed(name, project):
    mutant = MUTANTS[name]
    path = project / mutant.file
    source = path.read_text()
    assert source.count(mutant.old) == 1
    path.write_text(source.replace(mutant.old, mutant.new))
    try:
        done = run_tests(project, mutant.test)
    finally:
        path.write_text(source)
    # It ran and failed: a program that does not even start proves nothing.
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout, done.stdout
