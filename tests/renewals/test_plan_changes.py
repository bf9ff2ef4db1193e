"""Changing the plan of a card: from which day it holds, what its dates become, and taking it back."""

import datetime
import threading

import pytest
from django.db import DatabaseError, connection

from cards.models import Card, PlanChange
from renewals import plan_changes
from renewals.deadlines import forecast_of, recompute_card
from renewals.models import Payment, Reading
from renewals.plan_changes import (
    PlanChangeRefused,
    apply_due_changes,
    cancel_plan_change,
    change_plan,
    correct_plan,
)
from tests.factories import cubacel, giffgaff, starhub, unicom
from tests.family import Family

pytestmark = pytest.mark.django_db

day = datetime.date.fromisoformat
NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
TODAY = day("2026-06-01")


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def card(family):
    """A card that 100 CUP of 31 January 2026 keep until 27 December."""
    card = family.add_card(cubacel())
    paid_on = day("2026-01-31")
    about = {"card": card, "household": family.household, "currency": "CUP"}
    Payment.objects.create(amount=100, paid_on=paid_on, confirmed_on=paid_on, **about)
    recompute_card(card)
    return card


def change(card, plan, on, today=TODAY):
    member = card.household.members.first()
    return change_plan(card, plan, day(on), member, NOON, today)


def test_change_puts_the_card_on_the_plan_and_moves_its_dates(card):
    other = giffgaff()
    made = change(card, other, "2026-06-01")
    card.refresh_from_db()
    assert (card.plan, card.deadline) == (other, day("2026-12-01"))
    assert (made.plan_before.name, made.applied_at) == ("Permanent prepaid line", NOON)
    assert card.deadline_source["reason"] == "plan_change"
    assert card.deadline_source["on"] == "2026-06-01"


def test_history_stays_and_counts_by_the_plan_of_its_day(card):
    change(card, giffgaff(), "2026-03-01")
    assert card.payments.count() == 1
    card.refresh_from_db()
    assert card.deadline == day("2026-09-01")
    paid_on = day("2026-05-05")
    about = {"card": card, "household": card.household, "currency": "GBP"}
    Payment.objects.create(amount=10, paid_on=paid_on, confirmed_on=paid_on, **about)
    assert recompute_card(card).deadline == day("2026-11-05")


def test_change_to_come_leaves_the_plan_until_its_day(card):
    other = giffgaff()
    change(card, other, "2026-07-01")
    card.refresh_from_db()
    assert card.plan.operator.name == "Cubacel"
    assert card.deadline == day("2026-12-27")
    assert apply_due_changes(NOON) == 0
    assert apply_due_changes(datetime.datetime(2026, 6, 30, 22, tzinfo=datetime.UTC)) == 0
    # Summer time: the first of July starts in London an hour before it starts in UTC.
    assert apply_due_changes(datetime.datetime(2026, 6, 30, 23, tzinfo=datetime.UTC)) == 1
    assert apply_due_changes(datetime.datetime(2026, 7, 2, tzinfo=datetime.UTC)) == 0
    card.refresh_from_db()
    assert card.plan == other


def test_applying_a_change_moves_no_date(card):
    change(card, giffgaff(), "2026-06-20")
    card.refresh_from_db()
    before = (card.deadline, card.lost_on)
    apply_due_changes(datetime.datetime(2026, 6, 21, tzinfo=datetime.UTC))
    card.refresh_from_db()
    recompute_card(card)
    assert (card.deadline, card.lost_on) == before == (day("2026-12-20"), day("2027-01-20"))


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ("2026-02-28", "already been changed since that day"),
        ("2026-03-01", "already been changed since that day"),
    ],
)
def test_change_before_the_last_one_is_refused(card, on, words):
    change(card, giffgaff(), "2026-03-01")
    with pytest.raises(PlanChangeRefused, match=words):
        change(card, starhub(), on)
    assert PlanChange.objects.count() == 1


def test_second_change_to_come_is_refused(card):
    change(card, giffgaff(), "2026-07-01")
    with pytest.raises(PlanChangeRefused, match="still to come"):
        change(card, starhub(), "2026-08-01")


def test_change_to_the_same_plan_or_before_activation_is_refused(card):
    with pytest.raises(PlanChangeRefused, match="on this plan already"):
        change(card, card.plan, "2026-06-01")
    card.activated_on = day("2026-01-01")
    card.save()
    with pytest.raises(PlanChangeRefused, match="activated"):
        change(card, giffgaff(), "2026-01-01")
    assert not PlanChange.objects.exists()


def test_taking_a_change_back_is_as_if_it_had_never_been(card):
    before = recompute_card(card)
    made = change(card, giffgaff(), "2026-03-01")
    cancel_plan_change(made)
    card.refresh_from_db()
    assert card.plan.operator.name == "Cubacel"
    assert recompute_card(card) == before
    assert not PlanChange.objects.exists()


