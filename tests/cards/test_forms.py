"""What is typed about cards, and how a form answers it: in words beside the field, with nothing lost."""

import datetime

import pytest
from django.utils import timezone

from cards.fields import AmountField, DayField
from cards.models import Card, KeepRule, Operator, Plan
from tests.family import Family, every_row, field_of, in_days, is_answered, sign_in

pytestmark = pytest.mark.django_db

TODAY = timezone.localdate()


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def whole_card(family, **changes):
    """Return what a browser sends for a card of which every field is filled in."""
    return {
        "number": "+53 5 111 2233",
        "name": "Papá",
        "plan": family.card.plan.pk,
        "person": family.person.pk,
        "new_person": "",
        "responsible": family.owner.pk,
        "deputy": family.manager.pk,
        "form": "esim",
        "location": "blue phone",
        "account_username": "papa@example.org",
        "activated_on": "2025-02-28",
        "notes": "ask <Rosa> & wait",
        "own-operator": "",
    } | changes


BAD_CARDS = [
    ("number", "", "This field is required."),
    ("number", "+53 FLOWERS", "A number has digits only, no letters."),
    ("number", "5 234 5678", "Start with + and the country code"),
    ("number", "+53 5234", "too short or too long"),
    ("number", "+53" + "5" * 40, "at most 30 characters"),
    ("number", "+53 5\0", "Null characters are not allowed."),
    ("name", "", "This field is required."),
    ("name", "x" * 61, "at most 60 characters"),
    ("name", "Ma\0ma", "Null characters are not allowed."),
    ("new_person", "Rosa", "Choose a holder or type a new one, not both."),
    ("new_person", "x" * 101, "at most 100 characters"),
    ("location", "x" * 121, "at most 120 characters"),
    ("account_username", "x\0", "Null characters are not allowed."),
    ("activated_on", "03/04/2027", "Write the day as year-month-day"),
    ("activated_on", "2025-02-29", "Write the day as year-month-day"),
    ("activated_on", "0001-01-01", "This year cannot be right."),
    ("activated_on", in_days(TODAY, 3).isoformat(), "This day is still to come."),
    ("notes", "x\0", "Null characters are not allowed."),
]


@pytest.mark.parametrize("address", ["/cards/new/", "/cards/{}/edit/"])
@pytest.mark.parametrize(("name", "typed", "words"), BAD_CARDS)
def test_card_form_answers_in_words_and_loses_nothing(family, browser, address, name, typed, words):
    data, before = whole_card(family, **{name: typed}), every_row()
    page = browser.post(address.format(family.card.pk), data)
    assert is_answered(page, name, words, typed)
    assert "Nothing you typed is lost." in page.text
    for other, value in data.items():
        if other in {name, "own-operator", "new_person"}:
            continue
        found = field_of(page, other)
        if other in {"plan", "person", "responsible", "deputy", "form"}:
            assert f'<option value="{value}" selected' in found
        else:
            assert f'value="{value}"' in found or value in found
    assert every_row() == before


@pytest.mark.parametrize("address", ["/cards/new/", "/cards/{}/edit/"])
@pytest.mark.parametrize("typed", ["+53 5 234 5678", "005352345678"])
def test_number_the_household_already_has_is_refused(family, browser, address, typed):
    family.add_card(number="+5352345678", plan=family.card.plan)
    before = every_row()
    page = browser.post(address.format(family.card.pk), whole_card(family, number=typed))
    assert is_answered(page, "number", "Your household already has a card with this number.", typed)
    assert every_row() == before


def test_number_of_another_household_or_of_a_closed_card_is_free(family, browser):
    Family("Pérez").add_card(number="+5351112233")
    family.add_card(number="+5351112233", closed_on=TODAY)
    assert browser.post("/cards/new/", whole_card(family)).status_code == 302


@pytest.mark.parametrize("address", ["/cards/new/", "/cards/{}/edit/"])
def test_empty_card_is_answered_beside_each_field_it_needs(family, browser, address):
    page = browser.post(address.format(family.card.pk), dict.fromkeys(whole_card(family), ""))
    for name in ("number", "name", "plan"):
        assert is_answered(page, name, "This field is required.")


def test_deputy_is_somebody_else(family, browser):
    page = browser.post("/cards/new/", whole_card(family, deputy=family.owner.pk))
    assert is_answered(page, "deputy", "The deputy is somebody else than the responsible member.")


def test_script_typed_as_a_name_is_shown_as_text(family, browser):
    browser.post("/cards/new/", whole_card(family, name="<script>alert(1)</script>", notes="<b>x</b>"))
    card = Card.objects.get(number="+5351112233")
    for address in ("/", f"/cards/{card.pk}/", f"/cards/{card.pk}/edit/"):
        assert "<script>alert" not in browser.get(address).text
        assert "&lt;script&gt;" in browser.get(address).text


OWN = {"operator": "Radio Isla", "plan": "Línea", "kind": "top_up", "value": "90", "unit": "days", "grace": "15"}
OWN |= {"amount": "12.50", "currency": "cup"}


