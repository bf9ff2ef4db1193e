import datetime
import re
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import IntegrityError
from django.db.models import ForeignKey
from django.test import Client
from django.utils import timezone

from cards.catalogue import load_catalogue
from cards.models import Act, Card, KeepRule, Operator, Plan, Promotion, StepGuide, TopUpChannel, TopUpStep
from renewals.deadlines import recompute_card
from renewals.models import Payment, Renewal
from tests.factories import CardFactory, OperatorFactory, PlanFactory, cubacel, giffgaff
from tests.family import Family, said, sign_in

pytestmark = pytest.mark.django_db

LADDER = [(Decimal(100), "inside", 330), (Decimal(250), "abroad", 330)]


class Fields(HTMLParser):
    """The fields of a page's main form, as a browser would send them untouched. A new inline row is `__prefix__`."""

    def __init__(self, html):
        super().__init__()
        self.sent, self.offered, self.buttons = {}, {}, []
        self.select = self.textarea = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        name = attrs.get("name", "")
        if tag == "input" and name:
            if attrs["type"] == "submit":
                self.buttons.append(name)
            elif attrs["type"] in {"checkbox", "radio"}:
                self.offered.setdefault(name, []).append(attrs.get("value", "on"))
                if "checked" in attrs:
                    self.sent.setdefault(name, []).append(attrs.get("value", "on"))
            else:
                self.sent[name] = attrs.get("value", "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select:
            self.offered.setdefault(self.select, []).append(attrs.get("value", ""))
            if "selected" in attrs or self.select not in self.sent:
                self.sent[self.select] = attrs.get("value", "")
        elif tag == "textarea":
            self.textarea, self.sent[name] = name, ""

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None
        elif tag == "textarea":
            self.textarea = None

    def handle_data(self, data):
        if self.textarea:
            self.sent[self.textarea] += data.removeprefix("\n")


def fields_of(page):
    assert page.status_code == 200
    return Fields(page.text)


def save(client, address, **typed):
    """Open the page, type, press Save, and return what comes. None for a value takes the field out."""
    sent = fields_of(client.get(address)).sent | typed
    sent = {name: value for name, value in sent.items() if "__prefix__" not in name and value is not None}
    return client.post(address, sent, follow=True)


def add_row(client, address, prefix, **typed):
    """Do what “Add another” does, and save."""
    sent = fields_of(client.get(address)).sent
    number = int(sent[f"{prefix}-TOTAL_FORMS"])
    blank = {name: value for name, value in sent.items() if name.startswith(f"{prefix}-__prefix__")}
    row = {name.replace("__prefix__", str(number)): value for name, value in blank.items()}
    row |= {f"{prefix}-{number}-{name}": value for name, value in typed.items()}
    return save(client, address, **{f"{prefix}-TOTAL_FORMS": number + 1}, **row)


def beside(page, name):
    """Return the errors that stand with one field."""
    context = page.context
    forms = [context["adminform"].form]
    forms += [form for formset in context["inline_admin_formsets"] for form in formset.formset.forms]
    return [str(error) for form in forms if name in form.fields for error in form.errors.get(name, [])]


def unplaced(page):
    """Return the errors that stand with no field."""
    context = page.context
    formsets = [each.formset for each in context["inline_admin_formsets"]]
    forms = [context["adminform"].form, *(form for formset in formsets for form in formset.forms)]
    found = [error for form in forms for error in form.non_field_errors()]
    return found + [error for formset in formsets for error in formset.non_form_errors()]


def at(row, page="change"):
    return f"/admin/cards/{row._meta.model_name}/{row.pk}/{page}/"


def listed(client, model, **query):
    page = client.get(f"/admin/cards/{model}/", query)
    assert page.status_code == 200
    return set(page.context["cl"].result_list)


def ladder(rule):
    return [(step.minimum_amount, step.channel, step.value) for step in rule.steps.all()]


@pytest.fixture
def family():
    return Family("Chen")


@pytest.fixture
def staff(family):
    """The browser of the family's owner, who is also the site's administrator."""
    family.owner.user.is_staff = family.owner.user.is_superuser = True
    family.owner.user.save()
    return sign_in(family.owner)


@pytest.fixture
def own(family):
    """An operator and a plan that the family entered for itself."""
    operator = OperatorFactory(household=family.household, name="Secretel", country="ZW")
    plan = PlanFactory(household=family.household, operator=operator, name="Secret tariff")
    rule = KeepRule.objects.create(plan=plan, kind="top_up", value=90, qualifying_acts=[Act.TOP_UP])
    TopUpStep.objects.create(rule=rule, minimum_amount=5, currency="USD", value=90)
    return plan


@pytest.fixture
def used(family):
    """A card that 100 CUP of 31 January 2026 keep until 27 December."""
    card = family.add_card(cubacel())
    paid_on = datetime.date(2026, 1, 31)
    about = {"card": card, "household": family.household, "currency": "CUP", "reference": "REF-77-PRIVATE"}
    Payment.objects.create(amount=100, paid_on=paid_on, confirmed_on=paid_on, **about)
    recompute_card(card)
    assert card.deadline == datetime.date(2026, 12, 27)
    return card


# Who gets in, and to what


def test_admin_has_the_catalogue_and_nothing_else(staff):
    assert set(admin.site._registry) == {Operator, Plan, KeepRule, Promotion, StepGuide}


def test_admin_index_names_what_staff_edit(staff):
    page = staff.get("/admin/")
    (app,) = page.context["app_list"]
    assert {model["object_name"] for model in app["models"]} == {"Operator", "Plan", "Promotion", "StepGuide"}
    assert "Keepnumber · operators and plans" in page.text


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_admin_keeps_members_out_who_are_not_staff(family, used, role):
    client = sign_in(getattr(family, role))
    for address in ("/admin/", at(used.plan), at(used.plan, "delete"), "/admin/cards/plan/", "/admin/autocomplete/"):
        for answer in (client.get(address, follow=True), client.post(address, {"name": "Mine"}, follow=True)):
            assert answer.status_code == 404
    assert set(Plan.objects.values_list("name", flat=True)) == {"Permanent prepaid line"}


def test_admin_keeps_anonymous_out(used):
    for address in ("/admin/", at(used.plan), "/admin/cards/plan/", "/admin/jsi18n/"):
        answer = Client().get(address)
        assert answer.status_code == 302
        assert urlsplit(answer.url).path in {"/accounts/login/", "/admin/login/"}


# What a household owns is not there


def test_admin_shows_shared_rows_only(staff, own, used):
    guide = StepGuide.objects.create(plan=used.plan, step="pay", language="en", text="Dial")
    secret_guides = [
        StepGuide.objects.create(plan=own, step="pay", language="en", text="Secret"),
        StepGuide.objects.create(operator=own.operator, step="pay", language="en", text="Secret"),
    ]
    days = {"starts_on": datetime.date(2026, 1, 1), "ends_on": datetime.date(2026, 2, 1)}
    promotion = Promotion.objects.create(operator=used.plan.operator, title="Double", **days)
    secret_promotion = Promotion.objects.create(operator=own.operator, title="Secret", **days)

    assert listed(staff, "operator") == {used.plan.operator}
    assert listed(staff, "plan") == {used.plan}
    assert listed(staff, "keeprule") == set(used.plan.rules.all())
    assert listed(staff, "stepguide") == {guide}
    assert listed(staff, "promotion") == {promotion}
    for row in (own, own.operator, own.rules.get(), secret_promotion, *secret_guides):
        for page in ("change", "delete", "history"):
            answer = staff.get(at(row, page), follow=True)
            assert answer.request["PATH_INFO"] == "/admin/" or answer.status_code == 403


def test_admin_cannot_change_the_plan_of_a_household(staff, own, used):
    sent = fields_of(staff.get(at(used.plan))).sent | {"name": "Taken over"}
    staff.post(at(own), sent)
    staff.post("/admin/cards/plan/", {"action": "retire", "_selected_action": [own.pk, used.plan.pk]})
    own.refresh_from_db()
    assert (own.name, own.retired_on) == ("Secret tariff", None)
    assert Plan.objects.get(pk=used.plan.pk).retired_on


def test_admin_offers_shared_rows_to_choose_from(staff, own, used):
    operator, plan = str(used.plan.operator.pk), str(used.plan.pk)
    offered = {
        ("operator", "belongs_to"): {"", operator},
        ("plan", "operator"): {"", operator},
        ("promotion", "operator"): {"", operator},
        ("promotion", "plan"): {"", plan},
        ("stepguide", "operator"): {"", operator},
        ("stepguide", "plan"): {"", plan},
    }
    for (model, name), expected in offered.items():
        assert set(fields_of(staff.get(f"/admin/cards/{model}/add/")).offered[name]) == expected


def test_admin_takes_no_row_of_a_household_as_chosen(staff, own):
    typed = {"operator": own.operator.pk, "title": "x", "starts_on": "2026-01-01", "ends_on": "2026-02-01"}
    page = save(staff, "/admin/cards/promotion/add/", **typed)
    assert beside(page, "operator")
    assert not Promotion.objects.exists()


def test_admin_filters_by_shared_operators_and_countries_only(staff, own, used):
    giffgaff()
    page = staff.get("/admin/cards/plan/")
    choices = [choice for each in page.context["cl"].filter_specs for choice in each.choices(page.context["cl"])]
    words = {str(choice["display"]) for choice in choices}
    assert {"Cubacel", "giffgaff", "Cuba", "United Kingdom"} <= words
    assert not words & {"Secretel", "Zimbabwe"}


def test_admin_adds_shared_rows(staff, own):
    save(staff, "/admin/cards/operator/add/", name="New One", slug="new-one", country="gb", document_kinds=["passport"])
    operator = Operator.objects.get(slug="new-one")
    assert (operator.household, operator.country, operator.document_kinds) == (None, "GB", ["passport"])

    rule = {
        "rules-0-kind": "activity",
        "rules-0-value": "6",
        "rules-0-unit": "months",
        "rules-0-qualifying_acts": ["sms", "call"],
    }
    page = save(staff, "/admin/cards/plan/add/", operator=operator.pk, name="Line", slug="new-line", **rule)
    assert page.redirect_chain, unplaced(page)
    plan = Plan.objects.get(slug="new-line")
    assert plan.household is None
    assert plan.edited_at
    assert plan.rules.get().qualifying_acts == ["sms", "call"]


def private_words(*families):
    """Return what belongs to families, as it could appear on a page."""
    words = {"Secretel", "Secret tariff", "REF-77-PRIVATE", "Zimbabwe"}
    for family in families:
        members = family.household.members.all()
        words |= {family.household.name, *family.household.people.values_list("name", flat=True)}
        words |= {member.name for member in members} | {member.user.email for member in members}
        for card in family.household.cards.all():
            words |= {card.name, card.number, card.number[1:], card.account_username, card.notes, card.location}
    return words - {""}


def admin_pages(client, rows):
    """Yield (address, answer) for all there is: by every link, by every row's pages, by every choice to complete."""
    todo = ["/admin/", "/admin/password_change/", "/admin/autocomplete/", "/admin/jsi18n/"]
    todo += [f"/admin/cards/{row._meta.model_name}/{row.pk}/{page}/" for row in rows for page in PAGES]
    for model in apps.get_models():
        kind, row = ContentType.objects.get_for_model(model), model._base_manager.first()
        todo += [f"/admin/r/{kind.pk}/{row.pk}/"] if row else []
        names = [field.name for field in model._meta.get_fields() if isinstance(field, ForeignKey)]
        query = f"app_label={model._meta.app_label}&model_name={model._meta.model_name}&field_name="
        todo += [f"/admin/autocomplete/?{query}{name}" for name in names]
    seen = set(todo)
    while todo:
        address = todo.pop()
        answer = client.get(address)
        yield address, answer
        for link in re.findall(r'href="([^"]+)"', answer.text if answer.status_code == 200 else ""):
            found = urljoin(address, unescape(link)).partition("#")[0]
            query = parse_qsl(urlsplit(found).query)
            # Each filter and column once; not all orders of columns, nor each row as reached from each list.
            is_plain = len(query) <= 1 and not any("." in value or name[0] == "_" for name, value in query)
            if found.startswith("/admin/") and "logout" not in found and is_plain and found not in seen:
                seen.add(found)
                todo.append(found)


PAGES = ("change", "delete", "history")
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", re.IGNORECASE)


def test_admin_shows_nothing_of_households_and_nothing_inline(staff, family, own, used):
    used.account_username, used.notes, used.location = "chen-at-etecsa", "Under the bed", "blue phone"
    used.save()
    family.fill(own)
    family.add_card(own, name="Papá secreto")
    strangers = Family("Ruiz").fill(used.plan)
    Renewal.objects.filter(household=strangers.household).update(plan=used.plan)
    retired = {"action": "retire", "_selected_action": [used.plan.pk]}
    assert staff.post("/admin/cards/plan/", retired, follow=True).status_code == 200
    save(staff, at(used.plan), extras="Changed")
    save(staff, at(used.plan.operator), support="Changed")
    StepGuide.objects.create(plan=used.plan, step="pay", language="en", text="Dial")
    unused = giffgaff()

    private = private_words(family, strangers) - {family.owner.user.email}
    assert {"Chen family", "Ruiz family", "Papá secreto", "Mamá Ruiz", "Olga Ruiz", used.number} <= private
    # A page that refuses is the app's own, with the name of the reader and their household.
    of_reader = {family.owner.name, family.household.name}
    rows = [row for model in admin.site._registry for row in model.objects.all()]
    visited = {}
    for address, answer in admin_pages(staff, rows):
        visited[address] = answer.status_code
        text = unescape(answer.text)
        refused = answer.status_code in {403, 404}
        assert {word for word in private if word in text} <= (of_reader if refused else set()), address
        if answer["Content-Type"].startswith("text/html"):
            assert INLINE.search(answer.text) is None, address
            assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert set(visited.values()) <= {200, 301, 302, 403, 404}
    expected = {at(used.plan): 200, at(used.plan, "history"): 200, at(used.plan, "delete"): 403}
    expected |= {at(unused): 200, at(unused, "delete"): 200, at(own): 302, at(own.operator): 302}
    expected |= {"/admin/autocomplete/?app_label=cards&model_name=card&field_name=plan": 200}
    expected |= {"/admin/autocomplete/?app_label=cards&model_name=card&field_name=household": 403}
    assert {address: visited[address] for address in expected} == expected


def test_admin_completes_with_shared_plans_only(staff, own, used):
    query = {"app_label": "cards", "model_name": "card", "field_name": "plan"}
    found = staff.get("/admin/autocomplete/", query).json()["results"]
    assert [each["id"] for each in found] == [str(used.plan.pk)]


def test_admin_does_not_answer_questions_about_cards(staff, used):
    for lookup in ("cards__number", "cards__household__name__startswith", "plans__cards__name"):
        model = "operator" if lookup.startswith("plans") else "plan"
        assert staff.get(f"/admin/cards/{model}/", {lookup: used.number}).status_code == 400


# A saved rule moves deadlines


def test_admin_rule_of_a_used_plan_moves_the_deadline(staff, used):
    others = CardFactory(plan=giffgaff(), deadline=datetime.date(2026, 5, 5))
    rule = used.plan.rules.get()
    page = save(staff, at(rule), **{"steps-0-value": "300", "value": "300"})
    used.refresh_from_db()
    others.refresh_from_db()
    assert used.deadline == datetime.date(2026, 11, 27)
    assert others.deadline == datetime.date(2026, 5, 5)
    assert "1 card has new dates." in said(page)
    assert page.redirect_chain[-1][0] == at(used.plan)


def test_admin_rule_on_the_page_of_its_plan_moves_the_deadline(staff, used):
    page = save(staff, at(used.plan), **{"rules-0-grace_value": "60"})
    used.refresh_from_db()
    assert used.grace_ends_on == used.deadline + datetime.timedelta(days=60)
    assert "1 card has new dates." in said(page)


def test_admin_new_step_moves_the_deadline(staff, used):
    rule = used.plan.rules.get()
    step = {"minimum_amount": "90", "currency": "cup", "channel": "inside", "value": "400"}
    save(staff, at(rule), **{f"steps-2-{name}": value for name, value in step.items()})
    assert ladder(rule) == [(Decimal(90), "inside", 400), *LADDER]
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 1, 31) + datetime.timedelta(days=400)
    page = save(staff, at(rule), **{"steps-0-DELETE": "on"})
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 12, 27)
    assert "1 card has new dates." in said(page)


