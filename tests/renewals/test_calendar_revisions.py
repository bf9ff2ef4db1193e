"""Rows count the changes of their days, so that calendars know which of two versions is the later one."""

import datetime

import pytest
from django.db import IntegrityError
from django.utils import timezone

from cards.models import Card, KeepRule
from renewals.deadlines import recompute_card, recompute_cards
from renewals.leaving import keep_after_all, let_go
from renewals.models import Document, Payment, Reading, Renewal
from renewals.views.card import card_today
from renewals.walkthrough import (
    RenewalClosed,
    abandon_renewal,
    ask_again,
    confirm_renewal,
    finish_step,
    record_order,
    record_reading,
    reject_renewal,
    start_renewal,
    take_renewal,
)
from tests.family import Family, in_days, sign_in

pytestmark = pytest.mark.django_db

# Before any change that a test makes.
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def family():
    return Family("Chen")


def revision_of(row):
    """Return the row's revision as the database has it, and whether `changed_at` moved; it is set back."""
    fresh = type(row).objects.get(pk=row.pk)
    type(row).objects.filter(pk=row.pk).update(changed_at=LONG_AGO)
    return fresh.revision, fresh.changed_at > LONG_AGO


def dated(row):
    """Return the row as one that was last changed long ago."""
    type(row).objects.filter(pk=row.pk).update(changed_at=LONG_AGO, revision=0)
    return row


def read(card, valid_until, read_on=datetime.date(2026, 1, 31)):
    Reading.objects.create(household=card.household, card=card, read_on=read_on, valid_until=valid_until)


# Cards


def test_card_is_of_the_next_revision_when_its_dates_move_and_only_then(family):
    card = dated(family.add_card())
    recompute_card(card)
    assert revision_of(card) == (0, False)
    read(card, datetime.date(2027, 3, 4))
    recompute_card(card)
    assert revision_of(card) == (1, True)
    recompute_card(card)
    assert revision_of(card) == (1, False)
    read(card, datetime.date(2027, 3, 4), datetime.date(2026, 2, 1))
    recompute_card(card)
    assert (Card.objects.get().deadline_source["on"], *revision_of(card)) == ("2026-02-01", 1, False)
    read(card, datetime.date(2027, 3, 5), datetime.date(2026, 2, 2))
    recompute_card(card)
    assert revision_of(card) == (2, True)


def test_copy_of_a_card_from_before_counts_on_from_the_row(family):
    card = dated(family.add_card())
    stale = Card.objects.get(pk=card.pk)
    for day in (4, 5):
        read(card, datetime.date(2027, 3, day), datetime.date(2026, 1, day))
        recompute_card(stale if day == 5 else card)
    assert revision_of(card) == (2, True)
    recompute_card(stale)
    assert revision_of(card) == (2, False)


def test_safe_date_alone_moves_the_revision(family):
    card = dated(family.add_card())
    read(card, datetime.date(2027, 3, 4))
    recompute_card(card)
    before = Card.objects.get()
    assert revision_of(card) == (1, True)
    rule = KeepRule.objects.get(plan=card.plan)
    rule.buffer_days += 1
    rule.save()
    recompute_card(card)
    after = Card.objects.get()
    assert (after.deadline, after.safe_on) == (before.deadline, in_days(before.safe_on, -1))
    assert revision_of(card) == (2, True)


def test_counting_many_anew_moves_the_revision_of_those_with_other_dates(family):
    moved, same, resourced = (dated(family.add_card()) for _each in range(3))
    closed = dated(family.add_card(closed_on=datetime.date(2026, 1, 1)))
    for card in (moved, same, resourced, closed):
        read(card, datetime.date(2027, 3, 4))
        recompute_card(card)
    assert [revision_of(card) for card in (moved, same, resourced, closed)] == [(1, True)] * 4
    recompute_cards(Card.objects.all())
    assert [revision_of(card) for card in (moved, same, resourced, closed)] == [(1, False)] * 4
    read(resourced, datetime.date(2027, 3, 4), datetime.date(2026, 2, 1))
    for card in (moved, closed):
        read(card, datetime.date(2027, 4, 4), datetime.date(2026, 2, 1))
    assert recompute_cards(Card.objects.all()) == 1
    assert [revision_of(card) for card in (moved, same, resourced, closed)] == [
        (2, True),
        (1, False),
        (1, False),
        (2, True),
    ]


def close(family, card, now):
    about = {"how": "cancelled", "ends_on": now.date(), "note": "", "moved": []}
    return let_go(card, family.owner, now=now, today=now.date(), **about)


def test_card_is_of_the_next_revision_when_it_is_closed_and_when_it_is_opened(family):
    card, now = dated(family.add_card()), timezone.now()
    assert close(family, card, now)
    assert (card.closed_on, Card.objects.get().changed_at, *revision_of(card)) == (now.date(), now, 1, True)
    assert close(family, Card.objects.get(), now) is None
    assert revision_of(card) == (1, False)
    keep_after_all(card, family.owner, now)
    assert (card.closed_on, Card.objects.get().closed_on, *revision_of(card)) == (None, None, 2, True)


