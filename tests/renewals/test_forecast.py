"""How long a balance lasts: the charges to come, the day it runs out, and the top-up that reaches a day."""

import dataclasses
import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renewals.lifecycle import DAY, Event, Period, Rule, Terms, forecast, standing
from tests.renewals.test_lifecycle_properties import months_later

day = datetime.date.fromisoformat

UNICOM = Rule(
    kind="fee_from_balance",
    keeps=Period(months=1),
    qualifying_acts=frozenset({"top_up"}),
    counts_from="month_start",
    fee=Decimal(8),
    currency="CNY",
)
TOP_UP_RULE = Rule(kind="top_up", keeps=Period(days=330), qualifying_acts=frozenset({"top_up"}))


def seen(on, amount):
    return Event(on=day(on), balance=Decimal(amount), currency="CNY")


def ahead(events, today, rule=UNICOM, **more):
    return forecast([rule], events, day(today), **more)


def test_charges_to_come_end_with_the_first_that_is_not_covered():
    found = ahead([seen("2026-01-10", "20")], "2026-01-10")
    assert [(charge.on.isoformat(), charge.balance_after) for charge in found.charges] == [
        ("2026-02-01", 12),
        ("2026-03-01", 4),
        ("2026-04-01", None),
    ]
    assert (found.covers, found.runs_out_on, found.balance) == (2, day("2026-04-01"), 20)


def test_charges_before_today_are_taken_as_charged():
    found = ahead([seen("2026-01-10", "20")], "2026-02-15")
    assert (found.balance, found.covers, found.runs_out_on) == (12, 1, day("2026-04-01"))


def test_charge_of_today_is_still_to_come():
    found = ahead([seen("2026-01-10", "20")], "2026-02-01")
    assert (found.balance, found.charges[0].on) == (20, day("2026-02-01"))


def test_balance_that_has_run_out_says_when():
    found = ahead([seen("2026-01-10", "20")], "2026-06-15")
    assert (found.balance, found.covers, found.runs_out_on) == (0, 0, day("2026-04-01"))
    assert [charge.balance_after for charge in found.charges] == [None]


@pytest.mark.parametrize(
    ("until", "amount"),
    [
        ("2026-03-31", 0),
        ("2026-04-01", 4),
        ("2026-04-30", 4),
        ("2026-05-01", 12),
        ("2027-01-01", 76),
        ("2026-01-01", 0),
    ],
)
def test_top_up_reaches_the_day(until, amount):
    assert ahead([seen("2026-01-10", "20")], "2026-01-10").top_up_to_reach(day(until)) == amount


def test_top_up_is_counted_from_what_is_left_today():
    assert ahead([seen("2026-01-10", "20")], "2026-06-15").top_up_to_reach(day("2026-08-01")) == 16


def test_confirmed_top_up_adds_to_the_balance():
    top_up = Event(on=day("2026-01-20"), act="top_up", amount=Decimal(10), currency="CNY")
    assert ahead([seen("2026-01-10", "20"), top_up], "2026-01-20").covers == 3


@pytest.mark.parametrize(
    ("rule", "events"),
    [
        (TOP_UP_RULE, [seen("2026-01-10", "20")]),
        (dataclasses.replace(UNICOM, fee=None), [seen("2026-01-10", "20")]),
        (UNICOM, []),
        (UNICOM, [Event(on=day("2026-01-10"), valid_until=day("2026-05-01"))]),
    ],
)
def test_what_is_not_known_has_no_forecast(rule, events):
    assert ahead(events, "2026-01-10", rule) is None


def test_forecast_follows_the_plan_that_holds():
    dearer = Terms((dataclasses.replace(UNICOM, fee=Decimal(10)),), day("2026-01-15"))
    found = ahead([seen("2026-01-10", "20")], "2026-01-20", changes=[dearer])
    assert (found.fee, found.covers, found.runs_out_on) == (10, 2, day("2026-04-01"))


def test_huge_balance_is_answered_at_once():
    found = ahead([seen("2026-01-10", "9999999999.99")], "2026-01-10", dataclasses.replace(UNICOM, fee=Decimal("0.01")))
    assert found.covers == 999999999999
    assert found.runs_out_on is None
    assert len(found.charges) == 25
    assert found.top_up_to_reach(day("2100-12-31")) == 0


amounts = st.decimals(min_value=0, max_value=400, places=2)


@settings(max_examples=100, deadline=None, database=None)
@given(
    amount=amounts,
    fee=st.decimals(min_value=Decimal("0.5"), max_value=40, places=2),
    later=st.integers(0, 900),
    months=st.integers(1, 40),
    value=st.sampled_from([Period(months=1), Period(months=3), Period(days=30)]),
)
def test_forecast_agrees_with_the_deadline_and_with_a_walk_through_all_charges(amount, fee, later, months, value):
    rule = dataclasses.replace(UNICOM, fee=fee, keeps=value, counts_from="event")
    read_on = day("2026-01-31")
    events = [Event(on=read_on, balance=amount, currency="CNY")]
    today, until = read_on + later * DAY, months_later(read_on, months)
    found = forecast([rule], events, today, activated_on=read_on)

    def charge(number):
        return read_on + 30 * number * DAY if value.days else months_later(read_on, number * value.months)

    left, number = amount, 0
    while charge(number) < today:
        left, number = max(left - fee, Decimal(0)), number + 1
    assert found.balance in {left, max(amount - number * fee, Decimal(0))}
    assert found.runs_out_on == standing([rule], events, activated_on=read_on).deadline
    to_pay = sum(1 for n in range(number, 2000) if today <= charge(n) <= until) * fee
    assert found.top_up_to_reach(until) == max(to_pay - found.balance, Decimal(0))
