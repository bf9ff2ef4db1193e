import datetime
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cards.catalogue import CATALOGUE, Loaded, load_catalogue, snapshot, write_operator, write_plan
from cards.catalogue.merging import Verdict, merge
from cards.models import Card, CatalogueChange, Household, KeepRule, Operator, Plan

from .acme import GOOD, change, contents

pytestmark = pytest.mark.django_db

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
TODAY = datetime.date(2026, 11, 24)
SECOND_PLAN = GOOD[GOOD.index("  - slug: acme-line") :].replace("acme-line", "acme-other")


def edit(**values: object) -> Plan:
    """Change the plan as an administrator does."""
    Plan.objects.update(**values, edited_at=NOW)
    return Plan.objects.get()


def changes() -> list[tuple[str, str]]:
    return [(str(entry.plan or entry.operator), entry.how) for entry in CatalogueChange.objects.order_by("pk")]


# The verdict


@pytest.mark.parametrize(
    ("ours", "base", "theirs", "is_edited", "verdict"),
    [
        ("a", "a", "a", False, Verdict.TAKE),
        ("a", "a", "b", False, Verdict.TAKE),
        ("a", None, "b", False, Verdict.TAKE),
        # Changed by something that did not say so: the files win.
        ("c", "a", "b", False, Verdict.TAKE),
        ("c", "a", "a", False, Verdict.TAKE),
        # Edited, and edited back.
        ("a", "a", "a", True, Verdict.TAKE),
        ("a", "a", "b", True, Verdict.TAKE),
        # Edited to what the release says by now.
        ("b", "a", "b", True, Verdict.TAKE),
        ("b", None, "b", True, Verdict.TAKE),
        ("c", "a", "a", True, Verdict.KEEP),
        ("c", "a", "b", True, Verdict.OFFER),
        ("c", None, "b", True, Verdict.OFFER),
    ],
)
def test_merge_of_three_values(ours, base, theirs, is_edited, verdict) -> None:
    named = [None if name is None else {"name": name} for name in (ours, base, theirs)]
    assert merge(*named, is_edited=is_edited) is verdict


def test_merge_never_loses_what_was_edited_and_never_offers_what_is_already_there() -> None:
    for ours, base, theirs in product("abc", repeat=3):
        verdict = merge({"name": ours}, {"name": base}, {"name": theirs}, is_edited=True)
        assert (verdict is Verdict.TAKE) == (ours in {base, theirs})
        assert (verdict is Verdict.OFFER) == (ours not in {base, theirs} and base != theirs)


def test_merge_does_not_look_at_the_day_of_the_last_check() -> None:
    ours, base, theirs = ({"name": "a", "checked": day} for day in ("2026-12-01", "2026-11-22", "2026-11-22"))
    assert merge(ours, base, theirs, is_edited=True) is Verdict.TAKE
    assert merge(ours | {"name": "b"}, base, theirs | {"checked": "2026-12-09"}, is_edited=True) is Verdict.KEEP


def test_merge_takes_a_key_that_is_not_there_for_an_empty_one_but_zero_for_a_value() -> None:
    older = {"name": "a", "rules": [{"value": 1, "limit": None}]}
    newer = {"name": "a", "features": [], "fee": None, "rules": [{"value": 1}]}
    assert merge(newer | {"name": "b"}, older, newer, is_edited=True) is Verdict.KEEP
    assert merge(newer | {"name": "b"}, older, newer | {"fee": 0}, is_edited=True) is Verdict.OFFER
    assert merge(newer | {"name": "b"}, older, newer | {"fee": False}, is_edited=True) is Verdict.OFFER


# Rows that nobody edited


def test_a_new_row_keeps_what_it_was_shipped_with_and_leaves_no_history(folder: Path) -> None:
    load_catalogue(folder)
    operator, plan = Operator.objects.get(), Plan.objects.get()
    assert operator.shipped == write_operator(operator)
    assert plan.shipped == write_plan(plan)
    assert (operator.offered, operator.edited_at, plan.offered, plan.edited_at) == (None, None, None, None)
    assert changes() == []


