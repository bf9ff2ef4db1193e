"""What is written down about a card by hand, corrected and deleted; and how its forms answer."""

import datetime
import re

import pytest

from renewals.models import Activity, Payment, Reading, Renewal, SignalCheck
from renewals.views.card import card_today
from tests.factories import giffgaff, starhub
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def today(family):
    return card_today(family.owner, family.card)


PAYMENT = {
    "kind": "top_up",
    "amount": "100",
    "currency": "CUP",
    "channel": "inside",
    "method": "credit_card",
    "via": "",
    "paid_on": "2026-01-31",
    "charged_amount": "4,25",
    "charged_currency": "eur",
    "reference": "A-17",
}
SEEN = {"seen-valid_until": "", "seen-balance": "", "seen-balance_currency": "CUP"}
READING = {"balance": "12.50", "currency": "CUP", "valid_until": "2027-06-30", "read_on": "2026-01-31", "how": "*222#"}
ACTIVITY = {"kind": "sms", "done_on": "2026-01-31", "cost": "0,10", "currency": "CUP"}
SIGNAL = {"bars": "3", "checked_on": "2026-01-31", "note": "on the roof"}
TYPED = {"payment": PAYMENT | SEEN, "reading": READING, "activity": ACTIVITY | SEEN, "signal": SIGNAL}

BAD = [
    ("payment", "amount", "", "This field is required."),
    ("payment", "amount", "0", "An amount is more than zero."),
    ("payment", "amount", "-5", "An amount is more than zero."),
    ("payment", "amount", "0.001", "no more than 2 decimal places"),
    ("payment", "amount", "1234567890123", "no more than 12 digits in total"),
    ("payment", "amount", "1.000,5", "Write an amount in digits"),
    ("payment", "amount", "ten", "Write an amount in digits"),
    ("payment", "amount", "NaN", "Write an amount in digits"),
    ("payment", "currency", "XXQ", "“XXQ” is not a currency."),
    ("payment", "currency", "", "This field is required."),
    ("payment", "currency", "CUPS", "at most 3 characters"),
    ("payment", "charged_amount", "-1", "An amount is more than zero."),
    ("payment", "charged_currency", "", "Say in which currency"),
    ("payment", "charged_currency", "XXQ", "“XXQ” is not a currency."),
    ("payment", "paid_on", "03/04/2027", "Write the day as year-month-day"),
    ("payment", "paid_on", "2100-01-01", "This day is still to come."),
    ("payment", "paid_on", "", "This field is required."),
    ("payment", "kind", "gift", "Select a valid choice."),
    ("payment", "method", "shells", "Select a valid choice."),
    ("payment", "channel", "moon", "Select a valid choice."),
    ("payment", "reference", "x" * 101, "at most 100 characters"),
    ("payment", "reference", "x\0", "Null characters are not allowed."),
    ("payment", "seen-valid_until", "03/04/2027", "Write the day as year-month-day"),
    ("payment", "seen-balance", "-1", "greater than or equal to 0"),
    ("payment", "seen-balance", "1.000,5", "Write an amount in digits"),
    ("reading", "balance", "-1", "greater than or equal to 0"),
    ("reading", "balance", "1234567890123", "no more than 12 digits in total"),
    ("reading", "currency", "", "Say in which currency"),
    ("reading", "currency", "XXQ", "“XXQ” is not a currency."),
    ("reading", "valid_until", "30.6.2027", "Write the day as year-month-day"),
    ("reading", "valid_until", "2999-01-01", "This year cannot be right."),
    ("reading", "read_on", "2100-01-01", "This day is still to come."),
    ("reading", "how", "x" * 61, "at most 60 characters"),
    ("reading", "how", "x\0", "Null characters are not allowed."),
    ("activity", "kind", "", "This field is required."),
    ("activity", "done_on", "2100-01-01", "This day is still to come."),
    ("activity", "done_on", "31/01/2026", "Write the day as year-month-day"),
    ("activity", "cost", "-1", "greater than or equal to 0"),
    ("activity", "currency", "", "Say in which currency"),
    ("signal", "bars", "5", "Bars are counted from 0 to 4."),
    ("signal", "bars", "-1", "greater than or equal to 0"),
    ("signal", "bars", "9999999999", "Bars are counted from 0 to 4."),
    ("signal", "bars", "three", "Enter a whole number."),
    ("signal", "checked_on", "2100-01-01", "This day is still to come."),
    ("signal", "note", "x" * 201, "at most 200 characters"),
]


