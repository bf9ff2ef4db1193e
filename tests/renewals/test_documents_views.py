"""The papers of each person."""

import pytest
from django.db import connection
from django.utils import timezone

from cards.secrets import read_secret
from renewals.models import Document
from tests.factories import PersonFactory
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def paper(family, **changes):
    data = {"person": family.person.pk, "kind": "identity_card", "number": "85010112345", "issued_by": "Cuba"}
    return data | {"expires_on": "2030-06-30"} | changes


def test_document_is_added_and_its_number_is_unreadable_in_the_database(family, browser):
    page = browser.post("/documents/new/", paper(family), follow=True)
    assert page.redirect_chain == [("/documents/", 302)]
    document = Document.objects.get(kind="identity_card")
    assert (document.household, document.person) == (family.household, family.person)
    assert read_secret(document, "number") == "85010112345"
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM renewals_document WHERE id = %s", [document.pk])
        assert "85010112345" not in cursor.fetchone()[0]
    assert "identity card" in page.text.lower()
    assert "85010112345" not in page.text


def test_document_form_starts_with_the_person_and_leads_back(family, browser):
    address = f"/documents/new/?person={family.person.pk}&next=/renewals/{family.renewal.pk}/documents/"
    assert f'value="{family.person.pk}" selected' in field_of(browser.get(address), "person")
    assert browser.post(address, paper(family)).url == f"/renewals/{family.renewal.pk}/documents/"


@pytest.mark.parametrize(
    "elsewhere", ["https://example.com/", "//example.com", "javascript:alert(1)", "\\\\example.com"]
)
def test_document_form_leads_to_no_other_site(family, browser, elsewhere):
    answer = browser.post("/documents/new/?" + f"next={elsewhere}", paper(family))
    assert answer.url == "/documents/"


@pytest.mark.parametrize("person", ["x", "\0", "-1", "9" * 30])
def test_document_form_opens_whatever_the_address_says(browser, person):
    assert browser.get("/documents/new/", {"person": person, "next": person}).status_code == 200


def test_document_is_edited(family, browser):
    page = browser.get(f"/documents/{family.document.pk}/edit/")
    assert 'value="passport" selected' in field_of(page, "kind")
    browser.post(f"/documents/{family.document.pk}/edit/", paper(family, number="K1", expires_on=""))
    family.document.refresh_from_db()
    assert (read_secret(family.document, "number"), family.document.expires_on) == ("K1", None)


@pytest.mark.parametrize("address", ["/documents/new/", "/documents/{}/edit/"])
@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("person", "", "This field is required."),
        ("person", "x", "Select a valid choice."),
        ("kind", "ticket", "Select a valid choice."),
        ("number", "x\0", "Null characters are not allowed."),
        ("issued_by", "x" * 101, "at most 100 characters"),
        ("expires_on", "03/04/2027", "Write the day as year-month-day"),
        ("expires_on", "2999-01-01", "This year cannot be right."),
    ],
)
def test_document_that_cannot_be_saved_is_answered_in_words(family, browser, address, name, typed, words):
    before, data = every_row(), paper(family, **{name: typed})
    page = browser.post(address.format(family.document.pk), data)
    assert is_answered(page, name, words, None if name in {"person", "kind"} or "\0" in typed else typed)
    for other in {"number", "issued_by", "expires_on"} - {name}:
        assert is_answered(page, other, "", data[other])
    assert every_row() == before


def test_document_is_deleted_after_asking_and_its_checks_stay(family, browser):
    check = family.renewal.document_checks.create(
        household=family.household, document=family.document, kind="passport", result="ready"
    )
    address = f"/documents/{family.document.pk}/delete/"
    assert "Delete passport · Rosa Chen?" in browser.get(address).text
    assert Document.objects.exists()
    assert said(browser.post(address, follow=True)) == ["The document is deleted."]
    check.refresh_from_db()
    assert check.result == "ready"
    assert "passport" not in browser.get("/documents/").text.lower()


@pytest.mark.parametrize(("days", "words"), [(-1, "expired on"), (0, "expires on"), (1, "expires on")])
def test_expired_paper_is_told(family, browser, days, words):
    today = timezone.now().astimezone(family.owner.zone).date()
    Document.objects.update(expires_on=in_days(today, days))
    text = browser.get("/documents/").text
    assert [each for each in ("expired on", "expires on") if each in text] == [words]


@pytest.mark.parametrize("rows", [1, 30])
def test_documents_page_asks_the_database_equally_often(family, browser, rows, django_assert_num_queries):
    for _each in range(rows):
        person = PersonFactory(household=family.household)
        for kind in ("passport", "other"):
            Document.objects.create(household=family.household, person=person, kind=kind, issued_by="Cuba")
        family.add_card(person=person)
    with django_assert_num_queries(7):
        page = browser.get("/documents/")
    assert page.text.lower().count("passport") == rows + 1