def test_admin_new_rule_moves_the_deadline(staff, used):
    rule = {"kind": "activity", "value": "90", "unit": "days", "qualifying_acts": ["top_up", "sms"]}
    page = add_row(staff, at(used.plan), "rules", **rule)
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 5, 1)
    assert "1 card has new dates." in said(page)
    second = used.plan.rules.last()
    sent = {"rules-1-DELETE": "on"}
    save(staff, at(used.plan), **sent)
    used.refresh_from_db()
    assert not KeepRule.objects.filter(pk=second.pk).exists()
    assert used.deadline == datetime.date(2026, 12, 27)


def test_admin_says_when_no_date_changed(staff, used):
    page = save(staff, at(used.plan), extras="Only a word")
    assert "0 cards have new dates." in said(page)


def test_admin_keeps_nothing_of_a_save_that_fails(staff, used, monkeypatch):
    def fail(cards):
        raise IntegrityError

    monkeypatch.setattr("renewals.admin.recompute_cards", fail)
    rule = used.plan.rules.get()
    with pytest.raises(IntegrityError):
        save(staff, at(rule), **{"steps-0-value": "300"})
    assert ladder(rule) == LADDER
    assert Plan.objects.get(pk=used.plan.pk).edited_at is None


# The catalogue's files leave alone what was edited


