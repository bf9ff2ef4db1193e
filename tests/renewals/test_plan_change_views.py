"""A card on another plan: asked, previewed, saved, taken back."""

import datetime
import html
import re

import pytest
from django.test import Client
from django.utils import timezone

from cards.models import Card, PlanChange
from renewals.deadlines import kept_dates, recompute_card
from renewals.models import Payment, Reading
from renewals.plan_changes import change_plan
from renewals.views.card import card_today
from renewals.walkthrough import start_renewal
from renewals.words import say_short_day
from tests.factories import OperatorFactory, PlanFactory, cubacel, giffgaff
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def card(family):
    """A Cubacel card, topped up 40 days ago: it lives for 290 days more."""
    card = family.add_card(cubacel())
    day = in_days(card_today(family.owner, card), -40)
    about = {"household": family.household, "by": family.owner}
    Payment.objects.create(card=card, amount=100, currency="CUP", paid_on=day, confirmed_on=day, **about)
    recompute_card(card)
    return card


@pytest.fixture
def shorter():
    """A plan whose top-ups keep a number for 60 days only."""
    plan = cubacel(name="Short plan")
    plan.rules.update(value=60)
    plan.rules.get().steps.update(value=60)
    return plan


def typed(plan, starts_on="", kind="from_day", **more):
    return {"plan": plan.pk, "kind": kind, "starts_on": starts_on} | more


def address(card):
    return f"/cards/{card.pk}/plan/"


def rows_of(page):
    """Return the dates of the preview by their names: before and after, as shown."""
    rows = re.findall(r"<dt>([^<]+)</dt>\s*<dd>(.+?) → <b>(.+?)</b></dd>", page.text)
    return {name: (html.unescape(before), html.unescape(after)) for name, before, after in rows}


def test_dates_are_shown_before_anything_is_saved(family, browser, card, shorter):
    today, before = card_today(family.owner, card), every_row()
    page = browser.post(address(card), typed(shorter, today.isoformat()))
    assert page.status_code == 200
    assert rows_of(page)["Valid until"] == (say_short_day(in_days(today, 290)), say_short_day(in_days(today, 60)))
    assert set(rows_of(page)) == {"Valid until", "Can be saved until", "Lost on"}
    assert "each keeps the number for 60 days" in page.text
    assert f'value="{shorter.pk}" selected' in field_of(page, "plan")
    assert is_answered(page, "starts_on", "", today.isoformat())
    assert every_row() == before


@pytest.mark.parametrize(("begins", "kind"), [(0, "from_day"), (-10, "from_day"), (30, "from_day"), (0, "all_along")])
def test_preview_shows_what_is_saved(family, browser, card, shorter, begins, kind):
    data = typed(shorter, in_days(card_today(family.owner, card), begins).isoformat(), kind)
    shown = rows_of(browser.post(address(card), data))
    answer = browser.post(address(card), data | {"sure": "1"})
    assert answer.url == f"/cards/{card.pk}/"
    dates = kept_dates(Card.objects.get())
    assert [after for _before, after in shown.values()] == [
        say_short_day(day) for day in (dates.deadline, dates.grace_ends_on, dates.lost_on)
    ]


def test_dates_that_stay_are_said_to_stay(family, browser, card, shorter):
    today = card_today(family.owner, card)
    words = "The dates stay as they are"
    assert words in browser.post(address(card), typed(cubacel(), today.isoformat())).text
    assert words not in browser.post(address(card), typed(shorter, today.isoformat())).text


def test_date_that_is_not_known_is_called_so(family, browser):
    card = family.add_card()
    page = browser.post(address(card), typed(giffgaff(), "2026-01-31"))
    assert rows_of(page)["Valid until"] == ("not known", "not known")


def test_change_of_today_holds_at_once(family, browser, card, shorter):
    today, old = card_today(family.owner, card), card.plan
    data = typed(shorter, today.isoformat(), sure="1")
    page = browser.post(address(card), data, follow=True)
    assert said(page) == [f"Mamá is on {shorter} now."]
    card.refresh_from_db()
    assert (card.plan, card.deadline) == (shorter, in_days(today, 60))
    change = PlanChange.objects.get()
    assert (change.plan_before, change.plan_after, change.starts_on) == (old, shorter, today)
    assert (change.by, change.household, change.applied_at is not None) == (family.owner, family.household, True)
    assert f"<b>Change of plan</b> {old} → {shorter}" in html.unescape(page.text)
    assert "Changes to" not in page.text


