from decimal import Decimal

import pytest

from cards.models import Act, Feature, KeepRule, Operator, Plan, StepGuide
from renewals.models import RenewalStep
from tests.admin import at, beside, fields_of, ladder, save, unplaced
from tests.factories import OperatorFactory, giffgaff

pytestmark = pytest.mark.django_db

LADDER = [(Decimal(100), "inside", 330), (Decimal(250), "abroad", 330)]


# Wrong input is answered in words beside the field


def test_admin_refuses_a_plan_without_a_keep_rule(staff, used):
    page = save(staff, at(used.plan), **{"rules-0-DELETE": "on"})
    assert unplaced(page) == ["A plan needs a keep rule."]
    assert used.plan.rules.count() == 1
    page = save(staff, "/admin/cards/plan/add/", operator=used.plan.operator.pk, name="Bare", slug="bare")
    assert beside(page, "kind") == beside(page, "value") == ["This field is required."]
    assert not Plan.objects.filter(slug="bare").exists()


@pytest.mark.parametrize(
    ("typed", "name", "words"),
    [
        ({"value": "0"}, "value", "A rule keeps a number for at least one day."),
        ({"qualifying_acts": None}, "qualifying_acts", "Say which acts count."),
        ({"lead_days": "5", "buffer_days": "6"}, "lead_days", "The lead cannot be shorter than the buffer."),
        ({"grace_value": "-1"}, "grace_value", "Grace cannot end before the deadline."),
        ({"recovery_value": "-1"}, "recovery_value", "Recovery cannot end before grace."),
        ({"stack_limit_days": "0"}, "stack_limit_days", "A limit is at least one day; empty means that there is none."),
        ({"life_limit_days": "0"}, "life_limit_days", "A limit is at least one day; empty means that there is none."),
    ],
)
def test_admin_refuses_a_wrong_rule_beside_the_field(staff, used, typed, name, words):
    rule = used.plan.rules.get()
    before = KeepRule.objects.values().get()
    on_plan = {f"rules-0-{field}": value for field, value in typed.items()}
    for page in (save(staff, at(rule), **typed), save(staff, at(used.plan), **on_plan)):
        assert [error for error in beside(page, name) if "unit" not in error] == [words]
        assert unplaced(page) == []
    assert KeepRule.objects.values().get() == before


@pytest.mark.parametrize(
    ("typed", "name", "words"),
    [
        ({"minimum_amount": "100.00", "channel": "inside"}, "minimum_amount", "The ladder has two equal steps."),
        ({"value": "0"}, "value", "A step keeps a number for at least one day."),
        ({"currency": "XXY"}, "currency", "“XXY” is not a currency. Use three letters, such as CUP, CNY or EUR."),
    ],
)
def test_admin_refuses_a_wrong_step_beside_the_field(staff, used, typed, name, words):
    rule = used.plan.rules.get()
    step = {"minimum_amount": "77", "currency": "CUP", "channel": "anywhere", "value": "30"} | typed
    page = save(staff, at(rule), **{f"steps-2-{field}": value for field, value in step.items()})
    assert beside(page, name) == [words]
    assert unplaced(page) == []
    assert ladder(rule) == LADDER


def test_admin_refuses_two_new_equal_steps_of_unknown_amount(staff, used):
    rule = used.plan.rules.get()
    rule.steps.all().delete()
    step = {"minimum_amount": "", "currency": "CUP", "channel": "inside", "value": "30", "unit": "days"}
    rows = {f"steps-{n}-{field}": value for n in (0, 1) for field, value in step.items()}
    page = save(staff, at(rule), **rows, **{"steps-TOTAL_FORMS": "2"})
    assert beside(page, "minimum_amount") == ["The ladder has two equal steps."]
    assert ladder(rule) == []


@pytest.mark.parametrize(
    ("typed", "name", "words"),
    [
        ({"fee": "2", "currency": ""}, "currency", "A fee needs its currency."),
        ({"fee": "-1", "currency": "CUP"}, "fee", "Ensure this value is greater than or equal to 0."),
        ({"period_value": "0"}, "period_value", "A period is at least one day; empty means not known."),
        ({"period_value": "1"}, "period_unit", "A period is a number and a unit, or neither."),
        (
            {"features": ["telepathy"]},
            "features",
            "Select a valid choice. telepathy is not one of the available choices.",
        ),
        ({"port_out_days": "-1"}, "port_out_days", "Ensure this value is greater than or equal to 0."),
        ({"refund_days": "x"}, "refund_days", "Enter a whole number."),
        ({"checked_on": "03/04/2027"}, "checked_on", "Write the day as year-month-day, such as 2027-03-04."),
        ({"checked_on": "2099-01-01"}, "checked_on", "This day is still to come."),
        ({"confidence": "own"}, "confidence", "Select a valid choice. own is not one of the available choices."),
    ],
)
def test_admin_refuses_a_wrong_plan_beside_the_field(staff, used, typed, name, words):
    page = save(staff, at(used.plan), **typed)
    assert beside(page, name) == [words]
    assert unplaced(page) == []


@pytest.mark.parametrize(
    ("typed", "name", "words"),
    [
        ({"country": "Cuba"}, "country", "Ensure this value has at most 2 characters (it has 4)."),
        ({"country": "C1"}, "country", "Write the country's ISO code in two capital letters."),
        ({"checked_on": "2099-01-01"}, "checked_on", "This day is still to come."),
        ({"service_rating": "6"}, "service_rating", "A rating is a number from 1 to 5."),
    ],
)
def test_admin_refuses_a_wrong_operator_beside_the_field(staff, typed, name, words):
    page = save(staff, at(OperatorFactory()), **typed)
    assert beside(page, name) == [words]
    assert unplaced(page) == []