def test_admin_edits_outlast_a_load_of_the_catalogue(staff):
    load_catalogue()
    by_rule, by_step, by_plan, untouched = (
        Plan.objects.get(slug=slug)
        for slug in ("cu-cubacel-permanent", "cu-etecsa-permanent", "gb-giffgaff-payg", "hk-clubsim")
    )
    operators = {plan.operator.slug: plan.operator for plan in (by_rule, by_step, untouched)}
    by_channel = operators[by_rule.operator.slug]
    save(staff, at(by_plan), **{"rules-0-value": "7", "extras": "Ours"})
    save(staff, at(by_rule.rules.first()), value="111")
    save(staff, at(by_step.rules.first()), **{"steps-0-value": "222"})
    channels = by_channel.channels.count()
    add_row(staff, at(by_channel), "channels", kind="outlet", name="Corner shop", url="")
    assert by_channel.channels.count() == channels + 1
    save(staff, at(by_plan.operator), support="Ours")
    Plan.objects.filter(pk=untouched.pk).update(extras="Tampered")

    call_command("load_catalogue")
    for row in (by_rule, by_step, by_plan, untouched, by_plan.operator, by_channel):
        row.refresh_from_db()
    assert by_rule.rules.first().value == 111
    assert 222 in by_step.rules.first().steps.values_list("value", flat=True)
    assert (by_plan.rules.first().value, by_plan.extras) == (7, "Ours")
    assert by_plan.operator.support == "Ours"
    assert by_channel.channels.filter(name="Corner shop").exists()
    assert untouched.extras != "Tampered"
    assert untouched.edited_at is None


