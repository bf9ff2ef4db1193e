"""What each answer means for one plan."""

import pytest
from django.utils import translation

from cards.models import KeepRule, Plan, TopUpStep
from renewals.verdicts import ANYWHERE, Answers, Fit, Often, find_verdicts, gap_between_acts
from renewals.words import say_every, say_rule
from tests.factories import OperatorFactory, PlanFactory, cubacel, unicom

pytestmark = pytest.mark.django_db


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


def verdict_on(plan, **answers):
    """Return what the plan has to say to one answer."""
    verdict = find_verdicts(Plan.objects.get(pk=plan.pk), Answers(**answers))[0]
    return verdict.fit, verdict.reason, verdict.unknown


KEPT = "A basic line, for those who only keep the number."


@pytest.mark.parametrize(
    ("fields", "need", "verdict"),
    [
        ({"type": "basic"}, "keep", (Fit.YES, KEPT, 0)),
        ({"type": "package"}, "keep", (Fit.YES, "A package: it gives more than the number needs to stay.", 0)),
        ({"voice_minutes": 1, "sms_count": 20}, "calls", (Fit.YES, "Includes 1 minute and 20 SMS.", 0)),
        ({"voice_minutes": 30}, "calls", (Fit.UNKNOWN, "Includes 30 minutes; how many SMS is not known.", 1)),
        ({"sms_count": 5}, "calls", (Fit.UNKNOWN, "Includes 5 SMS; how many minutes is not known.", 1)),
        ({}, "calls", (Fit.UNKNOWN, "How many minutes and SMS it includes is not known.", 2)),
        ({"voice_minutes": 0}, "calls", (Fit.NO, "Includes no minutes.", 0)),
        ({"sms_count": 0}, "calls", (Fit.NO, "Includes no SMS.", 0)),
        ({"data_mb": 4608}, "data", (Fit.YES, "Includes 4.5 GB of data.", 0)),
        ({"data_mb": 1000}, "data", (Fit.YES, "Includes 1,000 MB of data.", 0)),
        ({"data_mb": 0}, "data", (Fit.NO, "Includes no data.", 0)),
        ({}, "data", (Fit.UNKNOWN, "How much data it includes is not known.", 1)),
        (
            {"features": ["company_mail", "video_meetings"]},
            "business",
            (Fit.YES, "Offers video meetings and company mail.", 0),
        ),
        (
            {"features": ["video_meetings", "voicemail"]},
            "business",
            (Fit.UNKNOWN, "Offers video meetings; not known whether also company mail.", 1),
        ),
        ({}, "business", (Fit.UNKNOWN, "Not known whether it offers video meetings or company mail.", 2)),
    ],
)
def test_need_is_judged_by_what_the_plan_is_known_to_give(fields, need, verdict):
    assert verdict_on(PlanFactory(**fields), need=need) == verdict


@pytest.mark.parametrize(
    ("country", "receives_abroad", "where", "verdict"),
    [
        ("CU", None, "CU", (Fit.YES, "A line of Cuba, where the phone is.", 0)),
        ("CU", False, "CU", (Fit.YES, "A line of Cuba, where the phone is.", 0)),
        ("CU", True, "ES", (Fit.YES, "Receives SMS abroad.", 0)),
        ("CU", None, "ES", (Fit.UNKNOWN, "Not known whether SMS arrive abroad.", 1)),
        ("CU", False, "ES", (Fit.NO, "Receives no SMS abroad.", 0)),
        ("CU", None, ANYWHERE, (Fit.UNKNOWN, "Not known whether SMS arrive abroad.", 1)),
        ("CU", False, ANYWHERE, (Fit.NO, "Receives no SMS abroad.", 0)),
        ("", False, "ES", (Fit.UNKNOWN, "Receives no SMS abroad, and of which country it is, is not known.", 1)),
        ("", False, ANYWHERE, (Fit.NO, "Receives no SMS abroad.", 0)),
        ("", True, "ES", (Fit.YES, "Receives SMS abroad.", 0)),
    ],
)
def test_place_asks_for_sms_abroad_only_away_from_home(country, receives_abroad, where, verdict):
    plan = PlanFactory(operator=OperatorFactory(country=country), receives_abroad=receives_abroad)
    assert verdict_on(plan, where=where) == verdict


