"""What it takes to keep a number for a year, alone and with the others of the household."""

import datetime
from decimal import Decimal

import pytest

from cards.models import Act, Card, ExchangeRate, KeepRule, Plan, TopUpStep
from cards.rates import Converted, Rates
from renewals.costs import Cost, household_cost, times_a_year, yearly_cost
from tests.factories import CardFactory, HouseholdFactory, PlanFactory, cubacel, giffgaff, starhub, unicom

pytestmark = pytest.mark.django_db

TODAY = datetime.date(2026, 11, 24)


def cost_of(plan):
    return yearly_cost(Plan.objects.prefetch_related("rules__steps").get(pk=plan.pk))


def rate(currency, target, value, dated_on=TODAY):
    return ExchangeRate(currency=currency, target=target, rate=Decimal(value), dated_on=dated_on)


def top_up_plan(*steps, fee=None, currency=""):
    """A plan with one rule; a step is (amount, currency, value, unit)."""
    plan = PlanFactory(fee=fee, currency=currency)
    rule = KeepRule.objects.create(plan=plan, kind="top_up", value=90, qualifying_acts=[Act.TOP_UP])
    for amount, code, value, unit in steps:
        TopUpStep.objects.create(rule=rule, minimum_amount=amount, currency=code, value=value, unit=unit)
    return plan


@pytest.mark.parametrize(
    ("value", "unit", "times"),
    [(365, "days", 1), (73, "days", 5), (1, "months", 12), (6, "months", 2), (1, "years", 1)],
)
def test_times_a_year(value, unit, times):
    assert times_a_year(value, unit) == times


@pytest.mark.parametrize(
    ("make", "cost"),
    [
        # 365 / 330 times 100 CUP, the cheaper of two ways to pay.
        (cubacel, Cost(Decimal("110.61"), "CUP")),
        (unicom, Cost(Decimal("96.00"), "CNY")),
        (starhub, Cost(Decimal("144.00"), "SGD")),
        (giffgaff, Cost(None, "")),
    ],
)
def test_year_on_a_plan(make, cost):
    assert cost_of(make()) == cost


def test_year_on_a_ladder_takes_its_cheapest_step():
    plan = top_up_plan((Decimal(10), "HKD", 30, "days"), (Decimal(50), "HKD", 180, "days"), (None, "HKD", 365, "days"))
    assert cost_of(plan) == Cost(Decimal("101.39"), "HKD")


def test_year_on_a_plan_without_a_fee_is_not_known():
    unknown = unicom()
    Plan.objects.filter(pk=unknown.pk).update(fee=None)
    assert cost_of(unknown) == Cost(None, "CNY")
    assert cost_of(PlanFactory(currency="EUR")) == Cost(None, "EUR")


def test_year_on_a_plan_without_known_steps_takes_its_fee():
    assert cost_of(top_up_plan((None, "EUR", 90, "days"), fee=Decimal(5), currency="EUR")).amount == Decimal("20.28")


def test_year_that_is_free_is_not_unknown():
    free = starhub()
    Plan.objects.filter(pk=free.pk).update(fee=0)
    assert cost_of(free) == Cost(Decimal("0.00"), "SGD")


def test_year_under_two_rules_takes_the_dearer_and_is_the_least_where_one_is_unknown():
    plan = unicom()
    second = KeepRule.objects.create(plan=plan, kind="top_up", value=1, unit="years", qualifying_acts=[Act.TOP_UP])
    step = TopUpStep.objects.create(rule=second, minimum_amount=Decimal(100), currency="CNY", value=1, unit="years")
    assert cost_of(plan) == Cost(Decimal("100.00"), "CNY", is_least=False)
    second.kind = "activity"
    second.save()
    assert cost_of(plan) == Cost(Decimal("96.00"), "CNY", is_least=True)
    second.kind, step.currency = "top_up", "USD"
    second.save()
    step.save()
    assert cost_of(plan).is_least


def household(*plans):
    family = HouseholdFactory()
    for place, plan in enumerate(plans):
        CardFactory(household=family, plan=plan, name=f"{place}")
    return Card.objects.filter(household=family).select_related("plan").prefetch_related("plan__rules__steps")


def test_household_pays_the_sum_of_what_is_known():
    old = datetime.date(2026, 1, 1)
    rates = Rates([rate("EUR", "CNY", 8), rate("EUR", "CUP", 100, old)])
    cost = household_cost(household(cubacel(), unicom(), giffgaff(), starhub()), "EUR", rates)
    assert [row.converted for row in cost.rows] == [
        Converted(Decimal("1.11"), "EUR", old),
        Converted(Decimal("12.00"), "EUR", TODAY),
        None,
        None,
    ]
    assert [row.cost.amount for row in cost.rows] == [Decimal("110.61"), Decimal(96), None, Decimal(144)]
    assert cost.total == Converted(Decimal("13.11"), "EUR", old)
    assert cost.total.is_old(TODAY)
    assert (cost.left_out, cost.is_least) == (2, False)


def test_household_in_the_operators_currency_needs_no_rate():
    cost = household_cost(household(unicom(), unicom()), "CNY", Rates([]))
    assert cost.total == Converted(Decimal(192), "CNY", None)
    assert cost.left_out == 0


@pytest.mark.parametrize("currency", ["", "EUR"])
def test_household_without_currency_or_rates_has_no_total(currency):
    cost = household_cost(household(cubacel(), unicom()), currency, Rates([]))
    assert (cost.total, cost.left_out) == (None, 2)
    assert [row.cost.amount for row in cost.rows] == [Decimal("110.61"), Decimal(96)]


def test_household_without_cards_has_no_total():
    cost = household_cost([], "EUR", Rates([]))
    assert (cost.rows, cost.total, cost.left_out, cost.is_least) == ([], None, 0, False)


def test_household_total_is_the_least_if_one_of_its_parts_is():
    plan = unicom()
    KeepRule.objects.create(plan=plan, kind="activity", value=1, unit="years", qualifying_acts=[Act.SMS])
    assert household_cost(household(plan), "CNY", Rates([])).is_least