def with_own_plan(family, **changes):
    return whole_card(family, plan="") | {f"own-{name}": value for name, value in (OWN | changes).items()}


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("operator", "x" * 101, "at most 100 characters"),
        ("operator", "x\0", "Null characters are not allowed."),
        ("plan", "x" * 151, "at most 150 characters"),
        ("kind", "magic", "Select a valid choice."),
        ("value", "", "This field is required."),
        ("value", "0", "greater than or equal to 1"),
        ("value", "-3", "greater than or equal to 1"),
        ("value", "999999999999", "less than or equal to 3650"),
        ("unit", "weeks", "Select a valid choice."),
        ("amount", "0", "greater than or equal to 0.01"),
        ("amount", "-5", "greater than or equal to 0.01"),
        ("amount", "1234567890123", "no more than 12 digits in total"),
        ("amount", "1.000,5", "Write an amount in digits"),
        ("amount", "NaN", "Write an amount in digits"),
        ("currency", "XXQ", "“XXQ” is not a currency."),
        ("currency", "", "Say in which currency"),
        ("grace", "-1", "greater than or equal to 0"),
    ],
)
def test_own_plan_answers_in_words_and_loses_nothing(family, browser, name, typed, words):
    before = every_row()
    page = browser.post("/cards/new/", with_own_plan(family, **{name: typed}))
    assert words in field_of(page, f"own-{name}")
    for other in {"operator", "plan", "value", "amount", "grace"} - {name}:
        assert f'value="{OWN[other]}"' in field_of(page, f"own-{other}")
    assert f'value="{whole_card(family)["number"]}"' in field_of(page, "number")
    assert every_row() == before


def test_own_plan_whose_fee_comes_from_the_balance_needs_the_fee(family, browser):
    page = browser.post("/cards/new/", with_own_plan(family, kind="fee_from_balance", amount="", currency=""))
    assert is_answered(page, "own-amount", "Without the fee nobody can tell how long the balance lasts.")


def test_own_plan_is_made_with_its_operator_rule_and_rung(family, browser):
    assert browser.post("/cards/new/", with_own_plan(family)).status_code == 302
    card = Card.objects.get(number="+5351112233")
    plan, rule, rung = card.plan, card.plan.rules.get(), card.plan.rules.get().steps.get()
    assert (plan.name, plan.household, plan.confidence) == ("Línea", family.household, "own")
    assert (plan.operator.name, plan.operator.household, plan.operator.country) == (
        "Radio Isla",
        family.household,
        "CU",
    )
    assert (rule.kind, rule.value, rule.unit, rule.grace_value) == ("top_up", 90, "days", 15)
    assert (str(rung.minimum_amount), rung.currency, rung.value) == ("12.50", "CUP", 90)
    assert (rule.lead_days, rule.buffer_days) == (21, 5)


def test_own_plan_counts_instead_of_a_chosen_one(family, browser):
    browser.post("/cards/new/", with_own_plan(family) | {"plan": family.card.plan.pk})
    assert Card.objects.get(number="+5351112233").plan.name == "Línea"


@pytest.mark.parametrize("kind", KeepRule.Kind.values)
def test_own_plan_of_every_kind_has_acts_that_count(family, browser, kind):
    browser.post("/cards/new/", with_own_plan(family, kind=kind))
    rule = Card.objects.get(number="+5351112233").plan.rules.get()
    assert (rule.kind, bool(rule.qualifying_acts)) == (kind, True)
    rule.full_clean()


def test_operators_written_in_chinese_are_told_apart(family, browser):
    for number, operator in (
        ("+8613800138000", "中国移动"),
        ("+8613010000000", "中国联通"),
        ("+8613010000001", "中国联通"),
    ):
        assert browser.post("/cards/new/", with_own_plan(family, operator=operator, plan="") | {"number": number}).url
    own = Operator.objects.filter(household=family.household)
    assert sorted(operator.name for operator in own) == ["中国移动", "中国联通"]
    assert [card.plan.operator.name for card in Card.objects.filter(plan__operator__in=own).order_by("number")] == [
        "中国联通",
        "中国联通",
        "中国移动",
    ]


def test_longest_names_of_an_own_plan_fit(family, browser):
    assert browser.post("/cards/new/", with_own_plan(family, operator="o" * 100, plan="p" * 150)).status_code == 302
    plan = Plan.objects.get(household=family.household)
    assert (plan.operator.name, plan.name) == ("o" * 100, "p" * 150)
    plan.full_clean()
    plan.operator.full_clean()


def test_two_own_plans_of_one_name_are_two(family, browser):
    browser.post("/cards/new/", with_own_plan(family))
    browser.post("/cards/new/", with_own_plan(family) | {"number": "+5352223344"})
    assert Plan.objects.filter(household=family.household, name="Línea").count() == 2


@pytest.mark.parametrize(
    ("typed", "amount"),
    [("100", "100"), ("0.10", "0.10"), ("0,10", "0.10"), (" 12,5 ", "12.5"), ("1,00", "1.00")],
)
def test_amount_field_takes_point_and_comma(typed, amount):
    assert str(AmountField(decimal_places=2, max_digits=12).clean(typed)) == amount


@pytest.mark.parametrize("typed", ["1.000,5", "1,000.50", "1,000,000", "ten", "1,000", "12 CUP", "Infinity", "--1"])
def test_amount_field_refuses_what_can_be_read_in_two_ways(typed):
    assert len(AmountField(decimal_places=2, max_digits=12).error_messages["invalid"]) > 0
    with pytest.raises(Exception, match=r"Write an amount in digits|no more than 2 decimal places"):
        AmountField(decimal_places=2, max_digits=12).clean(typed)


@pytest.mark.parametrize("typed", ["03/04/2027", "3.4.2027", "2027-3-4x", "20270304", "2027-13-01", "tomorrow"])
def test_day_field_refuses_what_can_be_read_in_two_ways(typed):
    with pytest.raises(Exception, match="Write the day as year-month-day"):
        DayField().clean(typed)


@pytest.mark.parametrize("typed", ["1989-12-31", "2101-01-01", "9999-12-31"])
def test_day_field_refuses_years_that_cannot_be_right(typed):
    with pytest.raises(Exception, match="This year cannot be right"):
        DayField().clean(typed)


@pytest.mark.parametrize("typed", ["1990-01-01", "2028-02-29", "2100-12-31"])
def test_day_field_takes_days(typed):
    assert DayField().clean(typed) == datetime.date.fromisoformat(typed)