def test_admin_opens_every_row_of_the_catalogue_and_saves_it_unchanged(staff):
    load_catalogue()
    rows = [
        Plan.objects.get(slug="cu-cubacel-permanent"),
        *Operator.objects.filter(country="CU"),
        KeepRule.objects.first(),
    ]
    for row in rows:
        page = save(staff, at(row))
        assert page.redirect_chain, (row, unplaced(page))
    assert not Plan.objects.exclude(edited_at=None).exists()
    assert not Operator.objects.exclude(edited_at=None).exists()
    again = load_catalogue()
    assert (again.created, again.updated, again.kept_edited) == (0, 0, 0)


def test_admin_asks_the_same_number_of_queries_for_long_lists(staff, django_assert_num_queries):
    operator = OperatorFactory()
    for n in range(1, 31):
        cubacel(operator=operator, name=f"Plan {n}")
        if n in {1, 30}:
            with django_assert_num_queries(8):
                staff.get("/admin/cards/plan/")


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
        ({"checked_on": "03/04/2027"}, "checked_on", "Write the day as year-month-day, such as 2027-03-04."),
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


def test_admin_leads_from_a_rule_to_its_ladder(staff, used):
    page = staff.get(at(used.plan))
    assert "<li>100 CUP · inside the country → 330 days</li>" in page.text
    assert f'href="{at(used.plan.rules.get())}"' in page.text