@pytest.mark.parametrize("begins", [-10, 0, 30])
def test_second_click_on_save_changes_nothing_and_is_no_error(family, browser, card, shorter, begins):
    data = typed(shorter, in_days(card_today(family.owner, card), begins).isoformat(), sure="1")
    first = browser.post(address(card), data, follow=True)
    before = every_row()
    again = browser.post(address(card), data, follow=True)
    assert again.redirect_chain == [(f"/cards/{card.pk}/", 302)]
    assert said(again) == said(first)
    assert every_row() == before


def test_change_to_come_is_announced_on_the_card_and_cancelled(family, browser, card, shorter):
    day, old, deadline = in_days(card_today(family.owner, card), 30), card.plan, card.deadline
    page = browser.post(address(card), typed(shorter, day.isoformat(), sure="1"), follow=True)
    assert said(page) == [f"Mamá changes to {shorter} on {say_short_day(day)}."]
    assert f"Changes to {shorter} on " in page.text
    assert "<b>Change of plan</b>" not in page.text
    assert Card.objects.get().plan == old
    change = PlanChange.objects.get()
    cancel = f"/plan-changes/{change.pk}/cancel/"
    assert cancel in page.text
    assert cancel in browser.get(address(card)).text
    viewed = sign_in(family.viewer).get(f"/cards/{card.pk}/").text
    assert f"Changes to {shorter} on " in viewed
    assert cancel not in viewed
    page = browser.post(cancel, follow=True)
    assert said(page) == ["The change of plan is taken back and the dates are computed anew."]
    assert "Changes to" not in page.text
    assert not PlanChange.objects.exists()
    assert Card.objects.get().deadline == deadline


def test_last_change_that_holds_can_be_taken_back(family, browser, card, shorter):
    today, old, deadline = card_today(family.owner, card), card.plan, card.deadline
    first = change_plan(card, shorter, in_days(today, -20), family.owner, timezone.now(), today)
    second = change_plan(card, cubacel(), in_days(today, -10), family.owner, timezone.now(), today)
    assert browser.get(f"/cards/{card.pk}/").text.count(f'href="{address(card)}">Take back') == 1
    page = browser.post(f"/plan-changes/{first.pk}/cancel/", follow=True)
    assert said(page) == ["The plan was changed again after that. Take the later change back first."]
    assert PlanChange.objects.count() == 2
    for change in (second, first):
        browser.post(f"/plan-changes/{change.pk}/cancel/")
    card.refresh_from_db()
    assert (card.plan, card.deadline) == (old, deadline)


def test_correction_leaves_no_change_behind(family, browser, card, shorter):
    page = browser.post(address(card), typed(shorter, "", "all_along", sure="1"), follow=True)
    assert said(page) == ["The plan is corrected and the dates are computed anew."]
    card.refresh_from_db()
    assert (card.plan, card.deadline) == (shorter, in_days(card_today(family.owner, card), 20))
    assert not PlanChange.objects.exists()


