"""The ladder, on a table of days around each date of a Cubacel card: deadline 27 December 2026, safe 20 December."""

import itertools
from datetime import date, timedelta

import pytest

from renewals.lifecycle import Standing
from renewals.reminders.ladder import Moment, Part, due_moment, next_day, review_moment, worst_first

DEADLINE = date(2026, 12, 27)
DATES = Standing(
    deadline=DEADLINE,
    due_on=date(2026, 11, 27),
    safe_on=date(2026, 12, 20),
    grace_ends_on=date(2027, 1, 26),
    lost_on=date(2027, 2, 6),
)
DAY = timedelta(days=1)


def told_on(dates, first, last, level="standard", part=Part.RESPONSIBLE):
    """Return the days on which something new is said, with its kind, from `first` to `last`."""
    said, days = set(), []
    day = first
    while day <= last:
        moment = due_moment(dates, day, level, part)
        if moment and moment not in said:
            said.add(moment)
            days.append((day, moment.kind))
        day += DAY
    return days


def before(*offsets):
    return [DEADLINE - timedelta(days=offset) for offset in offsets]


def test_standard_level_speaks_30_14_7_6_3_1_and_0_days_before_to_the_responsible():
    # 6: the day after the safe date is always told.
    days = [day for day, _kind in told_on(DATES, date(2026, 10, 1), DEADLINE)]
    assert days == before(30, 14, 7, 6, 3, 1, 0)


@pytest.mark.parametrize(
    ("level", "offsets"),
    [("calm", (14, 6, 3, 0)), ("insistent", (60, 30, 14, 7, 6, 5, 4, 3, 2, 1, 0))],
)
def test_levels_set_the_number_of_mails(level, offsets):
    assert [day for day, _kind in told_on(DATES, date(2026, 10, 1), DEADLINE, level)] == before(*offsets)


def test_deputy_joins_seven_days_before():
    days = [day for day, _kind in told_on(DATES, date(2026, 10, 1), DEADLINE, part=Part.DEPUTY)]
    assert days == before(7, 6, 3, 1, 0)


def test_everyone_is_told_after_the_safe_date_and_not_before():
    days = [day for day, _kind in told_on(DATES, date(2026, 10, 1), DEADLINE, part=Part.EVERYONE)]
    assert days == before(6, 3, 1, 0)
    assert due_moment(DATES, DATES.safe_on, "standard", Part.EVERYONE) is None


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


def test_grace_of_unknown_length_is_told_every_second_day_for_a_month_then_weekly_without_end():
    dates = Standing(DEADLINE, DATES.due_on, DATES.safe_on, None, None)
    days = [day - DEADLINE for day, _kind in told_on(dates, DEADLINE + DAY, DEADLINE + timedelta(days=60))]
    assert days == [timedelta(days=n) for n in (*range(1, 31, 2), 31, 38, 45, 52, 59)]


def test_a_missed_day_is_caught_up_by_the_next_run_with_one_moment():
    day = DEADLINE - timedelta(days=5)
    assert due_moment(DATES, day, "standard", Part.RESPONSIBLE) == Moment("deadline", DEADLINE, before(6)[0])


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


def test_worst_comes_first():
    kinds = ["unknown", "deadline", "grace", "review", "lost", "recovery"]
    moments = [Moment(kind, DEADLINE, DEADLINE) for kind in kinds]
    assert [moment.kind for moment in sorted(moments, key=worst_first)] == [
        "grace", "recovery", "lost", "deadline", "review", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("level", ["calm", "standard", "insistent"])
def test_next_day_is_the_day_on_which_something_new_is_said(level, part):
    for offset in range(-70, 45):
        today = DEADLINE + timedelta(days=offset)
        promised = next_day(DATES, today, level, part)
        last = due_moment(DATES, today, level, part)
        day = today + DAY
        while promised and day < promised:
            assert due_moment(DATES, day, level, part) in (last, None), (today, day)
            day += DAY
        if promised:
            moment = due_moment(DATES, promised, level, part)
            assert moment is not None
            assert moment != last
