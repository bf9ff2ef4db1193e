"""What a household says of itself: its name, its currency, the tasks it wants."""

import pytest

from cards.models import Household
from tests.family import Family, every_row, field_of, is_answered, said, sign_in

pytestmark = pytest.mark.django_db

ADDRESS = "/household/edit/"
TYPED = {"name": "Chen and Ruiz", "currency": "eur", "checks_signal": "on"}


@pytest.fixture
def family():
    return Family()


@pytest.mark.parametrize("role", ["owner", "manager"])
def test_household_is_edited_by_who_may_change(family, role):
    other = Family("Ruiz").household
    page = sign_in(getattr(family, role)).post(ADDRESS, TYPED, follow=True)
    assert page.redirect_chain == [("/household/", 302)]
    assert said(page) == ["Saved."]
    assert "<h1>Chen and Ruiz</h1>" in page.text
    saved = Household.objects.get(pk=family.household.pk)
    assert (saved.name, saved.currency, saved.checks_signal, saved.backs_up_papers) == (
        "Chen and Ruiz",
        "EUR",
        True,
        False,
    )
    other.refresh_from_db()
    assert (other.name, other.currency, other.checks_signal, other.backs_up_papers) == ("Ruiz family", "", True, True)


def test_household_may_have_no_currency(family):
    Household.objects.update(currency="CNY")
    sign_in(family.owner).post(ADDRESS, TYPED | {"currency": ""})
    family.household.refresh_from_db()
    assert family.household.currency == ""


def test_household_form_shows_what_is_saved(family):
    Household.objects.update(currency="CNY", checks_signal=False)
    page = sign_in(family.owner).get(ADDRESS)
    assert 'value="Chen family"' in field_of(page, "name")
    assert 'value="CNY"' in field_of(page, "currency")
    assert "checked" not in field_of(page, "checks_signal")
    assert "checked" in field_of(page, "backs_up_papers")


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "x\0", "Null characters are not allowed."),
        ("currency", "XXZ", "“XXZ” is not a currency."),
        ("currency", "€", "“€” is not a currency."),
        ("currency", "DEM", "“DEM” is not a currency."),
        ("currency", "EURO", "at most 3 characters"),
        ("currency", "\0", "Null characters are not allowed."),
    ],
)
def test_household_that_cannot_be_saved_is_answered_in_words(family, name, typed, words):
    client, before = sign_in(family.owner), every_row()
    page = client.post(ADDRESS, TYPED | {name: typed})
    assert is_answered(page, name, words, None if "\0" in typed else typed)
    (other,) = {"name", "currency"} - {name}
    assert is_answered(page, other, "", TYPED[other])
    assert "checked" in field_of(page, "checks_signal")
    assert "checked" not in field_of(page, "backs_up_papers")
    assert "Chen family" in page.text
    assert every_row() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_household_is_not_edited_by_a_viewer(family, method):
    client, before = sign_in(family.viewer), every_row()
    assert getattr(client, method)(ADDRESS, TYPED).status_code == 403
    assert every_row() == before


def test_household_page_leads_to_the_form_who_may_change(family):
    assert ADDRESS in sign_in(family.manager).get("/household/").text
    assert ADDRESS not in sign_in(family.viewer).get("/household/").text


def test_household_form_asks_the_database_so_often(family, django_assert_num_queries):
    client = sign_in(family.owner)
    with django_assert_num_queries(4):
        client.get(ADDRESS)
