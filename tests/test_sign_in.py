"""Passwords, and that a stranger learns nothing from the sign-in: not who has a login, not by words and not by time."""

import re
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import password_validation
from django.core import mail
from django.test import Client

from cards import background
from cards.models import LogEntry, Member, User
from tests.factories import PASSWORD, MemberFactory
from tests.family import field_of, said, sign_in

pytestmark = pytest.mark.django_db

ARGON = ["django.contrib.auth.hashers.Argon2PasswordHasher", "django.contrib.auth.hashers.MD5PasswordHasher"]
LISTED = sorted(word for word in password_validation.CommonPasswordValidator().passwords if len(word) >= 12)[:100]


@pytest.fixture
def lin():
    return MemberFactory(user__email="lin@example.org", name="Lin")


def log_in(client=None, email="lin@example.org", password=PASSWORD, **more):
    return (client or Client()).post("/accounts/login/", {"login": email, "password": password}, **more)


def change_password(client, new, old=PASSWORD):
    typed = {"oldpassword": old, "password1": new, "password2": new}
    return client.post("/accounts/password/change/", typed)


def ask_for_reset(email="lin@example.org", **more):
    return Client().post("/accounts/password/reset/", {"email": email}, **more)


def link_of(message):
    """Return the path of the first link in a mail."""
    return urlsplit(re.search(r"http\S+", message.body)[0]).path


def reset(path, password):
    client = Client()
    form = client.get(path, follow=True)
    if not form.redirect_chain:
        return form
    return client.post(form.redirect_chain[-1][0], {"password1": password, "password2": password})


# Passwords


@pytest.mark.parametrize(
    "password",
    [
        "twelve chars",
        "  spaces around and  within  ",
        "我家的号码一个也不能丢失掉哦",
        "859462730194",
        "ñandú y çedilla 😀",
        "q7Zr4-" * 21,
        "long enough " * 10 + "12345678",
    ],
)
def test_password_of_any_signs_and_up_to_128_of_them_is_accepted(lin, password):
    client = sign_in(lin)
    assert change_password(client, password).url == "/settings/security/"
    assert log_in(password=password).status_code == 302


@pytest.mark.parametrize("password", LISTED)
def test_listed_password_is_refused(lin, password):
    assert "too common" in field_of(change_password(sign_in(lin), password), "password1")


def test_list_of_common_passwords_is_long_and_is_asked_whatever_its_case(lin):
    words = password_validation.CommonPasswordValidator().passwords
    assert (len(words) >= 10_000, len(LISTED)) == (True, 100)
    assert "too common" in field_of(change_password(sign_in(lin), LISTED[0].upper()), "password1")


@pytest.mark.parametrize("password", ["short", "eleven sign", "lin@example.org", "x" * 129, "x" * 1_000_000])
def test_too_short_too_long_and_too_similar_passwords_are_refused_in_words(lin, password):
    page = change_password(sign_in(lin), password)
    words = {"s": "at least 12", "e": "at least 12", "l": "too similar", "x": "at most 128 characters"}[password[0]]
    assert words in field_of(page, "password1")
    lin.user.refresh_from_db()
    assert lin.user.check_password(PASSWORD)


def test_endless_password_is_not_hashed_at_the_sign_in(lin, monkeypatch):
    monkeypatch.setattr(User, "check_password", lambda *args: pytest.fail("hashed"))
    monkeypatch.setattr(User, "set_password", lambda *args: pytest.fail("hashed"))
    assert "A password has at most 128 characters." in log_in(password="x" * 129).text


def test_passwords_are_kept_as_argon2id(settings, lin):
    settings.PASSWORD_HASHERS = ARGON
    change_password(sign_in(lin), "another good sentence")
    lin.user.refresh_from_db()
    assert lin.user.password.startswith("argon2$argon2id$")


# No enumeration


def without_token(page):
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|value="\w+@example.org"', "", page.text)


