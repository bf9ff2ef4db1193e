"""How one gets in: the first visit, the sign-in, and that registration is closed."""

import re
import threading

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from cards.models import Household, Member, User
from tests.factories import PASSWORD, MemberFactory
from tests.family import every_row, field_of, is_answered, said, sign_in

pytestmark = pytest.mark.django_db

FIRST = {
    "household": "Chen family",
    "name": "Lin",
    "email": "lin@example.org",
    "password": "one sentence is fine",
    "language": "en",
    "time_zone": "America/Havana",
}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    "address", ["/", "/cards/new/", "/cards/1/", "/accounts/login/", "/accounts/password/reset/", "/admin/", "/nowhere"]
)
def test_empty_installation_leads_every_page_to_setup(address, method):
    answer = getattr(Client(), method)(address)
    assert (answer.status_code, answer.url) == (302, "/setup/")


def test_empty_installation_answers_health_language_and_static_files(settings):
    settings.STATIC_ROOT.joinpath("app.css").write_text("body{}")
    assert (Client().get("/healthz").status_code, Client().get("/healthz").text) == (200, "ok\n")
    assert b"".join(Client().get("/static/app.css").streaming_content) == b"body{}"
    assert Client().post("/language/", {"language": "es", "next": "/setup/"}).url == "/setup/"


def test_setup_makes_the_household_and_signs_its_owner_in():
    client = Client()
    assert client.get("/setup/").status_code == 200
    page = client.post("/setup/", FIRST, follow=True)
    assert page.redirect_chain == [("/", 302)]
    assert said(page) == ["Welcome. Add the first card: its number is enough to start."]
    owner = Member.objects.get()
    assert (owner.name, owner.role, owner.time_zone) == ("Lin", "owner", "America/Havana")
    assert (owner.user.email, owner.user.is_staff, owner.user.is_superuser) == ("lin@example.org", True, True)
    assert (owner.household.name, owner.person.name) == ("Chen family", "Lin")


@pytest.mark.parametrize("role", [None, "viewer", "owner"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_setup_is_closed_for_good_once_there_is_a_login(role, method):
    member = MemberFactory(role=role or "owner")
    client, before = sign_in(member) if role else Client(), every_row()
    assert getattr(client, method)("/setup/", FIRST).status_code == 404
    assert every_row() == before


def test_setup_stays_closed_when_the_household_is_gone():
    MemberFactory()
    Household.objects.all().delete()
    assert Client().get("/setup/").status_code == 404


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("household", "", "This field is required."),
        ("household", "Chen\0", "Null characters are not allowed."),
        ("name", "L" * 101, "at most 100 characters"),
        ("email", "lin", "Enter a valid email address."),
        ("email", "l" * 250 + "@example.org", "at most 254 characters"),
        ("password", "short", "at least 12 characters"),
        ("password", "123123123123", "too common"),
        ("password", "lin@example.org", "too similar to the email address"),
        ("language", "xx", "Select a valid choice."),
        ("time_zone", "Havana", "“Havana” is not a time zone."),
        ("time_zone", "../../etc/passwd", "is not a time zone."),
    ],
)
def test_setup_answers_in_words_and_loses_nothing(name, typed, words):
    page = Client().post("/setup/", FIRST | {name: typed})
    assert page.status_code == 200
    assert words in field_of(page, name)
    for other in {"household", "name", "email", "password", "time_zone"} - {name}:
        assert f'value="{FIRST[other]}"' in field_of(page, other)
    assert not User.objects.exists()


@pytest.mark.parametrize("email", ["lin@example.org", "Lin@Example.ORG"])
def test_signing_in_by_email_works(email):
    MemberFactory(user__email="lin@example.org")
    client = Client()
    answer = client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    assert (answer.status_code, answer.url) == (302, "/")
    assert client.get("/").status_code == 200


def test_signing_in_leads_to_the_page_that_was_asked_for_and_nowhere_else():
    MemberFactory(user__email="lin@example.org")
    typed = {"login": "lin@example.org", "password": PASSWORD}
    asked = Client().get("/documents/").url
    assert asked == "/accounts/login/?next=/documents/"
    assert Client().post(asked, typed).url == "/documents/"
    assert Client().post("/accounts/login/?next=https://example.com/", typed).url == "/"


@pytest.mark.parametrize(("email", "password"), [("lin@example.org", "wrong"), ("nobody@example.org", PASSWORD)])
def test_wrong_password_and_unknown_address_read_the_same_words(email, password):
    MemberFactory(user__email="lin@example.org")
    client = Client()
    page = client.post("/accounts/login/", {"login": email, "password": password})
    assert page.status_code == 200
    assert "The email address and/or password you specified are not correct." in page.text
    assert f'value="{email}"' in field_of(page, "login")
    assert client.get("/").status_code == 302


def test_empty_sign_in_answers_beside_both_fields():
    MemberFactory()
    page = Client().post("/accounts/login/", {"login": "", "password": ""})
    assert is_answered(page, "login", "This field is required.")
    assert is_answered(page, "password", "This field is required.")


@pytest.mark.parametrize(
    ("email", "password"), [("lin\0@example.org", PASSWORD), ("lin@example.org", "x\0"), ("l" * 999, "x")]
)
def test_sign_in_answers_nonsense_in_words(email, password):
    MemberFactory(user__email="lin@example.org")
    page = Client().post("/accounts/login/", {"login": email, "password": password})
    assert page.status_code == 200
    assert 'class="errorlist' in page.text


@pytest.mark.django_db(transaction=True)
def test_of_two_browsers_that_set_up_at_once_one_wins():
    barrier, answers = threading.Barrier(2), []

    def found(email):
        client = Client()
        client.get("/setup/")
        barrier.wait()
        try:
            answers.append(client.post("/setup/", FIRST | {"email": email}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=found, args=[f"{name}@example.org"]) for name in ("lin", "bo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [302, 404]
    assert (Household.objects.count(), User.objects.count()) == (1, 1)


def test_signing_out_asks_first():
    client = sign_in(MemberFactory())
    client.get("/accounts/logout/")
    assert client.get("/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/").url == "/accounts/login/?next=/"


@pytest.mark.parametrize("method", ["get", "post"])
def test_registration_is_closed(method):
    MemberFactory()
    typed = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    assert getattr(Client(), method)("/accounts/signup/", typed).status_code == 404
    assert User.objects.count() == 1
    assert "signup" not in Client().get("/accounts/login/").text


def test_password_reset_by_mail_and_its_link_once():
    member = MemberFactory(user__email="lin@example.org")
    page = Client().post("/accounts/password/reset/", {"email": "lin@example.org"}, follow=True)
    assert page.redirect_chain == [("/accounts/password/reset/done/", 302)]
    link = re.search(r"http\S+/password/reset/key/\S+", mail.outbox[0].body)[0]
    path = "/" + link.split("/", 3)[3]
    client = Client()
    form = client.get(path, follow=True)
    typed = {"password1": "a new sentence", "password2": "a new sentence"}
    client.post(form.redirect_chain[-1][0], typed)
    member.user.refresh_from_db()
    assert member.user.check_password("a new sentence")
    assert "This link does not work any more" in Client().get(path, follow=True).text


def test_password_reset_of_an_unknown_address_reads_the_same_and_sends_nothing():
    MemberFactory(user__email="lin@example.org")
    pages = [
        Client().post("/accounts/password/reset/", {"email": email}, follow=True)
        for email in ("lin@example.org", "nobody@example.org")
    ]
    strip = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    assert strip.sub("", pages[0].text) == strip.sub("", pages[1].text)
    assert [message.to for message in mail.outbox] == [["lin@example.org"]]