@pytest.mark.parametrize(
    ("required", "kinds", "papers", "verdict"),
    [
        (False, [], "none", (Fit.YES, "Asks for no papers.", 0)),
        (True, ["passport"], "passport", (Fit.YES, "Takes the papers you have: passport.", 0)),
        (True, ["passport"], "both", (Fit.YES, "Takes the papers you have: passport.", 0)),
        (True, ["identity_card"], "passport", (Fit.NO, "Wants papers: identity card.", 0)),
        (True, ["identity_card", "passport"], "none", (Fit.NO, "Wants papers: identity card or passport.", 0)),
        (True, ["residence_permit"], "both", (Fit.NO, "Wants papers: residence permit.", 0)),
        (True, [], "passport", (Fit.UNKNOWN, "Wants papers; which ones is not known.", 1)),
        (True, [], "none", (Fit.NO, "Wants papers; which ones is not known.", 0)),
        (None, [], "none", (Fit.UNKNOWN, "Not known whether it asks for papers.", 1)),
        (None, ["passport"], "identity_card", (Fit.UNKNOWN, "Not known whether it asks for papers.", 1)),
        (None, ["passport"], "passport", (Fit.YES, "Takes the papers you have: passport.", 0)),
    ],
)
def test_papers_are_judged_by_what_the_operator_takes(required, kinds, papers, verdict):
    plan = PlanFactory(operator=OperatorFactory(requires_document=required, document_kinds=kinds))
    assert verdict_on(plan, papers=papers) == verdict


@pytest.mark.parametrize(
    ("days", "fitting"),
    [
        (29, []),
        (30, ["month"]),
        (89, ["month"]),
        (90, ["month", "quarter"]),
        (180, ["month", "quarter", "half_year"]),
        (330, ["month", "quarter", "half_year"]),
        (360, ["month", "quarter", "half_year", "year"]),
    ],
)
def test_plan_fits_as_often_as_somebody_can_act(days, fitting):
    plan = only_one_rule(days)
    verdicts = {often: verdict_on(plan, often=often) for often in Often.values}
    assert [often for often, verdict in verdicts.items() if verdict[0] is Fit.YES] == fitting
    assert {verdict[1] for verdict in verdicts.values()} <= {
        f"Needs an act every {days} days.",
        f"Asks for an act every {days} days.",
    }


@pytest.mark.parametrize(
    ("value", "unit", "often"),
    [(1, "months", "month"), (3, "months", "quarter"), (6, "months", "half_year"), (12, "months", "year"),
     (1, "years", "year")],
)  # fmt: skip
def test_calendar_units_are_as_long_as_they_are_called(value, unit, often):
    plan = only_one_rule(1)
    plan.rules.update(value=value, unit=unit)
    assert verdict_on(plan, often=often)[0] is Fit.YES


def test_fee_from_the_balance_needs_no_act():
    assert verdict_on(unicom(), often="year") == (
        Fit.YES,
        "Needs no act by a certain day, only enough on the balance.",
        0,
    )


def test_longest_rung_of_a_ladder_decides_and_is_named():
    plan = ladder(only_one_rule(120), (5, 4, "months"), (15, 12, "months"))
    assert verdict_on(plan, often="year") == (
        Fit.YES,
        "Needs an act every 12 months, if each is of 15 EUR or more.",
        0,
    )


def test_rungs_that_keep_alike_are_not_told_apart():
    assert verdict_on(cubacel(), often="half_year")[1] == "Needs an act every 330 days."


def test_longest_rung_of_an_unknown_amount_is_told_without_it():
    plan = ladder(only_one_rule(30), (5, 30, "days"), (None, 180, "days"))
    assert verdict_on(plan, often="half_year")[:2] == (Fit.YES, "Needs an act every 180 days.")


def test_strictest_of_several_rules_decides():
    plan = unicom()
    KeepRule.objects.create(plan=plan, kind="activity", value=6, unit="months", qualifying_acts=["sms"])
    KeepRule.objects.create(plan=plan, kind="activity", value=1, unit="years", qualifying_acts=["sms"])
    assert verdict_on(plan, often="year")[:2] == (Fit.NO, "Asks for an act every 6 months.")


def test_plan_without_a_rule_is_not_known_to_fit():
    assert gap_between_acts(PlanFactory()) is None
    assert verdict_on(Plan.objects.get(), often="month") == (
        Fit.UNKNOWN,
        "How often it needs an act is not known.",
        1,
    )


@pytest.mark.parametrize(
    ("value", "unit", "language", "period"),
    [
        (1, "days", "en", "day"),
        (1, "months", "en", "month"),
        (1, "years", "en", "year"),
        (2, "months", "en", "2 months"),
        (1, "years", "es", "año"),
        (1, "months", "zh-hans", "1 个月"),
    ],
)
def test_period_of_one_is_said_as_people_say_it(value, unit, language, period):
    plan = unicom()
    plan.rules.update(kind="fee_paid", value=value, unit=unit)
    with translation.override(language):
        assert period in verdict_on(plan)[1]
        assert say_every(value, unit) == period


def test_fee_of_every_month_is_said_without_a_one():
    plan = unicom()
    assert say_rule(plan.rules.get(), plan) == "The operator takes its fee from the balance every month."
