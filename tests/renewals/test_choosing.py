"""Which plan suits whom: the verdicts, the places and their reasons."""

import datetime
import itertools
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cards.catalogue import load_catalogue
from cards.models import ExchangeRate, KeepRule, Plan, TopUpStep
from cards.rates import Rates
from renewals.choosing import Purse, Sort, rank, sort_choices
from renewals.verdicts import ANYWHERE, Answers, Fit, Need, Often, Papers
from tests.factories import OperatorFactory, PlanFactory, cubacel, giffgaff, starhub, unicom

pytestmark = pytest.mark.django_db

TODAY = datetime.date(2026, 11, 24)
NO_PURSE = Purse()


def fetched(**filters):
    """Return the plans as the views fetch them."""
    return list(Plan.objects.filter(**filters).select_related("operator").prefetch_related("rules__steps"))


def ranked(answers=Answers(), purse=NO_PURSE, today=TODAY):  # noqa: B008
    return rank(fetched(), answers, today, purse)


def reasons_of(choice):
    return [reason.reason for reason in choice.reasons]


def outcome(choices):
    return [(choice.plan.pk, choice.place, reasons_of(choice)) for choice in choices]


def only_one_rule(days, **fields):
    """Return a plan that wants a top-up each so many days."""
    plan = PlanFactory(**fields)
    KeepRule.objects.create(plan=plan, kind="top_up", value=days, qualifying_acts=["top_up"])
    return plan


def ladder(plan, *rungs, currency="EUR"):
    for amount, value, unit in rungs:
        TopUpStep.objects.create(
            rule=plan.rules.get(), minimum_amount=amount, currency=currency, value=value, unit=unit
        )
    return plan


def test_line_that_ends_whatever_is_paid_comes_last_and_does_not_fit_who_keeps():
    tourist, kept = only_one_rule(30, name="Tourist"), only_one_rule(30, name="Zebra")
    tourist.rules.update(life_limit_days=90)
    ended = "Cannot be kept: it ends 90 days after it starts, whatever is paid."
    choices = ranked()
    assert [(choice.plan, choice.place) for choice in choices] == [(kept, 1), (tourist, 2)]
    assert ended in reasons_of(choices[1])
    choices = ranked(Answers(need="keep"))
    assert [(choice.plan, choice.place) for choice in choices] == [(kept, 1), (tourist, None)]
    assert [obstacle.reason for obstacle in choices[1].obstacles] == [ended]


def test_template_and_doubtful_facts_come_after_confirmed_ones_and_say_so():
    doubtful = only_one_rule(400, name="A", confidence="low")
    template = only_one_rule(400, name="B", operator=OperatorFactory(country=""))
    confirmed = only_one_rule(30, name="C")
    choices = ranked()
    assert [choice.plan for choice in choices] == [confirmed, doubtful, template]
    assert "Not well confirmed: ask the operator before you rely on it." in reasons_of(choices[1])
    assert "A template without an operator: adapt it to the rule of your own." in reasons_of(choices[2])


def test_unknown_comes_after_known_whatever_it_costs():
    cheap = ladder(only_one_rule(365, name="A"), (1, 365, "days"))
    dear = ladder(only_one_rule(365, name="B", receives_abroad=True), (500, 365, "days"))
    assert [choice.plan for choice in ranked()] == [cheap, dear]
    assert [choice.plan for choice in ranked(Answers(where="ES"))] == [dear, cheap]


def test_line_of_the_country_of_the_phone_comes_before_one_that_is_cheaper_abroad():
    home = ladder(only_one_rule(365, operator=OperatorFactory(country="DE")), (9, 365, "days"))
    abroad = ladder(only_one_rule(365, receives_abroad=True), (5, 365, "days"))
    dear = ladder(only_one_rule(365, receives_abroad=True), (6, 365, "days"))
    assert [choice.plan for choice in ranked(Answers(where="DE"))] == [home, abroad, dear]
    assert [choice.plan for choice in ranked(Answers(where="FR"))] == [abroad, dear, home]
    choices = ranked(Answers(where="DE"))
    assert reasons_of(choices[1])[0] == "The cheapest to keep that receives SMS abroad, as far as costs are known."


def test_cost_that_is_not_known_comes_after_known_ones():
    unknown, known = giffgaff(), ladder(only_one_rule(30), (5, 30, "days"))
    assert [choice.plan for choice in ranked()] == [known, unknown]


