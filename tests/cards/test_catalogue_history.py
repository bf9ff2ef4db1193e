import datetime
from copy import deepcopy
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cards.catalogue import (
    CatalogueError,
    Loaded,
    apply_plan,
    check_plan,
    decide,
    load_catalogue,
    note_change,
    revert,
    snapshot,
    write_plan,
)
from cards.models import CatalogueChange, KeepRule, Operator, Plan, TopUpChannel
from renewals.models import Renewal
from tests.factories import CardFactory, OperatorFactory, UserFactory, cubacel

from .acme import change as change_file
from .acme import contents

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return UserFactory()


def changed(plan: Plan, user=None, **values) -> CatalogueChange:
    """Change a plan as the admin site does, and return the entry of its history."""
    before = snapshot(plan)
    Plan.objects.filter(pk=plan.pk).update(**values)
    return note_change(plan, "edit", user, before)


# Noting


def test_a_change_is_noted_with_what_was_and_what_is(user) -> None:
    plan = cubacel(name="Line")
    before = snapshot(plan)
    entry = changed(plan, user, name="Long line")
    assert (entry.plan, entry.operator, entry.how, entry.changed_by) == (plan, None, "edit", user)
    assert (entry.before, entry.after) == (before, before | {"name": "Long line"})
    assert timezone.now() - entry.changed_at < datetime.timedelta(minutes=1)
    assert CatalogueChange.objects.get() == entry


def test_a_change_of_rule_ladder_channel_or_retirement_is_noted() -> None:
    plan = cubacel()
    for act in (
        lambda: KeepRule.objects.update(value=300),
        lambda: plan.rules.get().steps.first().delete(),
        lambda: Plan.objects.update(retired_on=datetime.date(2026, 12, 1)),
    ):
        before = snapshot(plan)
        act()
        assert note_change(plan, "edit", None, before) is not None
    before = snapshot(plan.operator)
    TopUpChannel.objects.create(operator=plan.operator, kind="app", name="App")
    entry = note_change(plan.operator, "edit", None, before)
    assert (entry.operator, entry.plan, entry.after["channels"][0]["name"]) == (plan.operator, None, "App")


def test_nothing_is_noted_when_nothing_differs() -> None:
    plan = cubacel()
    assert note_change(plan, "edit", None, snapshot(plan)) is None
    assert note_change(plan.operator, "edit", None, snapshot(plan.operator)) is None
    assert not CatalogueChange.objects.exists()


def test_a_new_row_is_noted_without_a_before(user) -> None:
    entry = note_change(cubacel(), "edit", user, None)
    assert (entry.before, entry.after["type"]) == (None, "basic")


# Putting terms in place


def test_apply_plan_says_whether_dates_may_move() -> None:
    plan = cubacel(slug="line", fee=Decimal(2), currency="CUP")
    written = write_plan(plan)
    moving = [{"fee": 3}, {"fee": 3, "currency": "USD"}, {"rules": [written["rules"][0] | {"value": 300}]}]
    for values in moving:
        assert apply_plan(plan, check_plan(write_plan(plan) | values)) is True
    for values in (
        {},
        {"name": "Other"},
        {"features": ["voicemail"]},
        {"checked": "2026-12-01"},
        {"period_value": None},
    ):
        assert apply_plan(plan, check_plan(write_plan(plan) | values)) is False
    assert Plan.objects.get().name == "Other"


def test_apply_plan_keeps_the_rules_that_stay_at_their_place() -> None:
    plan = cubacel()
    first = plan.rules.get()
    written = write_plan(plan)
    activity = {"kind": "activity", "value": 90, "unit": "days", "counts_from": "event", "qualifying_acts": ["sms"]}
    apply_plan(plan, check_plan(written | {"rules": [written["rules"][0] | {"value": 300}, activity]}))
    assert plan.rules.order_by("pk")[0].pk == first.pk
    assert [(rule.kind, rule.value) for rule in plan.rules.order_by("pk")] == [("top_up", 300), ("activity", 90)]
    apply_plan(plan, check_plan(written))
    assert plan.rules.get().pk == first.pk
    assert write_plan(Plan.objects.get()) == written


def test_apply_plan_refuses_an_operator_that_is_not_there() -> None:
    plan = cubacel()
    with pytest.raises(CatalogueError, match="There is no operator “gone” any more"):
        apply_plan(plan, check_plan(write_plan(plan) | {"operator": "gone"}))


# Back to what was before


