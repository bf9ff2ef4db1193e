import datetime
import re
from html import unescape
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db.models import ForeignKey
from django.test import Client
from django.utils import timezone

from cards.catalogue import load_catalogue
from cards.models import (
    Act,
    Card,
    ExchangeRate,
    KeepRule,
    Operator,
    Plan,
    Promotion,
    StepGuide,
    TopUpChannel,
    TopUpStep,
)
from renewals.models import Renewal
from tests.admin import add_row, at, beside, fields_of, listed, save, unplaced
from tests.factories import OperatorFactory, cubacel, giffgaff
from tests.family import Family, said, sign_in

pytestmark = pytest.mark.django_db


# Who gets in, and to what


def test_admin_has_the_catalogue_and_nothing_else(staff):
    assert set(admin.site._registry) == {ExchangeRate, Operator, Plan, KeepRule, Promotion, StepGuide}


def test_admin_index_names_what_staff_edit(staff):
    page = staff.get("/admin/")
    (app,) = page.context["app_list"]
    names = {model["object_name"] for model in app["models"]}
    assert names == {"ExchangeRate", "Operator", "Plan", "Promotion", "StepGuide"}
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
    Plan.objects.filter(pk=used.plan.pk).update(offered={"extras": "Offered"})
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
    lists, change = "/admin/cards/plan/", used.plan.changes.first()
    pages = [f"{lists}decisions/", f"{lists}facts/", f"{lists}import/", f"{lists}export/yaml/", f"{lists}export/csv/"]
    expected |= dict.fromkeys([*pages, at(used.plan, "history") + f"{change.pk}/revert/"], 200)
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
            with django_assert_num_queries(9):
                staff.get("/admin/cards/plan/")


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
    monkeypatch.setattr("cards.admin.shared.is_in_use", lambda row: False)
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
