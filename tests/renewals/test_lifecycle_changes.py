"""A change of plan: the old rules until its day, the new ones from then on, and never a date that nobody gave."""

import dataclasses
import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renewals.lifecycle import Event, Period, Reason, Rule, Stage, Terms, stage, standing, why_unchanged
from tests.renewals.test_lifecycle_properties import acts, brief, days_from, periods, rules

day = datetime.date.fromisoformat

YEARLY = Rule(
    kind="top_up",
    keeps=Period(days=330),
    qualifying_acts=frozenset({"top_up"}),
    grace=Period(days=30),
)
HALF_YEARLY = Rule(kind="activity", keeps=Period(months=6), qualifying_acts=frozenset({"sms"}), grace=Period())
MONTHLY = Rule(
    kind="fee_from_balance",
    keeps=Period(months=1),
    qualifying_acts=frozenset({"top_up"}),
    counts_from="month_start",
    fee=Decimal(8),
    currency="CNY",
)
DEARER = dataclasses.replace(MONTHLY, fee=Decimal(19))


def top_up(on, amount=100, currency="CUP"):
    return Event(on=day(on), act="top_up", amount=Decimal(amount), currency=currency)


def balance(on, amount, currency="CNY"):
    return Event(on=day(on), balance=Decimal(amount), currency=currency)


def after(rule, on):
    return [Terms((rule,), day(on))]


def deadline(rule, events, changes):
    found = standing([rule], events, changes=changes).deadline
    return found and found.isoformat()


def test_change_keeps_the_deadline_that_runs_where_the_new_rule_would_give_more():
    assert deadline(YEARLY, [top_up("2026-01-31")], after(HALF_YEARLY, "2026-09-01")) == "2026-12-27"


def test_change_shortens_to_what_the_new_rule_gives_from_its_day():
    assert deadline(YEARLY, [top_up("2026-01-31")], after(HALF_YEARLY, "2026-02-28")) == "2026-08-28"


def test_because_of_a_change_names_its_day():
    because = standing([YEARLY], [top_up("2026-01-31")], changes=after(HALF_YEARLY, "2026-02-28")).because
    assert (because.reason, because.event.on, because.rule) == (Reason.PLAN_CHANGE, day("2026-02-28"), HALF_YEARLY)


def test_grace_is_that_of_the_plan_that_holds():
    dates = standing([YEARLY], [top_up("2026-01-31")], changes=after(HALF_YEARLY, "2026-02-28"))
    assert (dates.grace_ends_on, dates.lost_on) == (day("2026-08-28"), day("2026-08-29"))


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("2026-02-27", "2026-08-28"),  # under the old plan, for which an SMS is nothing
        ("2026-02-28", "2026-08-28"),
        ("2026-03-01", "2026-09-01"),
    ],
)
def test_act_counts_by_the_plan_of_its_day(on, expected):
    events = [top_up("2026-01-31"), Event(on=day(on), act="sms")]
    assert deadline(YEARLY, events, after(HALF_YEARLY, "2026-02-28")) == expected


def test_act_of_the_old_plan_counts_no_more():
    changes = after(HALF_YEARLY, "2026-02-28")
    events = [top_up("2026-01-31")]
    assert deadline(YEARLY, [*events, top_up("2026-03-01")], changes) == "2026-08-28"
    assert why_unchanged([YEARLY], top_up("2026-03-01"), events, changes=changes) is Reason.WRONG_ACT
    assert why_unchanged([YEARLY], top_up("2026-02-27"), events, changes=changes) is None


def test_nothing_known_stays_unknown_until_something_happens():
    changes = after(HALF_YEARLY, "2026-02-28")
    assert deadline(YEARLY, [], changes) is None
    assert stage(standing([YEARLY], [], changes=changes), day("2026-03-01")) is Stage.UNKNOWN
    assert deadline(YEARLY, [Event(on=day("2026-03-01"), act="sms")], changes) == "2026-09-01"


def test_reading_after_the_change_overrides_it():
    seen = Event(on=day("2026-03-05"), valid_until=day("2027-03-05"))
    assert deadline(YEARLY, [top_up("2026-01-31"), seen], after(HALF_YEARLY, "2026-02-28")) == "2027-03-05"


def test_change_to_come_moves_nothing_that_ends_before_it():
    dates = standing([YEARLY], [top_up("2026-01-31")], changes=after(HALF_YEARLY, "2027-06-01"))
    assert dates == standing([YEARLY], [top_up("2026-01-31")])


