"""What the preview of a rule shows is what comes of it, for any rule and any history, on a real database."""

import datetime
from collections import Counter
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cards.models import Act, Card, KeepRule, PlanChange, TopUpStep, Unit
from renewals.deadlines import kept_dates, moved_cards, recompute_card
from renewals.models import Activity, Payment, Reading, RuleChange
from renewals.rule_changes import mark_for_recount, preview_of, recount_pending, rules_by_plan
from tests.admin import at, fields_of, press
from tests.factories import PlanFactory, giffgaff
from tests.family import Family

pytestmark = pytest.mark.django_db

START = datetime.date(2025, 1, 1)
AMOUNTS = [Decimal(text) for text in ("5", "8.50", "99", "100", "250")]
CURRENCIES = ["CUP", "USD"]
USES = ["sms", "call", "data", "sign_in"]
PAID = ["top_up", "plan_purchase", "fee"]


def days(first=0, last=800):
    return st.integers(first, last).map(lambda number: START + datetime.timedelta(days=number))


def perhaps(values):
    return st.none() | values


acts = st.lists(st.sampled_from(Act.values), min_size=1, max_size=3, unique=True)
lengths = st.integers(1, 400)
units = st.sampled_from(Unit.values)


@st.composite
def rules(draw):
    """Return the columns of a keep rule, and those of its ladder."""
    buffer_days = draw(st.integers(0, 20))
    columns = {
        "kind": draw(st.sampled_from(KeepRule.Kind.values)),
        "value": draw(lengths),
        "unit": draw(units),
        "qualifying_acts": draw(acts),
        "counts_from": draw(st.sampled_from(KeepRule.CountsFrom.values)),
        "stack_limit_days": draw(perhaps(st.integers(1, 1000))),
        "grace_value": draw(perhaps(st.integers(0, 90))),
        "grace_unit": draw(units),
        "grace_acts": draw(st.just([]) | acts),
        "recovery_value": draw(perhaps(st.integers(0, 90))),
        "recovery_unit": draw(units),
        "life_limit_days": draw(perhaps(st.integers(1, 2000))),
        "lead_days": buffer_days + draw(st.integers(0, 40)),
        "buffer_days": buffer_days,
    }
    return columns, draw(ladders)


steps = st.fixed_dictionaries(
    {
        "minimum_amount": perhaps(st.sampled_from(AMOUNTS)),
        "currency": st.sampled_from(CURRENCIES),
        "channel": st.sampled_from(["anywhere", "inside", "abroad"]),
        "value": lengths,
        "unit": units,
    }
)
ladders = st.lists(
    steps, max_size=3, unique_by=lambda step: (step["minimum_amount"], step["currency"], step["channel"])
)
fees = perhaps(st.sampled_from([Decimal(0), *AMOUNTS]))
plans = st.tuples(fees, st.sampled_from(["", *CURRENCIES]), st.lists(rules(), min_size=1, max_size=2))


def rows(model, **columns):
    """Return the columns of a row that is not saved yet, with its model."""
    return st.tuples(st.just(model), st.fixed_dictionaries(columns))


confirmed_on = st.just(START) | st.none()
payments = rows(
    Payment,
    kind=st.sampled_from(PAID),
    amount=st.sampled_from(AMOUNTS),
    currency=st.sampled_from(CURRENCIES),
    channel=st.sampled_from(["inside", "abroad"]),
    paid_on=days(),
    covers_until=perhaps(days(0, 1200)),
    confirmed_on=confirmed_on,
)
uses = rows(Activity, kind=st.sampled_from(USES), done_on=days(), confirmed_on=confirmed_on)
readings = rows(
    Reading,
    read_on=days(),
    valid_until=perhaps(days(0, 1200)),
    balance=perhaps(st.sampled_from(AMOUNTS)),
    currency=st.sampled_from(CURRENCIES),
).filter(lambda row: row[1]["valid_until"] or row[1]["balance"] is not None)
histories = st.lists(payments | uses | readings, max_size=5)
cards = st.tuples(histories, perhaps(days()))


def write_rules(plan, terms):
    """Give the plan a fee and these rules, in place of those that it has."""
    plan.fee, plan.currency, wanted = terms
    plan.save(update_fields=["fee", "currency"])
    plan.rules.all().delete()
    for columns, ladder in wanted:
        write_ladder(KeepRule.objects.create(plan=plan, **columns), ladder)


def write_ladder(rule, ladder):
    for step in ladder:
        TopUpStep.objects.create(rule=rule, **step)


def add_card(family, plan, history, activated_on):
    card = family.add_card(plan, activated_on=activated_on)
    for model, columns in history:
        model.objects.create(card=card, household=family.household, **columns)
    return card


def dates():
    """Return the dates on the rows of all cards."""
    return {card.pk: kept_dates(card) for card in Card.objects.all()}


def moves_between(before, after):
    """Return how many cards go from which deadline and day of loss to which, of those that move at all."""
    pairs = [(before[pk], after[pk]) for pk in before if before[pk] != after[pk]]
    return Counter(((one.deadline, one.lost_on), (other.deadline, other.lost_on)) for one, other in pairs)


