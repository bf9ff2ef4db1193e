"""What one rule makes of acts: periods, ladders, where they count from, and what does not count."""

import dataclasses
import datetime
from decimal import Decimal

import pytest

from renewals.lifecycle import (
    HORIZON,
    Because,
    Event,
    Period,
    Reason,
    Rule,
    Standing,
    Step,
    standing,
    why_unchanged,
)

day = datetime.date.fromisoformat

CUBACEL = Rule(
    kind="top_up",
    keeps=Period(days=330),
    qualifying_acts=frozenset({"top_up", "plan_purchase"}),
    steps=(
        Step(Decimal(100), "CUP", "inside", Period(days=330)),
        Step(Decimal(250), "CUP", "abroad", Period(days=330)),
    ),
    grace=Period(days=30),
    grace_acts=frozenset({"top_up"}),
)
MONTHLY_FEE = Rule(kind="fee_paid", keeps=Period(months=1), qualifying_acts=frozenset({"fee"}))
GIFFGAFF = Rule(kind="activity", keeps=Period(months=6), qualifying_acts=frozenset({"top_up", "sms", "call", "data"}))


def cup(on, amount, channel="inside", act="top_up"):
    return Event(on=day(on), act=act, amount=Decimal(amount), currency="CUP", channel=channel)


def paid(on, amount=10, currency="EUR", act="top_up", **more):
    return Event(on=day(on), act=act, amount=Decimal(amount), currency=currency, **more)


def deadline(rule, *events):
    found = standing([rule], events).deadline
    return found and found.isoformat()


def test_period_of_turns_values_and_units_into_calendar_time():
    assert [Period.of(9, "days"), Period.of(9, "months"), Period.of(2, "years")] == [
        Period(days=9),
        Period(months=9),
        Period(months=24),
    ]


def test_period_of_refuses_another_unit():
    with pytest.raises(KeyError):
        Period.of(1, "weeks")


def test_period_adds_and_multiplies_by_unit():
    assert (Period(months=1, days=2) + Period(months=3, days=4)) * 2 == Period(months=8, days=12)


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [
        ("2025-08-31", Period(months=6), "2026-02-28"),
        ("2027-08-31", Period(months=6), "2028-02-29"),
        ("2026-01-31", Period(months=1), "2026-02-28"),
        ("2026-01-31", Period(months=2), "2026-03-31"),
        ("2026-01-31", Period(months=3), "2026-04-30"),
        ("2028-02-29", Period(months=12), "2029-02-28"),
        ("2028-02-29", Period(months=48), "2032-02-29"),
        ("2096-02-29", Period(months=48), "2100-02-28"),
        ("2096-02-29", Period(months=96), "2104-02-29"),
        ("2028-02-29", Period(days=365), "2029-02-28"),
        ("2027-02-28", Period(days=365), "2028-02-28"),
        ("2028-02-28", Period(days=365), "2029-02-27"),
        ("2026-12-31", Period(days=1), "2027-01-01"),
        ("2026-01-31", Period(months=1, days=1), "2026-03-01"),
        ("2026-06-15", Period(), "2026-06-15"),
    ],
)
def test_period_after_clamps_months_first_and_then_counts_days(start, length, end):
    assert length.after(day(start)) == day(end)


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [
        (HORIZON, Period(), HORIZON),
        (day("8999-12-31"), Period(days=1), HORIZON),
        (day("8999-12-31"), Period(days=2), HORIZON),
        (day("8999-12-30"), Period(days=1), day("8999-12-31")),
        (day("8999-12-31"), Period(months=1), HORIZON),
        (day("8999-11-30"), Period(months=1), day("8999-12-30")),
        (day("9999-12-31"), Period(), HORIZON),
        (day("2026-01-01"), Period(months=10**9), HORIZON),
        (day("2026-01-01"), Period(days=10**12), HORIZON),
        (day("2026-01-01"), Period(months=12 * 5000, days=365 * 5000), HORIZON),
        (datetime.date.min, Period(months=12 * 8999, days=1), HORIZON),
    ],
)
def test_period_after_never_passes_the_horizon(start, length, end):
    assert length.after(start) == end


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (cup("2026-01-31", 100), ("2026-12-27", "2026-11-27", "2026-12-20", "2027-01-26", "2027-01-27")),
        (
            cup("2026-12-26", 250, "abroad"),
            ("2027-11-21", "2027-10-22", "2027-11-14", "2027-12-21", "2027-12-22"),
        ),
        (cup("2027-01-10", 100), ("2027-12-06", "2027-11-06", "2027-11-29", "2028-01-05", "2028-01-06")),
    ],
)
def test_standing_gives_all_dates_of_the_cubacel_examples(event, expected):
    assert standing([CUBACEL], [event]) == Standing(*map(day, expected), Because(Reason.ACT, event, CUBACEL))
    bought = dataclasses.replace(event, act="plan_purchase")
    assert standing([CUBACEL], [bought]) == Standing(*map(day, expected), Because(Reason.ACT, bought, CUBACEL))


