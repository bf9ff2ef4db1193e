"""The list to choose a plan from, and the page of one plan."""

import datetime
import re
from decimal import Decimal

import pytest

from cards.catalogue import load_catalogue
from cards.models import ExchangeRate, KeepRule, Plan, Promotion, TopUpChannel
from tests.factories import CardFactory, OperatorFactory, PlanFactory, cubacel, giffgaff, starhub, unicom
from tests.family import Family, field_of, in_days, sign_in

pytestmark = pytest.mark.django_db

LONG_AGO, FAR_AHEAD = datetime.date(2020, 1, 1), datetime.date(2090, 1, 1)


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def catalogue():
    load_catalogue()


def today_of(member):
    """Return the day as the member's pages see it."""
    return datetime.datetime.now(member.zone).date()


def shown_of(page):
    """Return the short names of the plans in the list, in its order."""
    return re.findall(r'name="plan" value="([^"]+)"', page.text)


def entry_of(page, plan):
    """Return the text of one plan of the list, with single spaces."""
    [entry] = [each for each in re.split(r"<li>\s*<b class", page.text)[1:] if f'value="{plan.slug}"' in each]
    return " ".join(re.sub(r"<[^>]+>", " ", entry).split())


def test_whole_catalogue_is_listed_before_anything_is_answered(browser, catalogue):
    first, second = browser.get("/plans/"), browser.get("/plans/", {"page": 2})
    slugs = shown_of(first) + shown_of(second)
    assert len(shown_of(first)) == 50
    assert sorted(slugs) == sorted(Plan.objects.values_list("slug", flat=True))
    assert "does not fit" not in first.text
    assert first.text.count("<h1") == 1
    assert "Page 1 of 2" in first.text


def test_answers_rule_plans_out_and_say_why(browser, catalogue):
    page = browser.get("/plans/", {"often": "half_year", "country": "GB", "papers": "none"})
    [unfit] = re.findall(r"<details>\s*<summary>\s*\d+ plans do not fit.*?</details>", page.text, re.DOTALL)
    fitting = page.text.replace(unfit, "")
    assert 'value="gb-three-payg"' in fitting
    assert 'value="gb-lebara-payg"' in unfit
    assert "✗" not in fitting
    assert "Asks for an act every 90 days." in unfit
    assert "selected>every half-year" in field_of(page, "often")
    assert "selected>none of them" in field_of(page, "papers")
    count = Plan.objects.filter(operator__country="GB").count()
    assert page.context["fitting_count"] + page.context["other_count"] == count


def test_pages_keep_the_answers(browser, catalogue):
    page = browser.get("/plans/", {"often": "half_year", "page": 1})
    assert 'href="?often=half_year&amp;page=2"' in page.text
    last = browser.get("/plans/", {"often": "half_year", "page": 2})
    assert 'href="?often=half_year&amp;page=1"' in last.text
    assert len(set(shown_of(page) + shown_of(last))) == Plan.objects.count()


def test_entry_says_what_is_known_of_the_plan(family, browser):
    plan = cubacel(confidence="medium", checked_on=today_of(family.owner), fee=360, currency="CUP")
    entry = entry_of(browser.get("/plans/"), plan)
    assert "Cuba · basic · confidence: medium · Checked on" in entry
    assert "Needs an act every 330 days." in entry
    assert "Fee: 360 CUP; for how long is not known." in entry
    assert "Keeping it a year costs 110.61 CUP." in entry


def test_unknown_facts_are_said_to_be_unknown(browser):
    plan = giffgaff()
    plan.operator.requires_document = None
    plan.operator.save()
    entry = entry_of(browser.get("/plans/", {"where": "anywhere", "papers": "both"}), plan)
    assert "? Not known whether it asks for papers." in entry
    assert "? Not known whether SMS arrive abroad." in entry
    assert "What keeping it a year costs is not known." in entry
    assert "Nobody has noted when this rule was last checked." in entry


