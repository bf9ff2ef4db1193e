"""The page of the ledger and its download."""

import csv
import datetime
import html
import io
import re
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from cards.models import ExchangeRate
from cards.secrets import seal_file
from renewals.models import Payment
from tests.factories import cubacel, giffgaff, unicom
from tests.family import Family, every_row, field_of, in_days, sign_in

pytestmark = pytest.mark.django_db

PAGE, CSV = "/payments/", "/payments/csv/"


@pytest.fixture
def family():
    return Family("Chen")


@pytest.fixture
def card(family):
    return family.add_card(name="Mamá", number="+5352345678")


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def today(family):
    return timezone.now().astimezone(family.owner.zone).date()


def pay(card, amount, currency="CUP", **fields):
    about = {"household": card.household, "card": card, "amount": Decimal(amount), "currency": currency}
    fields.setdefault("paid_on", timezone.now().astimezone(datetime.UTC).date() - datetime.timedelta(days=1))
    return Payment.objects.create(**about | fields)


def rate(currency, target, value, days_ago, today):
    ExchangeRate.objects.create(currency=currency, target=target, rate=value, dated_on=in_days(today, -days_ago))


def listed(page):
    return [payment.amount for payment in page.context["page"]]


def text_of(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.text)))


# Filters


@pytest.fixture
def various(family, card):
    """Payments that differ in everything one can ask for; each amount is a power of two."""
    other = family.add_card(name="Papá", plan=unicom())
    pay(card, 1, paid_on=datetime.date(2024, 12, 31), method="credit_card", channel="abroad")
    pay(card, 2, paid_on=datetime.date(2025, 1, 1), method="cash_deposit")
    pay(card, 4, paid_on=datetime.date(2025, 12, 31), charged_amount=9, charged_currency="EUR", channel="abroad")
    pay(other, 8, "CNY", paid_on=datetime.date(2025, 6, 1), confirmed_on=datetime.date(2025, 6, 2), method="balance")
    stranger = Family("Ruiz")
    pay(stranger.add_card(), 16, paid_on=datetime.date(2025, 1, 1))
    return {"mamá": card.pk, "papá": other.pk, "theirs": stranger.household.cards.get().pk}


@pytest.mark.parametrize(
    ("query", "amounts"),
    [
        ({}, [4, 8, 2, 1]),
        ({"card": "", "year": "", "currency": "", "method": "", "channel": "", "confirmed": ""}, [4, 8, 2, 1]),
        ({"card": "mamá"}, [4, 2, 1]),
        ({"card": "papá"}, [8]),
        ({"year": "2025"}, [4, 8, 2]),
        ({"year": "2024"}, [1]),
        ({"currency": "CUP"}, [2, 1]),
        ({"currency": "EUR"}, [4]),
        ({"method": "cash_deposit"}, [2]),
        ({"method": "-"}, [4]),
        ({"channel": "abroad"}, [4, 1]),
        ({"channel": "inside"}, [8, 2]),
        ({"confirmed": "yes"}, [8]),
        ({"confirmed": "no"}, [4, 2, 1]),
        ({"card": "mamá", "year": "2025", "channel": "abroad"}, [4]),
        ({"card": "papá", "year": "2024"}, []),
        # What is wrong filters nothing, and the rest still does.
        ({"card": "theirs"}, [4, 8, 2, 1]),
        ({"card": "x", "year": "2025"}, [4, 8, 2]),
    ],
)
def test_ledger_lists_what_is_asked_for_and_so_does_the_download(browser, various, query, amounts):
    query = query | ({"card": various.get(query["card"], query["card"])} if query.get("card") else {})
    page = browser.get(PAGE, query)
    assert listed(page) == amounts
    assert page.context["page"].paginator.count == len(amounts)
    answer = browser.get(CSV, query)
    if page.context["form"].errors:
        assert (answer.status_code, answer.url.partition("?")[0]) == (302, PAGE)
        assert listed(browser.get(answer.url)) == amounts
    else:
        assert [Decimal(row[5]) for row in rows_of(answer)] == amounts


