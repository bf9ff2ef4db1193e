"""A card from its number to its closing."""

import re

import pytest
from dateutil.relativedelta import relativedelta
from django.core.management import call_command

from cards.models import Card, LinkedAccount, Person, PlanChange
from renewals.models import Activity, LetGo, Payment, Reading, Renewal, SignalCheck, Task
from renewals.views.card import card_today
from tests.factories import cubacel, giffgaff, starhub, unicom
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def groups_of(page):
    """Return the operators of the list of plans, in the order they are offered."""
    return re.findall(r'<optgroup label="([^"]+)"', field_of(page, "plan"))


def test_number_alone_is_asked_first(browser):
    page = browser.get("/cards/new/")
    assert list(page.context["form"].fields) == ["number"]


@pytest.mark.parametrize(
    ("typed", "first", "then"),
    [
        ("+53 5 234 5678", "Cubacel (CU)", "ETECSA (CU)"),
        ("+86 130 1000 0000", "China Unicom (CN)", "China"),
        ("+86 138 0013 8000", "China Mobile (CN)", "China"),
    ],
)
def test_country_and_likely_operator_come_first(browser, typed, first, then):
    call_command("load_catalogue", verbosity=0)
    page = browser.post("/cards/new/", {"number": typed})
    groups = groups_of(page)
    assert groups[0] == first
    assert groups[1].startswith(then)
    chosen = re.search(r'<option value="\d+" selected', field_of(page, "plan"))
    assert chosen.start() < field_of(page, "plan").index(groups[1])
    assert f'value="{typed}"' in field_of(page, "number")


@pytest.mark.parametrize(
    ("typed", "words"), [("", "This field is required."), ("5 234", "Start with +"), ("+53 5 x", "digits only")]
)
def test_number_that_is_none_is_answered_in_words(browser, typed, words):
    page = browser.post("/cards/new/", {"number": typed})
    assert list(page.context["form"].fields) == ["number"]
    assert is_answered(page, "number", words, typed)


def test_card_is_added_from_the_catalogue_and_leads_to_its_start(family, browser):
    plan = cubacel()
    data = {"number": "0053 52345678", "name": "Mamá", "plan": plan.pk, "new_person": "Rosa Chen"}
    answer = browser.post("/cards/new/", data)
    card = Card.objects.get()
    assert answer.url == f"/cards/{card.pk}/start/"
    assert (card.household, card.number, card.plan, card.form) == (family.household, "+5352345678", plan, "sim")
    assert card.person == Person.objects.get(household=family.household, name="Rosa Chen")
    assert "+53 5 2345678" in browser.get(f"/cards/{card.pk}/").text
    assert "+53 5 2345678" in browser.get("/").text


def test_holder_typed_twice_is_one_person(family, browser):
    for number in ("+5352345678", "+5352345679"):
        data = {"number": number, "name": "Mamá", "plan": cubacel().pk, "new_person": "Rosa Chen"}
        assert browser.post("/cards/new/", data).status_code == 302
    assert Person.objects.count() == 1


def test_retired_plan_can_be_kept_but_not_chosen(family, browser):
    plan = cubacel(retired_on="2026-01-01")
    card = family.add_card(plan, number="+5352345678")
    data = {"number": "+53 5 234 5678", "name": "Papá", "plan": plan.pk}
    assert browser.post(f"/cards/{card.pk}/edit/", data).url == f"/cards/{card.pk}/"
    page = browser.post("/cards/new/", data | {"number": "+53 5 234 5679"})
    assert "Select a valid choice." in field_of(page, "plan")


def test_edit_shows_the_card_and_changes_it(family, browser):
    card = family.add_card(number="+5352345678", location="drawer")
    page = browser.get(f"/cards/{card.pk}/edit/")
    assert is_answered(page, "number", "", "+53 5 2345678")
    assert is_answered(page, "location", "", "drawer")
    data = {"number": "+53 5 234 5678", "name": "Papá", "plan": card.plan.pk, "form": "esim", "location": ""}
    assert browser.post(f"/cards/{card.pk}/edit/", data).url == f"/cards/{card.pk}/"
    card.refresh_from_db()
    assert (card.name, card.form, card.location, card.number) == ("Papá", "esim", "", "+5352345678")


def test_another_plan_brings_another_deadline_at_once(family, browser):
    card = family.add_card(cubacel())
    today = card_today(family.owner, card)
    Payment.objects.create(
        household=family.household, card=card, amount=100, currency="CUP", paid_on=today, confirmed_on=today
    )
    other = cubacel()
    other.rules.get().steps.update(value=60)
    browser.post(f"/cards/{card.pk}/edit/", {"number": card.number, "name": "Mamá", "plan": other.pk})
    card.refresh_from_db()
    assert card.deadline == in_days(today, 60)