def test_a_change_is_taken_back_and_that_is_noted_too(user) -> None:
    plan = cubacel(name="Line")
    rule, before = plan.rules.get(), snapshot(plan)
    KeepRule.objects.update(value=300, grace_value=None)
    rule.steps.all().delete()
    Plan.objects.update(name="Long line", retired_on=datetime.date(2026, 12, 1))
    entry = note_change(plan, "edit", user, before)
    assert revert(entry, user) is True
    assert snapshot(plan) == before
    assert plan.rules.get().pk == rule.pk
    plan.refresh_from_db()
    assert plan.edited_at is not None
    assert plan.recount_since is not None
    newest = CatalogueChange.objects.first()
    assert (newest.how, newest.changed_by, newest.before, newest.after) == ("revert", user, entry.after, before)


def test_taking_back_twice_changes_nothing_the_second_time(user) -> None:
    entry = changed(cubacel(name="Line"), user, name="Long line")
    assert revert(entry, user) is True
    rows = contents()
    assert revert(entry, user) is False
    assert contents() == rows
    assert CatalogueChange.objects.count() == 2


def test_taking_back_what_moves_no_date_marks_nothing(user) -> None:
    plan = cubacel(name="Line")
    revert(changed(plan, user, name="Long line", retired_on=datetime.date(2026, 12, 1)), user)
    plan.refresh_from_db()
    assert (plan.name, plan.retired_on, plan.recount_since) == ("Line", None, None)


def test_an_older_change_is_taken_back_over_later_ones(user) -> None:
    plan = cubacel(name="One")
    first = changed(plan, user, name="Two")
    changed(plan, user, name="Three", extras="More.")
    revert(first, user)
    plan.refresh_from_db()
    assert (plan.name, plan.extras) == ("One", "")


def test_a_taken_back_change_can_itself_be_taken_back(user) -> None:
    plan = cubacel(name="One")
    revert(changed(plan, user, name="Two"), user)
    revert(CatalogueChange.objects.first(), user)
    plan.refresh_from_db()
    assert plan.name == "Two"


def test_a_change_of_an_operator_is_taken_back_with_its_channels(user) -> None:
    parent = OperatorFactory(slug="etecsa")
    operator = OperatorFactory(slug="cubacel", belongs_to=parent, service_rating=4)
    channel = TopUpChannel.objects.create(operator=operator, kind="app", name="App")
    before = snapshot(operator)
    Operator.objects.filter(pk=operator.pk).update(belongs_to=None, service_rating=None, country="ES")
    TopUpChannel.objects.create(operator=operator, kind="outlet", name="Shop")
    TopUpChannel.objects.filter(pk=channel.pk).update(kind="code")
    assert revert(note_change(operator, "edit", user, before), user) is True
    assert snapshot(operator) == before
    assert operator.channels.get().pk == channel.pk
    operator.refresh_from_db()
    assert (operator.belongs_to, operator.edited_at is not None) == (parent, True)


def test_the_entry_that_made_a_row_cannot_be_taken_back(user) -> None:
    entry = note_change(cubacel(), "import", user, None)
    with pytest.raises(CatalogueError, match="nothing to go back to"):
        revert(entry, user)


def test_a_change_cannot_be_taken_back_when_its_operator_is_gone(user) -> None:
    plan = cubacel()
    old = plan.operator
    entry = changed(plan, user, operator=OperatorFactory(), name="Moved")
    old.delete()
    rows = contents()
    with pytest.raises(CatalogueError, match=f"There is no operator “{old.slug}” any more"):
        revert(entry, user)
    assert contents() == rows
    assert CatalogueChange.objects.count() == 1


def test_a_change_cannot_be_taken_back_to_terms_that_are_refused_today(user) -> None:
    plan = cubacel(slug="line")
    entry = changed(plan, user, name="Moved")
    entry.before = deepcopy(entry.before)
    entry.before["rules"][0]["qualifying_acts"] = ["dance"]
    entry.before["fee"] = "cheap"
    rows = contents()
    with pytest.raises(CatalogueError) as caught:
        revert(entry, user)
    assert len(caught.value.messages) == 2
    assert contents() == rows


def test_taking_back_cannot_make_an_operator_belong_to_itself(user) -> None:
    one, two = OperatorFactory(slug="one"), OperatorFactory(slug="two")
    before = snapshot(one) | {"belongs_to": "two"}
    entry = note_change(one, "edit", user, before)
    Operator.objects.filter(pk=two.pk).update(belongs_to=one)
    with pytest.raises(CatalogueError, match="cannot belong to itself"):
        revert(entry, user)
    one.refresh_from_db()
    assert one.belongs_to is None


def test_an_open_renewal_keeps_its_rule_when_a_change_is_taken_back(user) -> None:
    plan = cubacel()
    card = CardFactory(plan=plan)
    renewal = Renewal.objects.create(household=card.household, card=card, rule=plan.rules.get())
    before = snapshot(plan)
    KeepRule.objects.update(value=300)
    revert(note_change(plan, "edit", user, before), user)
    renewal.refresh_from_db()
    assert renewal.rule == plan.rules.get()