@pytest.mark.parametrize("is_correction", [False, True])
@pytest.mark.parametrize(("kind", "name", "typed", "words"), BAD)
def test_record_answers_in_words_and_loses_nothing(family, browser, kind, name, typed, words, is_correction):
    if is_correction and name.startswith("seen-"):
        return
    row = getattr(family, kind)
    address = f"/log/{kind}/{row.pk}/correct/" if is_correction else f"/cards/{family.card.pk}/log/?kind={kind}"
    data, before = TYPED[kind] | {name: typed}, every_row()
    page = browser.post(address, data)
    is_choice = name in {"kind", "method", "channel"}
    assert is_answered(page, name, words, None if is_choice or "\0" in typed else typed)
    for other, value in data.items():
        if other != name and not (is_correction and other.startswith("seen-")) and value:
            found = field_of(page, other)
            assert f'value="{value}"' in found or f'value="{value}" selected' in found
    assert every_row() == before


@pytest.mark.parametrize("kind", TYPED)
def test_empty_record_is_answered_in_words(family, browser, kind):
    before = every_row()
    page = browser.post(f"/cards/{family.card.pk}/log/?kind={kind}", dict.fromkeys(TYPED[kind], ""))
    assert page.status_code == 200
    assert "This field is required." in page.text
    assert every_row() == before


def test_reading_that_says_nothing_is_answered_once(family, browser):
    page = browser.post(f"/cards/{family.card.pk}/log/?kind=reading", READING | {"balance": "", "valid_until": ""})
    assert page.text.count("Give the balance or the valid-until date, or both.") == 1


@pytest.mark.parametrize("kind", ["", "payments", "\0", "../reading", "renewal"])
def test_unknown_kind_of_record_is_404(family, browser, kind):
    assert browser.get(f"/cards/{family.card.pk}/log/", {"kind": kind}).status_code == 404
    assert browser.get("/log/renewal/1/correct/").status_code == 404
    assert browser.post("/log/card/1/delete/").status_code == 404


def test_reading_moves_the_deadline_and_says_who_saw_it(family, browser, today):
    day = in_days(today, 100)
    data = READING | {"valid_until": day.isoformat(), "read_on": today.isoformat()}
    page = browser.post(f"/cards/{family.card.pk}/log/?kind=reading", data, follow=True)
    assert page.redirect_chain == [(f"/cards/{family.card.pk}/", 302)]
    assert said(page) == ["Written down."]
    family.card.refresh_from_db()
    assert family.card.deadline == day
    assert family.card.readings.get(balance="12.50").by == family.owner


def test_signal_check_is_written_down(family, browser):
    page = browser.post(f"/cards/{family.card.pk}/log/?kind=signal", SIGNAL, follow=True)
    assert "on the roof" in page.text
    check = SignalCheck.objects.get(note="on the roof")
    assert (check.bars, check.by, check.household) == (3, family.owner, family.household)


def entries_of(page):
    """Return the days of the history as the page shows them, from top to bottom."""
    return re.findall(r'<time datetime="([\d-]+)"', page.text)


def test_history_is_newest_first_whatever_was_written_down_when(browser, family):
    card = family.add_card()
    about = {"household": family.household, "card": card, "by": family.owner}
    Reading.objects.create(read_on="2026-03-01", valid_until="2026-09-01", **about)
    Payment.objects.create(paid_on="2026-05-01", amount=100, currency="CUP", **about)
    Activity.objects.create(done_on="2026-01-01", kind="sms", **about)
    SignalCheck.objects.create(checked_on="2026-04-01", bars=1, **about)
    Reading.objects.create(read_on="2025-12-31", valid_until="2026-09-01", **about)
    finished = datetime.datetime(2026, 2, 2, 3, 0, tzinfo=datetime.UTC)
    Renewal.objects.create(household=family.household, card=card, state="renewed", finished_at=finished)
    page = browser.get(f"/cards/{card.pk}/")
    # three in the morning in London is still the evening before in Havana
    assert entries_of(page) == ["2026-05-01", "2026-04-01", "2026-03-01", "2026-02-01", "2026-01-01", "2025-12-31"]