def test_cost_is_told_in_the_money_of_the_household_too(family, browser):
    plan, today = starhub(), today_of(family.owner)
    family.household.currency = "EUR"
    family.household.save()
    assert "No rate from SGD to EUR is known." in entry_of(browser.get("/plans/"), plan)
    rate = ExchangeRate.objects.create(currency="SGD", target="EUR", rate=Decimal("0.5"), dated_on=in_days(today, -90))
    entry = entry_of(browser.get("/plans/"), plan)
    assert "Keeping it a year costs 144 SGD. · That is 72 EUR, by the rate of" in entry
    rate.dated_on = in_days(today, -91)
    rate.save()
    assert "older than 90 days" in entry_of(browser.get("/plans/"), plan)


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ({"country": "CU"}, {"cuba"}),
        ({"operator": "unicom"}, {"china"}),
        ({"type": "special"}, {"free"}),
        ({"rule": "activity"}, {"britain"}),
        ({"q": "UNICOM"}, {"china"}),
        ({"q": "line gaff"}, {"britain"}),
        ({"q": "  "}, {"cuba", "china", "free", "britain"}),
        ({"q": "United Kingdom"}, {"britain"}),
        ({"q": "nobody"}, set()),
        ({"country": "CN", "rule": "activity"}, set()),
    ],
)
def test_list_is_filtered_by_the_address(browser, query, slugs):
    cubacel(slug="cuba")
    unicom(slug="china").operator.__class__.objects.filter(name="China Unicom").update(slug="unicom")
    cubacel(slug="free", type="special", operator=OperatorFactory(name="Free", country="FR"))
    giffgaff(slug="britain")
    page = browser.get("/plans/", query)
    assert set(shown_of(page)) == slugs
    assert "<details open>" in page.text or not query["q"].strip() if "q" in query else "<details open>" in page.text


def test_list_is_sorted_by_the_address(browser):
    for name, slug in (("Zebra", "z"), ("Apple", "a"), ("Mango", "m")):
        cubacel(slug=slug, operator=OperatorFactory(name=name))
    assert shown_of(browser.get("/plans/", {"sort": "operator"})) == ["a", "m", "z"]


def test_retired_plan_is_not_offered(browser):
    kept = cubacel()
    cubacel(retired_on=datetime.date(2026, 1, 1))
    assert shown_of(browser.get("/plans/")) == [kept.slug]


def test_own_plans_are_offered_and_those_of_strangers_never(family, browser):
    own = cubacel(household=family.household, name="Our own", confidence="own")
    strange = cubacel(
        household=Family("Diaz").household, operator=OperatorFactory(name="Secret", country="FR", slug="secret")
    )
    page = browser.get("/plans/")
    assert shown_of(page) == [own.slug]
    assert "Secret" not in page.text
    assert "France" not in page.text
    assert "As your household entered it." in entry_of(page, own)
    page = browser.get("/plans/compare/", {"plan": [own.slug, strange.slug]})
    assert [plan for plan, _others in page.context["columns"]] == [own]
    assert "Secret" not in page.text


@pytest.mark.parametrize("name", ["need", "where", "papers", "often", "country", "operator", "type", "rule", "sort"])
@pytest.mark.parametrize("junk", ["nope", "\0", "9" * 5000, "<script>alert(1)</script>", "%ff", "' OR 1=1"])
def test_junk_in_the_address_is_said_and_decides_nothing(browser, name, junk):
    plan = cubacel()
    page = browser.get("/plans/", {name: junk})
    assert page.status_code == 200
    assert shown_of(page) == [plan.slug]
    assert "This is none of the choices." in field_of(page, name)
    assert "<script>" not in page.text
    assert "\0" not in page.text


@pytest.mark.parametrize("query", ["q=%00", f"q={'x' * 101}", "q=%ed%a0%80", "page=x", "page=-1", f"page={'9' * 5000}"])
def test_junk_in_search_and_page_is_no_error(browser, query):
    cubacel()
    assert browser.get(f"/plans/?{query}").status_code == 200