def test_number_that_was_past_its_deadline_keeps_the_grace_of_its_old_plan():
    dates = standing([YEARLY], [top_up("2026-01-31")], changes=after(HALF_YEARLY, "2027-01-05"))
    assert (dates.deadline, dates.grace_ends_on, dates.lost_on) == (
        day("2026-12-27"), day("2027-01-26"), day("2027-01-27"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("on", "deadline", "lost_on"),
    [
        ("2027-01-26", "2027-07-26", None),  # the last day of the old grace
        ("2027-01-27", "2026-12-27", "2027-01-27"),
        ("2027-03-02", "2026-12-27", "2027-01-27"),
    ],
)
def test_change_brings_no_number_back_whose_grace_is_over(on, deadline, lost_on):
    # Of the new plan nobody knows how long its grace is, so that by it alone any day would do.
    endless = dataclasses.replace(HALF_YEARLY, grace=None)
    changes = after(endless, "2027-01-05")
    events, late = [top_up("2026-01-31")], Event(on=day(on), act="sms")
    dates = standing([YEARLY], [*events, late], changes=changes)
    assert (dates.deadline, dates.lost_on) == (day(deadline), lost_on and day(lost_on))
    assert why_unchanged([YEARLY], late, events, changes=changes) is (Reason.AFTER_GRACE if lost_on else None)


def test_balance_carried_over_brings_no_number_back():
    rule = dataclasses.replace(MONTHLY, grace=Period(days=30))
    events = [balance("2026-01-10", 8)]
    changes = after(rule, "2026-06-01")
    assert standing([rule], [*events, top_up("2026-06-02", 50, "CNY")], changes=changes) == standing([rule], events)


@pytest.mark.parametrize(
    "seen",
    [balance("2026-06-02", "16"), Event(on=day("2026-06-02"), valid_until=day("2026-08-01"))],
)
def test_operator_brings_back_what_it_shows_alive(seen):
    rule = dataclasses.replace(MONTHLY, grace=Period(days=30))
    events = [balance("2026-01-10", 8), seen, top_up("2026-06-03", 8, "CNY")]
    assert standing([rule], events, changes=after(rule, "2026-06-01")).deadline >= day("2026-08-01")


def test_what_is_saved_in_the_old_grace_is_alive_after_it():
    events = [top_up("2026-01-31"), Event(on=day("2027-01-20"), act="sms"), Event(on=day("2027-05-01"), act="sms")]
    assert deadline(YEARLY, events, after(HALF_YEARLY, "2027-01-05")) == "2026-12-27"
    half_yearly = dataclasses.replace(HALF_YEARLY, grace=Period(days=60))
    assert deadline(YEARLY, events, after(half_yearly, "2027-01-05")) == "2027-11-01"
    saved = [balance("2026-01-10", 8), top_up("2026-03-20", 16, "CNY"), top_up("2026-06-02", 8, "CNY")]
    rule = dataclasses.replace(MONTHLY, grace=Period(days=30))
    assert standing([rule], saved, changes=after(rule, "2026-03-10")).deadline > day("2026-06-02")


def test_several_changes_follow_each_other():
    changes = [*after(HALF_YEARLY, "2026-02-28"), *after(YEARLY, "2026-04-01")]
    assert deadline(YEARLY, [top_up("2026-01-31")], changes) == "2026-08-28"
    assert deadline(YEARLY, [top_up("2026-01-31"), top_up("2026-04-01")], changes) == "2027-02-25"


@pytest.mark.parametrize(
    ("seen", "changed", "rule", "expected"),
    [
        # 80 CNY on 10 January: at 8 a month ten charges, at 19 four from the same day on
        ("80", "2026-01-10", DEARER, "2026-06-01"),
        # three of 8 are taken on the first of February, March and April; 56 are left for two of 19
        ("80", "2026-04-15", DEARER, "2026-07-01"),
        # a charge on the day of the change is the new plan's
        ("80", "2026-04-01", DEARER, "2026-07-01"),
        ("7", "2026-01-10", DEARER, "2026-02-01"),
    ],
)
def test_balance_goes_on_under_the_new_fee(seen, changed, rule, expected):
    assert deadline(MONTHLY, [balance("2026-01-10", seen)], after(rule, changed)) == expected


@pytest.mark.parametrize(
    ("fee", "changed", "expected"),
    [
        (Decimal(0), "2026-04-15", "2026-09-01"),  # nothing was taken
        (None, "2026-01-20", "2026-06-01"),  # no charge fell between the reading and the change
        (None, "2026-02-01", "2026-06-01"),
        (None, "2026-02-02", None),  # one did, and nobody knows of how much
    ],
)
def test_balance_of_a_plan_whose_fee_is_not_known_is_known_until_the_first_charge(fee, changed, expected):
    untold = dataclasses.replace(MONTHLY, fee=fee)
    assert deadline(untold, [balance("2026-01-10", "80")], after(DEARER, changed)) == expected


def test_cheaper_fee_lasts_longer():
    events = [balance("2026-01-10", "80")]
    assert deadline(DEARER, events, []) == "2026-06-01"
    assert deadline(DEARER, events, after(MONTHLY, "2026-01-10")) == "2026-12-01"


def test_balance_read_under_a_plan_without_fees_is_what_the_new_fee_is_taken_from():
    events = [top_up("2026-01-31"), balance("2026-02-10", "40")]
    assert deadline(YEARLY, events, after(MONTHLY, "2026-02-20")) == "2026-08-01"


def elsewhere(rule, on):
    return [Terms((rule,), day(on), keeps_balance=False)]


def test_balance_does_not_go_along_to_another_operator():
    events = [balance("2026-01-10", "800")]
    assert deadline(MONTHLY, events, after(DEARER, "2026-02-10")) == "2029-08-01"
    # What ran stays at the most; a month of the other plan is earlier.
    assert deadline(MONTHLY, events, elsewhere(DEARER, "2026-02-10")) == "2026-03-10"
    seen = balance("2026-02-12", "38")
    assert deadline(MONTHLY, [*events, seen], elsewhere(DEARER, "2026-02-10")) == "2026-05-01"


def test_balance_does_not_outlast_what_the_operator_said():
    events = [balance("2026-01-10", "800"), Event(on=day("2026-01-11"), valid_until=day("2026-06-01"))]
    assert deadline(MONTHLY, events, after(DEARER, "2026-02-10")) == "2026-06-01"


def test_balance_does_not_outlast_the_life_of_the_line():
    short = dataclasses.replace(MONTHLY, life_limit_days=90)
    changes = after(DEARER, "2026-02-10")
    dates = standing([short], [balance("2026-01-10", "800")], activated_on=day("2026-01-01"), changes=changes)
    assert dates.deadline == day("2026-04-01")


def test_balance_seen_at_an_operator_before_is_not_found_again_by_a_later_change():
    events = [balance("2026-01-10", "800")]
    changes = [*elsewhere(HALF_YEARLY, "2026-02-10"), *after(MONTHLY, "2026-03-10")]
    assert deadline(MONTHLY, events, changes) == "2026-04-10"


def test_balance_of_which_no_fee_was_taken_makes_no_date_later():
    events = [top_up("2026-01-31"), balance("2026-02-10", "4000")]
    assert deadline(YEARLY, events, after(MONTHLY, "2026-02-20")) == "2026-12-27"


def test_balance_in_other_money_says_nothing():
    events = [top_up("2026-01-31"), balance("2026-02-10", "40", "CUP")]
    assert deadline(YEARLY, events, after(MONTHLY, "2026-02-20")) == "2026-03-20"


def test_charges_of_the_new_plan_are_counted_from_its_day():
    by_activation = dataclasses.replace(MONTHLY, counts_from="event")
    found = standing(
        [by_activation],
        [balance("2026-01-10", "20")],
        activated_on=day("2025-12-05"),
        changes=after(by_activation, "2026-01-20"),
    )
    # Nothing was taken between the reading and the 20th; 20 CNY cover the 20th of January and of February.
    assert found.deadline == day("2026-03-20")


def test_life_limit_of_the_new_plan_counts_from_its_day():
    tourist = dataclasses.replace(YEARLY, life_limit_days=90)
    changes = after(tourist, "2026-03-01")
    dates = standing([YEARLY], [top_up("2026-01-31")], activated_on=day("2020-01-01"), changes=changes)
    assert (dates.deadline, dates.because.reason) == (day("2026-05-30"), Reason.LIFE_LIMIT)


@brief
@given(
    before=rules(),
    new=rules(),
    changed=days_from(-400, 400),
    events=st.lists(acts(days_from(-800, 399)), max_size=5),
)
def test_change_alone_never_makes_a_deadline_later(before, new, changed, events):
    """But from one fee from the balance to another: it lasts as long as the balance does."""
    if new.kind == before.kind == "fee_from_balance":
        return
    earlier = [event for event in events if event.on < changed]
    old = standing([before], earlier).deadline
    found = standing([before], earlier, changes=[Terms((new,), changed)]).deadline
    assert (found is None) == (old is None)
    assert found is None or found <= old


@brief
@given(
    before=rules(lengths=periods(2, 60)),
    new=rules(),
    changed=days_from(-400, 0),
    events=st.lists(acts(days_from(-800, -401)), min_size=1, max_size=5),
    late=st.lists(acts(days_from(1, 400)), max_size=3),
)
def test_no_act_after_a_change_brings_a_number_back(before, new, changed, events, late):
    lost = standing([before], events)
    if lost.grace_ends_on is not None and lost.grace_ends_on < changed:
        assert standing([before], [*events, *late], changes=[Terms((new,), changed)]) == lost


@brief
@given(rule=rules(), changed=days_from(1, 400), events=st.lists(acts(days_from(-800, 0)), max_size=5))
def test_change_to_come_moves_no_number_that_ends_before_it(rule, changed, events):
    alone = standing([rule], events)
    if alone.deadline is not None and alone.deadline < changed:
        assert standing([rule], events, changes=[Terms((rule,), changed)]) == alone