def test_admin_refuses_a_short_name_of_another_shared_row(staff, used, own):
    twin = {"name": "Twin", "slug": used.plan.operator.slug}
    page = save(staff, "/admin/cards/operator/add/", **twin)
    assert beside(page, "slug") == ["This short name is already taken."]
    page = save(staff, "/admin/cards/operator/add/", **twin | {"slug": own.operator.slug})
    assert Operator.objects.filter(household=None, slug=own.operator.slug).exists()


def test_admin_refuses_operators_that_belong_to_each_other(staff):
    parent = OperatorFactory(name="ETECSA")
    brand = OperatorFactory(name="Cubacel", belongs_to=parent)
    page = save(staff, at(parent), belongs_to=brand.pk)
    assert beside(page, "belongs_to") == ["An operator cannot belong to itself."]


def test_admin_keeps_the_short_name_by_which_the_files_find_a_row(staff, used):
    assert "slug" not in fields_of(staff.get(at(used.plan))).sent
    save(staff, at(used.plan), slug="other", extras="Changed")
    assert Plan.objects.get().slug == used.plan.slug


def test_admin_refuses_a_wrong_promotion_or_guide_beside_the_field(staff, used):
    other = giffgaff()
    days = {"title": "Double", "starts_on": "2026-02-02", "ends_on": "2026-02-01"}
    page = save(staff, "/admin/cards/promotion/add/", operator=other.operator.pk, plan=used.plan.pk, **days)
    assert beside(page, "plan") == ["This plan is of another operator."]
    assert beside(page, "ends_on") == ["A promotion cannot end before it starts."]
    both = {"operator": other.operator.pk, "plan": other.pk, "step": "pay", "language": "en", "text": "Dial"}
    page = save(staff, "/admin/cards/stepguide/add/", **both)
    assert beside(page, "operator") == ["A guide is either for an operator or for a plan."]
    assert unplaced(page) == []
    page = save(staff, "/admin/cards/stepguide/add/", **both | {"operator": ""})
    assert list(StepGuide.objects.values_list("plan", "step")) == [(other.pk, "pay")]


def test_admin_ticks_lists_instead_of_writing_them(staff, used):
    plan, operator = used.plan, used.plan.operator
    fields = fields_of(staff.get(at(plan)))
    assert fields.offered["rules-0-qualifying_acts"] == Act.values
    assert fields.sent["rules-0-qualifying_acts"] == ["top_up", "plan_purchase"]
    assert fields.sent["rules-0-grace_acts"] == ["top_up"]
    save(staff, at(plan), **{"rules-0-qualifying_acts": ["sms", "top_up"], "rules-0-grace_acts": None})
    assert plan.rules.values_list("qualifying_acts", "grace_acts").get() == (["sms", "top_up"], [])
    save(staff, at(operator), document_kinds=["passport", "identity_card"])
    assert Operator.objects.get().document_kinds == ["passport", "identity_card"]
    save(staff, at(operator), document_kinds=None)
    assert Operator.objects.get().document_kinds == []


def test_admin_ticks_the_features_of_a_plan(staff, used):
    fields = fields_of(staff.get(at(used.plan)))
    assert fields.offered["features"] == Feature.values
    save(staff, at(used.plan), features=["voicemail", "video_meetings"])
    assert Plan.objects.get().features == ["voicemail", "video_meetings"]
    save(staff, at(used.plan), features=None)
    assert Plan.objects.get().features == []


def test_admin_guide_offers_the_steps_and_letting_go(staff, used):
    fields = fields_of(staff.get("/admin/cards/stepguide/add/"))
    assert fields.offered["step"] == ["", *RenewalStep.Key.values, "let_go"]
    typed = {"plan": used.plan.pk, "step": "let_go", "language": "en", "text": "Ask for the code"}
    save(staff, "/admin/cards/stepguide/add/", **typed)
    assert StepGuide.objects.get().step == "let_go"
    assert "Let the number go" in staff.get("/admin/cards/stepguide/").text


def test_admin_guide_shows_its_sources_and_whose_words_it_is(staff, used):
    terms = {"text": "Dial", "url": "", "sources": ["https://www.etecsa.cu/", "A letter of <ETECSA>"]}
    guide = StepGuide.objects.create(plan=used.plan, step="pay", language="en", shipped=terms, **terms)
    text = staff.get(at(guide)).text
    assert "https://www.etecsa.cu/<br>A letter of &lt;ETECSA&gt;<br>" in text
    assert "admin_form.css" in text
    assert "the release&#x27;s" in text
    save(staff, at(guide), text="Dial twice")
    assert "edited here" in staff.get("/admin/cards/stepguide/").text
    save(staff, at(guide), text="Dial")
    assert "edited here" not in staff.get("/admin/cards/stepguide/").text
    StepGuide.objects.update(shipped=None)
    assert "written here" in staff.get(at(guide)).text


def test_admin_leads_from_a_rule_to_its_ladder(staff, used):
    page = staff.get(at(used.plan))
    assert "<li>100 CUP · inside the country → 330 days</li>" in page.text
    assert f'href="{at(used.plan.rules.get())}"' in page.text