def test_known_and_unknown_address_get_the_same_answer(lin):
    for known, unknown in (
        (log_in(password="wrong"), log_in(email="bob@example.org", password="wrong")),
        (ask_for_reset(), ask_for_reset("bob@example.org")),
        (ask_for_reset(follow=True), ask_for_reset("bob@example.org", follow=True)),
    ):
        assert known.status_code == unknown.status_code
        assert dict(known.headers) | {"Content-Length": ""} == dict(unknown.headers) | {"Content-Length": ""}
        assert without_token(known) == without_token(unknown)
    assert [message.to for message in mail.outbox] == [["lin@example.org"]] * 2


def medians(ask, times=40):
    """Return the median seconds of asking for a known and for an unknown address, taken in turns."""
    taken = {"lin@example.org": [], "bob@example.org": []}
    for _ in range(times):
        for email, seconds in taken.items():
            before = time.perf_counter()
            ask(email)
            seconds.append(time.perf_counter() - before)
    return [statistics.median(seconds) for seconds in taken.values()]


@pytest.fixture
def no_limits(settings):
    settings.ACCOUNT_RATE_LIMITS = False


@pytest.fixture
def in_background(monkeypatch):
    monkeypatch.setattr(background.senders, "submit", partial(ThreadPoolExecutor.submit, background.senders))


@pytest.mark.usefixtures("no_limits")
def test_time_of_a_failed_sign_in_does_not_tell_who_has_a_login(settings, lin):
    settings.PASSWORD_HASHERS = ARGON
    lin.user.set_password(PASSWORD)
    lin.user.save()
    known, unknown = medians(lambda email: log_in(email=email, password="wrong"))
    assert abs(known - unknown) < max(0.010, 0.25 * max(known, unknown))


@pytest.mark.usefixtures("no_limits", "in_background")
@pytest.mark.parametrize("backend", ["up", "down"])
def test_time_of_a_reset_does_not_tell_who_has_a_login(settings, lin, backend):
    """The mail leaves after the answer, so neither a slow mail server nor one that is down shows."""
    settings.EMAIL_BACKEND = f"tests.test_sign_in.{backend.title()}"
    known, unknown = medians(ask_for_reset)
    assert known - unknown < 0.030


class Up:
    """A mail server that takes its time."""

    def __init__(self, *args, **kwargs): ...

    def send_messages(self, messages):
        threading.Event().wait(0.2)


class Down(Up):
    def send_messages(self, messages):
        raise ConnectionRefusedError


def test_mail_server_that_is_down_is_a_line_in_the_log_and_no_error(settings, lin, caplog):
    settings.EMAIL_BACKEND = "tests.test_sign_in.Down"
    assert ask_for_reset().url == "/accounts/password/reset/done/"
    assert [record.message for record in caplog.records] == ["a mail about a sign-in could not be sent"]


# Reset


def test_used_reset_link_is_refused_fifty_times_of_fifty(lin):
    ask_for_reset()
    path = link_of(mail.outbox[0])
    assert reset(path, "a new sentence").status_code == 302
    client = Client()
    for _ in range(50):
        page = client.get(path, follow=True, REMOTE_ADDR=f"192.0.2.{_}")
        assert "This link does not work any more" in page.text


def test_reset_link_is_refused_after_an_hour(settings, lin, monkeypatch):
    assert settings.PASSWORD_RESET_TIMEOUT <= 3600
    ask_for_reset()
    path = link_of(mail.outbox[0])
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "This link does not work any more" in reset(path, "a new sentence").text


@pytest.mark.parametrize("change", ["password", "email"])
def test_reset_link_dies_when_the_password_or_the_address_changes(lin, change):
    ask_for_reset()
    path = link_of(mail.outbox[0])
    if change == "password":
        change_password(sign_in(lin), "another good sentence")
    else:
        User.objects.filter(pk=lin.user_id).update(email="lin2@example.org")
    assert "This link does not work any more" in reset(path, "a new sentence").text