LIVE = [
    (cubacel, {"acted_on": -40, "amount": "100", "channel": "inside"}, lambda day: in_days(day, 290)),
    (cubacel, {"acted_on": -40, "amount": "250", "channel": "abroad"}, lambda day: in_days(day, 290)),
    (giffgaff, {"acted_on": -1}, lambda day: in_days(day, -1) + relativedelta(months=6)),
    (starhub, {"acted_on": 0, "amount": "12"}, lambda day: day + relativedelta(months=1)),
    # 20 CNY pay two charges of 8: the third one is the first that the balance cannot cover
    (unicom, {"balance": "20,00"}, lambda day: day.replace(day=1) + relativedelta(months=2 if day.day == 1 else 3)),
]


@pytest.mark.parametrize(("plan", "typed", "deadline"), LIVE)
def test_start_page_makes_the_card_live(family, browser, plan, typed, deadline):
    card = family.add_card(plan())
    today = card_today(family.owner, card)
    if "acted_on" in typed:
        typed = typed | {"acted_on": in_days(today, typed["acted_on"]).isoformat()}
    form = browser.get(f"/cards/{card.pk}/start/").context["form"]
    assert set(typed) | {"valid_until"} == set(form.fields) - {"currency"}
    if "currency" in form.fields:
        typed = typed | {"currency": form["currency"].value()}
    page = browser.post(f"/cards/{card.pk}/start/", typed, follow=True)
    assert page.redirect_chain == [(f"/cards/{card.pk}/", 302)]
    assert said(page) == ["Mamá is watched over now."]
    card.refresh_from_db()
    assert card.deadline == deadline(today)


@pytest.mark.parametrize("plan", [cubacel, giffgaff, starhub, unicom])
def test_start_page_takes_the_day_the_operator_shows_for_every_kind_of_rule(family, browser, plan):
    card = family.add_card(plan())
    today = card_today(family.owner, card)
    browser.post(f"/cards/{card.pk}/start/", {"valid_until": in_days(today, 77).isoformat(), "currency": ""})
    card.refresh_from_db()
    assert card.deadline == in_days(today, 77)
    assert Reading.objects.get().by == family.owner


def test_start_page_writes_a_payment_or_a_use_that_counts(family, browser):
    first, second = family.add_card(cubacel()), family.add_card(giffgaff())
    data = {"acted_on": "2026-01-31", "amount": "100", "currency": "CUP", "channel": "abroad"}
    for card in (first, second):
        browser.post(f"/cards/{card.pk}/start/", data)
    payment, activity = Payment.objects.get(), Activity.objects.get()
    assert (payment.card, payment.channel, payment.confirmed_on) == (first, "abroad", payment.paid_on)
    assert (activity.card, activity.kind, activity.confirmed_on) == (second, "sms", activity.done_on)


@pytest.mark.parametrize(
    ("typed", "name", "words"),
    [
        ({}, None, "Fill in the one you know."),
        ({"currency": "CUP"}, None, "Fill in the one you know."),
        ({"acted_on": "2100-01-01", "amount": "100", "currency": "CUP"}, "acted_on", "This day is still to come."),
        ({"acted_on": "03/04/2027", "amount": "100", "currency": "CUP"}, "acted_on", "Write the day as year-month-day"),
        ({"acted_on": "2026-01-31", "currency": "CUP"}, "amount", "How much was it?"),
        ({"acted_on": "2026-01-31", "amount": "0", "currency": "CUP"}, "amount", "An amount is more than zero."),
        ({"acted_on": "2026-01-31", "amount": "-1", "currency": "CUP"}, "amount", "An amount is more than zero."),
        ({"acted_on": "2026-01-31", "amount": "1.000,5", "currency": "CUP"}, "amount", "Write an amount in digits"),
        ({"acted_on": "2026-01-31", "amount": "9" * 13, "currency": "CUP"}, "amount", "no more than 12 digits"),
        ({"acted_on": "2026-01-31", "amount": "100", "currency": "XXQ"}, "currency", "is not a currency."),
        ({"acted_on": "2026-01-31", "amount": "100", "currency": ""}, "currency", "Say in which currency"),
        ({"acted_on": "2026-01-31", "amount": "100", "currency": "C\0P"}, "currency", "Null characters"),
        ({"valid_until": "2027-06-30", "amount": "100", "currency": "CUP"}, "acted_on", "On which day was it?"),
    ],
)
def test_start_page_answers_in_words_and_loses_nothing(family, browser, typed, name, words):
    card, before = family.add_card(), every_row()
    page = browser.post(f"/cards/{card.pk}/start/", typed | {"csrfmiddlewaretoken": "x"})
    assert page.status_code == 200
    assert words in (field_of(page, name) if name else page.text)
    for other, value in typed.items():
        assert is_answered(page, other, "", None if "\0" in value else value)
    assert before | {"cards.Card": None} == every_row() | {"cards.Card": None}
    card.refresh_from_db()
    assert card.deadline is None


