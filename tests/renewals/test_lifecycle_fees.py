"""Fees: those that somebody pays each period, and those that the operator takes from the balance."""

import dataclasses
import datetime
from decimal import Decimal

import pytest

from renewals.lifecycle import Because, Event, Period, Reason, Rule, Standing, Step, standing, why_unchanged

day = datetime.date.fromisoformat

MONTHLY_FEE = Rule(kind="fee_paid", keeps=Period(months=1), qualifying_acts=frozenset({"fee"}))
UNICOM = Rule(
    kind="fee_from_balance",
    keeps=Period(months=1),
    qualifying_acts=frozenset({"top_up"}),
    counts_from="month_start",
    fee=Decimal(8),
    currency="CNY",
)


def fee(on, **more):
    return Event(on=day(on), act="fee", **more)


def paid(on, amount, currency, act="top_up"):
    return Event(on=day(on), act=act, amount=Decimal(amount), currency=currency)


def deadline(rule, *events, activated_on=None):
    found = standing([rule], events, activated_on=activated_on and day(activated_on)).deadline
    return found and found.isoformat()


def test_fee_paid_on_31_january_falls_due_at_each_end_of_month():
    paid_on = ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    fees = [fee(on) for on in paid_on]
    found = [deadline(MONTHLY_FEE, *fees[:count]) for count in range(1, 5)]
    assert found == ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_fee_paid_by_the_year_from_29_february_is_29_february_again():
    rule = dataclasses.replace(MONTHLY_FEE, keeps=Period(months=12))
    fees = [fee(on) for on in ("2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28")]
    found = [deadline(rule, *fees[:count]) for count in range(1, 5)]
    assert found == ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("2026-02-01", "2026-03-31"),  # before the deadline: the period after it
        ("2026-02-28", "2026-03-31"),
        ("2026-03-01", "2026-03-31"),  # after the deadline: the next day of the schedule
        ("2026-03-30", "2026-03-31"),
        ("2026-03-31", "2026-04-30"),
        ("2026-06-15", "2026-06-30"),
    ],
)
def test_fee_paid_early_or_late_stays_on_the_schedule(second, expected):
    assert deadline(MONTHLY_FEE, fee("2026-01-31"), fee(second)) == expected


def test_fee_paid_twice_in_a_period_pays_two_periods():
    assert deadline(MONTHLY_FEE, fee("2026-01-31"), fee("2026-02-01"), fee("2026-02-02")) == "2026-04-30"


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ("2026-03-31", "2026-04-30"),  # on the schedule of 31 January: still counted from there
        ("2026-04-30", "2026-05-31"),
        ("2026-04-15", "2026-05-15"),  # off the schedule: a new anchor
        ("2026-02-28", "2026-03-31"),  # what is paid already: no change
        ("2026-02-10", "2026-03-31"),
    ],
)
def test_fee_paid_until_a_day_the_operator_names(said, then):
    named, following = fee("2026-02-01", covers_until=day(said)), fee("2026-02-02")
    assert deadline(MONTHLY_FEE, fee("2026-01-31"), named) == max(said, "2026-02-28")
    assert deadline(MONTHLY_FEE, fee("2026-01-31"), named, following) == then


def test_fee_paid_first_until_a_named_day_keeps_until_that_day():
    assert deadline(MONTHLY_FEE, fee("2026-01-15", covers_until=day("2026-02-10"))) == "2026-02-10"


@pytest.mark.parametrize("never", ["9000-01-01", "9000-01-02", "9999-12-31"])
def test_fee_paid_on_a_line_that_never_ends_changes_nothing(never):
    shown = Event(on=day("2026-01-01"), valid_until=day(never))
    assert deadline(MONTHLY_FEE, shown, fee("2026-02-01")) == "9000-01-01"
    assert deadline(MONTHLY_FEE, fee("2026-01-31"), fee("2026-02-01", covers_until=day(never))) == "9000-01-01"


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [
        (15, "USD", None),
        ("14.99", "USD", Reason.TOO_SMALL),
        (15, "EUR", Reason.WRONG_CURRENCY),
    ],
)
def test_fee_paid_wants_the_fee_of_the_plan(amount, currency, reason):
    rule = dataclasses.replace(MONTHLY_FEE, fee=Decimal(15), currency="USD")
    event = paid("2026-01-31", amount, currency, act="fee")
    assert why_unchanged([rule], event, []) is reason
    assert deadline(rule, event) == (None if reason else "2026-02-28")