def test_yes_to_another_preview_shows_the_new_one_first(family, browser, card, shorter):
    today = card_today(family.owner, card)
    page = browser.post(address(card), typed(shorter, today.isoformat()))
    seen = re.search(r'name="seen" value="([^"]+)"', page.text)[1]
    changed = typed(shorter, in_days(today, 5).isoformat(), sure="1", seen=seen)
    page = browser.post(address(card), changed)
    assert rows_of(page)["Valid until"][1] == say_short_day(in_days(today, 65))
    assert not PlanChange.objects.exists()
    seen = re.search(r'name="seen" value="([^"]+)"', page.text)[1]
    assert browser.post(address(card), changed | {"seen": seen}).status_code == 302
    assert PlanChange.objects.get().starts_on == in_days(today, 5)


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"plan": ""}, "plan", "This field is required."),
        ({"plan": "9" * 30}, "plan", "Select a valid choice."),
        ({"plan": "\0"}, "plan", "Null characters are not allowed."),
        ({"kind": "whatever"}, "kind", "Select a valid choice."),
        ({"kind": ""}, "kind", "This field is required."),
        ({"starts_on": ""}, "starts_on", "On which day does the other plan begin?"),
        ({"starts_on": "03/04/2027"}, "starts_on", "Write the day as year-month-day"),
        ({"starts_on": "0001-01-01"}, "starts_on", "This year cannot be right."),
        ({"starts_on": "9999-12-31"}, "starts_on", "This year cannot be right."),
    ],
)
def test_change_that_cannot_be_is_answered_in_words(family, browser, card, shorter, changes, name, words):
    before = every_row()
    for more in ({}, {"sure": "1"}):
        page = browser.post(address(card), typed(shorter, "2026-06-01") | changes | more)
        assert is_answered(page, name, words, changes.get("starts_on"))
        for other in {"plan", "starts_on"} - {name}:
            assert {"plan": f'value="{shorter.pk}" selected', "starts_on": 'value="2026-06-01"'}[other] in field_of(
                page, other
            )
    assert every_row() == before


def test_plan_the_card_has_is_no_other_plan(family, browser, card):
    before = every_row()
    today = card_today(family.owner, card).isoformat()
    assert is_answered(
        browser.post(address(card), typed(card.plan, today, "all_along")), "plan", "The card is on this plan already."
    )
    page = browser.post(address(card), typed(card.plan, today))
    assert page.context["form"].non_field_errors() == ["The card is on this plan already."]
    assert every_row() == before


def test_day_that_cannot_be_is_refused_in_the_preview_already(family, browser, card, shorter):
    today = card_today(family.owner, card)
    change_plan(card, shorter, in_days(today, -10), family.owner, timezone.now(), today)
    Card.objects.update(activated_on=in_days(today, -100))
    third, before = cubacel(), every_row()
    for day, words in (
        (-10, "The plan has already been changed since that day. Choose a later day."),
        (-100, "A plan can only be changed after the day on which the card was activated."),
    ):
        for more in ({}, {"sure": "1"}):
            page = browser.post(address(card), typed(third, in_days(today, day).isoformat()) | more)
            assert page.context["form"].non_field_errors() == [words]
            assert words in page.text
            assert "preview" not in page.context
    assert every_row() == before


def test_plans_of_the_own_operator_come_first_and_foreign_ones_not_at_all(family, browser):
    here, abroad = OperatorFactory(name="ZZZ Havana"), OperatorFactory(name="AAA Madrid", country="ES")
    card = family.add_card(PlanFactory(operator=OperatorFactory(name="MMM Cuba")))
    PlanFactory(operator=here, name="Old", retired_on="2026-01-01")
    PlanFactory(operator=here, name="Home")
    PlanFactory(operator=abroad)
    PlanFactory(operator=abroad, household=Family("Pérez").household, name="Secret")
    field = field_of(browser.get(address(card)), "plan")
    assert re.findall(r'<optgroup label="([^"]+)"', field) == ["MMM Cuba (CU)", "ZZZ Havana (CU)", "AAA Madrid (ES)"]
    assert "Old" not in field
    assert "Secret" not in field


def test_another_households_plan_does_not_exist(family, browser, card):
    secret = PlanFactory(household=Family("Pérez").household)
    page = browser.post(address(card), typed(secret, "2026-06-01", sure="1"))
    assert "Select a valid choice." in field_of(page, "plan")


def test_open_renewal_keeps_its_terms(family, browser, card, shorter):
    assert "keeps the terms it was started with" not in browser.get(address(card)).text
    renewal = start_renewal(card, family.owner, timezone.now())
    assert "keeps the terms it was started with" in browser.get(address(card)).text
    terms = renewal.plan_terms
    browser.post(address(card), typed(shorter, card_today(family.owner, card).isoformat(), sure="1"))
    renewal.refresh_from_db()
    assert (renewal.plan_terms, renewal.is_open) == (terms, True)


