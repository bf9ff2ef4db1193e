"""Exchange rates: how they are used, and how staff write them down."""

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from cards.models import ExchangeRate
from cards.rates import Converted, Rates, Together, sum_of
from tests.family import Family, every_row, sign_in

TODAY = datetime.date(2026, 1, 24)


def rate(currency, target, value, days_ago=0, source=""):
    day = TODAY - datetime.timedelta(days=days_ago)
    return ExchangeRate(currency=currency, target=target, rate=Decimal(value), dated_on=day, source=source)


def convert(rows, amount, currency, target):
    found = Rates(rows).convert(Decimal(amount), currency, target)
    return found and (found.amount, (TODAY - found.dated_on).days)


# From one currency to another


def test_same_currency_needs_no_rate():
    assert Rates([]).convert(Decimal("1.5"), "EUR", "EUR") == Converted(Decimal("1.5"), "EUR", None)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("EUR", "CUP", "120", 3)], (Decimal("1200.00"), 3)),
        ([("CUP", "EUR", "0.008", 3)], (Decimal("1250.00"), 3)),
        ([("EUR", "USD", "1.1", 3), ("USD", "CUP", "120", 9)], (Decimal("1320.00"), 9)),
        ([("USD", "EUR", "0.8", 9), ("CUP", "USD", "0.01", 3)], (Decimal("1250.00"), 9)),
        # The newest of a pair wins, whichever way round it was written.
        ([("EUR", "CUP", "120", 3), ("EUR", "CUP", "100", 4)], (Decimal("1200.00"), 3)),
        ([("EUR", "CUP", "120", 3), ("CUP", "EUR", "0.008", 2)], (Decimal("1250.00"), 2)),
        ([("CUP", "EUR", "0.008", 3), ("EUR", "CUP", "120", 2)], (Decimal("1200.00"), 2)),
        # Of one day, the one that was written this way round.
        ([("EUR", "CUP", "120", 3), ("CUP", "EUR", "0.008", 3)], (Decimal("1200.00"), 3)),
        # A rate of the pair itself is used, even if it is older than those of a way round.
        ([("EUR", "CUP", "120", 99), ("EUR", "USD", "1", 1), ("USD", "CUP", "1", 1)], (Decimal("1200.00"), 99)),
        # Of several ways round, the one whose older rate is newest.
        (
            [("EUR", "CNY", "8", 1), ("CNY", "CUP", "2", 9), ("EUR", "USD", "1", 3), ("USD", "CUP", "3", 3)],
            (Decimal("30.00"), 3),
        ),
        ([("EUR", "USD", "1.1", 3), ("CNY", "CUP", "17", 3)], None),
        # Through two currencies is too far.
        ([("EUR", "USD", "1", 1), ("USD", "CNY", "1", 1), ("CNY", "CUP", "1", 1)], None),
        ([], None),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_amount_is_converted(rows, expected, order):
    assert convert([rate(*row) for row in rows][::order], 10, "EUR", "CUP") == expected


def test_converted_amounts_are_whole_cents_and_as_large_as_they_may_be():
    assert convert([rate("CUP", "EUR", "0.00333333")], "0.50", "CUP", "EUR") == (Decimal("0.00"), 0)
    assert convert([rate("EUR", "CUP", "3")], "1", "CUP", "EUR") == (Decimal("0.33"), 0)
    largest = [rate("EUR", "USD", "9999999999.99999999"), rate("CUP", "USD", "0.00000001")]
    amount, _days = convert(largest, "9999999999.99", "EUR", "CUP")
    assert amount > Decimal(10) ** 27


@pytest.mark.parametrize(("days", "is_old"), [(0, False), (89, False), (90, False), (91, True)])
def test_rate_is_old_after_90_days(days, is_old):
    assert Rates([rate("EUR", "CUP", 120, days)]).convert(Decimal(1), "EUR", "CUP").is_old(TODAY) == is_old
    assert not Converted(Decimal(1), "EUR", None).is_old(TODAY)