def test_fee_paid_takes_what_it_can_when_amount_fee_or_currency_is_not_known():
    rule = dataclasses.replace(MONTHLY_FEE, fee=Decimal(15), currency="USD")
    assert deadline(rule, fee("2026-01-31")) == "2026-02-28"
    assert deadline(MONTHLY_FEE, paid("2026-01-31", 1, "EUR", act="fee")) == "2026-02-28"
    assert deadline(dataclasses.replace(rule, currency=""), paid("2026-01-31", 15, "EUR", act="fee")) == "2026-02-28"


def test_fee_paid_by_a_ladder_keeps_for_the_rung():
    rule = dataclasses.replace(
        MONTHLY_FEE,
        steps=(
            Step(Decimal(19), "CAD", "anywhere", Period(days=30)),
            Step(Decimal(125), "CAD", "anywhere", Period(days=365)),
        ),
    )
    assert deadline(rule, paid("2026-01-31", 125, "CAD", act="fee")) == "2027-01-31"
    assert deadline(rule, paid("2026-01-31", 19, "CAD", act="fee")) == "2026-03-02"
    assert why_unchanged([rule], paid("2026-01-31", 18, "CAD", act="fee"), []) is Reason.TOO_SMALL


@pytest.mark.parametrize(
    ("read_on", "balance", "expected"),
    [
        ("2026-01-15", 0, "2026-02-01"),
        ("2026-01-15", "7.99", "2026-02-01"),
        ("2026-01-15", 8, "2026-03-01"),
        ("2026-01-15", "15.99", "2026-03-01"),
        ("2026-01-15", 16, "2026-04-01"),
        ("2026-01-31", 8, "2026-03-01"),
        ("2026-02-01", 8, "2026-03-01"),  # the charge of that day is taken for still to come
        ("2026-02-02", 8, "2026-04-01"),
        ("2026-01-15", -20, "2026-02-01"),
        ("2026-12-15", 8, "2027-02-01"),
    ],
)
def test_fee_from_balance_ends_on_the_first_charge_it_cannot_cover(read_on, balance, expected):
    read = Event(on=day(read_on), balance=Decimal(balance))
    assert deadline(UNICOM, read) == expected
    assert standing([UNICOM], [read]).because == Because(Reason.BALANCE, read, UNICOM)


@pytest.mark.parametrize(
    ("activated_on", "read_on", "expected"),
    [
        ("2026-01-31", "2026-02-27", "2026-03-31"),
        ("2026-01-31", "2026-02-28", "2026-03-31"),
        ("2026-01-31", "2026-03-01", "2026-04-30"),
        ("2026-01-31", "2026-01-31", "2026-02-28"),
        ("2026-01-31", "2026-01-01", "2026-02-28"),
        (None, "2026-02-27", "2026-03-27"),
        (None, "2026-01-31", "2026-02-28"),
    ],
)
def test_fee_from_balance_is_charged_by_the_day_of_activation(activated_on, read_on, expected):
    rule = dataclasses.replace(UNICOM, counts_from="event")
    assert deadline(rule, Event(on=day(read_on), balance=Decimal(8)), activated_on=activated_on) == expected


def test_fee_from_balance_adds_every_top_up_since_the_reading():
    read, first, second = (
        Event(on=day("2026-01-15"), balance=Decimal(10)),
        paid("2026-01-20", 5, "CNY"),
        paid("2026-02-20", 9, "CNY"),
    )
    assert [deadline(UNICOM, read), deadline(UNICOM, read, first), deadline(UNICOM, read, first, second)] == [
        "2026-03-01", "2026-03-01", "2026-05-01",
    ]  # fmt: skip
    assert standing([UNICOM], [read, first]).because == Because(Reason.BALANCE, read, UNICOM)
    assert standing([UNICOM], [read, first, second]).because == Because(Reason.BALANCE, second, UNICOM)


def test_fee_from_balance_adds_nothing_for_a_top_up_whose_amount_is_not_known():
    read, unknown = Event(on=day("2026-01-15"), balance=Decimal(7)), Event(on=day("2026-01-16"), act="top_up")
    rule = dataclasses.replace(UNICOM, fee=Decimal(8), currency="")
    assert standing([rule], [read, unknown]) == standing([rule], [read])


def test_fee_from_balance_remembers_the_balance_when_only_the_validity_is_read():
    read, top_up = Event(on=day("2026-01-15"), balance=Decimal(16)), paid("2026-01-20", 8, "CNY")
    shown = Event(on=day("2026-01-16"), valid_until=day("2026-02-10"))
    assert deadline(UNICOM, read, shown) == "2026-02-10"
    assert deadline(UNICOM, read, shown, top_up) == "2026-05-01"


