"""Plans side by side: what is told of each, and where they differ."""

import datetime

import pytest

from cards.catalogue import load_catalogue
from cards.models import KeepRule, Plan, Promotion, TopUpStep
from renewals.choosing import Purse
from renewals.comparing import Viewpoint, compare, with_facts
from tests.factories import OperatorFactory, PlanFactory, cubacel, giffgaff, starhub, unicom
from tests.family import Family, in_days, sign_in

pytestmark = pytest.mark.django_db

TODAY = datetime.date(2026, 11, 24)


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def catalogue():
    load_catalogue()


def facts_of(plans):
    """Return the lines of every fact of the plans, by its key."""
    point = Viewpoint(TODAY, Purse())
    found = list(with_facts(Plan.objects.filter(pk__in=[plan.pk for plan in plans]).order_by("pk"), TODAY))
    rows = [row for part in compare(found, point) for row in part.rows]
    return {row.key: [cell.lines for cell in row.cells] for row in rows}


def differing_of(page):
    return [row.key for part in page.context["parts"] for row in part.rows if row.differs]


def test_up_to_four_plans_stand_side_by_side_in_the_order_asked(browser):
    plans = [cubacel(), giffgaff(), unicom(), starhub()]
    page = browser.get("/plans/compare/", {"plan": [plan.slug for plan in reversed(plans)]})
    assert [plan for plan, _others in page.context["columns"]] == plans[::-1]
    assert {len(row.cells) for part in page.context["parts"] for row in part.rows} == {4}
    assert page.text.count("<h1") == 1


def test_fifth_plan_and_unknown_ones_are_told_and_left_out(browser):
    plans = [cubacel(name=name) for name in ("One", "Two", "Three", "Four", "Five")]
    asked = [plans[0].slug, "nobody-knows", *(plan.slug for plan in plans), "<b>", "\0", "é"]
    page = browser.get("/plans/compare/", {"plan": asked})
    assert [plan for plan, _others in page.context["columns"]] == plans[:4]
    assert "Left out: Cubacel · Five." in page.text
    assert "Not known here: nobody-knows." in page.text
    assert "<b>" not in page.text
    assert "\0" not in page.text


@pytest.mark.parametrize("query", ["", "plan=", "plan=%00", f"plan={'x' * 5000}", "plan=%ed%a0%80", "only=1"])
def test_nothing_to_compare_is_a_page_that_leads_to_the_list(browser, query):
    page = browser.get(f"/plans/compare/?{query}")
    assert page.status_code == 200
    assert page.context["columns"] == []
    assert 'class="btn main" href="/plans/"' in page.text


def test_one_plan_alone_is_shown_without_differences(browser):
    page = browser.get("/plans/compare/", {"plan": cubacel().slug, "only": "differences"})
    assert "One plan alone cannot be compared" in page.text
    assert len(page.context["parts"]) > 1
    assert differing_of(page) == []


def test_differences_are_marked_in_words_and_can_stand_alone(browser):
    one, two = cubacel(name="One", data_mb=100), cubacel(name="Two", data_mb=200, voice_minutes=5)
    page = browser.get("/plans/compare/", {"plan": [one.slug, two.slug]})
    assert differing_of(page) == ["data", "minutes"]
    assert page.text.count("≠ differs") == 2
    assert "only=differences" in page.text
    short = browser.get("/plans/compare/", {"plan": [one.slug, two.slug], "only": "differences"})
    assert [row.key for part in short.context["parts"] for row in part.rows] == ["data", "minutes"]
    assert f"?plan={one.slug}&amp;plan={two.slug}" in short.text
    assert f'href="/plans/compare/?plan={two.slug}&amp;only=differences"' in short.text


def test_plans_that_are_alike_are_said_to_be(browser):
    one, two = cubacel(), cubacel()
    page = browser.get("/plans/compare/", {"plan": [one.slug, two.slug], "only": "differences"})
    assert "In all that is known, these plans are alike." in page.text


def test_a_plan_can_be_taken_away(browser):
    one, two, three = cubacel(), cubacel(), cubacel()
    page = browser.get("/plans/compare/", {"plan": [one.slug, two.slug, three.slug]})
    assert f'href="/plans/compare/?plan={one.slug}&amp;plan={three.slug}"' in page.text


