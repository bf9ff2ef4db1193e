import pytest
from django.core.exceptions import ValidationError

from cards.models import Operator
from cards.numbers import country_of, format_number, likely_operator, parse_number


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+5352345678", "+5352345678"),
        ("+53 5 234 5678", "+5352345678"),
        ("  +53 (5) 234-56-78 ", "+5352345678"),
        ("0053 52345678", "+5352345678"),
        ("+86 138 0013 8000", "+8613800138000"),
        ("+44 7700 900123", "+447700900123"),
        ("+1 202 555 0143", "+12025550143"),
    ],
)
def test_parse_number_takes_it_as_people_write_it(typed, number):
    assert parse_number(typed) == number


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("52345678", "country"),
        ("0052345678", "length"),
        ("+53 FLOWERS", "letters"),
        ("+53 5 234 567八", "letters"),
        ("tel:+5352345678", "letters"),
        ("+", "number"),
        ("", "country"),
        ("+53", "number"),
        ("+53 5", "number"),
        ("+53 5234", "length"),
        ("+53 5 234 5678 9012 345", "length"),
        ("+999 5 234 5678", "number"),
    ],
)
def test_parse_number_says_what_is_wrong(typed, code):
    with pytest.raises(ValidationError) as refusal:
        parse_number(typed)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+5352345678", "+53 5 2345678"), ("+8613800138000", "+86 138 0013 8000"), ("+447700900123", "+44 7700 900123")],
)
def test_format_number_groups_it_as_its_country_does(number, shown):
    assert format_number(number) == shown
    assert parse_number(shown) == number


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+5352345678", "CU"),
        ("+8613800138000", "CN"),
        ("+447400123456", "GB"),
        ("+12025550143", "US"),
        ("+8835100", ""),
    ],
)
def test_country_of_tells_the_country_where_there_is_one(number, country):
    assert country_of(number) == country


def operator(pk, name, country, belongs_to=None):
    return Operator(pk=pk, name=name, country=country, belongs_to_id=belongs_to)


ETECSA = operator(1, "ETECSA", "CU")
CUBACEL = operator(2, "Cubacel", "CU", belongs_to=1)
MOBILE, UNICOM = operator(3, "China Mobile", "CN"), operator(4, "China Unicom", "CN")
O2, GIFFGAFF = operator(5, "O2", "GB"), operator(6, "giffgaff", "GB", belongs_to=5)


@pytest.mark.parametrize(
    ("number", "operators", "likely"),
    [
        # the range was given to the parent; the brand is what families have
        ("+5352345678", [ETECSA, MOBILE, CUBACEL], CUBACEL),
        ("+8613800138000", [CUBACEL, UNICOM, MOBILE], MOBILE),
        ("+8613010000000", [CUBACEL, UNICOM, MOBILE], UNICOM),
        ("+447521123456", [O2, GIFFGAFF], GIFFGAFF),
        ("+447521123456", [O2], O2),
        ("+5352345678", [MOBILE], None),
        # in the US no range tells the operator: one that is alone is likely, of two neither
        ("+12025550143", [operator(7, "Tello", "US"), CUBACEL], operator(7, "Tello", "US")),
        ("+12025550143", [operator(7, "Tello", "US"), operator(8, "US Mobile", "US")], None),
    ],
)
def test_likely_operator_goes_by_the_range_the_number_is_from(number, operators, likely):
    assert likely_operator(number, operators) == likely