def test_closed_card_is_opened_again_after_asking(family, browser):
    card = family.add_card(closed_on="2026-01-31")
    assert "Closed on" in browser.get(f"/cards/{card.pk}/").text
    assert browser.post(f"/renewals/start/{card.pk}/").status_code == 404
    assert "Open Mamá again?" in browser.get(f"/cards/{card.pk}/close/").text
    for _each in range(2):
        page = browser.post(f"/cards/{card.pk}/close/", {"do": "open"}, follow=True)
        assert said(page) == ["The card is open again."]
    card.refresh_from_db()
    assert card.closed_on is None


def test_card_whose_number_was_taken_meanwhile_stays_closed(family, browser):
    closed = family.add_card(number="+5352345678", closed_on="2026-01-31")
    family.add_card(number="+5352345678")
    page = browser.post(f"/cards/{closed.pk}/close/", {"do": "open"}, follow=True)
    assert said(page) == ["Another open card has this number already. Close that one first."]
    closed.refresh_from_db()
    assert closed.closed_on is not None


def test_account_is_added_moved_and_hangs_on_it_again(family, browser):
    card = family.add_card()
    browser.post(f"/cards/{card.pk}/accounts/", {"name": "WeChat", "kind": "messenger", "importance": "high"})
    account = LinkedAccount.objects.get()
    assert (account.card, account.household) == (card, family.household)
    address = f"/linked-accounts/{account.pk}/moved/"
    for do, is_moved in (("moved", True), ("moved", True), ("back", False), ("back", False)):
        assert browser.post(address, {"do": do}).url == f"/cards/{card.pk}/"
        account.refresh_from_db()
        assert (account.moved_on is not None) == is_moved


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "x\0", "Null characters are not allowed."),
        ("kind", "magic", "Select a valid choice."),
        ("importance", "", "This field is required."),
    ],
)
def test_account_that_cannot_be_added_is_answered_in_words(family, browser, name, typed, words):
    card = family.add_card()
    data = {"name": "WeChat", "kind": "messenger", "importance": "high"} | {name: typed}
    page = browser.post(f"/cards/{card.pk}/accounts/", data)
    assert is_answered(page, name, words)
    if name != "name":
        assert is_answered(page, "name", "", "WeChat")
    assert not LinkedAccount.objects.exists()


@pytest.mark.parametrize("rows", [1, 30])
def test_card_page_asks_the_database_equally_often(family, browser, rows, django_assert_num_queries):
    family.fill()
    card, about = family.card, {"household": family.household, "by": family.manager, "card": family.card}
    day, now = card_today(family.owner, card), family.renewal.opened_at
    for number in range(rows):
        LinkedAccount.objects.create(household=family.household, card=card, name=f"Bank {number}")
        old = Payment.objects.create(amount=100, currency="CUP", paid_on=day, via=family.channel, **about)
        Payment.objects.create(amount=110, currency="CUP", paid_on=day, via=family.channel, corrects=old, **about)
        Activity.objects.create(kind="sms", done_on=day, **about)
        Reading.objects.create(read_on=day, balance=5, currency="CUP", **about)
        SignalCheck.objects.create(bars=4, checked_on=day, **about)
        PlanChange.objects.create(
            plan_before=card.plan, plan_after=cubacel(), starts_on=in_days(day, -number), applied_at=now, **about
        )
        Task.objects.create(
            household=family.household,
            card=card,
            kind="signal_check",
            state="dismissed",
            closed_at=now,
            closed_by=family.manager,
        )
        LetGo.objects.create(how="lapsed", decided_on=day, ends_on=day, **about)
        Renewal.objects.create(
            household=family.household, card=card, state="renewed", finished_at=now, finished_by=family.manager
        )
    with django_assert_num_queries(22):
        page = browser.get(f"/cards/{card.pk}/")
    assert page.text.count("Transfermóvil") == 2 * rows
    assert page.text.count("<b>Change of plan</b>") == page.text.count("<b>Let go</b>") == rows