def top_up(family, card, paid_on, **fields):
    about = {"household": family.household, "card": card, "by": family.manager}
    return Payment.objects.create(amount=100, currency="CUP", paid_on=paid_on, confirmed_on=paid_on, **about, **fields)


def test_correcting_an_entry_keeps_the_old_one_and_recomputes_the_deadline(family, browser, today):
    card = family.add_card()
    old = top_up(family, card, in_days(today, -10), reference="A-17")
    page = browser.get(f"/log/payment/{old.pk}/correct/")
    assert is_answered(page, "reference", "", "A-17")
    right = in_days(today, -40)
    data = PAYMENT | {"paid_on": right.isoformat(), "charged_amount": "", "charged_currency": ""}
    page = browser.post(f"/log/payment/{old.pk}/correct/", data, follow=True)
    assert said(page) == ["Written down."]
    card.refresh_from_db()
    new = Payment.objects.get(corrects=old)
    assert card.deadline == in_days(right, 330)
    assert (new.by, new.confirmed_on, new.paid_on) == (family.owner, old.confirmed_on, right)
    assert (old.by, Payment.objects.get(pk=old.pk).paid_on) == (family.manager, in_days(today, -10))
    assert "corrected since" in page.text
    assert "corrects an earlier entry" in page.text


@pytest.mark.parametrize("kind", TYPED)
def test_corrected_entry_cannot_be_corrected_again(family, browser, kind):
    row = getattr(family, kind)
    address = f"/log/{kind}/{row.pk}/correct/"
    data = {name: value for name, value in TYPED[kind].items() if not name.startswith("seen-")}
    assert browser.post(address, data).status_code == 302
    before = every_row()
    client = sign_in(family.manager)
    before = every_row()
    for page in (client.get(address, follow=True), client.post(address, data, follow=True)):
        assert page.redirect_chain == [(f"/cards/{family.card.pk}/", 302)]
        assert said(page) == ["This entry was corrected meanwhile by Olga Chen."]
    assert every_row() == before


def test_deleting_an_entry_asks_and_recomputes_the_deadline(family, browser, today):
    card = family.add_card()
    first, second = top_up(family, card, in_days(today, -100)), top_up(family, card, in_days(today, -10))
    assert "Delete this entry?" in browser.get(f"/log/payment/{second.pk}/delete/").text
    page = browser.post(f"/log/payment/{second.pk}/delete/", follow=True)
    assert said(page) == ["The entry is deleted and the dates are computed anew."]
    card.refresh_from_db()
    assert (card.deadline, list(card.payments.kept())) == (in_days(today, 230), [first])
    browser.post(f"/log/payment/{first.pk}/delete/")
    card.refresh_from_db()
    assert card.deadline is None


def test_deleting_a_correction_lets_the_old_entry_count_again(family, browser, today):
    card = family.add_card()
    old = top_up(family, card, in_days(today, -10))
    new = top_up(family, card, in_days(today, -50), corrects=old)
    browser.post(f"/log/payment/{new.pk}/delete/")
    card.refresh_from_db()
    assert card.deadline == in_days(today, 320)


@pytest.mark.parametrize("method", ["get", "post"])
def test_entry_that_is_gone_is_404(family, browser, method):
    address = f"/log/signal/{family.signal.pk}/delete/"
    browser.post(address)
    assert getattr(browser, method)(address).status_code == 404


def test_payment_form_asks_only_what_the_rule_needs(family, browser):
    fields = browser.get(f"/cards/{family.card.pk}/log/?kind=payment").context["form"].fields
    assert {"channel", "via"} <= set(fields)
    assert "covers_until" not in fields
    card = family.add_card(starhub())
    fields = browser.get(f"/cards/{card.pk}/log/?kind=payment").context["form"].fields
    assert "covers_until" in fields
    assert not {"channel", "via"} & set(fields)


def test_activity_form_offers_the_uses_that_count(family, browser):
    card = family.add_card(giffgaff())
    page = browser.get(f"/cards/{card.pk}/log/?kind=activity")
    assert [value for value, _label in page.context["form"].fields["kind"].choices] == ["sms", "call", "data"]