# In use: retired, never deleted


@pytest.mark.parametrize("by", ["card", "closed card", "renewal"])
def test_admin_deletes_no_plan_in_use(staff, family, by):
    plan = cubacel()
    card = family.add_card(plan if "card" in by else giffgaff())
    if by == "closed card":
        Card.objects.update(closed_on=datetime.date(2026, 1, 1))
    elif by == "renewal":
        Renewal.objects.create(household=family.household, card=card, plan=plan)
    for row in (plan, plan.operator):
        assert "deletelink" not in staff.get(at(row)).text
        assert staff.get(at(row, "delete")).status_code == 403
        assert staff.post(at(row, "delete"), {"post": "yes"}).status_code == 403
    assert Plan.objects.filter(pk=plan.pk).exists()


def test_admin_deletes_no_operator_that_others_refer_to(staff, own):
    parent = OperatorFactory()
    OperatorFactory(belongs_to=parent)
    of_household = OperatorFactory()
    Plan.objects.filter(pk=own.pk).update(operator=of_household)
    for operator in (parent, of_household):
        assert staff.post(at(operator, "delete"), {"post": "yes"}).status_code == 403


def test_admin_deletes_what_nobody_uses(staff):
    plan = cubacel()
    TopUpChannel.objects.create(operator=plan.operator, kind="app", name="Transfermóvil")
    assert "deletelink" in staff.get(at(plan)).text
    assert staff.get(at(plan, "delete")).status_code == 200
    staff.post(at(plan, "delete"), {"post": "yes"})
    staff.post(at(plan.operator, "delete"), {"post": "yes"})
    left = [model.objects.count() for model in (Plan, KeepRule, TopUpStep, Operator, TopUpChannel)]
    assert left == [0, 0, 0, 0, 0]


