"""The ledger: which payments count, what they add up to, and the pictures of it."""

import datetime
from decimal import Decimal

import pytest

from cards.models import Card, ExchangeRate
from cards.rates import Converted, Rates
from renewals.ledger import (
    Spent,
    Total,
    ledger_of,
    names_of,
    paid_in_a_year,
    spent_by_month,
    totals_of,
    years_and_currencies,
)
from renewals.models import Payment
from renewals.spending import last_day_of, months_of, months_until, say_month, spending
from tests.family import Family

TODAY = datetime.date(2026, 11, 24)


def day(text):
    return datetime.date.fromisoformat(text)


@pytest.fixture
def family(db):
    return Family("Chen")


@pytest.fixture
def card(family):
    return family.add_card(name="Mamá")


def pay(card, amount, currency="CUP", paid_on="2026-11-01", **fields):
    about = {"household": card.household, "card": card, "amount": Decimal(amount), "currency": currency}
    return Payment.objects.create(paid_on=day(paid_on), **about | fields)


def test_ledger_has_the_valid_payments_of_the_household_newest_first(family, card):
    first, wrong, last = pay(card, 1, paid_on="2026-01-01"), pay(card, 2), pay(card, 3, paid_on="2026-11-02")
    right = pay(card, 4, corrects=wrong)
    stranger = Family("Ruiz")
    pay(stranger.add_card(), 5)
    assert list(ledger_of(family.viewer)) == [last, right, first]


@pytest.mark.parametrize(
    ("charged", "counted"),
    [
        ({}, (Decimal(250), "CUP")),
        ({"charged_amount": Decimal("12.5"), "charged_currency": "EUR"}, (Decimal("12.5"), "EUR")),
        ({"charged_amount": Decimal(260), "charged_currency": "CUP"}, (Decimal(260), "CUP")),
        # Half of it says nothing.
        ({"charged_amount": Decimal("12.5")}, (Decimal(250), "CUP")),
        ({"charged_currency": "EUR"}, (Decimal(250), "CUP")),
    ],
)
def test_what_was_really_charged_counts(family, card, charged, counted):
    pay(card, 250, **charged)
    payment = ledger_of(family.owner).get()
    assert (payment.counted_amount, payment.counted_currency) == counted
    assert [(total.amount, total.currency) for total in totals_of(ledger_of(family.owner))] == [counted]


def test_totals_are_one_per_currency_and_name_what_came_from_a_balance(family, card):
    pay(card, "0.10")
    pay(card, "0.20", method="balance")
    pay(card, 250, charged_amount=10, charged_currency="EUR", method="cash_deposit")
    pay(family.add_card(), 5, "EUR")
    assert totals_of(ledger_of(family.owner)) == [
        Total(Decimal("0.30"), "CUP", Decimal("0.20")),
        Total(Decimal("15.00"), "EUR", Decimal(0)),
    ]
    assert totals_of(ledger_of(Family("Ruiz").owner)) == []


def test_totals_are_right_to_the_cent_however_many_there_are(family, card):
    about = {"household": family.household, "card": card, "currency": "CUP", "paid_on": TODAY}
    Payment.objects.bulk_create(Payment(amount=Decimal("99999999.99"), **about) for _each in range(300))
    Payment.objects.bulk_create(Payment(amount=Decimal("0.01"), **about) for _each in range(300))
    assert totals_of(ledger_of(family.owner))[0].amount == Decimal("30000000000.00")


def test_years_and_currencies_are_those_there_are(family, card):
    pay(card, 1, paid_on="2024-12-31")
    pay(card, 1, "CNY", paid_on="2026-01-01", charged_amount=1, charged_currency="EUR")
    pay(card, 1, paid_on="2026-01-01")
    assert years_and_currencies(ledger_of(family.owner)) == ([2026, 2024], ["CUP", "EUR"])


def test_spent_is_by_month_card_and_currency(family, card):
    other = family.add_card()
    for paid_on in ("2025-11-30", "2025-12-01", "2025-12-31", "2026-01-01"):
        pay(card, 1, paid_on=paid_on)
    pay(card, 9, "EUR", paid_on="2025-12-31")
    pay(other, 5, paid_on="2025-12-15")
    pay(other, 7, paid_on="2026-02-01")
    assert spent_by_month(ledger_of(family.owner), day("2025-12-01"), day("2026-01-31")) == [
        Spent(day("2025-12-01"), card.pk, Decimal(2), "CUP"),
        Spent(day("2025-12-01"), card.pk, Decimal(9), "EUR"),
        Spent(day("2025-12-01"), other.pk, Decimal(5), "CUP"),
        Spent(day("2026-01-01"), card.pk, Decimal(1), "CUP"),
    ]


def test_year_that_was_paid_has_365_days_and_no_payment_from_a_balance(family, card):
    other = family.add_card()
    pay(card, 1, paid_on="2025-11-24")
    pay(card, 2, paid_on="2025-11-25")
    pay(card, 4, paid_on="2026-11-24")
    pay(card, 8, paid_on="2026-11-25")
    pay(card, 16, method="balance")
    pay(card, 32, charged_amount=3, charged_currency="EUR")
    pay(other, 64, "CNY")
    assert paid_in_a_year(ledger_of(family.owner), TODAY) == {
        card.pk: [(Decimal(6), "CUP"), (Decimal(3), "EUR")],
        other.pk: [(Decimal(64), "CNY")],
    }


