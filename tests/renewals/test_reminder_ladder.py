"""The ladder, on a table of days around each date of a Cubacel card: deadline 27 December 2026, safe 20 December."""

import itertools
from datetime import date, timedelta

import pytest

from renewals.lifecycle import Standing
from renewals.models import Reminder
from renewals.reminders.ladder import (
    OFFSETS,
    WORST_FIRST,
    Moment,
    Part,
    Pause,
    Wishes,
    accounts_moment,
    change_moment,
    counted_down,
    due_moment,
    next_day,
    repeated,
    review_moment,
    worst_first,
)

DEADLINE = date(2026, 12, 27)
DATES = Standing(
    deadline=DEADLINE,
    due_on=date(2026, 11, 27),
    safe_on=date(2026, 12, 20),
    grace_ends_on=date(2027, 1, 26),
    lost_on=date(2027, 2, 6),
)
DAY = timedelta(days=1)


def told_on(dates, first, last, level="standard", part=Part.RESPONSIBLE, **wishes):
    """Return the days on which something new is said, with its kind, from `first` to `last`."""
    said, days = set(), []
    day = first
    while day <= last:
        moment = due_moment(dates, day, Wishes(part, level, **wishes))
        if moment and moment not in said:
            said.add(moment)
            days.append((day, moment.kind))
        day += DAY
    return days


def before(*offsets):
    return [DEADLINE - timedelta(days=offset) for offset in offsets]


def days_told(first=date(2026, 10, 1), last=DEADLINE, **wishes):
    return [day for day, _kind in told_on(DATES, first, last, **wishes)]


def test_standard_level_speaks_30_14_and_7_days_before_then_every_second_day_and_on_its_own_days():
    # 6: the day after the safe date; 4 and 2: every second day from there.
    assert days_told() == before(30, 14, 7, 6, 4, 3, 2, 1, 0)


@pytest.mark.parametrize(
    ("level", "offsets"),
    [("calm", (14, 6, 4, 3, 2, 0)), ("insistent", (60, 30, 14, 7, 6, 5, 4, 3, 2, 1, 0))],
)
def test_levels_set_the_number_of_mails(level, offsets):
    assert days_told(level=level) == before(*offsets)


def test_deputy_joins_seven_days_before():
    assert days_told(part=Part.DEPUTY) == before(7, 6, 4, 3, 2, 1, 0)
    assert days_told(part=Part.DEPUTY, level="calm")[0] == before(7)[0]


def test_everyone_is_told_after_the_safe_date_and_not_before():
    assert days_told(part=Part.EVERYONE) == before(6, 4, 3, 2, 1, 0)
    assert due_moment(DATES, DATES.safe_on, Wishes(Part.EVERYONE, "standard")) is None


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("level", OFFSETS)
@pytest.mark.parametrize("buffer", [1, 2, 7, 20])
def test_after_the_safe_date_nobody_waits_longer_than_two_days(part, level, buffer):
    dates = Standing(DEADLINE, date(2026, 11, 27), DEADLINE - timedelta(days=buffer), None, None)
    days = [day for day, _kind in told_on(dates, dates.safe_on + DAY, DEADLINE + timedelta(days=400), level, part)]
    assert days[0] == dates.safe_on + DAY
    assert {later - day for day, later in itertools.pairwise(days)} <= {DAY, 2 * DAY}


def test_free_days_are_added_to_those_of_the_level_up_to_ten_years_before():
    more = frozenset({90, 45, 14})
    assert days_told(date(2026, 9, 1), level="calm", more_days=more) == before(90, 45, 14, 6, 4, 3, 2, 0)
    long_before = DEADLINE - timedelta(days=3650)
    assert due_moment(DATES, long_before - DAY, Wishes(Part.RESPONSIBLE, "calm", frozenset({3650}))) is None
    told = due_moment(DATES, long_before, Wishes(Part.RESPONSIBLE, "calm", frozenset({3650})))
    assert told == Moment("deadline", DEADLINE, long_before)


def test_what_falls_into_an_absence_is_told_the_day_before_it_but_never_less_from_the_safe_date_on():
    away = (date(2026, 12, 10), date(2026, 12, 24))
    assert days_told(absence=away) == [*before(30), date(2026, 12, 9), *before(6, 4, 3, 2, 1, 0)]
    away_now = (date(2026, 11, 20), date(2026, 12, 31))
    assert days_told(date(2026, 11, 25), absence=away_now)[0] == date(2026, 11, 25)


def test_a_snooze_is_quiet_until_its_end_and_then_speaks():
    pause = Pause(DEADLINE, date(2026, 12, 16))
    assert days_told(date(2026, 12, 13), pause=pause) == [date(2026, 12, 16), *before(7, 6, 4, 3, 2, 1, 0)]


def test_a_snooze_ends_at_the_safe_date_and_is_not_heard_in_danger():
    pause = Pause(DEADLINE, DEADLINE + timedelta(days=30))
    assert days_told(date(2026, 12, 13), pause=pause) == [DATES.safe_on, *before(6, 4, 3, 2, 1, 0)]
    in_grace = told_on(DATES, DEADLINE + DAY, DEADLINE + timedelta(days=4), pause=pause)
    assert [day - DEADLINE for day, _kind in in_grace] == [DAY, 3 * DAY]


def test_a_snooze_made_for_another_deadline_means_nothing():
    pause = Pause(date(2026, 1, 1), date(2026, 12, 25))
    assert days_told(pause=pause) == days_told()


def test_a_deadline_that_rests_on_the_balance_is_called_so_until_it_has_passed():
    wishes = Wishes(Part.RESPONSIBLE, "standard")
    assert due_moment(DATES, DEADLINE, wishes, "balance").kind == "balance"
    assert due_moment(DATES, DEADLINE + DAY, wishes, "balance").kind == "grace"