def test_standing_is_not_changed_by_99_cup_and_says_why():
    enough, too_small = cup("2026-01-31", 100), cup("2026-06-01", 99)
    assert standing([CUBACEL], [enough, too_small]) == standing([CUBACEL], [enough])
    assert why_unchanged([CUBACEL], too_small, [enough]) is Reason.TOO_SMALL
    assert standing([CUBACEL], [too_small]) == Standing()


def test_standing_is_saved_by_a_top_up_in_grace():
    first, saving = cup("2026-01-31", 100), cup("2027-01-10", 100)
    assert standing([CUBACEL], [first, saving]) == standing([CUBACEL], [saving])
    assert why_unchanged([CUBACEL], saving, [first]) is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (cup("2026-06-01", "99.99"), Reason.TOO_SMALL),
        (cup("2026-06-01", 100), None),
        (cup("2026-06-01", "100.01"), None),
        (cup("2026-06-01", 100, "abroad"), Reason.TOO_SMALL),
        (cup("2026-06-01", 249, "abroad"), Reason.TOO_SMALL),
        (cup("2026-06-01", 250, "abroad"), None),
        (paid("2026-06-01", 500, "USD"), Reason.WRONG_CURRENCY),
        (Event(on=day("2026-06-01"), act="top_up", currency="CUP"), Reason.TOO_SMALL),
        (Event(on=day("2026-06-01"), act="sms"), Reason.WRONG_ACT),
        (dataclasses.replace(cup("2026-06-01", 100), is_confirmed=False), Reason.NOT_CONFIRMED),
        (dataclasses.replace(cup("2026-06-01", 1), is_confirmed=False), Reason.NOT_CONFIRMED),
        (Event(on=day("2026-06-01"), valid_until=day("2026-07-01")), None),
    ],
)
def test_why_unchanged_agrees_with_standing_on_what_counts(event, reason):
    assert why_unchanged([CUBACEL], event, []) is reason
    assert (standing([CUBACEL], [event]) == Standing()) is (reason is not None)


def test_why_unchanged_is_none_when_one_of_several_rules_accepts():
    event = Event(on=day("2026-06-01"), act="sms")
    assert why_unchanged([CUBACEL, GIFFGAFF], event, []) is None


def test_why_unchanged_tells_the_reason_of_the_first_rule_when_none_accepts():
    event = paid("2026-06-01", 5, "USD")
    assert why_unchanged([CUBACEL, MONTHLY_FEE], event, []) is Reason.WRONG_CURRENCY
    assert why_unchanged([MONTHLY_FEE, CUBACEL], event, []) is Reason.WRONG_ACT


def test_why_unchanged_is_none_without_rules():
    assert why_unchanged([], cup("2026-06-01", 1), []) is None