def test_reset_signs_nobody_in_and_everybody_out(lin):
    signed_in = Client()
    log_in(signed_in)
    ask_for_reset()
    client = Client()
    form = client.get(link_of(mail.outbox[0]), follow=True)
    client.post(form.redirect_chain[-1][0], {"password1": "a new sentence", "password2": "a new sentence"})
    assert client.get("/").url == signed_in.get("/").url == "/accounts/login/?next=/"


CLAIMS = ["X_FORWARDED_HOST", "FORWARDED", "X_HOST", "X_ORIGINAL_HOST", "X_FORWARDED_SERVER"]
HOSTS = [
    {f"HTTP_{claim}": value}
    for claim in CLAIMS
    for value in ("evil.example", "evil.example:443", "host=evil.example", "127.0.0.1, evil.example", "evil.example/x")
] + [
    {"HTTP_HOST": value}
    for value in (
        "evil.example", "evil.example:80", "127.0.0.1.evil.example", "evil.example#127.0.0.1",
        "evil.example.", "", "127.0.0.1@evil.example", "evil.example\\127.0.0.1", "[::1]", "10.0.0.1",
        "localhost.evil.example", "EVIL.EXAMPLE", "evil.example?127.0.0.1", "xn--evil-.example",
        "127.0.0.1 evil.example", "127.0.0.1,evil.example", "127.0.0.1:x", "localhost:80", "127.0.0.1:8000",
        "LOCALHOST", "localhost:1", "127.0.0.1:65535", "localhost.", "127.1", "2130706433",
    )
]  # fmt: skip


@pytest.mark.usefixtures("no_limits")
def test_links_of_fifty_forged_hosts_come_from_the_sites_own_address(settings, lin):
    assert len(HOSTS) == 50
    for headers in HOSTS:
        answer = Client().post("/accounts/password/reset/", {"email": "lin@example.org"}, **headers)
        assert answer.status_code in {302, 400}, headers
    assert len(mail.outbox) >= 25
    links = {match for message in mail.outbox for match in re.findall(r"https?://[^/\s]+", message.body)}
    assert links == {settings.SITE_URL}
    assert not [message for message in mail.outbox if "evil" in message.message().as_string()]


# Where one is led to


NEXT = [
    "https://evil.example/", "http://evil.example", "//evil.example", "///evil.example", "////evil.example",
    "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example",
    "/\r/evil.example", "\t//evil.example", " //evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example",
    "http:\\\\evil.example", "HTTPS://EVIL.EXAMPLE", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x",
    "vbscript:x", "file:///etc/passwd", "ftp://evil.example", "blob:https://evil.example/x", "https://127.0.0.1@evil.example",
    "https://testserver@evil.example/", "https://evil.example\\@testserver", "//testserver@evil.example",
    "https://testserver.evil.example", "https://evil.example#testserver", "https://evil.example?testserver",
    "//evil.example/%2e%2e", "/%5cevil.example/..//evil.example\\", "https://[::1]evil.example", "//[evil.example",
    "https://evil。example", "//evil.example:80", "\x00//evil.example", "mailto:x@evil.example",
]  # fmt: skip


def is_off_site(url):
    """Whether a browser that is sent to `url` leaves the site; it drops tabs and lines, and reads \\ as /."""
    seen = re.sub(r"[\t\r\n\x00]", "", url).strip().replace("\\", "/")
    return seen.startswith("//") or not seen.startswith("/")