JUNK = ["x", "-1", "0", "\0", "9" * 5000, "1e9", "２０２５", "<script>alert(1)</script>", "\ud800", "🂡", "' OR 1=1 --"]


@pytest.mark.parametrize("name", ["card", "year", "currency", "method", "channel", "confirmed"])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_in_the_address_is_answered_beside_its_filter(browser, various, name, junk):
    query = f"?{name}={quote(junk, errors='surrogatepass')}"
    page = browser.get(PAGE + query)
    assert page.status_code == 200
    assert "Select a valid choice." in field_of(page, name)
    assert "<script>alert" not in page.text
    assert listed(page) == [4, 8, 2, 1]
    answer = browser.get(CSV + query)
    assert answer.status_code == 302
    assert answer.url.startswith(f"{PAGE}?{name}=")


@pytest.mark.parametrize("page_number", ["", "x", "0", "-1", "3", "9" * 5000, "\0", "1.5", "<script>alert(1)</script>"])
def test_junk_in_the_page_number_leads_to_a_page(browser, card, page_number):
    pay(card, 1)
    page = browser.get(PAGE, {"page": page_number, "unknown": "<script>alert(1)</script>"})
    assert listed(page) == [1]
    assert "<script>alert" not in page.text


def test_filters_keep_what_was_chosen_and_offer_what_there_is(browser, various, today):
    page = browser.get(PAGE, {"card": various["papá"], "year": "2025", "currency": "CNY"})
    assert f'value="{various["papá"]}" selected' in field_of(page, "card")
    assert 'value="2025" selected' in field_of(page, "year")
    offered = {name: re.findall(r'value="([^"]*)"', field_of(page, name)) for name in ("card", "year", "currency")}
    assert offered["card"] == ["", str(various["mamá"]), str(various["papá"])]
    assert offered["year"] == ["", *dict.fromkeys([str(today.year), "2025", "2024"])]
    assert offered["currency"] == ["", "CNY", "CUP", "EUR"]
    assert "<details open>" in page.text
    assert "<details open>" not in browser.get(PAGE).text


# What it shows


