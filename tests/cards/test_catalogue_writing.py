import datetime
import json
from contextlib import contextmanager
from copy import deepcopy
from decimal import Decimal
from random import Random

import pytest
from django.db import transaction
from hypothesis import given, settings

from cards.catalogue import (
    CATALOGUE,
    CatalogueError,
    Difference,
    apply_plan,
    check_operator,
    check_plan,
    differences,
    load_catalogue,
    snapshot,
    write_operator,
    write_plan,
)
from cards.catalogue.applying import create_operator, create_plan
from cards.catalogue.checking import read_catalogue
from cards.catalogue.writing import write_terms
from cards.models import KeepRule, Operator, Plan, TopUpChannel, TopUpStep
from tests.factories import OperatorFactory, PlanFactory, cubacel, unicom

from .random_terms import operators, plans

pytestmark = pytest.mark.django_db

many = settings(max_examples=80, deadline=None, database=None)


@contextmanager
def undone():
    """Take back what was written: hypothesis runs all its examples in one test."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# There and back


@many
@given(plans())
def test_a_plan_reads_back_as_it_was_written(mapping) -> None:
    terms = check_plan(mapping)
    with undone():
        Operator.objects.create(slug="acme", name="Acme")
        plan = Plan.objects.get(pk=create_plan(terms).pk)
        written = write_plan(plan)
        assert written == write_terms(terms)
        assert json.loads(json.dumps(written)) == written
        again = check_plan(written)
        assert write_terms(again) == written
        assert apply_plan(plan, again) is False
        assert snapshot(plan) == written | {"retired_on": None}


@many
@given(operators())
def test_an_operator_reads_back_as_it_was_written(mapping) -> None:
    terms = check_operator(mapping)
    with undone():
        written = write_operator(Operator.objects.get(pk=create_operator(terms).pk))
        assert written == write_terms(terms)
        assert json.loads(json.dumps(written)) == written
        assert write_terms(check_operator(written)) == written


@many
@given(plans(), plans())
def test_terms_put_over_others_leave_nothing_of_these(first, second) -> None:
    with undone():
        Operator.objects.create(slug="acme", name="Acme")
        plan = create_plan(check_plan(first))
        apply_plan(plan, check_plan(second | {"slug": first["slug"]}))
        assert write_plan(Plan.objects.get()) == write_terms(check_plan(second | {"slug": first["slug"]}))


def test_every_packaged_row_is_written_as_its_file_says_and_reads_back() -> None:
    load_catalogue()
    catalogue = read_catalogue(CATALOGUE)
    assert {terms.values["slug"]: write_terms(terms) for terms in catalogue.plans} == {
        plan.slug: write_plan(plan) for plan in Plan.objects.all()
    }
    assert {terms.values["slug"]: write_terms(terms) for terms in catalogue.operators} == {
        operator.slug: write_operator(operator) for operator in Operator.objects.all()
    }
    for terms in catalogue.plans:
        assert write_terms(check_plan(write_terms(terms))) == write_terms(terms)
    for terms in catalogue.operators:
        assert write_terms(check_operator(write_terms(terms))) == write_terms(terms)


# How it is written


def test_a_plan_is_written_in_plain_values() -> None:
    plan = unicom(
        slug="line",
        extras="One.\r\nTwo. ",
        features=["company_mail", "voicemail"],
        checked_on=datetime.date(2026, 11, 22),
    )
    Plan.objects.filter(pk=plan.pk).update(fee=Decimal("8.50"), retired_on=datetime.date(2026, 12, 1))
    plan.refresh_from_db()
    written = write_plan(plan)
    assert list(written)[:5] == ["operator", "slug", "name", "type", "fee"]
    assert (written["fee"], written["currency"], written["checked"]) == (8.5, "CNY", "2026-11-22")
    assert (written["extras"], written["features"]) == ("One.\nTwo.", ["voicemail", "company_mail"])
    assert (written["period_value"], written["period_unit"], written["port_out_days"]) == (None, None, None)
    assert (written["rules"][0]["kind"], written["rules"][0]["steps"]) == ("fee_from_balance", [])
    assert "retired_on" not in written
    assert snapshot(plan) == written | {"retired_on": "2026-12-01"}
    assert all(type(value) in {str, int, float, list, bool, type(None)} for value in written.values())


def test_equal_terms_are_written_equally_whatever_their_order() -> None:
    written = []
    for seed in range(4):
        random = Random(seed)  # noqa: S311 - any order will do
        operator = OperatorFactory(slug=f"operator-{seed}", document_kinds=random.sample(["passport", "other"], 2))
        for name in random.sample(["App", "Shop", "Web"], 3):
            TopUpChannel.objects.create(operator=operator, kind="app", name=name)
        rule = KeepRule.objects.create(
            plan=PlanFactory(operator=operator, slug=f"plan-{seed}"),
            kind="top_up",
            value=1,
            qualifying_acts=random.sample(["top_up", "fee", "sms"], 3),
        )
        for amount, channel in random.sample([(5, "abroad"), (None, "abroad"), (5, "inside"), (1, "abroad")], 4):
            TopUpStep.objects.create(rule=rule, minimum_amount=amount, currency="CUP", channel=channel, value=1)
        plan = write_plan(rule.plan) | {"operator": "", "slug": ""}
        written.append((plan, write_operator(operator) | {"slug": ""}))
    assert written[1:] == written[:1] * 3


def test_a_brand_is_written_with_the_operator_it_belongs_to() -> None:
    etecsa = OperatorFactory(slug="etecsa")
    assert write_operator(OperatorFactory(slug="cubacel", belongs_to=etecsa))["belongs_to"] == "etecsa"
    assert write_operator(etecsa)["belongs_to"] is None


def test_a_snapshot_is_of_the_database_and_not_of_what_was_fetched_before() -> None:
    plan = cubacel()
    plan = Plan.objects.prefetch_related("rules__steps").get(pk=plan.pk)
    KeepRule.objects.update(value=300)
    assert write_plan(plan)["rules"][0]["value"] == 330
    assert snapshot(plan)["rules"][0]["value"] == 300


# What is refused


def plan_mapping(**changed):
    return write_plan(cubacel(slug="line")) | changed


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fee", "cheap", "line, fee: Write an amount in digits, such as 100 or 0.10."),
        ("fee", 10**12, "line, fee: Ensure that there are no more than 12 digits in total."),
        ("fee", 5, "line, currency: A fee needs its currency."),
        ("rules", [], "line, rules: A plan needs a keep rule."),
        ("rules", None, "line, rules: A plan needs a keep rule."),
        ("rules", "many", "line, rules: This must be a list of rows."),
        ("period_value", 0, "line, period_value: A period is at least one day; null means not known."),
        ("features", ["tea"], "line, features: Not known: tea."),
        ("port_out_days", -1, "line, port_out_days: Ensure this value is greater than or equal to 0."),
        ("colour", "red", "line, colour: There is no such field."),
        ("extras", "\0", "line, extras: Null characters are not allowed."),
        ("extras", {"en": "Hello"}, "line, extras: Write this text in quotes."),
    ],
)
def test_check_plan_names_what_is_wrong(key, value, message) -> None:
    with pytest.raises(CatalogueError) as caught:
        check_plan(plan_mapping(**{key: value}))
    assert caught.value.messages[0].startswith(message)
    assert len(caught.value.messages) == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("value", 0, "value: A rule keeps a number for at least one day."),
        ("grace_value", -1, "grace_value: Grace cannot end before the deadline."),
        ("qualifying_acts", [], "qualifying_acts: Say which acts count."),
        ("lead_days", 3, "lead_days: The lead cannot be shorter than the buffer."),
        ("life_limit_days", 0, "life_limit_days: A limit is at least one day; null means not known."),
    ],
)
def test_check_plan_names_the_rule_that_is_wrong(key, value, message) -> None:
    mapping = plan_mapping()
    mapping["rules"] = [mapping["rules"][0], mapping["rules"][0] | {key: value}]
    with pytest.raises(CatalogueError) as caught:
        check_plan(mapping)
    assert caught.value.messages == [f"line · rules 2, {message}"]


def test_check_plan_names_the_second_of_two_equal_steps() -> None:
    mapping = plan_mapping()
    mapping["rules"][0]["steps"].append(mapping["rules"][0]["steps"][0] | {"value": 1})
    with pytest.raises(CatalogueError) as caught:
        check_plan(mapping)
    assert caught.value.messages == ["line · rules 1 · steps 3, minimum_amount: The ladder has two equal steps."]


def test_recovery_may_be_known_where_grace_is_not() -> None:
    mapping = plan_mapping()
    mapping["rules"][0] |= {"grace_value": None, "recovery_value": 30}
    assert check_plan(mapping).rules[0].values["recovery_value"] == 30


def test_terms_of_an_administrator_may_be_without_source_and_date() -> None:
    terms = check_plan(plan_mapping(source=None, checked=None))
    assert (terms.values["source_url"], terms.values["checked_on"]) == ("", None)
    operator = check_operator({"slug": "acme", "name": "Acme"})
    assert (operator.values["source_url"], operator.values["checked_on"]) == ("", None)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("country", "cuba", "acme, country: Ensure this value has at most 2"),
        ("service_rating", 6, "acme, service_rating: A rating is a number from 1 to 5."),
        ("service_rating", 0, "acme, service_rating: A rating is a number from 1 to 5."),
        ("channels", [{"kind": "pigeon", "name": "A"}], "acme · channels 1, kind: Select a valid choice."),
        ("document_kinds", ["ticket"], "acme, document_kinds: Not known: ticket."),
    ],
)
def test_check_operator_names_what_is_wrong(key, value, message) -> None:
    with pytest.raises(CatalogueError) as caught:
        check_operator({"slug": "acme", "name": "Acme", key: value})
    assert caught.value.messages[0].startswith(message)


# Differences


def test_no_difference_between_equal_terms() -> None:
    written = write_plan(cubacel())
    assert differences(written, deepcopy(written)) == []
    assert differences(dict(reversed(written.items())), written) == []
    operator = write_operator(OperatorFactory())
    assert differences(operator, deepcopy(operator)) == []


def test_differences_name_the_key_and_both_values() -> None:
    before = write_plan(cubacel(slug="line", name="Line", receives_abroad=None))
    after = deepcopy(before) | {"name": "Long line", "fee": 2.5, "currency": "CUP", "receives_abroad": False}
    after["features"] = ["voicemail", "company_mail"]
    after["rules"][0] |= {"value": 300, "grace_value": None, "grace_acts": []}
    after["rules"][0]["steps"][0]["minimum_amount"] = None
    assert differences(before, after) == [
        Difference("name", "name", "Line", "Long line"),
        Difference("fee", "fee", None, "2.5"),
        Difference("currency", "currency", None, "CUP"),
        Difference("features", "features", None, "voicemail, company_mail"),
        Difference("receives_abroad", "receives SMS abroad", None, "no"),
        Difference("rules 1 · value", "keep rule 1 · keeps for", "330", "300"),
        Difference("rules 1 · grace_value", "keep rule 1 · grace", "30", None),
        Difference(
            "rules 1 · grace_acts", "keep rule 1 · acts that save in grace", "top_up", "the same as before the deadline"
        ),
        Difference(
            "rules 1 · steps",
            "keep rule 1 · ladder",
            "100 CUP inside 330 days; 250 CUP abroad 330 days",
            "? CUP inside 330 days; 250 CUP abroad 330 days",
        ),
    ]


def test_differences_tell_a_rule_that_comes_or_goes_in_one_line() -> None:
    before = write_plan(cubacel())
    after = deepcopy(before)
    after["rules"].append({"kind": "activity", "value": 90, "unit": "days", "steps": []})
    summary = "kind: activity, keeps for: 90, unit: days"
    assert differences(before, after) == [Difference("rules 2", "keep rule 2", "not there", summary)]
    assert differences(after, before) == [Difference("rules 2", "keep rule 2", summary, "not there")]


def test_differences_of_what_is_new_tell_all_that_is_known() -> None:
    found = differences(
        None, write_operator(OperatorFactory(slug="acme", name="Acme", country="", requires_document=None))
    )
    assert [(each.path, each.before, each.after) for each in found] == [
        ("slug", None, "acme"),
        ("name", None, "Acme"),
        ("balance_code", None, "*222#"),
        ("validity_code", None, "*222#"),
    ]


def test_differences_of_channels_and_sources_go_by_their_names() -> None:
    before = {
        "channels": [{"kind": "app", "name": "A", "url": None}, {"kind": "code", "name": "B", "url": None}],
        "sources": [{"url": "https://a.example", "kind": "press", "date": None, "read": True}],
    }
    after = {
        "channels": [{"kind": "website", "name": "A", "url": "https://a.example"}],
        "sources": [{"url": "https://a.example", "kind": "press", "date": "2026", "read": False}],
    }
    assert differences(before, after) == [
        Difference("channels · A", "top-up channel · A", "app", "website, https://a.example"),
        Difference("channels · B", "top-up channel · B", "code", "not there"),
        Difference(
            "sources · https://a.example",
            "source · https://a.example",
            "press, read by us",
            "press, 2026, not read by us",
        ),
    ]


def test_a_key_that_only_an_older_version_knew_stands_for_itself() -> None:
    assert differences({"colour": "red"}, {}) == [Difference("colour", "colour", "red", None)]


def test_differences_of_guides_and_of_retirement() -> None:
    before = {"text": "Dial.", "url": "", "sources": ["a", "b"]}
    after = {"text": "Dial *222#.", "url": "", "sources": ["b", "c"]}
    assert differences(before, after) == [
        Difference("sources · a", "source · a", "named", "not there"),
        Difference("sources · c", "source · c", "not there", "named"),
        Difference("text", "text", "Dial.", "Dial *222#."),
    ]
    assert differences({"retired_on": None}, {"retired_on": "2026-11-24"}) == [
        Difference("retired_on", "retired on", "not retired", "2026-11-24")
    ]
    assert differences({"belongs_to": "etecsa"}, {"belongs_to": None}) == [
        Difference("belongs_to", "belongs to", "etecsa", "no other operator")
    ]