def test_grace_is_told_every_second_day_and_on_its_last_day():
    days = told_on(DATES, DEADLINE + DAY, DATES.grace_ends_on, part=Part.EVERYONE)
    assert {kind for _day, kind in days} == {"grace"}
    assert [day for day, _kind in days] == [
        *(DEADLINE + timedelta(days=n) for n in range(1, 30, 2)),
        DATES.grace_ends_on,
    ]


def test_recovery_is_told_weekly_and_loss_once():
    days = told_on(DATES, DATES.grace_ends_on + DAY, DATES.lost_on + timedelta(days=60))
    assert days == [
        (date(2027, 1, 27), "recovery"),
        (date(2027, 2, 3), "recovery"),
        (date(2027, 2, 6), "lost"),
    ]


def test_grace_of_unknown_length_is_told_every_second_day_without_end():
    dates = Standing(DEADLINE, DATES.due_on, DATES.safe_on, None, None)
    days = [day - DEADLINE for day, _kind in told_on(dates, DEADLINE + DAY, DEADLINE + timedelta(days=600))]
    assert days == [timedelta(days=n) for n in range(1, 601, 2)]


def test_a_missed_day_is_caught_up_by_the_next_run_with_one_moment():
    day = DEADLINE - timedelta(days=5)
    assert due_moment(DATES, day, Wishes(Part.RESPONSIBLE, "standard")) == Moment("deadline", DEADLINE, before(6)[0])


def test_a_card_of_which_nothing_is_known_is_told_at_once_and_every_two_weeks():
    days = told_on(Standing(), date(2026, 11, 1), date(2026, 12, 31))
    assert days[0][0] == date(2026, 11, 1)
    assert {later[0] - day[0] for day, later in itertools.pairwise(days[1:])} == {timedelta(days=14)}
    assert {kind for _day, kind in days} == {"unknown"}


def test_review_is_asked_about_from_its_day_every_second_day():
    follow_up = date(2026, 11, 10)
    assert review_moment(follow_up, follow_up - DAY) is None
    on = [review_moment(follow_up, follow_up + timedelta(days=n)).on - follow_up for n in range(5)]
    assert on == [timedelta(days=n) for n in (0, 0, 2, 2, 4)]


def test_a_changed_rule_is_news_for_a_month():
    day = date(2026, 11, 10)
    assert change_moment(day, None, day - DAY) is None
    assert change_moment(day, None, day) == Moment("rule", day, day)
    assert change_moment(day, DEADLINE, day + 30 * DAY) == Moment("rule", DEADLINE, day)
    assert change_moment(day, DEADLINE, day + 31 * DAY) is None


def test_a_document_is_told_180_90_30_and_0_days_before_and_not_for_ever_after():
    def told(days):
        moment = counted_down("document", DEADLINE, DEADLINE + timedelta(days=days), (180, 90, 30, 0), lasts=30)
        return moment and (moment.on - DEADLINE).days

    assert [told(days) for days in (-181, -180, -91, -90, -30, -1, 0, 30, 31)] == [
        None, -180, -180, -90, -30, -30, 0, 0, None,
    ]  # fmt: skip


def test_a_task_comes_on_its_day_and_every_so_many_days():
    on = [repeated("signal", DEADLINE, DEADLINE, DEADLINE + timedelta(days=n), 30) for n in (-1, 0, 29, 30, 61)]
    assert [moment and (moment.on - DEADLINE).days for moment in on] == [None, 0, 0, 30, 60]


def test_accounts_are_asked_for_before_the_last_day_and_for_a_month_after():
    opened = date(2026, 11, 1)

    def told(days):
        moment = accounts_moment(DEADLINE, opened, DEADLINE + timedelta(days=days))
        return moment and (moment.on - DEADLINE).days

    assert [told(days) for days in (-31, -30, -8, -7, -2, 0, 6, 7, 30, 31)] == [
        None, -30, -14, -7, -3, 0, 0, 7, 28, 28,
    ]  # fmt: skip
    without_day = [accounts_moment(None, opened, opened + timedelta(days=n)) for n in (-1, 0, 13, 14)]
    assert [moment and (moment.on - opened).days for moment in without_day] == [None, 0, 0, 14]


def test_worst_comes_first():
    kinds = ["watching", "unknown", "deadline", "grace", "review", "lost", "recovery"]
    moments = [Moment(kind, DEADLINE, DEADLINE) for kind in kinds]
    assert [moment.kind for moment in sorted(moments, key=worst_first)] == [
        "grace", "recovery", "lost", "deadline", "review", "unknown", "watching",
    ]  # fmt: skip
    low, later = Moment("balance", DEADLINE, DEADLINE), Moment("deadline", DEADLINE + DAY, DEADLINE)
    assert sorted([later, low], key=worst_first) == [low, later]


def test_every_kind_of_line_has_its_place():
    assert list(WORST_FIRST) == Reminder.Kind.values


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("level", ["calm", "standard", "insistent"])
def test_next_day_is_the_day_on_which_something_new_is_said(level, part):
    for offset in range(-70, 45):
        today = DEADLINE + timedelta(days=offset)
        wishes = Wishes(part, level)
        promised = next_day(DATES, today, wishes)
        last = due_moment(DATES, today, wishes)
        day = today + DAY
        while promised and day < promised:
            assert due_moment(DATES, day, wishes) in (last, None), (today, day)
            day += DAY
        if promised:
            moment = due_moment(DATES, promised, wishes)
            assert moment is not None
            assert moment != last