def test_an_untouched_row_follows_the_release_and_says_so_in_its_history(folder: Path) -> None:
    load_catalogue(folder)
    before = snapshot(Plan.objects.get())
    change(folder, "fee: 2\n", "fee: 2.50\n")
    loaded = load_catalogue(folder, now=NOW)
    plan = Plan.objects.get()
    assert (plan.fee, plan.shipped["fee"], plan.recount_since) == (Decimal("2.50"), 2.5, NOW)
    assert loaded == Loaded(updated=1, unchanged=1, plans_changed=[plan.pk])
    entry = CatalogueChange.objects.get()
    assert (entry.plan, entry.how, entry.changed_by, entry.changed_at) == (plan, "release", None, NOW)
    assert (entry.before, entry.after) == (before, snapshot(plan))


def test_only_what_dates_depend_on_marks_a_plan(folder: Path) -> None:
    load_catalogue(folder)
    change(folder, "name: Line", "name: Long line")
    change(folder, "period_value: 1\n", "period_value: 2\n")
    assert load_catalogue(folder).plans_changed == []
    assert Plan.objects.get().recount_since is None
    change(folder, "minimum_amount: 250", "minimum_amount: 300")
    assert load_catalogue(folder, now=NOW).plans_changed == [Plan.objects.get().pk]
    assert Plan.objects.get().recount_since == NOW


def test_a_plan_moves_to_another_operator(folder: Path) -> None:
    load_catalogue(folder)
    plan = Plan.objects.get()
    other = "- slug: zeta\n  name: Zeta\n  source_url: https://zeta.example\n  checked_on: 2026-11-22\n  plans:\n"
    change(folder, "  plans:\n", other)
    assert load_catalogue(folder) == Loaded(created=1, updated=1, unchanged=1)
    assert Plan.objects.get(pk=plan.pk).operator == Operator.objects.get(slug="zeta")


def test_a_row_of_the_version_before_is_updated_although_its_base_is_not_known(folder: Path) -> None:
    load_catalogue(folder)
    Operator.objects.update(shipped=None)
    Plan.objects.update(shipped=None)
    assert load_catalogue(folder) == Loaded(unchanged=2)
    assert Plan.objects.get().shipped == write_plan(Plan.objects.get())
    Plan.objects.update(shipped=None)
    change(folder, "name: Line", "name: Long line")
    assert load_catalogue(folder) == Loaded(updated=1, unchanged=1)
    assert Plan.objects.get().name == "Long line"


@pytest.mark.parametrize(
    ("ours", "theirs", "kept"),
    [
        ("2026-12-01", "2026-11-30", "2026-12-01"),
        ("2026-11-25", "2026-11-30", "2026-11-30"),
        (None, "2026-11-30", "2026-11-30"),
    ],
)
def test_the_later_check_counts(folder: Path, ours, theirs, kept) -> None:
    load_catalogue(folder)
    Plan.objects.update(checked_on=ours)
    change(folder, "    checked: 2026-11-22", f"    checked: {theirs}")
    load_catalogue(folder)
    plan = Plan.objects.get()
    assert (plan.checked_on.isoformat(), plan.shipped["checked"]) == (kept, theirs)
    assert load_catalogue(folder) == Loaded(unchanged=2)


def test_a_check_by_staff_does_not_cut_a_plan_off(folder: Path) -> None:
    load_catalogue(folder)
    edit(checked_on="2026-12-01")
    change(folder, "name: Line", "name: Long line")
    assert load_catalogue(folder) == Loaded(updated=1, unchanged=1)
    plan = Plan.objects.get()
    assert (plan.name, plan.checked_on, plan.edited_at) == ("Long line", datetime.date(2026, 12, 1), None)


# Rows that were edited


def test_an_edited_plan_stays_and_the_other_value_is_offered(folder: Path) -> None:
    load_catalogue(folder)
    edit(name="Mine")
    rule = KeepRule.objects.get()
    base = Plan.objects.get().shipped
    change(folder, "value: 330\n      unit", "value: 300\n      unit")
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1, offered=1)
    plan = Plan.objects.get()
    assert (plan.name, plan.shipped, plan.recount_since) == ("Mine", base, None)
    assert (plan.offered["name"], plan.offered["rules"][0]["value"]) == ("Line", 300)
    assert KeepRule.objects.get().value == rule.value == 330
    assert changes() == []


