"""What is sealed: entered, shown in dots, and looked at by those who have just proved who they are."""

import time

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.test import Client

from cards.models import Card, LogEntry
from cards.secrets import read_secret, write_secret
from cards.sign_in import PROVED_AT
from renewals.models import Document
from tests.family import Family, every_row, field_of, is_answered, said, sign_in

pytestmark = pytest.mark.django_db
PUK, PIN, ICCID = "87654321", "9753", "8953012345678901239"
NUMBER = "85010112345"


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def page(family):
    return f"/cards/{family.card.pk}/secrets/"


def prove(client, factor=True):
    """Let the browser be one whose owner has a second factor and has just typed the password."""
    user_id = client.session["_auth_user_id"]
    if factor:
        Authenticator.objects.get_or_create(user_id=user_id, type=Authenticator.Type.TOTP, data={"secret": "x"})
    session = client.session
    session[PROVED_AT] = time.time()
    session.save()
    return client


def keep(family, **texts):
    for field, text in texts.items():
        write_secret(family.card, field, text)
    family.card.save()


def kept(card):
    row = Card.objects.get(pk=card.pk)
    return {field: read_secret(row, field) for field in ("iccid", "pin", "puk")}


# Entered


@pytest.mark.parametrize("role", ["owner", "manager"])
def test_codes_are_taken_as_people_type_them_and_the_log_tells_no_code(family, page, role):
    client = sign_in(getattr(family, role))
    answer = client.post(page, {"iccid": "8953 0123 4567 8901 239", "pin": "9753", "puk": "8765-4321"}, follow=True)
    assert said(answer) == ["Saved. It is kept encrypted."]
    assert kept(family.card) == {"iccid": ICCID, "pin": PIN, "puk": PUK}
    line = LogEntry.objects.get()
    assert (line.kind, line.subject, line.member) == ("changed", f"card:{family.card.pk}", getattr(family, role))
    assert line.changed == {"iccid": [], "pin": [], "puk": []}
    assert not any(code in answer.text for code in (PUK, PIN, ICCID))
    assert "•••• 1239" in answer.text
    assert "•••• 21" in answer.text


def test_each_code_is_optional(family, page):
    sign_in(family.owner).post(page, {"pin": PIN})
    assert kept(family.card) == {"iccid": "", "pin": PIN, "puk": ""}


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("pin", "123", "4 to 8 digits"),
        ("pin", "123456789", "4 to 8 digits"),
        ("pin", "12a4", "4 to 8 digits"),
        ("puk", "1234567", "exactly 8 digits"),
        ("puk", "123456789", "exactly 8 digits"),
        ("iccid", "89530123456789012", "18 to 22 digits"),
        ("iccid", "8953012345678901234567x", "18 to 22 digits"),
    ],
)
def test_wrong_code_is_said_beside_it_and_nothing_typed_is_lost(family, page, field, typed, words):
    client = sign_in(family.owner)
    before = every_row()
    answer = client.post(page, {"iccid": ICCID, "pin": PIN, "puk": PUK} | {field: typed})
    assert is_answered(answer, field, words, typed)
    for other, text in {"iccid": ICCID, "pin": PIN, "puk": PUK}.items():
        assert other == field or f'value="{text}"' in field_of(answer, other)
    assert every_row() == before
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("typed", ["4", "12345678"])
def test_shortest_and_longest_pin(family, page, typed):
    typed = typed * 4 if len(typed) == 1 else typed
    sign_in(family.owner).post(page, {"pin": typed})
    assert kept(family.card)["pin"] == typed


def test_iccid_without_its_check_digit_is_kept_with_a_warning(family, page):
    answer = sign_in(family.owner).post(page, {"iccid": "8953012345678901230"}, follow=True)
    assert "last digit does not fit" in said(answer)[0]
    assert kept(family.card)["iccid"] == "8953012345678901230"


def test_iccid_with_letters_as_chinese_operators_print_them(family, page):
    answer = sign_in(family.owner).post(page, {"iccid": "898600 a1234567890123"}, follow=True)
    assert said(answer) == ["Saved. It is kept encrypted."]
    assert kept(family.card)["iccid"] == "898600A1234567890123"


def test_empty_field_keeps_and_box_removes(family, page):
    keep(family, pin=PIN, puk=PUK)
    client = sign_in(family.owner)
    assert "value=" not in field_of(client.get(page), "puk")
    client.post(page, {"remove_pin": "on"})
    assert kept(family.card) == {"iccid": "", "pin": "", "puk": PUK}
    client.post(page, {"puk": "11112222"})
    assert kept(family.card)["puk"] == "11112222"