def test_row_shows_what_was_paid_and_what_was_charged(family, card, browser, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    payment = pay(
        card,
        250,
        paid_on=datetime.date(2026, 1, 31),
        charged_amount=Decimal("12.5"),
        charged_currency="EUR",
        method="credit_card",
        channel="abroad",
        reference="<b>88231</b>",
        by=family.manager,
    )
    payment.receipt.save("receipt", ContentFile(seal_file(family.household, "receipt", b"%PDF-")))
    page = browser.get(PAGE)
    words = "Mamá · top-up not confirmed Jan 31, 2026 · credit card · from abroad · <b>88231</b> · Mario Chen · receipt"
    assert f"{words} 12.50 EUR for 250 CUP" in text_of(page)
    assert "<b>88231</b>" not in page.text
    assert f'href="/payments/{payment.pk}/receipt/"' in page.text
    assert f'href="/cards/{card.pk}/"' in page.text
    Payment.objects.update(confirmed_on=datetime.date(2026, 2, 1), charged_amount=None)
    assert "Mamá · top-up confirmed Jan 31" in text_of(browser.get(PAGE))
    assert "for 250 CUP" not in text_of(browser.get(PAGE))


def test_totals_are_of_all_pages(browser, card):
    Payment.objects.bulk_create(
        Payment(household=card.household, card=card, amount=2, currency="CUP", paid_on=datetime.date(2026, 1, 1))
        for _each in range(300)
    )
    page = browser.get(PAGE, {"page": 6, "channel": "inside"})
    assert "Paid in CUP 600 CUP" in text_of(page)
    assert len(listed(page)) == 50
    assert "page 6 of 6" in text_of(page)
    assert 'href="?page=5&amp;channel=inside"' in page.text
    assert "Older payments" not in page.text
    assert 'href="/payments/csv/?channel=inside"' in page.text
    assert len(rows_of(browser.get(CSV, {"channel": "inside"}))) == 300
    for words in ("Newer payments", "page 1 of"):
        assert words not in browser.get(PAGE, {"confirmed": "yes"}).text


def test_total_names_what_came_from_a_balance(browser, card):
    pay(card, 100)
    pay(card, 30, method="balance")
    words = "Paid in CUP 130 CUP of this, 30 CUP from a balance that was topped up before"
    assert words in text_of(browser.get(PAGE))


def test_ledger_without_payments_says_where_they_come_from(browser):
    page = browser.get(PAGE)
    assert "No payment is written down yet." in page.text
    assert [word for word in ("Filter", "CSV", '<svg class="bars"', "<table") if word in page.text] == []


def test_ledger_of_a_filter_without_payments_says_so(browser, various):
    page = browser.get(PAGE, {"card": various["papá"], "year": "2024"})
    assert "No payment is like this." in page.text
    assert "No payment is written down yet." not in page.text
    assert "CSV" not in page.text


def test_chart_shows_the_last_twelve_months_or_the_chosen_year(browser, card, today):
    pay(card, 7, paid_on=today)
    pay(card, 9, paid_on=datetime.date(2020, 5, 5))
    (recent,) = browser.get(PAGE).context["spending"].charts
    assert [amount for _month, amount in recent.months] == [*[0] * 11, 7]
    page = browser.get(PAGE, {"year": "2020"})
    (chart,) = page.context["spending"].charts
    assert [amount for _month, amount in chart.months] == [0, 0, 0, 0, 9, *[0] * 7]
    assert "Paid in CUP, January 2020 to December 2020" in text_of(page)
    assert page.text.count("<rect") == 12
    assert re.search(r"May 2020\s+9 CUP", text_of(page))


def test_chart_of_months_without_payments_says_so(browser, card):
    pay(card, 9, paid_on=datetime.date(2020, 5, 5))
    assert "Nothing was paid from" in browser.get(PAGE).text


def test_chart_and_total_are_in_the_households_currency_where_rates_are_known(family, card, browser, today):
    family.household.currency = "EUR"
    family.household.save()
    rate("EUR", "CUP", 100, 91, today)
    pay(card, 500)
    pay(card, 3, "SGD")
    page = browser.get(PAGE)
    assert re.search(
        r"All together about 5 EUR by a rate of \w+ \d+, \d+, older than 90 days No rate is known for: 3 SGD",
        text_of(page),
    )
    assert "Paid in EUR, " in text_of(page)
    assert re.search(r"the oldest is of \w+ \d+, \d+, more than 90 days ago\.", text_of(page))
    assert "Not in the picture, as no rate is known for: 3 SGD" in text_of(page)
    ExchangeRate.objects.update(dated_on=in_days(today, -90))
    again = text_of(browser.get(PAGE))
    assert "90 days" not in again
    assert "All together about 5 EUR" in again
    assert [chart.currency for chart in browser.get(PAGE, {"currency": "SGD"}).context["spending"].charts] == ["SGD"]


def test_by_card_is_shown_when_there_are_several(family, card, browser):
    pay(card, 100)
    assert 'class="strips"' not in browser.get(PAGE).text
    pay(family.add_card(name="Papá"), 300)
    page = browser.get(PAGE)
    assert 'class="strips"' in page.text
    assert re.search(r"Papá\s+300 CUP\s+Mamá\s+100 CUP", text_of(page))


# What keeping costs


def test_keeping_has_a_row_for_each_open_card_beside_what_was_paid(family, card, browser, today):
    family.add_card(name="Abuela", plan=giffgaff())
    family.add_card(name="Closed", plan=unicom(), closed_on=today)
    pay(card, 100, paid_on=in_days(today, -364))
    pay(card, 50, paid_on=in_days(today, -365))
    text = text_of(browser.get(PAGE))
    keeping = text[text.index("Paid in 365 days") :]
    assert "Abuela giffgaff not known – Mamá Cubacel 110.61 CUP 100 CUP" in keeping
    assert "Closed" not in keeping
    assert "Choose the currency of the household, to see one total" in keeping
    assert "Choose the currency" not in sign_in(family.viewer).get(PAGE).text


def test_keeping_has_a_total_in_the_households_currency_and_says_who_is_left_out(family, card, browser, today):
    family.household.currency = "EUR"
    family.household.save()
    for name, plan in (("Abuela", giffgaff()), ("Papá", unicom()), ("Tío", cubacel())):
        family.add_card(name=name, plan=plan)
    rate("EUR", "CUP", 100, 91, today)
    pay(card, 200)
    pay(card, 7, "CNY")
    text = text_of(browser.get(PAGE))
    keeping = text[text.index("Paid in 365 days") :]
    assert "Mamá Cubacel 110.61 CUP about 1.11 EUR by a rate of" in keeping
    assert "Papá China Unicom 96 CNY no rate to EUR is known" in keeping
    assert "200 CUP" in keeping
    total = keeping[keeping.index("Total") :]
    assert "about 2.22 EUR by a rate of" in total
    assert "older than 90 days" in total
    assert "without 2 cards whose cost, or a rate for it, is not known" in total
    assert "about 2 EUR" in total
    assert "No rate is known for: 7 CNY" in total


def test_keeping_without_any_rate_has_no_total(family, card, browser):
    family.household.currency = "EUR"
    family.household.save()
    text = text_of(browser.get(PAGE))
    total = text[text.index("Total") :]
    assert "Total not known without 1 card whose cost, or a rate for it, is not known –" in total


# The download


def rows_of(answer):
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), strict=True))[1:]