def test_least_cost_comes_before_a_whole_one_is_taken_for_it():
    """A plan of which a part of the cost is not known must not pass for cheap."""
    partly, wholly = unicom(), unicom()
    Plan.objects.filter(pk=partly.pk).update(fee=Decimal(5))
    KeepRule.objects.create(plan=partly, kind="activity", value=6, unit="months", qualifying_acts=["sms"])
    assert [choice.plan for choice in ranked()] == [wholly, partly]


def test_cheapest_of_one_currency_is_first_and_praised():
    dear = ladder(only_one_rule(365, name="A", receives_abroad=True), (20, 365, "days"))
    cheap = ladder(only_one_rule(180, name="B", receives_abroad=True), (5, 180, "days"))
    choices = ranked(Answers(where="ES"))
    assert [choice.plan for choice in choices] == [cheap, dear]
    assert reasons_of(choices[0]) == [
        "The cheapest to keep that receives SMS abroad, as far as costs are known.",
        "Receives SMS abroad.",
        "Needs an act every 180 days.",
    ]
    assert reasons_of(choices[1]) == [
        "Of those that fit, it asks for an act least often.",
        "Receives SMS abroad.",
        "Needs an act every 365 days.",
    ]


def test_costs_of_two_currencies_are_compared_only_by_a_rate():
    euro = ladder(only_one_rule(100, name="A"), (10, 100, "days"))
    yuan = ladder(only_one_rule(200, name="B"), (100, 200, "days"), currency="CNY")
    assert [choice.plan for choice in ranked()] == [yuan, euro]
    ExchangeRate.objects.create(currency="CNY", target="EUR", rate="0.5", dated_on=TODAY)
    choices = ranked(purse=Purse("EUR", Rates.load(TODAY)))
    assert [choice.plan for choice in choices] == [euro, yuan]
    assert choices[1].converted.amount == Decimal("91.25")
    assert reasons_of(choices[0])[0] == "The cheapest to keep, as far as costs are known."


def test_cost_without_a_rate_comes_after_those_that_can_be_compared():
    yuan = ladder(only_one_rule(400, name="A"), (1, 400, "days"), currency="CNY")
    euro = ladder(only_one_rule(30, name="B"), (10, 30, "days"))
    choices = ranked(purse=Purse("EUR", Rates([])))
    assert [choice.plan for choice in choices] == [euro, yuan]


def test_cheapest_of_its_currency_is_praised_as_no_more_than_that():
    ladder(only_one_rule(365), (10, 365, "days"))
    cheap = ladder(only_one_rule(365), (9, 365, "days"))
    ladder(only_one_rule(365), (1, 365, "days"), currency="CNY")
    praised = {
        choice.plan: reasons_of(choice)[0] for choice in ranked() if reasons_of(choice)[0].startswith("The cheapest")
    }
    assert praised == {cheap: "The cheapest to keep in EUR, as far as costs are known."}


def test_cheapest_is_not_called_so_while_another_currency_has_no_rate():
    euro = ladder(only_one_rule(365), (10, 365, "days"))
    ladder(only_one_rule(365), (11, 365, "days"))
    yuan = ladder(only_one_rule(365), (1, 365, "days"), currency="CNY")
    ladder(only_one_rule(365), (2, 365, "days"), currency="CNY")
    choices = ranked(purse=Purse("EUR", Rates.load(TODAY)))
    praised = {choice.plan: reasons_of(choice)[0] for choice in choices if choice.reasons[0].fit is Fit.YES}
    assert praised == {
        euro: "The cheapest to keep in EUR, as far as costs are known.",
        yuan: "The cheapest to keep in CNY, as far as costs are known.",
    }


def test_more_of_what_is_needed_comes_first_among_equal_costs():
    small, large, keep = (
        cubacel(name=name, type=kind, data_mb=data)
        for name, kind, data in (("A", "package", 100), ("B", "package", 900), ("C", "basic", None))
    )
    assert [choice.plan for choice in ranked(Answers(need="data"))] == [large, small, keep]
    assert [choice.plan for choice in ranked(Answers(need="keep"))] == [keep, small, large]


