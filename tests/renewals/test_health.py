"""Whether reminders work: every way in which they stop is noticed, and a year without a fault raises no alarm."""

import datetime

import pytest

from cards.models import Member
from renewals.models import Delivery, ReminderRun
from renewals.reminders.health import Health, Pulse, reminder_health
from tests.factories import MemberFactory

MINUTE, HOUR, DAY = datetime.timedelta(minutes=1), datetime.timedelta(hours=1), datetime.timedelta(days=1)
START = datetime.datetime(2027, 1, 1, 8, tzinfo=datetime.UTC)
DAILY, LOOP = None, 60


def run(at, period=DAILY, takes=3, problem="", ends=True):
    """Write down a run as it leaves its row; `takes` is in seconds."""
    finished_at = at + datetime.timedelta(seconds=takes) if ends else None
    return ReminderRun.objects.create(started_at=at, finished_at=finished_at, period=period, problem=problem)


def mail(due_at, **fields):
    """Write down a mail that is to leave at a moment, and was written then if `fields` do not say otherwise."""
    member = fields.pop("member", None) or MemberFactory(next_plan_at=due_at + 365 * DAY)
    about = {"household": member.household, "member": member, "local_date": due_at.date()}
    fields = {"message_id": f"<{Delivery.objects.count()}@test>", "created_at": due_at} | fields
    return Delivery.objects.create(next_try_at=due_at, **about | fields)


def pulses(*moments):
    """Return what is said at each of these moments."""
    return [reminder_health(moment).pulse for moment in moments]


@pytest.mark.django_db
class TestFault:
    """The fault comes at START; before it, everything ran as it should."""

    def test_nothing_ever_ran(self):
        assert reminder_health(START) == Health(START)
        assert reminder_health(START).pulse is Pulse.NEVER

    @pytest.mark.parametrize(("period", "last"), [(DAILY, 2 * DAY), (LOOP, 5 * MINUTE), (3600, 2 * HOUR)])
    def test_that_nothing_calls_any_more_is_noticed_after_two_periods(self, period, last):
        run(START, period, takes=0)
        assert pulses(START + last, START + last + MINUTE) == [Pulse.WORKING, Pulse.LATE]

    def test_import_error_that_ends_every_daily_run_is_noticed_within_the_hour(self):
        run(START - DAY)
        run(START, ends=False)
        assert pulses(START + HOUR, START + HOUR + MINUTE) == [Pulse.WORKING, Pulse.STUCK]
        assert reminder_health(START + 2 * HOUR).unfinished_since == START

    def test_import_error_that_ends_every_run_of_a_loop_is_noticed_within_the_hour(self):
        run(START - MINUTE, LOOP)
        for minute in range(90):
            run(START + minute * MINUTE, LOOP, ends=False)
        assert pulses(START + HOUR, START + HOUR + MINUTE) == [Pulse.WORKING, Pulse.LATE]

    def test_run_that_hangs_is_noticed_within_the_hour(self):
        run(START - MINUTE, LOOP)
        run(START, LOOP, ends=False)
        assert pulses(START + HOUR, START + HOUR + MINUTE) == [Pulse.WORKING, Pulse.LATE]

    def test_run_that_was_killed_is_no_fault_once_the_next_one_has_ended(self):
        run(START, LOOP, ends=False)
        run(START + MINUTE, LOOP)
        assert reminder_health(START + 3 * HOUR).begun_at is None
        assert reminder_health(START + 2 * MINUTE).pulse is Pulse.WORKING

    def test_long_run_of_a_loop_is_no_fault(self):
        run(START - MINUTE, LOOP)
        run(START, LOOP, ends=False)
        assert pulses(START, START + 6 * MINUTE, START + 59 * MINUTE) == [Pulse.WORKING] * 3

    def test_refused_sign_in_of_a_daily_run_is_noticed_after_an_hour(self):
        run(START - DAY)
        run(START, problem="535 no such password", ends=False)
        assert reminder_health(START + MINUTE).problem == "535 no such password"
        assert pulses(START + HOUR, START + HOUR + MINUTE) == [Pulse.WORKING, Pulse.STUCK]

    def test_refused_sign_in_of_a_loop_is_noticed_although_the_runs_between_two_tries_end_well(self):
        """After each refusal all mails are put off, so that the runs up to the next try find nothing to do."""
        refusal = "535 no such password"
        run(START - MINUTE, LOOP)
        waiting = mail(START + datetime.timedelta(seconds=1), state="retry", last_error=refusal)
        tries = {0, 1, 6, 21, 81}
        for minute in range(200):
            is_try = minute in tries
            run(START + minute * MINUTE, LOOP, ends=not is_try, problem=refusal if is_try else "")
        now = START + 199 * MINUTE
        Delivery.objects.update(next_try_at=now + MINUTE)
        health = reminder_health(now)
        assert (health.pulse, health.problem, health.problem_since) == (Pulse.STUCK, refusal, START)
        Delivery.objects.filter(pk=waiting.pk).update(state="sent", last_error="")
        health = reminder_health(now + MINUTE)
        assert (health.pulse, health.problem, health.problem_since) == (Pulse.WORKING, "", None)

    def test_server_that_is_away_is_noticed_also_when_the_run_ends(self):
        run(START - DAY)
        run(START, problem="ConnectionRefusedError")
        assert pulses(START + HOUR, START + HOUR + MINUTE) == [Pulse.WORKING, Pulse.STUCK]

    def test_problem_of_the_past_is_none_when_another_mail_waits_for_the_same_reason(self):
        run(START, problem="TimeoutError")
        run(START + DAY)
        mail(START + 2 * DAY, state="retry", last_error="TimeoutError")
        run(START + 2 * DAY)
        assert reminder_health(START + 2 * DAY + MINUTE).problem == ""

    @pytest.mark.parametrize("state", ["queued", "claimed", "retry"])
    def test_run_that_ends_well_while_a_mail_is_due_is_noticed_after_two_hours(self, state):
        mail(START, state=state)
        for minute in range(1, 200):
            run(START + minute * MINUTE, LOOP)
        assert pulses(START + 2 * HOUR, START + 2 * HOUR + MINUTE) == [Pulse.WORKING, Pulse.STUCK]
        assert reminder_health(START + 190 * MINUTE).waiting_since == START

    @pytest.mark.parametrize("state", ["sent", "failed", "withdrawn"])
    def test_mail_that_is_done_with_waits_for_nothing(self, state):
        mail(START, state=state)
        run(START + 5 * HOUR, LOOP)
        assert reminder_health(START + 5 * HOUR + MINUTE).pulse is Pulse.WORKING

    def test_run_that_ends_well_while_a_members_day_is_not_planned_is_noticed_after_two_hours(self):
        member = MemberFactory(next_plan_at=START)
        run(START + 3 * HOUR, LOOP)
        now = START + 3 * HOUR + MINUTE
        assert (reminder_health(now).pulse, reminder_health(now).waiting_since) == (Pulse.STUCK, START)
        for change in ({"mail_stopped_at": START}, {"next_plan_at": now}, {"next_plan_at": None}):
            Member.objects.update(**{"mail_stopped_at": None, "next_plan_at": START} | change)
            assert reminder_health(now).pulse is Pulse.WORKING
        Member.objects.update(next_plan_at=START)
        assert reminder_health(now).pulse is Pulse.STUCK
        member.user.is_active = False
        member.user.save()
        assert reminder_health(now).pulse is Pulse.WORKING

    def test_test_mail_of_the_evening_waits_for_the_daily_run(self):
        run(START)
        mail(START + 12 * HOUR, kind="test")
        assert pulses(START + 13 * HOUR, START + 23 * HOUR) == [Pulse.WORKING] * 2

    def test_frozen_clock_is_noticed(self):
        for _each in range(30):
            run(START, LOOP, takes=0)
        assert pulses(START + 5 * MINUTE, START + 6 * MINUTE) == [Pulse.WORKING, Pulse.LATE]

    def test_run_of_the_future_counts_for_nothing_once_the_clock_is_right_again(self):
        run(START, LOOP)
        for minute in range(5):
            run(START + 300 * DAY + minute * MINUTE, LOOP)
        assert reminder_health(START + 300 * DAY + 5 * MINUTE).pulse is Pulse.WORKING
        assert reminder_health(START + DAY).pulse is Pulse.LATE
        run(START + DAY, LOOP)
        assert reminder_health(START + DAY + MINUTE).pulse is Pulse.WORKING

    def test_unfinished_run_of_the_future_hides_nothing(self):
        run(START, LOOP)
        run(START + 300 * DAY, LOOP, ends=False)
        assert reminder_health(START + 10 * MINUTE).pulse is Pulse.LATE

    def test_run_that_held_for_its_clock_is_no_fault_once_the_next_one_has_ended(self):
        run(START, LOOP)
        run(START + MINUTE, LOOP, ends=False, problem="The clock says …")
        assert reminder_health(START + 2 * MINUTE).problem == "The clock says …"
        run(START + 2 * MINUTE, LOOP)
        assert reminder_health(START + 3 * MINUTE).problem == ""