def test_card_that_cannot_be_opened_stays_of_its_revision(family):
    card = dated(family.add_card(closed_on=datetime.date(2026, 1, 1)))
    family.add_card(number=card.number)
    with pytest.raises(IntegrityError):
        keep_after_all(card, family.owner, timezone.now())
    assert revision_of(card) == (0, False)


def test_editing_what_is_no_day_leaves_the_revision(family):
    card = dated(family.add_card())
    read(card, datetime.date(2027, 3, 4))
    recompute_card(card)
    revision_of(card)
    data = {"name": "Abuela", "number": card.number, "plan": card.plan.pk, "form": "sim"}
    assert sign_in(family.owner).post(f"/cards/{card.pk}/edit/", data).status_code == 302
    assert (Card.objects.get().name, *revision_of(card)) == ("Abuela", 1, False)


# Renewals


def finish(renewal, member, *keys):
    for key in keys:
        step = renewal.steps.get(key=key)
        finish_step(step, member, step.revision, timezone.now())
    renewal.refresh_from_db()


@pytest.fixture
def awaiting(family):
    """A renewal that awaits its review."""
    card = family.add_card()
    renewal = dated(start_renewal(card, family.owner, timezone.now()))
    finish(renewal, family.owner, "balance", "validity")
    assert revision_of(renewal) == (0, False)
    finish(renewal, family.owner, "documents")
    assert (renewal.state, *revision_of(renewal)) == ("renewing", 1, True)
    finish(renewal, family.owner, "pay")
    assert (renewal.state, *revision_of(renewal)) == ("awaiting", 2, True)
    return renewal


def test_renewal_is_of_the_next_revision_with_each_state_and_day_of_review(family, awaiting):
    today = card_today(family.owner, awaiting.card)
    for day, revision in (
        (in_days(today, 5), (3, True)),
        (in_days(today, 5), (3, False)),
        (in_days(today, 6), (4, True)),
    ):
        ask_again(awaiting, day, family.owner)
        assert revision_of(awaiting) == revision
    assert Renewal.objects.get().follow_up_at == awaiting.follow_up_at
    take_renewal(awaiting, family.manager, timezone.now())
    record_order(awaiting, {"amount": 100, "currency": "CUP"})
    finish(awaiting, family.owner, "visit")
    assert revision_of(awaiting) == (4, False)
    assert Renewal.objects.get().taken_by == family.manager


@pytest.mark.parametrize("end", ["renew", "reject", "abandon"])
def test_renewal_is_of_the_next_revision_when_it_ends(family, awaiting, end):
    now, today = timezone.now(), card_today(family.owner, awaiting.card)
    if end == "renew":
        Payment.objects.create(
            household=family.household, card=awaiting.card, renewal=awaiting, amount=100, currency="CUP", paid_on=today
        )
        step = awaiting.steps.get(key="confirm")
        reading = Reading(
            household=family.household,
            card=awaiting.card,
            renewal=awaiting,
            read_on=today,
            valid_until=in_days(today, 99),
        )
        assert confirm_renewal(step, family.owner, step.revision, now, today, reading)
    elif end == "reject":
        reject_renewal(awaiting, family.owner, "pay", "x", now)
    else:
        abandon_renewal(awaiting, family.owner, "x", now)
    assert revision_of(awaiting) == (3, True)
    with pytest.raises(RenewalClosed):
        abandon_renewal(awaiting, family.owner, "x", now)
    assert revision_of(awaiting) == (3, False)


def test_reading_of_a_renewal_leaves_its_revision(family, awaiting):
    today = card_today(family.owner, awaiting.card)
    record_reading(Reading(household=family.household, card=awaiting.card, read_on=today, valid_until=today))
    assert revision_of(awaiting) == (2, False)


# Papers


def test_document_is_of_the_next_revision_when_it_is_edited(family):
    family.fill()
    document = dated(family.document)
    browser = sign_in(family.owner)
    data = {"person": family.person.pk, "kind": "passport", "number": "K1", "issued_by": "", "expires_on": "2030-06-30"}
    for revision in ((1, True), (1, False)):
        assert browser.post(f"/documents/{document.pk}/edit/", data).status_code == 302
        assert revision_of(document) == revision
    browser.post(f"/documents/{document.pk}/edit/", data | {"expires_on": "03/04/2027"})
    assert revision_of(document) == (1, False)
    browser.post(f"/documents/{document.pk}/edit/", data | {"expires_on": "2030-07-01"})
    assert revision_of(document) == (2, True)


def test_document_begins_with_the_first_revision(family):
    family.fill()
    data = {"person": family.person.pk, "kind": "identity_card", "expires_on": "2030-06-30"}
    sign_in(family.owner).post("/documents/new/", data)
    assert Document.objects.get(kind="identity_card").revision == 0