def test_forty_next_addresses_lead_off_the_site_nowhere(settings, lin):
    settings.ACCOUNT_RATE_LIMITS = False
    assert len(NEXT) == 40
    for url in NEXT:
        client = Client()
        typed = {"login": "lin@example.org", "password": PASSWORD, "next": url}
        answers = [client.post("/accounts/login/", typed)]
        answers.append(client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": url}))
        answers.append(client.post("/language/", {"language": "en", "next": url}))
        answers.append(client.post("/accounts/logout/", {"next": url}))
        answers.append(client.get("/admin/login/", {"next": url}))
        assert [answer.status_code for answer in answers] == [302] * 5, url
        assert not [answer.url for answer in answers if is_off_site(answer.url)], url


# Mails and log


def test_change_of_the_password_is_told_in_the_members_language_and_noted(lin, settings):
    Member.objects.filter(pk=lin.pk).update(language="es")
    change_password(sign_in(lin), "another good sentence")
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["lin@example.org"], "Keepnumber: cambió su forma de entrar")
    assert set(re.findall(r"https?://[^/\s]+", message.body)) == {settings.SITE_URL}
    assert list(LogEntry.objects.values_list("kind", "name")) == [("account", "The password was changed.")]


def test_sign_in_with_a_browser_that_is_new_is_told_and_the_first_of_all_is_not(lin):
    known = Client()
    for client in (known, known, Client()):
        log_in(client)
        client.post("/accounts/logout/")
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["lin@example.org"], "Keepnumber: a sign-in with a new browser")
    assert "from the address 127.0.0.1" in message.body


def test_signing_in_failing_and_out_stand_in_the_log_of_each_household(lin):
    there = MemberFactory(user=lin.user)
    client = Client()
    log_in(client, password="wrong")
    log_in(email="nobody@example.org", password="wrong")
    log_in(client)
    client.post("/accounts/logout/")
    for member in (lin, there):
        lines = LogEntry.objects.filter(household=member.household).order_by("pk")
        assert list(lines.values_list("kind", "member", "address")) == [
            (kind, member.pk, "127.0.0.1") for kind in ("sign_in_failed", "signed_in", "signed_out")
        ]
    assert LogEntry.objects.count() == 6


# Another address


def ask_for_address(client, new="lin2@example.org"):
    return client.post("/settings/security/email/", {"email": new}, follow=True)


def test_address_changes_when_its_link_is_confirmed_and_the_old_one_is_told(lin):
    Member.objects.filter(pk=lin.pk).update(unreachable_since="2026-01-01T00:00Z", unreachable_reason="550")
    client = sign_in(lin)
    assert said(ask_for_address(client)) == [
        "A mail is on its way to lin2@example.org. Follow the link in it within an hour."
    ]
    assert [message.to for message in mail.outbox] == [["lin2@example.org"]]
    path = link_of(mail.outbox[0])
    assert "Is this your address now?" in client.get(path).text
    assert User.objects.get().email == "lin@example.org"
    client.post(path)
    assert User.objects.get().email == "lin2@example.org"
    assert [message.to for message in mail.outbox] == [["lin2@example.org"], ["lin@example.org"]]
    assert "The email address was changed." in mail.outbox[1].body
    lin.refresh_from_db()
    assert (lin.unreachable_since, lin.unreachable_reason) == (None, "")
    assert (log_in().status_code, log_in(email="lin2@example.org").status_code) == (200, 302)
    assert "This link does not work any more" in client.post(path).text


def test_link_of_a_new_address_serves_its_own_login_only_and_dies_with_the_password(lin):
    client = sign_in(lin)
    ask_for_address(client)
    path = link_of(mail.outbox[0])
    other = MemberFactory()
    for each in (other,):
        assert "This link does not work any more" in sign_in(each).post(path).text
    change_password(client, "another good sentence")
    assert "This link does not work any more" in client.post(path).text
    assert User.objects.get(pk=lin.user_id).email == "lin@example.org"


def test_address_of_another_login_is_asked_for_in_the_same_words_and_gets_no_mail(lin):
    MemberFactory(user__email="bo@example.org")
    page = ask_for_address(sign_in(lin), "bo@example.org")
    assert said(page) == ["A mail is on its way to bo@example.org. Follow the link in it within an hour."]
    assert mail.outbox == []


def test_address_that_was_taken_meanwhile_is_refused(lin):
    client = sign_in(lin)
    ask_for_address(client)
    MemberFactory(user__email="lin2@example.org")
    assert "This link does not work any more" in client.post(link_of(mail.outbox[0])).text