@pytest.mark.django_db
def test_year_of_daily_runs_raises_no_alarm():
    """Cron calls late by up to ten minutes, some mails are tried again the next day, and some days have none."""
    member = MemberFactory()
    for day in range(365):
        at = START + day * DAY + datetime.timedelta(seconds=day * 7919 % 600)
        Delivery.objects.filter(state="retry").update(state="sent", last_error="")
        if day % 3 == 0:
            is_put_off = day % 2 == 0
            mail(
                at + (MINUTE if is_put_off else datetime.timedelta()),
                member=member,
                created_at=at,
                state="retry" if is_put_off else "sent",
                last_error="450 greylisted" if is_put_off else "",
                message_id=f"<{day}@test>",
            )
        Member.objects.update(next_plan_at=at + DAY - 5 * MINUTE)
        run(at, takes=day % 90)
        for later in (2 * HOUR + 2 * MINUTE, DAY - MINUTE):
            assert (day, later, reminder_health(at + later).pulse) == (day, later, Pulse.WORKING)


def test_year_of_a_loop_raises_no_alarm():
    """Without rows: every minute of a year, with passes of half an hour at the hour of many mails."""
    now, alarms = START, 0
    last = ReminderRun(started_at=START, finished_at=START, period=LOOP)
    while now < START + 365 * DAY:
        begun_at, takes = now, 30 * MINUTE if (now.hour, now.minute) == (8, 0) else MINUTE
        while now < begun_at + takes:
            alarms += Health(now, last, begun_at=begun_at).pulse is not Pulse.WORKING
            now += MINUTE
        last.started_at, last.finished_at = begun_at, now
        alarms += Health(now, last).pulse is not Pulse.WORKING
    assert (now.year, alarms) == (2028, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [1, 30])
def test_health_asks_the_database_equally_often(rows, django_assert_num_queries):
    for number in range(rows):
        run(START + number * MINUTE, LOOP)
    with django_assert_num_queries(4):
        reminder_health(START + HOUR)
    for number in range(rows):
        mail(START, state="retry", last_error=f"450 {number}")
    with django_assert_num_queries(5):
        assert reminder_health(START + HOUR).problem == ""
    for number in range(rows):
        run(START + number * MINUTE, LOOP, problem=f"450 {number}")
    with django_assert_num_queries(6):
        assert reminder_health(START + HOUR).problem == f"450 {rows - 1}"