def test_removing_and_replacing_at_once_is_asked_back(family, page):
    keep(family, pin=PIN)
    answer = sign_in(family.owner).post(page, {"pin": "1111", "remove_pin": "on"})
    assert is_answered(answer, "pin", "not both", "1111")
    assert kept(family.card)["pin"] == PIN


def test_saving_nothing_writes_nothing(family, page):
    keep(family, pin=PIN)
    client = sign_in(family.owner)
    before = every_row()
    client.post(page, {"pin": ""})
    assert every_row() == before


# Looked at


@pytest.mark.parametrize(("field", "text"), [("puk", PUK), ("pin", PIN), ("iccid", ICCID)])
def test_one_code_is_shown_for_half_a_minute_and_the_look_is_logged(family, page, field, text):
    keep(family, puk=PUK, pin=PIN, iccid=ICCID)
    answer = prove(sign_in(family.owner)).post(f"{page}{field}/")
    shown = {code for code in (PUK, PIN, ICCID) if code in answer.text}
    assert (answer.status_code, shown) == (200, {text})
    assert f"<output>{text}</output>" in answer.text
    assert answer.text.count(text) == 1
    assert answer.headers["Refresh"] == f"30; url={page}"
    assert "no-store" in answer.headers["Cache-Control"]
    line = LogEntry.objects.get()
    assert (line.kind, line.subject, line.name) == ("revealed", f"card:{family.card.pk}", family.card.name)
    assert (line.member, line.changed) == (family.owner, {field: []})


def test_number_of_a_document_is_shown_in_the_same_way(family):
    write_secret(family.document, "number", NUMBER)
    family.document.save()
    answer = prove(sign_in(family.manager)).post(f"/documents/{family.document.pk}/number/")
    assert f"<output>{NUMBER}</output>" in answer.text
    assert answer.headers["Refresh"] == "30; url=/documents/"
    assert LogEntry.objects.get().subject == f"document:{family.document.pk}"


def test_get_shows_nothing(family, page):
    keep(family, puk=PUK)
    client = prove(sign_in(family.owner))
    assert client.get(f"{page}puk/").status_code == 405
    assert client.get(f"/documents/{family.document.pk}/number/").status_code == 405
    assert not LogEntry.objects.exists()


def test_without_a_second_factor_nothing_is_shown_and_the_page_says_how_to_set_one_up(family, page):
    keep(family, puk=PUK)
    answer = prove(sign_in(family.owner), factor=False).post(f"{page}puk/")
    assert PUK not in answer.text
    assert 'href="/settings/security/"' in answer.text
    assert not LogEntry.objects.exists()


def test_without_a_recent_proof_nothing_is_shown_and_the_way_leads_back(family, page):
    """Attack: a stolen session, or a phone that lies open, asks for a PUK."""
    keep(family, puk=PUK)
    client = prove(sign_in(family.owner))
    session = client.session
    session[PROVED_AT] = time.time() - 15 * 60 - 1
    session.save()
    answer = client.post(f"{page}puk/", headers={"referer": f"http://testserver{page}"})
    assert (answer.status_code, PUK in answer.text) == (302, False)
    assert f"next={page.replace('/', '%2F')}" in answer.url
    assert not LogEntry.objects.exists()


def test_viewer_sees_neither_codes_nor_that_there_are_any(family, page):
    keep(family, puk=PUK)
    client = prove(sign_in(family.viewer))
    assert [client.get(page).status_code, client.post(f"{page}puk/").status_code] == [403, 403]
    assert page not in client.get(f"/cards/{family.card.pk}/").text


def test_private_card_hides_its_codes_from_who_may_not_see_it(family, page):
    keep(family, puk=PUK)
    family.card.is_private = True
    family.card.save()
    family.card.seen_by.set([family.owner])
    client = prove(sign_in(family.manager))
    assert [client.get(page).status_code, client.post(f"{page}puk/").status_code] == [404, 404]


def test_stranger_and_anonymous_get_nothing(family, page):
    keep(family, puk=PUK)
    stranger = prove(sign_in(Family("Pérez").owner))
    assert [stranger.get(page).status_code, stranger.post(f"{page}puk/").status_code] == [404, 404]
    assert Client().post(f"{page}puk/").url.startswith("/accounts/login/")