# Through a database, a search for the smallest counterexample takes minutes.
brief = settings(deadline=None, database=None, phases=[Phase.generate])


@pytest.fixture
def families():
    return Family("Chen"), Family("Ruiz")


def test_preview_equals_the_dates_after_saving(families):
    bystander, found = giffgaff(), []

    @settings(brief, max_examples=60)
    @given(old=plans, new=plans, lives=st.lists(cards, min_size=3, max_size=3), moved_on=perhaps(days()))
    def check(old, new, lives, moved_on):
        with transaction.atomic():
            found.append(check_once(families, bystander, old, new, lives, moved_on))
            transaction.set_rollback(True)

    check()
    # Not all of them compared nothing with nothing.
    assert sum(1 for moved in found if moved) > 10


def check_once(families, bystander, old, new, lives, moved_on):
    """Check one change of a plan's rules, and return how many cards it moved."""
    plan = PlanFactory()
    write_rules(plan, old)
    homes = [families[0], families[0], families[1]]
    for family, (history, activated_on) in zip(homes, lives, strict=True):
        add_card(family, plan, history, activated_on)
    other = add_card(families[1], bystander, [], None)
    Activity.objects.create(card=other, household=other.household, kind="sms", done_on=START, confirmed_on=START)
    if moved_on:
        PlanChange.objects.create(
            household=other.household, card=other, plan_before=bystander, plan_after=plan, starts_on=moved_on
        )
    for card in Card.objects.all():
        recompute_card(card)
    before = dates()

    with transaction.atomic():
        write_rules(plan, new)
        moved = {each.card.pk: each for each in moved_cards(Card.objects.counted_by([plan.pk]))}
        rules = rules_by_plan([plan.pk])
        transaction.set_rollback(True)
    preview = preview_of(rules)
    assert dates() == before

    now = timezone.now()
    write_rules(plan, new)
    mark_for_recount(plan, now)
    assert recount_pending(now) == len(moved)
    after = dates()
    plan.refresh_from_db()
    assert plan.recount_since is None

    assert {pk: each.before for pk, each in moved.items()} == {pk: before[pk] for pk in moved}
    assert after == before | {pk: each.after for pk, each in moved.items()}
    assert preview.cards == len(moved)
    assert preview.households == {card.household_id for card in Card.objects.filter(pk__in=moved)}
    assert preview.moves == moves_between(before, after)
    told = RuleChange.objects.values_list("card", "old_deadline", "new_deadline", "old_lost_on", "new_lost_on")
    assert set(told) == {
        (pk, before[pk].deadline, after[pk].deadline, before[pk].lost_on, after[pk].lost_on)
        for pk in moved
        if (before[pk].deadline, before[pk].lost_on) != (after[pk].deadline, after[pk].lost_on)
    }
    return len(moved)


def typed(columns, ladder):
    """Return a rule and its ladder as they are typed on the rule's page, in place of the ladder that is there."""
    sent = {name: "" if value is None else value for name, value in columns.items()}
    sent |= {"steps-TOTAL_FORMS": len(ladder), "steps-INITIAL_FORMS": 0}
    for number, step in enumerate(ladder):
        sent |= {f"steps-{number}-{name}": "" if value is None else value for name, value in step.items()}
    return sent


def test_preview_page_equals_the_dates_after_pressing_save(staff, families):
    found = []

    @settings(brief, max_examples=15)
    @given(old=rules(), new=rules(), lives=st.lists(cards, min_size=3, max_size=3))
    def check(old, new, lives):
        with transaction.atomic():
            found.append(check_page(staff, families, old[0], new, lives))
            transaction.set_rollback(True)

    check()
    assert any(found)


def check_page(staff, families, old, new, lives):
    """Check one change that is made on the rule's page, and return how many cards it moved."""
    plan = PlanFactory(fee=Decimal(8), currency="CUP")
    write_rules(plan, (plan.fee, plan.currency, [(old, [])]))
    for family, (history, activated_on) in zip([families[0], *families], lives, strict=True):
        recompute_card(add_card(family, plan, history, activated_on))
    before = dates()
    address = at(plan.rules.get())
    sent = {name: value for name, value in fields_of(staff.get(address)).sent.items() if not name.startswith("steps-")}
    page = staff.post(address, sent | {"steps-0-rule": plan.rules.get().pk} | typed(*new), follow=True)
    assert not page.context.get("errors")
    if "moves" not in page.context:
        assert dates() == before
        return 0
    shown = page.context["moves"]
    assert dates() == before
    page = press(staff, page)
    after = dates()
    assert shown["cards"] == sum(before[pk] != after[pk] for pk in before)
    groups = {
        ((group.deadline_before, group.lost_before), (group.deadline_after, group.lost_after)): group.count
        for group in shown["groups"]
    }
    assert groups == moves_between(before, after)
    return shown["cards"]