def test_old_facts_come_after_new_ones():
    old = only_one_rule(30, name="A", checked_on=TODAY - datetime.timedelta(days=181))
    new = only_one_rule(30, name="B", checked_on=TODAY - datetime.timedelta(days=180))
    assert [choice.plan for choice in ranked()] == [new, old]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        (Sort.BEST, ["Bee", "Cee", "Dee", "Aye"]),
        (Sort.COST, ["Bee", "Cee", "Dee", "Aye"]),
        (Sort.ACTS, ["Cee", "Bee", "Dee", "Aye"]),
        (Sort.OPERATOR, ["Bee", "Cee", "Dee", "Aye"]),
        (Sort.COUNTRY, ["Cee", "Bee", "Dee", "Aye"]),
        (Sort.CHECKED, ["Dee", "Bee", "Cee", "Aye"]),
    ],
)
def test_list_is_sorted_as_asked_and_what_does_not_fit_stays_last(sort, names):
    for name, country, days, amount, checked in (
        ("Aye", "AU", 1, 1, TODAY),
        ("Bee", "DE", 180, 1, datetime.date(2026, 10, 1)),
        ("Cee", "CN", 365, 100, datetime.date(2026, 9, 1)),
        ("Dee", "US", 90, 100, datetime.date(2026, 11, 1)),
    ):
        ladder(
            only_one_rule(days, operator=OperatorFactory(name=name, country=country), checked_on=checked),
            (amount, days, "days"),
        )
    choices = sort_choices(ranked(Answers(often="month")), sort)
    assert [choice.plan.operator.name for choice in choices] == names
    assert [choice.place for choice in choices][-1] is None


CHOICES = {
    "need": ["", *Need.values],
    "where": ["", ANYWHERE, "CU", "GB", "CN"],
    "papers": ["", *Papers.values],
    "often": ["", *Often.values],
}
ANSWERS = st.builds(Answers, **{name: st.sampled_from(values) for name, values in CHOICES.items()})


@pytest.fixture
def catalogue():
    """The real catalogue, loaded once per test, for properties that hold for all answers."""
    load_catalogue()
    return fetched()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS, data=st.data())
def test_list_of_the_catalogue_keeps_its_promises(catalogue, answers, data):
    choices = rank(catalogue, answers, TODAY, NO_PURSE)
    assert sorted(choice.plan.pk for choice in choices) == sorted(plan.pk for plan in catalogue)
    for choice in choices:
        assert choice.reasons
        assert choice.fits == (not choice.obstacles) == (choice.place is not None)
    assert [choice.fits for choice in choices] == sorted((choice.fits for choice in choices), reverse=True)
    places = [choice.place for choice in choices if choice.fits]
    assert places == list(range(1, len(places) + 1))
    for better, worse in itertools.pairwise(choices):
        assert better.order < worse.order
        if better.order[:3] == worse.order[:3]:
            assert better.order.unknown <= worse.order.unknown
            assert sum(reason.fit is Fit.UNKNOWN for reason in better.reasons) == 0 or worse.order.unknown
    shuffled = data.draw(st.permutations(catalogue))
    assert outcome(rank(shuffled, answers, TODAY, NO_PURSE)) == outcome(choices)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS, data=st.data())
def test_any_other_answer_changes_the_list_of_the_catalogue(catalogue, answers, data):
    question = data.draw(st.sampled_from(list(CHOICES)))
    other = data.draw(st.sampled_from([value for value in CHOICES[question] if value != getattr(answers, question)]))
    changed = Answers(**{name: getattr(answers, name) for name in CHOICES} | {question: other})
    before, after = (
        [(choice.plan.slug, choice.place, choice.reasons) for choice in rank(catalogue, each, TODAY, NO_PURSE)]
        for each in (answers, changed)
    )
    assert before != after


def test_family_in_cuba_finds_its_own_lines_first(catalogue):
    choices = rank(catalogue, Answers("keep", "CU", "identity_card", "half_year"), TODAY, NO_PURSE)
    assert {choice.plan.slug for choice in choices[:2]} == {"cu-cubacel-permanent", "cu-etecsa-permanent"}
    assert "A line of Cuba, where the phone is." in reasons_of(choices[0])
    once = rank(catalogue, Answers("keep", "CU", "identity_card", "year"), TODAY, NO_PURSE)
    [cubacel_plan] = [choice for choice in once if choice.plan.slug == "cu-cubacel-permanent"]
    assert [obstacle.reason for obstacle in cubacel_plan.obstacles] == ["Asks for an act every 330 days."]


def test_ranking_asks_the_database_nothing(catalogue, django_assert_num_queries):
    starhub()
    with django_assert_num_queries(0):
        rank(catalogue, Answers("data", "CU", "both", "month"), TODAY, NO_PURSE)