def test_what_waits_for_a_decision_still_waits_after_a_second_load_which_writes_nothing(folder: Path) -> None:
    load_catalogue(folder)
    edit(name="Mine")
    change(folder, "name: Line", "name: Long line")
    first = load_catalogue(folder)
    before = contents()
    with CaptureQueriesContext(connection) as queries:
        assert load_catalogue(folder) == first
    assert [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert contents() == before


def test_a_later_release_is_offered_in_place_of_the_one_before(folder: Path) -> None:
    load_catalogue(folder)
    edit(name="Mine")
    change(folder, "name: Line", "name: Long line")
    load_catalogue(folder)
    change(folder, "name: Long line", "name: Longer line")
    load_catalogue(folder)
    plan = Plan.objects.get()
    assert (plan.name, plan.shipped["name"], plan.offered["name"]) == ("Mine", "Line", "Longer line")
    change(folder, "name: Longer line", "name: Line")
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1)
    assert Plan.objects.get().offered is None


def test_an_edit_that_the_release_makes_too_is_no_edit_any_more(folder: Path) -> None:
    load_catalogue(folder)
    edit(name="Long line")
    Plan.objects.update(offered={"name": "Something"})
    change(folder, "name: Line", "name: Long line")
    assert load_catalogue(folder) == Loaded(unchanged=2)
    plan = Plan.objects.get()
    assert (plan.edited_at, plan.offered, plan.shipped["name"]) == (None, None, "Long line")
    assert changes() == []


def test_an_edited_plan_about_which_the_release_says_nothing_new_stays_as_it_is(folder: Path) -> None:
    load_catalogue(folder)
    edit(name="Mine")
    change(folder, "    checked: 2026-11-22", "    checked: 2026-11-30")
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1)
    plan = Plan.objects.get()
    assert (plan.name, plan.offered, plan.shipped["checked"]) == ("Mine", None, "2026-11-30")
    assert (plan.checked_on, plan.edited_at) == (datetime.date(2026, 11, 22), NOW)


def test_line_ends_of_a_browser_are_no_edit(folder: Path) -> None:
    change(folder, "extras: Nothing more.", "extras: |-\n      One line.\n      Another.")
    load_catalogue(folder)
    edit(extras="One line.\r\nAnother.")
    change(folder, "name: Line", "name: Long line")
    assert load_catalogue(folder).updated == 1


def test_the_order_in_which_acts_are_ticked_is_no_edit(folder: Path) -> None:
    load_catalogue(folder)
    edit()
    KeepRule.objects.update(qualifying_acts=["plan_purchase", "top_up"])
    change(folder, "name: Line", "name: Long line")
    assert load_catalogue(folder) == Loaded(updated=1, unchanged=1)


def test_an_edited_row_of_the_version_before_is_offered_the_release_where_they_differ(folder: Path) -> None:
    load_catalogue(folder)
    Operator.objects.update(shipped=None, edited_at=NOW)
    edit(shipped=None, name="Mine")
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1, offered=1)
    operator, plan = Operator.objects.get(), Plan.objects.get()
    assert (operator.edited_at, operator.offered) == (None, None)
    assert (plan.name, plan.shipped, plan.offered["name"]) == ("Mine", None, "Line")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("name: Acme\n", "name: Acme Mobile\n", "name"),
        ("{kind: app, name: Acme app}", "{kind: website, name: Acme app}", "channels"),
        ("  checked_on: 2026-11-22\n", "  checked_on: 2026-11-22\n  service_rating: 4\n", "service_rating"),
    ],
)
def test_an_edited_operator_is_merged_with_its_channels(folder: Path, old: str, new: str, key: str) -> None:
    load_catalogue(folder)
    Operator.objects.update(website="https://mine.example", edited_at=NOW)
    change(folder, old, new)
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1, offered=1)
    operator = Operator.objects.get()
    assert operator.website == "https://mine.example"
    assert operator.offered[key] != operator.shipped[key]
    assert list(operator.channels.values_list("kind", "name")) == [("app", "Acme app")]


