"""Each of the ten rules of delivery (docs/reminders.md) is held by a test: without the rule, that test turns red."""

import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.app import ROOT, bare_environment

PARTS = ("cards", "config", "renewals", "templates", "static", "locale", "tests", "manage.py", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """A change that takes a rule away, and the test that must notice."""

    file: str
    old: str
    new: str
    test: str


PLANNING, DELIVERY = "tests/renewals/test_reminder_planning.py", "tests/renewals/test_reminder_delivery.py"
MUTANTS = {
    "1 a missed run catches up": Mutant(
        "renewals/reminders/ladder.py",
        "past = [on for on in deadline_days(dates, wishes) if on <= today]",
        "past = [on for on in deadline_days(dates, wishes) if on == today]",
        "tests/renewals/test_reminder_ladder.py::test_a_missed_day_is_caught_up_by_the_next_run_with_one_moment",
    ),
    "2 one digest a day by a key": Mutant(
        "renewals/migrations/0001_initial.py",
        "fields=('member', 'local_date'), name='delivery_once_a_day'",
        "fields=('member', 'local_date', 'message_id'), name='delivery_once_a_day'",
        f"{PLANNING}::test_the_database_takes_no_second_digest_of_a_day_and_no_second_line",
    ),
    "2 one line by a key": Mutant(
        "renewals/migrations/0003_reminders_that_arrive.py",
        "fields=('member', 'subject', 'kind', 'about_on', 'moment_on'), name='reminder_once'",
        "fields=('member', 'subject', 'kind', 'about_on', 'moment_on', 'delivery'), name='reminder_once'",
        f"{PLANNING}::test_the_database_takes_no_second_digest_of_a_day_and_no_second_line",
    ),
    "3 the claim is committed first": Mutant(
        "renewals/reminders/delivery.py",
        "\ndef run_once(",
        "\n@transaction.atomic\ndef run_once(",
        "tests/reliability/test_kills.py::test_a_run_that_is_killed_anywhere_loses_nothing[F8]",
    ),
    "4 a claim is a conditional update": Mutant(
        "renewals/reminders/delivery.py",
        "pk=seen.pk, state=seen.state, lease=seen.lease, next_try_at=seen.next_try_at",
        "pk=seen.pk",
        f"{DELIVERY}::test_many_runs_at_once_send_each_mail_once",
    ),
    "5 a lease outlasts a conversation": Mutant(
        "renewals/reminders/delivery.py",
        "settings.EMAIL_FINAL_TIMEOUT) * 1.5",
        "settings.EMAIL_FINAL_TIMEOUT) * 0.5",
        f"{DELIVERY}::test_the_lease_outlasts_a_whole_conversation",
    ),
    "5 the final dot may take its time": Mutant(
        "config/smtp.py",
        "self.sock.settimeout(settings.EMAIL_FINAL_TIMEOUT)",
        "self.sock.settimeout(self.timeout)",
        f"{DELIVERY}::test_the_answer_to_the_final_dot_may_take_longer_than_any_other",
    ),
    "6 what was taken is sent": Mutant(
        "renewals/reminders/delivery.py",
        "Delivery.objects.filter(pk=delivery.pk).update(\n            state=state",
        "Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease).update(\n            state=state",
        f"{DELIVERY}::test_what_the_server_has_taken_is_sent_also_after_the_lease_was_lost",
    ),
    "7 one message has one recipient": Mutant(
        "renewals/reminders/mail.py",
        "to=[delivery.member.user.email]",
        "to=[member.user.email for member in delivery.member.household.members.all()]",
        f"{DELIVERY}::test_the_others_are_told_in_the_same_run_of_whom_no_mail_reaches",
    ),
    "8 the text is written when it leaves": Mutant(
        "renewals/reminders/mail.py",
        "return _still_true(delivery, lines_on(watch, now))",
        "return _still_true(delivery, lines_on(watch, now)) or lines_on(watch, now)",
        f"{DELIVERY}::test_a_mail_whose_card_was_renewed_meanwhile_is_withdrawn",
    ),
    "9 one failure stops no other": Mutant(
        "renewals/reminders/delivery.py",
        '    except Exception as error:\n        logger.exception("Delivery',
        '    except ZeroDivisionError as error:\n        logger.exception("Delivery',
        f"{DELIVERY}::test_a_mail_that_cannot_be_written_does_not_stop_the_others",
    ),
    "10 done is written after the work": Mutant(
        "renewals/reminders/delivery.py",
        "ReminderRun.objects.create(started_at=clock(), period=period)",
        "ReminderRun.objects.create(started_at=clock(), finished_at=clock(), period=period)",
        f"{DELIVERY}::test_a_refused_sign_in_stops_the_run_and_loses_nothing",
    ),
}


def copy_project(folder):
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def run_tests(folder, *tests):
    """Run tests of a copy of the project; return pytest's exit status and what it printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    ended = subprocess.run(command, cwd=folder, env=bare_environment(), capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout[-3000:] + ended.stderr[-1000:]


@pytest.mark.parametrize("rule", MUTANTS)
def test_without_the_rule_a_test_turns_red(rule, tmp_path):
    mutant = MUTANTS[rule]
    folder = copy_project(tmp_path)
    path = folder / mutant.file
    assert path.read_text().count(mutant.old) == 1
    path.write_text(path.read_text().replace(mutant.old, mutant.new))
    status, output = run_tests(folder, mutant.test)
    assert status == pytest.ExitCode.TESTS_FAILED, output


def test_with_the_rules_the_same_tests_are_green(tmp_path):
    status, output = run_tests(copy_project(tmp_path), *{mutant.test for mutant in MUTANTS.values()})
    assert status == pytest.ExitCode.OK, output