def test_only_the_last_change_can_be_taken_back(card):
    first = change(card, giffgaff(), "2026-03-01")
    card.refresh_from_db()
    change(card, starhub(), "2026-04-01")
    with pytest.raises(PlanChangeRefused, match="later change"):
        cancel_plan_change(first)


def test_change_whose_day_came_meanwhile_is_taken_back_with_its_plan(card):
    first = card.plan
    shown = change(card, giffgaff(), "2026-07-01")
    apply_due_changes(datetime.datetime(2026, 7, 2, tzinfo=datetime.UTC))
    cancel_plan_change(shown)
    card.refresh_from_db()
    assert card.plan == first


def test_change_is_taken_back_once(card):
    third = starhub()
    change(card, giffgaff(), "2026-05-01")
    one, two = PlanChange.objects.get(), PlanChange.objects.get()
    cancel_plan_change(one)
    card.refresh_from_db()
    change(card, third, "2026-04-01")
    cancel_plan_change(two)
    card.refresh_from_db()
    assert card.plan == third
    assert PlanChange.objects.get().plan_after == third


@pytest.mark.django_db(transaction=True)
def test_plan_is_corrected_while_the_day_of_a_change_comes(card, monkeypatch):
    """The reminders are in the middle of the change when a member corrects it: neither waits for the other for ever."""
    right = starhub()
    change(card, giffgaff(), "2026-07-01")
    reached, faults, real = threading.Event(), [], plan_changes._put_on

    def linger(card, plan):
        if threading.current_thread() is reminders:
            reached.set()
            correction.join(0.5)
        real(card, plan)

    def noted(act, *given):
        try:
            act(*given)
        except DatabaseError as error:
            faults.append(error)
        finally:
            connection.close()

    def correct():
        reached.wait(10)
        correct_plan(Card.objects.get(), right)

    monkeypatch.setattr(plan_changes, "_put_on", linger)
    july = datetime.datetime(2026, 7, 2, tzinfo=datetime.UTC)
    reminders = threading.Thread(target=noted, args=[apply_due_changes, july])
    correction = threading.Thread(target=noted, args=[correct])
    for thread in (correction, reminders):
        thread.start()
    for thread in (correction, reminders):
        thread.join()
    assert faults == []
    assert (Card.objects.get().plan, PlanChange.objects.get().plan_after) == (right, right)


def test_correction_rewrites_the_plan_from_its_last_change(card):
    wrong, right = starhub(), giffgaff()
    change(card, wrong, "2026-03-01")
    card.refresh_from_db()
    correct_plan(card, right)
    card.refresh_from_db()
    assert (card.plan, card.deadline) == (right, day("2026-09-01"))
    assert PlanChange.objects.get().plan_after == right


def test_correction_to_the_plan_before_undoes_the_change(card):
    first = card.plan
    change(card, giffgaff(), "2026-03-01")
    card.refresh_from_db()
    correct_plan(card, first)
    card.refresh_from_db()
    assert (card.plan, card.deadline) == (first, day("2026-12-27"))
    assert not PlanChange.objects.exists()


def test_correction_without_a_change_holds_from_the_beginning(card):
    other = giffgaff()
    correct_plan(card, other)
    card.refresh_from_db()
    assert (card.plan, card.deadline) == (other, day("2026-07-31"))


def test_correction_leads_a_change_to_come_on_from_the_right_plan(card):
    right, next_one = starhub(), giffgaff()
    change(card, next_one, "2026-07-01")
    card.refresh_from_db()
    correct_plan(card, right)
    planned = PlanChange.objects.get()
    assert (planned.plan_before, planned.plan_after) == (right, next_one)
    correct_plan(card, next_one)
    assert not PlanChange.objects.exists()


def test_balance_stays_with_the_operator(family):
    """56 CNY at China Unicom are nothing at China Telecom."""
    card, telecom = family.add_card(unicom()), unicom()
    Reading.objects.create(card=card, household=family.household, read_on=day("2026-05-10"), balance=50, currency="CNY")
    recompute_card(card)
    change(card, telecom, "2026-06-01")
    card.refresh_from_db()
    assert card.deadline == day("2026-07-01")
    assert forecast_of(card, TODAY) is None


def test_balance_goes_on_under_the_new_fee(family):
    card = family.add_card(unicom())
    cheaper = unicom()
    cheaper.operator, cheaper.fee = card.plan.operator, 5
    cheaper.save()
    Reading.objects.create(card=card, household=family.household, read_on=day("2026-05-10"), balance=50, currency="CNY")
    recompute_card(card)
    assert card.deadline == day("2026-12-01")
    change(card, cheaper, "2026-07-01")
    card.refresh_from_db()
    # June takes 8 of 50; the 42 that are left are enough for eight charges of 5, July to February.
    assert card.deadline == day("2027-03-01")