def test_a_brand_follows_the_release_and_stays_with_its_operator(folder: Path) -> None:
    zeta = "- {slug: zeta, name: Zeta, source_url: https://zeta.example, checked_on: 2026-11-22}\n"
    (folder / "zz.yaml").write_text(f"version: 1\noperators:\n{zeta}", encoding="utf-8")
    change(folder, "  name: Acme\n", "  name: Acme\n  belongs_to: zeta\n")
    load_catalogue(folder)
    change(folder, "  name: Acme\n", "  name: Acme Mobile\n")
    assert load_catalogue(folder) == Loaded(updated=1, unchanged=2)
    acme = Operator.objects.get(slug="acme")
    assert (acme.name, acme.belongs_to) == ("Acme Mobile", Operator.objects.get(slug="zeta"))
    change(folder, "  belongs_to: zeta\n", "")
    load_catalogue(folder)
    assert Operator.objects.get(slug="acme").belongs_to is None


def test_an_operator_that_would_belong_to_itself_waits_for_a_decision(folder: Path) -> None:
    zeta = "- {slug: zeta, name: Zeta, source_url: https://zeta.example, checked_on: 2026-11-22}\n"
    (folder / "zz.yaml").write_text(f"version: 1\noperators:\n{zeta}", encoding="utf-8")
    load_catalogue(folder)
    acme = Operator.objects.get(slug="acme")
    Operator.objects.filter(slug="zeta").update(belongs_to=acme, edited_at=NOW)
    change(folder, "  name: Acme\n", "  name: Acme\n  belongs_to: zeta\n")
    loaded = load_catalogue(folder)
    acme.refresh_from_db()
    assert (acme.belongs_to, acme.offered["belongs_to"], loaded.offered) == (None, "zeta", 1)


# Rows that the files no longer name


def test_what_the_files_no_longer_name_retires_and_cards_keep_it(folder: Path) -> None:
    load_catalogue(folder)
    plan = Plan.objects.get()
    card = Card.objects.create(household=Household.objects.create(name="Ours"), name="Red phone", plan=plan)
    before = snapshot(plan)
    change(folder, "slug: acme-line", "slug: acme-other")
    loaded = load_catalogue(folder, now=NOW)
    plan.refresh_from_db()
    card.refresh_from_db()
    assert (loaded.created, loaded.retired, loaded.unchanged) == (1, 1, 1)
    assert (plan.retired_on, plan.shipped, card.plan) == (TODAY, None, plan)
    assert plan.rules.count() == 1
    entry = CatalogueChange.objects.get()
    assert (entry.plan, entry.how, entry.before, entry.after) == (plan, "release", before, snapshot(plan))
    assert entry.after == before | {"retired_on": "2026-11-24"}
    assert load_catalogue(folder) == Loaded(unchanged=2)


def test_an_operator_retires_with_its_plans(folder: Path) -> None:
    load_catalogue(folder)
    (folder / "cu.yaml").write_text(GOOD.replace("slug: acme", "slug: zeta"), encoding="utf-8")
    assert load_catalogue(folder).retired == 2
    assert set(Operator.objects.current().values_list("slug", flat=True)) == {"zeta"}
    assert set(Plan.objects.current().values_list("slug", flat=True)) == {"zeta-line"}


def test_what_a_later_release_names_again_is_taken_back(folder: Path) -> None:
    load_catalogue(folder)
    (folder / "cu.yaml").write_text(GOOD + SECOND_PLAN, encoding="utf-8")
    load_catalogue(folder)
    (folder / "cu.yaml").write_text(GOOD, encoding="utf-8")
    load_catalogue(folder)
    (folder / "cu.yaml").write_text(GOOD + SECOND_PLAN, encoding="utf-8")
    assert load_catalogue(folder) == Loaded(updated=1, unchanged=2)
    plan = Plan.objects.get(slug="acme-other")
    assert (plan.retired_on, plan.shipped) == (None, write_plan(plan))
    assert [entry.after["retired_on"] is None for entry in plan.changes.order_by("pk")] == [False, True]
    assert load_catalogue(folder) == Loaded(unchanged=3)