@pytest.mark.parametrize("count", [1, 300])
def test_list_takes_the_same_queries_for_any_number_of_plans(family, browser, django_assert_num_queries, count):
    family.household.currency = "EUR"
    family.household.save()
    operator = OperatorFactory()
    for _number in range(count):
        plan = PlanFactory(operator=operator, fee=12, currency="SGD")
        KeepRule.objects.create(plan=plan, kind="fee_paid", value=1, unit="months", qualifying_acts=["fee"])
    # session, login, member; plans, rules, ladders, rates
    with django_assert_num_queries(7):
        page = browser.get("/plans/", {"need": "data", "where": "CU", "papers": "both", "often": "month"})
    assert len(shown_of(page)) == min(count, 50)


def test_viewer_may_choose_and_anonymous_may_not(family, client):
    assert sign_in(family.viewer).get("/plans/").status_code == 200
    for path in ("/plans/", "/plans/compare/", f"/plans/{cubacel().slug}/"):
        assert client.get(path).url == f"/accounts/login/?next={path}"


@pytest.mark.parametrize("language", ["zh-hans", "es"])
def test_list_speaks_the_language_of_the_member(family, catalogue, language):
    family.owner.language = language
    family.owner.save()
    page = sign_in(family.owner).get("/plans/", {"where": "CU", "often": "month", "need": "data", "papers": "both"})
    assert {"zh-hans": "德国", "es": "Alemania"}[language] in field_of(page, "country")


def test_page_of_every_plan_of_the_catalogue_opens(browser, catalogue):
    for plan in Plan.objects.select_related("operator"):
        page = browser.get(f"/plans/{plan.slug}/")
        assert page.status_code == 200, plan.slug
        assert page.text.count("<h1") == 1
        assert page.text.count('class="btn main"') == 1


def test_page_tells_rule_ladder_sources_and_ways_to_pay(browser):
    plan = cubacel(
        sources=[
            {"url": "https://example.org/a", "kind": "press", "date": "2023-12", "read": True},
            {"url": "a talk with a clerk", "kind": "shop", "date": None, "read": False},
            {"url": "javascript:alert(1)", "kind": "odd", "date": "2023-99", "read": True},
            "no source at all",
        ]
    )
    TopUpChannel.objects.create(operator=plan.operator, kind="app", name="Transfermóvil")
    page = browser.get(f"/plans/{plan.slug}/")
    rungs = [[" ".join(re.sub(r"<[^>]+>", "", cell).split()) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row)]
             for row in re.findall(r"<tr>.*?</tr>", page.text, re.DOTALL)]  # fmt: skip
    assert [[cell.partition(">")[2] or cell for cell in row] for row in rungs][1:] == [
        ["100 CUP", "inside the country", "330 days"],
        ["250 CUP", "from abroad", "330 days"],
    ]
    assert '<a href="https://example.org/a" rel="noreferrer">' in page.text
    assert "press · December 2023" in page.text
    assert "a shop · no date known · quoted by another source, not read" in page.text
    assert 'href="javascript' not in page.text
    assert '<span>Transfermóvil</span> <span class="muted">app</span>' in page.text
    assert f'href="/plans/compare/?plan={plan.slug}"' in page.text
    assert f'href="/cards/new/?plan={plan.slug}"' in page.text


@pytest.mark.parametrize(("days", "is_old"), [(180, False), (181, True)])
def test_facts_older_than_half_a_year_are_said_to_be(family, browser, days, is_old):
    plan = cubacel(checked_on=in_days(today_of(family.owner), -days), source_url="https://example.org/rule")
    page = browser.get(f"/plans/{plan.slug}/")
    assert ("The operator may have changed it since." in page.text) == is_old
    assert ("Rule last checked in" in page.text) == is_old
    assert ("Open the source" in page.text) == is_old