def test_reverting_asks_the_same_queries_for_one_rule_step_and_for_many(user) -> None:
    def queries(plan: Plan) -> int:
        entry = changed(plan, user, name="Moved")
        with CaptureQueriesContext(connection) as asked:
            revert(entry, user)
        return len(asked)

    small, large = cubacel(), cubacel()
    for amount in range(1000, 1030):
        large.rules.get().steps.create(minimum_amount=amount, currency="CUP", value=1)
    assert queries(small) == queries(large) == 15


# The choice between two values


@pytest.fixture
def waiting(folder: Path) -> Plan:
    """A plan that was edited here, and for which a release offers something else."""
    load_catalogue(folder)
    KeepRule.objects.update(value=200)
    Plan.objects.update(name="Mine", checked_on=datetime.date(2026, 12, 1), edited_at=timezone.now())
    change_file(folder, "value: 330\n      unit", "value: 300\n      unit")
    assert load_catalogue(folder).offered == 1
    return Plan.objects.get()


def test_taking_what_is_offered_makes_the_row_follow_the_releases_again(waiting: Plan, folder: Path, user) -> None:
    offered, before = waiting.offered, snapshot(waiting)
    decide(waiting, True, user)
    assert (waiting.name, waiting.edited_at, waiting.offered, waiting.shipped) == ("Line", None, None, offered)
    assert waiting.checked_on == datetime.date(2026, 12, 1)
    assert waiting.rules.get().value == 300
    assert waiting.recount_since is not None
    entry = CatalogueChange.objects.get()
    assert (entry.how, entry.changed_by, entry.before, entry.after) == ("decision", user, before, snapshot(waiting))
    assert load_catalogue(folder) == Loaded(unchanged=2)


def test_keeping_ours_settles_it_until_the_release_says_something_new(waiting: Plan, folder: Path, user) -> None:
    offered, before = waiting.offered, snapshot(waiting)
    decide(waiting, False, user)
    assert (waiting.name, waiting.offered, waiting.shipped) == ("Mine", None, offered)
    assert waiting.edited_at is not None
    assert waiting.recount_since is None
    assert snapshot(waiting) == before
    entry = CatalogueChange.objects.get()
    assert (entry.how, entry.changed_by, entry.before, entry.after) == ("decision", user, before, before)
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1)
    change_file(folder, "fee: 2\n", "fee: 3\n")
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1, offered=1)


def test_what_a_release_dropped_and_names_again_can_be_chosen_once_it_is_taken(
    waiting: Plan, folder: Path, user
) -> None:
    change_file(folder, "slug: acme-line", "slug: acme-other")
    load_catalogue(folder)
    change_file(folder, "slug: acme-other", "slug: acme-line")
    load_catalogue(folder)
    waiting.refresh_from_db()
    assert (waiting.retired_on is None, waiting.offered is None) == (False, False)
    decide(waiting, True, user)
    assert waiting.retired_on is None


def test_nobody_decides_twice(waiting: Plan, user) -> None:
    stale = Plan.objects.get(pk=waiting.pk)
    decide(waiting, True, user)
    with pytest.raises(CatalogueError, match="nothing to decide"):
        decide(stale, False, user)
    assert Plan.objects.get().edited_at is None


def test_a_decision_can_be_taken_back(waiting: Plan, user) -> None:
    before = snapshot(waiting)
    decide(waiting, True, user)
    assert revert(CatalogueChange.objects.get(), user) is True
    assert snapshot(waiting) == before


@pytest.mark.parametrize("take_offered", [True, False])
def test_a_decision_about_an_operator_settles_it(folder: Path, user, take_offered: bool) -> None:
    load_catalogue(folder)
    Operator.objects.update(name="Mine", edited_at=timezone.now())
    change_file(folder, "{kind: app, name: Acme app}", "{kind: outlet, name: Shop}")
    load_catalogue(folder)
    operator = Operator.objects.get()
    decide(operator, take_offered, user)
    assert (operator.name, operator.channels.get().name) == (("Acme", "Shop") if take_offered else ("Mine", "Acme app"))
    assert operator.offered is None
    assert load_catalogue(folder) == Loaded(unchanged=1 + take_offered, kept_edited=1 - take_offered)


def test_what_is_offered_cannot_be_taken_when_its_operator_is_gone(waiting: Plan, user) -> None:
    Plan.objects.update(offered=waiting.offered | {"operator": "gone"})
    rows = contents()
    with pytest.raises(CatalogueError, match="There is no operator “gone” any more"):
        decide(waiting, True, user)
    assert contents() == rows