def test_what_staff_retired_stays_retired(folder: Path) -> None:
    load_catalogue(folder)
    day = datetime.date(2026, 10, 1)
    Operator.objects.update(retired_on=day)
    Plan.objects.update(retired_on=day)
    change(folder, "name: Line", "name: Long line")
    assert load_catalogue(folder) == Loaded(updated=1, unchanged=1)
    plan = Plan.objects.get()
    assert (plan.name, plan.retired_on, Operator.objects.get().retired_on) == ("Long line", day, day)


@pytest.mark.parametrize("is_named", [True, False])
def test_what_staff_retired_in_the_version_before_stays_retired(folder: Path, is_named: bool) -> None:
    load_catalogue(folder)
    day = datetime.date(2026, 10, 1)
    Plan.objects.update(retired_on=day, shipped=None)
    if not is_named:
        change(folder, "slug: acme-line", "slug: acme-other")
        load_catalogue(folder)
        change(folder, "slug: acme-other", "slug: acme-line")
    load_catalogue(folder)
    assert Plan.objects.get(slug="acme-line").retired_on == day


def test_what_staff_retired_is_not_taken_back_when_a_release_dropped_it_meanwhile(folder: Path) -> None:
    load_catalogue(folder)
    day = datetime.date(2026, 10, 1)
    Plan.objects.update(retired_on=day)
    change(folder, "slug: acme-line", "slug: acme-other")
    assert load_catalogue(folder).retired == 0
    change(folder, "slug: acme-other", "slug: acme-line")
    load_catalogue(folder)
    assert Plan.objects.get(slug="acme-line").retired_on == day


def test_an_edited_row_that_a_release_drops_retires_and_is_not_offered_any_more(folder: Path) -> None:
    load_catalogue(folder)
    edit(name="Mine")
    change(folder, "name: Line", "name: Long line")
    load_catalogue(folder)
    change(folder, "slug: acme-line", "slug: acme-other")
    loaded = load_catalogue(folder)
    plan = Plan.objects.get(slug="acme-line")
    assert (loaded.retired, loaded.offered) == (1, 0)
    assert (plan.name, plan.offered, plan.shipped) == ("Mine", None, None)
    assert plan.retired_on is not None


def test_what_staff_made_is_never_touched(folder: Path) -> None:
    load_catalogue(folder)
    operator = Operator.objects.create(slug="ours", name="Ours", edited_at=NOW)
    Plan.objects.create(operator=operator, slug="ours-line", name="Line", edited_at=NOW)
    before = contents()
    assert load_catalogue(folder) == Loaded(unchanged=2)
    assert contents() == before


# The packaged files


def test_an_upgrade_of_an_installation_of_the_version_before_keeps_what_was_edited() -> None:
    first = load_catalogue()
    Operator.objects.update(shipped=None)
    Plan.objects.update(shipped=None)
    Plan.objects.filter(slug="gb-giffgaff-payg").update(name="Mine", edited_at=timezone.now())
    KeepRule.objects.filter(plan__slug="gb-ee-payg").update(grace_value=7)
    loaded = load_catalogue(CATALOGUE)
    changed = Plan.objects.get(slug="gb-ee-payg")
    assert loaded == Loaded(
        updated=1, unchanged=first.created - 2, kept_edited=1, offered=1, plans_changed=[changed.pk]
    )
    assert not Plan.objects.filter(shipped__isnull=True).exclude(slug="gb-giffgaff-payg").exists()
    assert Plan.objects.get(offered__isnull=False).name == "Mine"
    assert changed.rules.get().grace_value == 0


def test_the_number_of_queries_is_the_same_for_one_row_and_for_many(folder: Path) -> None:
    load_catalogue(folder)
    with CaptureQueriesContext(connection) as queries:
        load_catalogue(folder)
    assert len(queries) == 10
    load_catalogue()
    with CaptureQueriesContext(connection) as queries:
        load_catalogue()
    assert len(queries) == 10