def test_download_is_a_file_that_nobody_keeps(family, card, browser, today):
    pay(card, 100)
    answer = browser.get(CSV)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="keepnumber-payments-{today.isoformat()}.csv"'
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.content.startswith(b"\xef\xbb\xbfPaid on,Card,Number,")
    assert answer.content.count(b"\r\n") == 2
    assert rows_of(answer)[0][1:3] == ["Mamá", "'+5352345678"]


def test_download_without_payments_has_a_header_alone(browser):
    answer = browser.get(CSV)
    assert answer.content.count(b"\r\n") == 1
    assert rows_of(answer) == []


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_everybody_of_the_household_may_look_and_download(family, card, role):
    pay(card, 100)
    client = sign_in(getattr(family, role))
    before = every_row()
    assert listed(client.get(PAGE)) == [100]
    assert len(rows_of(client.get(CSV))) == 1
    assert every_row() == before


@pytest.mark.parametrize("address", [PAGE, CSV])
def test_ledger_is_for_the_household_alone(family, card, address):
    pay(card, 100, reference="REF-77")
    stranger = sign_in(Family("Ruiz").owner).get(address)
    assert stranger.status_code == 200
    assert [words for words in ("REF-77", "Mamá", "5352345678") if words in stranger.text] == []
    assert Client().get(address).url.startswith("/accounts/login/")
    assert sign_in(family.owner).post(address).status_code == 405


# However much there is


@pytest.mark.parametrize(("cards", "payments"), [(1, 1), (35, 300)])
@pytest.mark.parametrize("currency", ["", "EUR"])
def test_ledger_asks_the_database_equally_often(
    family, browser, today, cards, payments, currency, django_assert_num_queries
):
    family.household.currency = currency
    family.household.save()
    rate("EUR", "CUP", 100, 5, today)
    rows = [family.add_card(name=f"Card {each}") for each in range(cards)]
    Payment.objects.bulk_create(
        Payment(
            household=family.household,
            card=rows[each % cards],
            amount=each + 1,
            currency=["CUP", "CNY", "EUR"][each % 3],
            paid_on=in_days(today, -each),
            by=family.owner,
        )
        for each in range(payments)
    )
    with django_assert_num_queries(13):
        page = browser.get(PAGE)
    assert len(listed(page)) == min(payments, 50)
    with django_assert_num_queries(6):
        assert len(rows_of(browser.get(CSV))) == payments