def test_fee_from_balance_without_a_reading_counts_what_was_topped_up():
    assert deadline(UNICOM, paid("2026-01-15", 24, "CNY")) == "2026-05-01"


def test_fee_from_balance_follows_the_last_balance_that_was_read():
    before, after = (
        Event(on=day("2026-01-15"), balance=Decimal(80)),
        Event(on=day("2026-01-16"), balance=Decimal(8)),
    )
    assert [deadline(UNICOM, before), deadline(UNICOM, before, after)] == ["2026-12-01", "2026-03-01"]


def test_fee_from_balance_does_not_depend_on_which_of_two_currencies_comes_first():
    alike = [Event(on=day("2026-01-15"), balance=Decimal(8), currency=name) for name in ("CNY", "USD")]
    rule = dataclasses.replace(UNICOM, currency="")
    assert standing([rule], alike) == standing([rule], alike[::-1])


def test_fee_from_balance_leaves_money_of_another_currency_out():
    read = Event(on=day("2026-01-15"), balance=Decimal(8), currency="CNY")
    assert deadline(UNICOM, read) == "2026-03-01"
    dollars = paid("2026-01-20", 80, "USD")
    seen = Event(on=day("2026-01-21"), balance=Decimal(80), currency="USD")
    assert standing([UNICOM], [read, dollars, seen]) == standing([UNICOM], [read])
    assert why_unchanged([UNICOM], dollars, [read]) is Reason.WRONG_CURRENCY
    assert deadline(UNICOM, seen) is None
    unnamed = dataclasses.replace(UNICOM, currency="")
    assert [deadline(unnamed, seen), deadline(unnamed, dollars)] == ["2026-12-01", "2026-12-01"]


@pytest.mark.parametrize("price", [None, Decimal(0)])
def test_fee_from_balance_is_unknown_while_the_fee_is_not_known(price):
    rule = dataclasses.replace(UNICOM, fee=price)
    read, top_up = Event(on=day("2026-01-15"), balance=Decimal(80)), paid("2026-01-16", 8, "CNY")
    assert standing([rule], [read, top_up]) == Standing()


def test_fee_from_balance_keeps_what_the_operator_shows_when_the_fee_is_not_known():
    rule = dataclasses.replace(UNICOM, fee=None)
    shown = Event(on=day("2026-01-15"), balance=Decimal(80), valid_until=day("2026-06-01"))
    assert standing([rule], [shown, paid("2026-01-16", 8, "CNY")]) == standing([rule], [shown])
    assert standing([rule], [shown]).because == Because(Reason.READING, shown, rule)


def test_fee_from_balance_that_lasts_for_ever_ends_at_the_horizon():
    assert deadline(UNICOM, Event(on=day("2026-01-15"), balance=Decimal(10) ** 9)) == "9000-01-01"


def test_why_unchanged_counts_charges_from_the_activation_as_standing_does():
    rule = dataclasses.replace(UNICOM, counts_from="event", grace=Period())
    read, top_up = Event(on=day("2026-03-05"), balance=Decimal(0)), paid("2026-03-10", 8, "CNY")
    assert deadline(rule, read, top_up, activated_on="2026-01-20") == "2026-04-20"
    assert why_unchanged([rule], top_up, [read], activated_on=day("2026-01-20")) is None
    assert why_unchanged([rule], top_up, [read]) is Reason.AFTER_GRACE


# A payment of a renewal that was opened before the rule changed


def test_dearer_fee_is_taken_from_what_was_paid_under_the_cheaper_one():
    dearer = dataclasses.replace(UNICOM, fee=Decimal(19))
    seen = Event(on=day("2026-01-10"), balance=Decimal(80), currency="CNY")
    begun_before = dataclasses.replace(paid("2026-02-15", 19, "CNY"), terms=(UNICOM,))
    # 99 CNY are five charges of 19 from the first of February on.
    assert deadline(dearer, seen, begun_before) == "2026-07-01"


def test_fee_is_taken_also_from_what_was_paid_under_a_ladder():
    ladder = Rule(kind="top_up", keeps=Period(days=330), qualifying_acts=frozenset({"top_up"}), fee=Decimal(10))
    assert deadline(UNICOM, dataclasses.replace(paid("2026-02-15", 100, "CNY"), terms=(ladder,))) == "2027-03-01"


def test_money_of_another_currency_than_the_fee_is_not_added_by_any_terms():
    in_pesos = dataclasses.replace(UNICOM, currency="CUP")
    act = dataclasses.replace(paid("2026-02-15", 100, "CUP"), terms=(in_pesos,))
    assert deadline(UNICOM, act) is None
    assert why_unchanged([UNICOM], act, []) is Reason.WRONG_CURRENCY