def test_cards_of_the_same_name_are_told_apart():
    rows = [
        Card(pk=1, name="Mamá", number="+5352345678"),
        Card(pk=2, name="Mamá", number="+447700900123"),
        Card(pk=3, name="Papá", number="+5352345679"),
    ]
    assert names_of(rows) == {1: "Mamá · +53 5 2345678", 2: "Mamá · +44 7700 900123", 3: "Papá"}


# The pictures


def rates(*rows):
    return Rates(ExchangeRate(currency=a, target=b, rate=Decimal(rate), dated_on=TODAY) for a, b, rate in rows)


def spent(month, card, amount, currency="CUP"):
    return Spent(day(f"2026-{month:02}-01"), card, Decimal(amount), currency)


YEAR = months_of(2026)
NAMES = {1: "Mamá", 2: "Papá", 3: "Abuela"}


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        ("2026-11-24", "2025-12-01", "2026-11-30"),
        ("2026-12-31", "2026-01-01", "2026-12-31"),
        ("2028-02-29", "2027-03-01", "2028-02-29"),
    ],
)
def test_last_twelve_months_end_with_this_one(today, first, last):
    months = months_until(day(today))
    assert (len(months), months[0], last_day_of(months)) == (12, day(first), day(last))


def test_months_of_a_year():
    assert (len(YEAR), YEAR[0], last_day_of(YEAR)) == (12, day("2026-01-01"), day("2026-12-31"))
    assert say_month(YEAR[10]) == "November 2026"


def test_chart_is_one_per_currency_without_the_households():
    rows = [spent(1, 1, 10), spent(1, 2, 5), spent(3, 2, 20), spent(3, 1, 7, "EUR")]
    found = spending(rows, YEAR, NAMES, "", rates(("EUR", "CUP", 100)))
    assert [chart.currency for chart in found.charts] == ["CUP", "EUR"]
    cup, euro = found.charts
    assert [amount for _month, amount in cup.months] == [15, 0, 20, *[0] * 9]
    assert cup.cards == [("Papá", 25), ("Mamá", 10)]
    assert (cup.most, cup.converted) == (20, None)
    assert [amount for _month, amount in euro.months] == [0, 0, 7, *[0] * 9]
    assert found.left_out == []
    assert (found.first, found.last) == ("January 2026", "December 2026")


def test_chart_is_in_the_households_currency_where_rates_lead_there():
    rows = [
        spent(1, 1, 500),
        spent(1, 2, 8, "CNY"),
        spent(2, 2, 3, "EUR"),
        spent(2, 3, 4, "SGD"),
        spent(9, 3, 6, "SGD"),
    ]
    found = spending(rows, YEAR, NAMES, "EUR", rates(("EUR", "CUP", 100), ("CNY", "EUR", "0.125")))
    (chart,) = found.charts
    assert [amount for _month, amount in chart.months] == [6, 3, *[0] * 10]
    assert chart.cards == [("Mamá", 5), ("Papá", 4)]
    assert chart.converted == Converted(Decimal("9.00"), "EUR", TODAY)
    assert found.left_out == [(Decimal(10), "SGD")]


def test_chart_in_the_households_own_currency_rests_on_no_rate():
    found = spending([spent(1, 1, 500)], YEAR, NAMES, "CUP", rates())
    assert [(chart.currency, chart.converted) for chart in found.charts] == [("CUP", None)]


def test_charts_stay_as_paid_when_no_rate_leads_anywhere():
    found = spending([spent(1, 1, 500), spent(1, 1, 5, "SGD")], YEAR, NAMES, "EUR", rates())
    assert [chart.currency for chart in found.charts] == ["CUP", "SGD"]
    assert found.left_out == []


def test_chart_of_nothing_is_none():
    assert spending([], YEAR, NAMES, "EUR", rates()).charts == []


@pytest.mark.parametrize(
    ("cards", "shown", "rest"), [(1, 1, None), (10, 10, None), (11, 11, None), (12, 11, "2 other cards")]
)
def test_chart_by_card_names_the_dearest_and_adds_up_the_rest(cards, shown, rest):
    names = {each: f"Card {each:02}" for each in range(cards)}
    rows = [spent(1, each, 100 - each) for each in names]
    (chart,) = spending(rows, YEAR, names, "", rates()).charts
    assert len(chart.cards) == cards
    assert len(chart.strips) == shown
    assert [strip.label for strip in chart.strips[:10]] == [name for name, _amount in chart.cards[:10]]
    assert sum(strip.value for strip in chart.strips) == sum(amount for _name, amount in chart.cards)
    if rest:
        assert chart.strips[-1].label == rest


def test_chart_has_a_bar_and_a_row_for_each_month():
    (chart,) = spending([spent(2, 1, 10), spent(3, 1, 5)], YEAR, NAMES, "", rates()).charts
    assert [(bar.label, bar.height) for bar in chart.bars[:3]] == [
        ("January 2026", 0),
        ("February 2026", 120),
        ("March 2026", 60),
    ]
    assert chart.rows[1] == ("February 2026", Decimal(10))
    assert chart.short_months[:2] == ["Jan", "Feb"]
    assert len(chart.bars) == len(chart.rows) == len(chart.short_months) == 12