def test_admin_offers_no_deletion_of_several(staff, used):
    unused = giffgaff()
    for row in (unused, unused.operator):
        page = staff.get(f"/admin/cards/{row._meta.model_name}/")
        assert "delete_selected" not in page.text
        sent = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        staff.post(f"/admin/cards/{row._meta.model_name}/", sent)
        row.refresh_from_db()


def test_admin_says_so_when_a_plan_is_taken_into_use_meanwhile(staff, family, monkeypatch):
    plan = cubacel()
    card = family.add_card(plan, name="Mamá privada")
    monkeypatch.setattr("cards.admin.is_in_use", lambda row: False)
    for answer in (
        staff.get(at(plan, "delete"), follow=True),
        staff.post(at(plan, "delete"), {"post": "yes"}, follow=True),
    ):
        assert answer.redirect_chain[-1][0] == at(plan)
        assert "This is in use by now. It can only be retired." in said(answer)
        assert card.name not in answer.text
    assert Plan.objects.filter(pk=plan.pk).exists()


def test_admin_retires_plans_and_takes_them_back(staff, family, used):
    other = giffgaff()
    retired_before = giffgaff(retired_on=datetime.date(2020, 2, 2))
    chosen = [used.plan.pk, retired_before.pk]
    page = staff.post("/admin/cards/plan/", {"action": "retire", "_selected_action": chosen}, follow=True)
    assert "1 retired." in said(page)
    assert dict(Plan.objects.values_list("pk", "retired_on")) == {
        used.plan.pk: timezone.localdate(timezone=family.owner.zone),
        other.pk: None,
        retired_before.pk: datetime.date(2020, 2, 2),
    }
    assert listed(staff, "plan", retired="yes") == {used.plan, retired_before}
    assert listed(staff, "plan", retired="no") == {other}
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(used.plan.pk)]
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 12, 27)

    page = staff.post("/admin/cards/plan/", {"action": "take_back", "_selected_action": chosen}, follow=True)
    assert "2 taken back." in said(page)
    assert set(Plan.objects.values_list("retired_on", flat=True)) == {None}