@pytest.mark.parametrize(
    ("amount", "currency", "channel", "expected"),
    [
        (4, "EUR", "inside", None),
        (5, "EUR", "inside", "2026-02-28"),
        (14, "EUR", "inside", "2026-02-28"),
        (15, "EUR", "inside", "2026-07-31"),
        (15, "EUR", "abroad", "2026-07-31"),
        (5, "EUR", "abroad", None),
        (30, "EUR", "inside", "2026-07-31"),
        (30, "EUR", "abroad", "2027-01-31"),
        (30, "USD", "abroad", None),
        (50, "USD", "inside", "2026-02-10"),
    ],
)
def test_ladder_gives_the_longest_rung_that_amount_currency_and_channel_reach(amount, currency, channel, expected):
    ladder = (
        Step(Decimal(30), "EUR", "abroad", Period(months=12)),
        Step(Decimal(5), "EUR", "inside", Period(months=1)),
        Step(Decimal(15), "EUR", "anywhere", Period(months=6)),
        Step(Decimal(50), "USD", "anywhere", Period(days=10)),
    )
    rule = dataclasses.replace(CUBACEL, steps=ladder)
    assert deadline(rule, paid("2026-01-31", amount, currency, channel=channel)) == expected


@pytest.mark.parametrize("event", [paid("2026-01-31", "0.01", "USD"), Event(on=day("2026-01-31"), act="top_up")])
def test_ladder_takes_any_amount_where_the_minimum_is_not_known(event):
    rule = dataclasses.replace(CUBACEL, steps=(Step(None, "CUP", "inside", Period(days=7)),))
    assert deadline(rule, event) == "2026-02-07"
    assert deadline(rule, dataclasses.replace(event, channel="abroad")) is None


def test_top_up_without_ladder_takes_any_amount_for_the_value_of_the_rule():
    rule = dataclasses.replace(CUBACEL, steps=(), fee=Decimal(50), currency="EUR")
    assert deadline(rule, paid("2026-01-31", 1, "USD")) == "2026-12-27"


def test_top_up_rule_that_accepts_a_use_asks_no_price_of_it():
    rule = dataclasses.replace(
        CUBACEL,
        keeps=Period(days=90),
        qualifying_acts=frozenset({"top_up", "sms"}),
        steps=(
            Step(Decimal(10), "GBP", "anywhere", Period(days=120)),
            Step(None, "GBP", "anywhere", Period(days=7)),
        ),
    )
    sms = Event(on=day("2026-01-31"), act="sms")
    assert why_unchanged([rule], sms, []) is None
    assert deadline(rule, sms) == "2026-05-01"
    assert deadline(rule, paid("2026-01-31", 10, "GBP")) == "2026-05-31"


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        (["2025-08-31"], "2026-02-28"),
        (["2027-08-31"], "2028-02-29"),
        (["2025-08-31", "2025-09-30"], "2026-03-30"),
        (["2025-08-31", "2025-08-30"], "2026-02-28"),
    ],
)
def test_activity_keeps_from_the_last_use(acts, expected):
    assert deadline(GIFFGAFF, *(Event(on=day(on), act="sms") for on in acts)) == expected


def test_activity_takes_a_top_up_of_any_amount_and_refuses_what_is_not_named():
    top_up, sign_in = paid("2025-08-31", "0.01"), Event(on=day("2025-08-31"), act="sign_in")
    assert deadline(GIFFGAFF, top_up) == "2026-02-28"
    assert deadline(GIFFGAFF, sign_in) is None
    assert why_unchanged([GIFFGAFF], sign_in, []) is Reason.WRONG_ACT


def test_activity_asks_of_a_top_up_what_the_ladder_asks_and_of_a_use_nothing():
    rule = dataclasses.replace(GIFFGAFF, steps=(Step(Decimal(10), "GBP", "anywhere", Period(months=1)),))
    assert deadline(rule, paid("2025-08-31", 10, "GBP")) == "2025-09-30"
    assert deadline(rule, paid("2025-08-31", 9, "GBP")) is None
    assert why_unchanged([rule], paid("2025-08-31", 9, "GBP"), []) is Reason.TOO_SMALL
    assert deadline(rule, Event(on=day("2025-08-31"), act="sms")) == "2026-02-28"


def test_counts_from_event_never_shortens_what_is_already_bought():
    rule = dataclasses.replace(
        CUBACEL,
        steps=(
            Step(Decimal(50), "EUR", "anywhere", Period(months=12)),
            Step(Decimal(10), "EUR", "anywhere", Period(months=1)),
        ),
    )
    long, short = paid("2026-01-31", 50), paid("2026-06-30", 10)
    assert standing([rule], [long, short]) == standing([rule], [long])
    assert why_unchanged([rule], short, [long]) is None