def test_doubtful_and_retired_plans_say_so(browser):
    plan = cubacel(confidence="low", confidence_reason="A rumour.", retired_on=datetime.date(2026, 3, 1))
    page = browser.get(f"/plans/{plan.slug}/")
    assert "Ask the operator before you rely on them. A rumour." in " ".join(page.text.split())
    assert "Since Mar 1, 2026 nobody can choose this plan any more" in page.text


def test_cards_of_the_household_on_the_plan_are_named_and_no_others(family, browser):
    plan = cubacel()
    card = family.add_card(plan, name="Mamá")
    family.add_card(plan, name="Gone", closed_on=datetime.date(2026, 1, 1))
    family.add_card(cubacel(), name="Elsewhere")
    Family("Diaz").add_card(plan, name="Stranger")
    page = browser.get(f"/plans/{plan.slug}/")
    assert page.context["cards"] == [card]
    assert "1 card of your household is on this plan" in page.text
    assert f'href="/cards/{card.pk}/"' in page.text


def test_own_plan_comes_before_a_shared_one_of_the_same_name(family, browser):
    shared = cubacel(slug="twin", name="Shared")
    own = cubacel(slug="twin", name="Own", household=family.household)
    stranger = sign_in(Family("Diaz").owner)
    assert browser.get("/plans/twin/").context["plan"] == own
    assert stranger.get("/plans/twin/").context["plan"] == shared
    assert [each for each, _others in browser.get("/plans/compare/?plan=twin").context["columns"]] == [own]


def test_plan_of_strangers_and_unknown_plans_are_not_found(browser):
    strange = cubacel(household=Family("Diaz").household)
    assert browser.get(f"/plans/{strange.slug}/").status_code == 404
    assert browser.get("/plans/nobody-knows/").status_code == 404
    assert browser.get(f"/plans/{'x' * 5000}/").status_code == 404


def test_viewer_sees_the_plan_and_nothing_to_add(family):
    page = sign_in(family.viewer).get(f"/plans/{cubacel().slug}/")
    assert page.status_code == 200
    assert "/cards/new/" not in page.text


@pytest.mark.parametrize("path", ["/plans/", "/plans/compare/", "/plans/some-plan/"])
def test_plans_are_only_looked_at(browser, path):
    cubacel(slug="some-plan")
    assert browser.get(path).status_code == 200
    assert browser.post(path).status_code == 405


@pytest.mark.parametrize("count", [1, 30])
def test_page_takes_the_same_queries_for_any_number_of_rows(family, browser, django_assert_num_queries, count):
    family.household.currency = "EUR"
    family.household.save()
    plan = cubacel()
    for number in range(count):
        CardFactory(household=family.household, plan=plan)
        TopUpChannel.objects.create(operator=plan.operator, kind="app", name=f"App {number}")
        Promotion.objects.create(operator=plan.operator, title="P", starts_on=LONG_AGO, ends_on=FAR_AHEAD)
    # session, login, member; rates; plan, rules, ladders, promotions; channels; cards
    with django_assert_num_queries(10):
        page = browser.get(f"/plans/{plan.slug}/")
    assert len(page.context["cards"]) == count


def test_card_added_from_a_plan_has_it_chosen(family):
    plan, _other = cubacel(name="Wanted"), cubacel()
    client = sign_in(family.owner)
    address = f"/cards/new/?plan={plan.slug}"
    assert address in client.get(f"/plans/{plan.slug}/").text
    page = client.post(address, {"number": "+5352345678"})
    assert page.context["form"]["plan"].value() == plan.pk
    for junk in ("\x00", "no-such-plan", "💥" * 500):
        assert client.post("/cards/new/", {"number": "+5352345678"}, query_params={"plan": junk}).status_code == 200


def test_retired_plan_offers_no_card(family):
    plan = cubacel(retired_on=datetime.date(2026, 1, 1))
    assert "/cards/new/" not in sign_in(family.owner).get(f"/plans/{plan.slug}/").text