@pytest.mark.parametrize("field", ["number", "notes", "name", "data_key", "pk"])
def test_no_other_field_is_shown(family, page, field):
    keep(family, puk=PUK)
    assert prove(sign_in(family.owner)).post(f"{page}{field}/").status_code == 404


def test_binned_document_keeps_its_number_to_itself(family):
    write_secret(family.document, "number", NUMBER)
    family.document.deleted_at = "2026-01-01T00:00Z"
    family.document.save()
    assert prove(sign_in(family.owner)).post(f"/documents/{family.document.pk}/number/").status_code == 404


# What cannot be opened


def test_lost_key_leaves_every_other_page_and_says_what_to_do(family, page, settings):
    keep(family, puk=PUK)
    write_secret(family.document, "number", NUMBER)
    family.document.save()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    client = prove(sign_in(family.owner))
    for address in ("/", f"/cards/{family.card.pk}/", "/documents/", "/household/", "/settings/", "/payments/"):
        assert (address, client.get(address).status_code) == (address, 200)
    answer = client.get(page)
    assert "Put back the ENCRYPTION_KEY" in answer.text
    assert f"{page}puk/" not in answer.text
    answer = client.post(f"/documents/{family.document.pk}/number/", follow=True)
    assert "Put back the ENCRYPTION_KEY" in said(answer)[0]
    assert is_answered(client.post(page, {"pin": "4321"}), "pin", "Put back the ENCRYPTION_KEY", "4321")
    edit = f"/documents/{family.document.pk}/edit/"
    typed = {"person": family.person.pk, "kind": "passport", "issued_by": "La Habana"}
    assert is_answered(client.post(edit, typed | {"number": "K2"}), "number", "Put back the ENCRYPTION_KEY", "K2")
    assert client.post(edit, typed).status_code == 302
    assert Document.objects.get(issued_by="La Habana").number == family.document.number


def test_moved_ciphertext_is_named_and_not_shown(family, page):
    keep(family, puk=PUK, pin=PIN)
    Card.objects.filter(pk=family.card.pk).update(pin=Card.objects.get(pk=family.card.pk).puk)
    client = prove(sign_in(family.owner))
    assert "changed from outside" in client.get(page).text
    answer = client.post(f"{page}pin/", follow=True)
    assert "changed from outside" in said(answer)[0]
    assert PUK not in answer.text


# The number of a document


def test_number_of_a_document_is_kept_replaced_and_removed(family):
    edit = f"/documents/{family.document.pk}/edit/"
    typed = {"person": family.person.pk, "kind": "passport"}
    client = sign_in(family.owner)

    def number():
        return read_secret(Document.objects.get(pk=family.document.pk), "number")

    client.post(edit, typed | {"number": NUMBER})
    assert number() == NUMBER
    assert NUMBER not in client.get(edit).text
    client.post(edit, typed | {"issued_by": "La Habana"})
    assert number() == NUMBER
    client.post(edit, typed | {"number": "K1"})
    assert number() == "K1"
    client.post(edit, typed | {"remove_number": "on"})
    assert number() == ""


def test_page_of_the_codes_asks_seven_questions_and_the_list_of_documents_opens_nothing(
    family, django_assert_num_queries, page, monkeypatch
):
    keep(family, puk=PUK, pin=PIN, iccid=ICCID)
    write_secret(family.document, "number", NUMBER)
    family.document.save()
    client = sign_in(family.owner)
    client.get(page)
    with django_assert_num_queries(7):
        client.get(page)
    monkeypatch.setattr("cards.secrets._decrypt", lambda *args: pytest.fail("a list opened a secret"))
    for address in ("/", "/documents/", f"/cards/{family.card.pk}/", f"/documents/{family.document.pk}/edit/"):
        assert client.get(address).status_code == 200


def test_page_that_cannot_do_without_the_key_says_so_in_words(family, settings, tmp_path):
    keep(family, puk=PUK)
    settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEY_FILE = [], tmp_path / "encryption_key"
    client = sign_in(family.owner)
    before = every_row()
    answer = client.post("/settings/channel/", {"url": "ntfy://keepnumber-chen"})
    assert (answer.status_code, "Put back the ENCRYPTION_KEY" in answer.text) == (503, True)
    assert every_row() == before
    assert not (tmp_path / "encryption_key").exists()
