"""The page of a balance: what it says of charges to come, and the top-up that reaches a day."""

import datetime

import pytest
from django.test import Client

from renewals.deadlines import recompute_card
from renewals.models import Reading
from renewals.views.card import card_today
from tests.factories import cubacel, unicom
from tests.family import Family, field_of, in_days, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def card(family):
    return family.add_card(unicom())


def see(card, family, amount, days_ago=0):
    today = card_today(family.owner, card)
    about = {"card": card, "household": family.household, "by": family.owner}
    Reading.objects.create(read_on=in_days(today, -days_ago), balance=amount, currency="CNY", **about)
    recompute_card(card)
    return today


def first_of_month(day, months):
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return datetime.date(year, month + 1, 1)


def test_balance_says_how_many_charges_it_covers_and_when_it_runs_out(family, card):
    today = see(card, family, 20)
    page = sign_in(family.viewer).get(f"/cards/{card.pk}/balance/")
    ends = first_of_month(today, 2 if today.day == 1 else 3)
    assert page.context["forecast"].covers == 2
    assert page.context["forecast"].runs_out_on == ends == card.deadline
    assert "Enough for 2 more charges" in page.text
    assert "not covered" in page.text
    assert page.text.count("<rect") == 4
    assert "12 CNY" in page.text


def test_balance_says_what_to_top_up_for_a_day(family, card):
    today = see(card, family, 20)
    until = first_of_month(today, 6)
    client = sign_in(family.owner)
    page = client.get(f"/cards/{card.pk}/balance/", {"until": until.isoformat()})
    charges = 7 if today.day == 1 else 6
    assert page.context["missing"] == charges * 8 - 20
    assert f"Top up at least {charges * 8 - 20} CNY" in page.text
    enough = client.get(f"/cards/{card.pk}/balance/", {"until": in_days(today, 1).isoformat()})
    assert "already" in enough.text


def test_balance_that_ran_out_says_which_charge_it_could_not_cover(family, card):
    see(card, family, 8, days_ago=200)
    assert "could not cover the charge of" in sign_in(family.owner).get(f"/cards/{card.pk}/balance/").text


@pytest.mark.parametrize(
    ("typed", "words"),
    [("03/04/2027", "Write the day as year-month-day"), ("1999-01-01", "later day"), ("9999-12-31", "cannot be right")],
)
def test_wrong_day_is_refused_beside_its_field(family, card, typed, words):
    see(card, family, 20)
    page = sign_in(family.owner).get(f"/cards/{card.pk}/balance/", {"until": typed})
    assert page.status_code == 200
    assert words in field_of(page, "until")
    assert typed in field_of(page, "until")
    assert page.context["missing"] is None


@pytest.mark.parametrize("junk", ["\x00", "💥" * 1000, "<script>", "2027-13-45", "٢٠٢٧-٠١-٠١"])
def test_junk_in_the_address_is_answered(family, card, junk):
    see(card, family, 20)
    page = sign_in(family.owner).get(f"/cards/{card.pk}/balance/", {"until": junk})
    assert page.status_code == 200
    assert "<script>" not in page.text


def test_unknown_balance_asks_for_a_reading(family, card):
    page = sign_in(family.owner).get(f"/cards/{card.pk}/balance/")
    assert "The balance is not known" in page.text
    assert f"/cards/{card.pk}/log/?kind=reading" in page.text
    assert f"/cards/{card.pk}/log/" not in sign_in(family.viewer).get(f"/cards/{card.pk}/balance/").text


def test_unknown_fee_is_said_to_be_not_known(family, card):
    see(card, family, 20)
    card.plan.fee = None
    card.plan.save()
    assert "The fee of this plan is not known" in sign_in(family.owner).get(f"/cards/{card.pk}/balance/").text


def test_plan_without_such_a_fee_has_no_forecast(family):
    card = family.add_card(cubacel())
    assert sign_in(family.owner).get(f"/cards/{card.pk}/balance/").status_code == 404


def test_forecast_is_for_the_household_only(family, card):
    see(card, family, 20)
    assert sign_in(Family("Pérez").owner).get(f"/cards/{card.pk}/balance/").status_code == 404
    assert Client().get(f"/cards/{card.pk}/balance/").status_code == 302


def test_forecast_takes_the_same_queries_for_a_long_history(family, card, django_assert_num_queries):
    client = sign_in(family.owner)
    see(card, family, 20)
    client.get(f"/cards/{card.pk}/balance/")
    with django_assert_num_queries(11):
        client.get(f"/cards/{card.pk}/balance/")
    for days in range(1, 40):
        see(card, family, 20 + days, days_ago=days)
    with django_assert_num_queries(11):
        client.get(f"/cards/{card.pk}/balance/")