def test_admin_retired_plan_stays_retired_after_a_load(staff):
    load_catalogue()
    plan = Plan.objects.get(slug="hk-clubsim")
    staff.post("/admin/cards/plan/", {"action": "retire", "_selected_action": [plan.pk]})
    Plan.objects.filter(pk=plan.pk).update(extras="Tampered")
    load_catalogue()
    plan.refresh_from_db()
    assert plan.retired_on
    assert plan.extras != "Tampered"


# Lists


def test_admin_lists_plans_by_search_and_filter(staff, family):
    cuban, british = cubacel(type="basic"), giffgaff(type="special", confidence="low")
    assert listed(staff, "plan", q="giffgaff") == {british}
    assert listed(staff, "plan", country="CU") == {cuban}
    assert listed(staff, "plan", operator__id__exact=british.operator.pk) == {british}
    assert listed(staff, "plan", type__exact="basic") == {cuban}
    assert listed(staff, "plan", rules__kind__exact="activity") == {british}
    assert listed(staff, "plan", confidence__exact="low") == {british}
    assert listed(staff, "operator", q="Cuba") == {cuban.operator}
    anywhere = OperatorFactory(country="")
    assert listed(staff, "operator", country="-") == {anywhere}
    for guide in (
        StepGuide.objects.create(plan=cuban, step="pay", language="es", text="Marque"),
        StepGuide.objects.create(operator=british.operator, step="act", language="en", text="Send"),
    ):
        assert listed(staff, "stepguide", step=guide.step) == {guide}
        assert listed(staff, "stepguide", language__exact=guide.language) == {guide}


def test_admin_counts_the_cards_on_a_plan_and_names_none(staff, family):
    plan = cubacel(checked_on=datetime.date(2026, 11, 22))
    KeepRule.objects.create(plan=plan, kind="activity", value=90, qualifying_acts=[Act.SMS])
    for number in (1, 2):
        family.add_card(plan, name=f"Private {number}")
    for model in ("plan", "operator"):
        page = staff.get(f"/admin/cards/{model}/")
        assert '<td class="field-used_by">2</td>' in page.text
        assert "Private" not in page.text
    assert "Nov. 22, 2026" in staff.get("/admin/cards/plan/").text
    page = staff.get("/admin/cards/plan/", {"rules__kind__exact": "activity"})
    assert '<td class="field-used_by">2</td>' in page.text