def test_edit_form_corrects_the_plan_the_last_change_led_to(family, browser, card, shorter):
    today, old = card_today(family.owner, card), card.plan
    change_plan(card, shorter, in_days(today, -10), family.owner, timezone.now(), today)
    assert address(card) in browser.get(f"/cards/{card.pk}/edit/").text
    assert "/plan/" not in browser.post("/cards/new/", {"number": "+5352345678"}).text
    right = cubacel()
    browser.post(f"/cards/{card.pk}/edit/", {"number": card.number, "name": "Mamá", "plan": right.pk})
    change = PlanChange.objects.get()
    assert (change.plan_before, change.plan_after, Card.objects.get().plan) == (old, right, right)
    assert Card.objects.get().deadline == in_days(today, 290)


def test_card_page_says_how_old_its_facts_are(family, browser):
    today = timezone.localdate()
    plan = cubacel(checked_on=in_days(today, -180), source_url="https://example.org/rule")
    card = family.add_card(plan)
    assert "Rule last checked" not in browser.get(f"/cards/{card.pk}/").text
    assert f'href="/plans/{plan.slug}/"' in browser.get(f"/cards/{card.pk}/").text
    plan.checked_on = datetime.date(2026, 3, 17)
    plan.save()
    page = browser.get(f"/cards/{card.pk}/")
    assert "Rule last checked in March 2026." in page.text
    assert '<a href="https://example.org/rule" rel="noreferrer">' in page.text
    plan.checked_on, plan.source_url = None, "javascript:alert(1)"
    plan.save()
    page = browser.get(f"/cards/{card.pk}/")
    assert "Nobody has noted when this rule was last checked." in page.text
    assert "alert(1)" not in page.text


def test_own_plan_is_never_called_old(family, browser):
    card = family.add_card(cubacel(household=family.household))
    assert "last checked" not in browser.get(f"/cards/{card.pk}/").text


def test_closed_card_changes_no_plan(family, browser, card, shorter):
    today = card_today(family.owner, card)
    change_plan(card, shorter, in_days(today, -10), family.owner, timezone.now(), today)
    change_plan(card, cubacel(), in_days(today, 10), family.owner, timezone.now(), today)
    Card.objects.update(closed_on=timezone.localdate())
    text = browser.get(f"/cards/{card.pk}/").text
    assert "<b>Change of plan</b>" in text
    assert "Changes to" not in text
    assert "/plan/" not in text
    assert "/cancel/" not in text
    assert browser.get(address(card)).status_code == 404
    assert browser.post(address(card), typed(shorter, "2026-06-01", sure="1")).status_code == 404


def test_only_managers_of_the_household_change_plans(family, card, shorter):
    today = card_today(family.owner, card)
    change = change_plan(card, shorter, in_days(today, 30), family.owner, timezone.now(), today)
    before = every_row()
    data = typed(cubacel(), today.isoformat(), sure="1")
    before = every_row()
    for client, get, post in (
        (Client(), 302, 302),
        (sign_in(Family("Pérez").owner), 404, 404),
        (sign_in(family.viewer), 403, 403),
    ):
        before = every_row()
        assert client.get(address(card)).status_code == get
        assert client.post(address(card), data).status_code == post
        assert client.post(f"/plan-changes/{change.pk}/cancel/").status_code == post
        assert client.get(f"/plan-changes/{change.pk}/cancel/").status_code in {302, 405}
        assert every_row() == before


@pytest.mark.parametrize("rows", [1, 30])
def test_plan_change_page_asks_the_database_equally_often(
    family, browser, card, shorter, rows, django_assert_num_queries
):
    today = card_today(family.owner, card)
    for number in range(rows):
        cubacel()
        day = in_days(today, -100 + number)
        about = {"household": family.household, "by": family.owner}
        Reading.objects.create(card=card, read_on=day, valid_until=day, **about)
        both = (card.plan, shorter)
        PlanChange.objects.create(
            card=card,
            plan_before=both[number % 2],
            plan_after=both[1 - number % 2],
            starts_on=day,
            applied_at=timezone.now(),
            **about,
        )
    with django_assert_num_queries(7):
        browser.get(address(card))