def test_every_fact_of_a_known_plan_is_told():
    operator = OperatorFactory(requires_document=True, document_kinds=["passport"], review_hours=48, service_rating=4)
    plan = cubacel(
        operator=operator, fee=120, currency="CUP", period_value=30, period_unit="days", data_mb=2048,
        voice_minutes=15, sms_count=20, features=["voicemail", "company_mail"], extras="One.\nTwo.",
        receives_abroad=False, port_out_days=30, refund_days=0, confidence="low", confidence_reason="A rumour.",
        source_url="https://example.org/rule", checked_on=TODAY,
    )  # fmt: skip
    plan.rules.update(grace_receives=True, recovery_value=2, recovery_unit="months")
    other = PlanFactory(operator=operator)
    for title, about, starts, ends in (
        ("For this", plan, 0, 0),
        ("For all", None, -3, 3),
        ("Over", None, -3, -1),
        ("To come", None, 1, 3),
        ("For the other", other, 0, 0),
    ):
        Promotion.objects.create(
            operator=operator,
            plan=about,
            title=title,
            starts_on=in_days(TODAY, starts),
            ends_on=in_days(TODAY, ends),
        )  # fmt: skip
    assert {key: lines for key, [lines] in facts_of([plan]).items()} == {
        "country": ("Cuba",),
        "type": ("basic",),
        "rule": (
            "Top up at least 100 CUP inside the country, or 250 CUP from abroad; "
            "each keeps the number for 330 days. What counts: top-up or plan or package bought.",
        ),
        "fee": ("120 CUP for 30 days",),
        "cost": ("110.61 CUP",),
        "data": ("2 GB",),
        "minutes": ("15 minutes",),
        "sms": ("20 SMS",),
        "features": ("voicemail and company mail",),
        "abroad": ("no",),
        "extras": ("One.", "Two."),
        "promotions": ("For all, until Nov 27, 2026", "For this, until Nov 24, 2026"),
        "grace": ("30 days",),
        "grace_acts": ("top-up",),
        "grace_receives": ("yes",),
        "recovery": ("for 2 months, on request",),
        "lost": ("when it has not been asked back by then",),
        "port_out": ("for 30 days",),
        "refund": ("not at all",),
        "papers": ("passport",),
        "review": ("48 hours",),
        "rating": ("4 of 5",),
        "confidence": ("low", "A rumour.", "Confirm it with the operator before you rely on it."),
        "checked": ("Checked on Nov 24, 2026.",),
        "source": ("https://example.org/rule",),
    }


def test_what_is_not_known_is_said_as_not_known(browser):
    plan = PlanFactory(operator=OperatorFactory(requires_document=None))
    facts = {key: lines for key, [lines] in facts_of([plan]).items()}
    assert {key for key, lines in facts.items() if not lines} == set(facts) - {
        "country", "type", "promotions", "confidence", "checked",
    }  # fmt: skip
    page = browser.get("/plans/compare/", {"plan": plan.slug})
    assert page.text.count(">not known</span>") == len(facts) - 5


def test_zero_is_none_and_not_unknown():
    plan = giffgaff(data_mb=0, port_out_days=0)
    facts = {key: lines for key, [lines] in facts_of([plan]).items()}
    assert facts["grace"] == ("none",)
    assert facts["grace_acts"] == ("nothing, as there is no grace",)
    assert facts["data"] == ("0 MB",)
    assert facts["port_out"] == ("not at all",)


def test_rule_names_every_amount_where_it_decides_how_long_it_keeps():
    plan = cubacel()
    rule = plan.rules.get()
    rule.steps.filter(channel="abroad").update(value=60)
    TopUpStep.objects.create(rule=rule, currency="CUP", channel="anywhere", value=1, unit="months")
    assert facts_of([plan])["rule"] == [
        (
            "The amount decides how long it keeps the number: 100 CUP inside the country for 330 days, "
            "250 CUP from abroad for 60 days, or an amount that is not known for 1 month. "
            "What counts: top-up or plan or package bought.",
        )
    ]


def test_rules_of_one_plan_are_all_told():
    plan = unicom()
    use = KeepRule(plan=plan, kind="activity", value=6, unit="months", qualifying_acts=["sms"], grace_value=0)
    use.save()
    facts = {key: lines for key, [lines] in facts_of([plan]).items()}
    assert len(facts["rule"]) == 2
    assert facts["grace"] == ("not known", "none")
    assert facts["cost"] == ("96 CNY or more; a part of it is not known",)


def test_page_of_four_plans_takes_eight_queries(family, browser, catalogue, django_assert_max_num_queries):
    family.household.currency = "EUR"
    family.household.save()
    slugs = list(Plan.objects.values_list("slug", flat=True)[:4])
    with django_assert_max_num_queries(8):
        page = browser.get("/plans/compare/", {"plan": slugs})
    assert len(page.context["columns"]) == 4


@pytest.mark.parametrize("count", [1, 4, 55])
def test_comparison_takes_four_queries_for_any_number_of_plans(catalogue, django_assert_num_queries, count):
    with django_assert_num_queries(4):
        plans = list(with_facts(Plan.objects.order_by("pk")[:count], TODAY))
        parts = compare(plans, Viewpoint(TODAY, Purse()))
    assert {len(row.cells) for part in parts for row in part.rows} == {count}