def test_because_stays_with_the_earlier_act_when_a_later_one_reaches_the_same_day():
    rule = dataclasses.replace(CUBACEL, steps=(), counts_from="plan_end")
    first = paid("2026-01-01", covers_until=day("2026-03-01"))
    second = paid("2026-02-01", covers_until=day("2026-03-01"))
    assert standing([rule], [first, second]).because == Because(Reason.ACT, first, rule)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("2026-02-27", "2026-03-31"),  # still running: added, counted from the anchor
        ("2026-02-28", "2026-03-31"),  # on the deadline itself
        ("2026-03-01", "2026-04-01"),  # a day after it: never before the act
    ],
)
def test_counts_from_expiry_adds_to_what_is_running(second, expected):
    rule = Rule("top_up", Period(months=1), frozenset({"top_up"}), counts_from="expiry", grace=Period(days=30))
    assert deadline(rule, paid("2026-01-31"), paid(second)) == expected


def test_counts_from_expiry_stacks_many_acts_of_one_day_without_drift():
    rule = Rule("top_up", Period(months=1), frozenset({"top_up"}), counts_from="expiry")
    acts = [paid("2027-12-31", amount) for amount in range(1, 15)]
    found = [deadline(rule, *acts[:count]) for count in range(1, 15)]
    assert found == [
        "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31", "2028-06-30", "2028-07-31",
        "2028-08-31", "2028-09-30", "2028-10-31", "2028-11-30", "2028-12-31", "2029-01-31", "2029-02-28",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "acts", "expected"),
    [
        (59, ["2026-01-01", "2026-01-01"], "2026-03-01"),
        (60, ["2026-01-01", "2026-01-01"], "2026-03-02"),
        (61, ["2026-01-01", "2026-01-01"], "2026-03-02"),
        (60, ["2026-01-01", "2026-01-01", "2026-01-01"], "2026-03-02"),
        (60, ["2026-01-01", "2026-01-01", "2026-01-11"], "2026-03-12"),
        (10, ["2026-01-01"], "2026-01-11"),
    ],
)
def test_stack_limit_caps_from_the_day_of_the_act(limit, acts, expected):
    rule = Rule("top_up", Period(days=30), frozenset({"top_up"}), counts_from="expiry", stack_limit_days=limit)
    assert deadline(rule, *(paid(on) for on in acts)) == expected


def test_stack_limit_never_takes_back_what_the_operator_shows():
    rule = Rule("top_up", Period(days=30), frozenset({"top_up"}), counts_from="expiry", stack_limit_days=60)
    shown = Event(on=day("2026-01-01"), valid_until=day("2026-12-31"))
    assert standing([rule], [shown, paid("2026-01-02")]) == standing([rule], [shown])


def test_stack_limit_says_nothing_where_acts_do_not_stack():
    rule = Rule("top_up", Period(days=30), frozenset({"top_up"}), stack_limit_days=10)
    assert deadline(rule, paid("2026-01-01")) == "2026-01-31"


@pytest.mark.parametrize(
    ("covers_until", "expected"),
    [("2026-02-15", "2026-08-14"), (None, "2026-07-14"), ("2026-01-10", "2026-07-09")],
)
def test_counts_from_plan_end_starts_when_the_bought_plan_ends(covers_until, expected):
    rule = Rule("top_up", Period(days=180), frozenset({"plan_purchase"}), counts_from="plan_end")
    bought = paid("2026-01-15", act="plan_purchase", covers_until=covers_until and day(covers_until))
    assert deadline(rule, bought) == expected


@pytest.mark.parametrize(
    ("kind", "act", "expected"),
    [
        ("fee_paid", "fee", "2026-02-01"),
        ("top_up", "top_up", "2026-02-01"),
        ("activity", "sms", "2026-02-01"),
    ],
)
def test_counts_from_month_start_takes_an_act_for_its_whole_month(kind, act, expected):
    rule = Rule(kind, Period(months=1), frozenset({act}), counts_from="month_start")
    assert deadline(rule, Event(on=day("2026-01-31"), act=act)) == expected
    assert deadline(rule, Event(on=day("2026-01-01"), act=act)) == expected