def test_amounts_are_added_up_and_those_without_a_rate_are_named():
    rates = Rates([rate("USD", "EUR", "0.9", 100), rate("EUR", "CNY", 8)])
    amounts = [
        (Decimal(10), "USD"),
        (Decimal(16), "CNY"),
        (Decimal(1), "EUR"),
        (Decimal(5), "SGD"),
        (Decimal(7), "SGD"),
    ]
    day = TODAY - datetime.timedelta(days=100)
    assert rates.add_up(amounts, "EUR") == Together(Converted(Decimal("12.00"), "EUR", day), [(Decimal(12), "SGD")])
    assert rates.add_up(amounts[3:], "EUR") == Together(None, [(Decimal(12), "SGD")])
    assert rates.add_up([], "EUR") == Together(None, [])
    assert rates.add_up(amounts[:2], "") == Together(None, [(Decimal(16), "CNY"), (Decimal(10), "USD")])


def test_sum_rests_on_the_oldest_rate():
    day = datetime.date(2026, 1, 1)
    assert sum_of([Converted(Decimal(1), "EUR", None), Converted(Decimal(2), "EUR", day)]).dated_on == day
    assert sum_of([Converted(Decimal(1), "EUR", None)]) == Converted(Decimal(1), "EUR", None)
    assert sum_of([]) is None


@pytest.mark.django_db
@pytest.mark.parametrize("days", [1, 300])
def test_rates_are_loaded_in_one_query_and_only_the_newest(days, django_assert_num_queries):
    ExchangeRate.objects.bulk_create(rate("EUR", "CUP", 100 + day, day) for day in range(days))
    ExchangeRate.objects.create(currency="EUR", target="CUP", rate=1, dated_on=TODAY + datetime.timedelta(days=1))
    with django_assert_num_queries(1):
        rates = Rates.load(TODAY)
    assert rates.convert(Decimal(1), "EUR", "CUP") == Converted(Decimal("100.00"), "CUP", TODAY)


# Written down by staff


@pytest.fixture
def staff(db):
    owner = Family("Chen").owner
    owner.user.is_staff = owner.user.is_superuser = True
    owner.user.save()
    return sign_in(owner)


def test_rates_are_listed_with_their_use(staff):
    today = timezone.localdate()
    for days, value in ((100, 120), (101, 119)):
        ExchangeRate.objects.create(
            currency="EUR", target="CUP", rate=value, dated_on=today - datetime.timedelta(days=days)
        )
    ExchangeRate.objects.create(currency="EUR", target="USD", rate="1.08", dated_on=today)
    page = staff.get("/admin/cards/exchangerate/")
    uses = {str(row): page.context["cl"].model_admin.use(row) for row in page.context["cl"].result_list}
    assert uses == {
        "1 EUR = 120 CUP": "in use, but older than 90 days",
        "1 EUR = 119 CUP": "–",
        "1 EUR = 1.08 USD": "in use",
    }
    assert "/admin/cards/exchangerate/import/" in page.text


@pytest.mark.parametrize(("rows", "queries"), [(1, 10), (30, 10)])
def test_list_of_rates_asks_the_database_equally_often(staff, rows, queries, django_assert_num_queries):
    ExchangeRate.objects.bulk_create(rate("EUR", "CUP", 100 + day, day) for day in range(rows))
    with django_assert_num_queries(queries):
        staff.get("/admin/cards/exchangerate/?currency=EUR")


GOOD = {"currency": "eur", "target": "cup", "rate": "120,5", "dated_on": "2026-01-23", "source": "bank"}


def add(client, **typed):
    return client.post("/admin/cards/exchangerate/add/", GOOD | typed, follow=True)


def test_rate_is_added_by_hand(staff):
    assert add(staff).redirect_chain
    saved = ExchangeRate.objects.get()
    assert (saved.currency, saved.target, saved.rate, saved.dated_on) == (
        "EUR",
        "CUP",
        Decimal("120.5"),
        datetime.date(2026, 1, 23),
    )


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("currency", "XXZ", "“XXZ” is not a currency."),
        ("target", "", "This field is required."),
        ("target", "EUR", "A rate is between two currencies."),
        ("rate", "0", "A rate is more than zero."),
        ("rate", "-1", "A rate is more than zero."),
        ("dated_on", "24.11.2026", "Write the day as year-month-day"),
        ("dated_on", "2099-01-01", "This day is still to come."),
    ],
)
def test_rate_that_cannot_be_added_is_answered_in_words(staff, name, typed, words):
    before = every_row()
    errors = add(staff, **{name: typed}).context["adminform"].form.errors
    assert list(errors) == [name]
    assert [words in error for error in errors[name]] == [True]
    assert every_row() == before


def test_rate_of_the_same_day_is_refused(staff):
    rate("EUR", "CUP", 120, 1).save()
    page = add(staff)
    assert "There is already a rate of these currencies for this day." in page.text
