"""How long a session lasts, where one is signed in, and that a changed password leaves nobody in."""

import time

import pytest
from allauth.mfa.totp.internal import auth
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from cards.sessions import SEEN_AT, STARTED_AT, device_of
from cards.sign_in import PROVED_AT
from tests.factories import PASSWORD, MemberFactory

pytestmark = pytest.mark.django_db

DAY = 60 * 60 * 24
PHONE = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"


@pytest.fixture
def lin():
    return MemberFactory(user__email="lin@example.org", name="Lin")


def log_in(**headers):
    client = Client(**headers)
    client.post("/accounts/login/", {"login": "lin@example.org", "password": PASSWORD})
    assert is_in(client)
    return client


def is_in(client):
    return client.get("/settings/security/").status_code == 200


def set_clock(client, **moments):
    session = client.session
    session.update({name: time.time() - ago for name, ago in moments.items()})
    session.save()


@pytest.mark.parametrize(("days", "lasts"), [(29.9, True), (30.1, False)])
def test_session_ends_a_month_after_it_began_however_much_it_is_used(lin, days, lasts):
    client = log_in()
    set_clock(client, started_at=days * DAY)
    assert is_in(client) == lasts
    assert is_in(client) == lasts


def test_session_ends_two_weeks_after_its_last_use(lin):
    client = log_in()
    row = Session.objects.get(session_key=client.session.session_key)
    assert abs((row.expire_date - timezone.now()).total_seconds() - 14 * DAY) < 60
    assert client.cookies["sessionid"]["max-age"] == 14 * DAY
    Session.objects.update(expire_date=timezone.now())
    assert not is_in(client)


def test_sessions_that_are_over_are_deleted_at_the_next_sign_in(lin):
    log_in()
    Session.objects.update(expire_date=timezone.now() - timezone.timedelta(seconds=1))
    client = log_in()
    assert [row.session_key for row in Session.objects.all()] == [client.session.session_key]
    assert [row.session_key for row in UserSession.objects.all()] == [client.session.session_key]


def test_use_keeps_a_session_alive_and_is_written_down_once_an_hour(lin, django_assert_num_queries):
    client = log_in()
    key = client.session.session_key
    with django_assert_num_queries(5):  # session, login, member, factors, places
        client.get("/settings/security/")
    Session.objects.filter(session_key=key).update(expire_date=timezone.now() + timezone.timedelta(days=1))
    UserSession.objects.update(last_seen_at=timezone.now() - timezone.timedelta(days=13))
    set_clock(client, seen_at=2 * 60 * 60)
    Session.objects.filter(session_key=key).update(expire_date=timezone.now() + timezone.timedelta(days=1))
    client.get("/settings/security/")
    assert Session.objects.get(session_key=key).expire_date > timezone.now() + timezone.timedelta(days=13)
    assert UserSession.objects.get().last_seen_at > timezone.now() - timezone.timedelta(minutes=1)


def test_session_from_before_these_clocks_begins_now(lin):
    client = log_in()
    session = client.session
    for name in (STARTED_AT, SEEN_AT, PROVED_AT):
        del session[name]
    session.save()
    assert is_in(client)
    assert time.time() - client.session[STARTED_AT] < 60
    assert client.get("/settings/security/email/").status_code == 302


def test_key_changes_when_one_signs_in_and_when_one_proves_who_one_is(lin):
    client = Client()
    client.post("/language/", {"language": "es", "next": "/"})
    client.get("/accounts/passkeys/sign-in/", HTTP_ACCEPT="application/json")
    keys = [client.session.session_key]
    client.post("/accounts/login/", {"login": "lin@example.org", "password": PASSWORD})
    keys.append(client.session.session_key)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    keys.append(client.session.session_key)
    assert len(set(keys)) == 3
    assert list(Session.objects.values_list("session_key", flat=True)) == keys[-1:]
    assert list(UserSession.objects.values_list("session_key", flat=True)) == keys[-1:]


def test_dangerous_page_asks_who_it_is_after_fifteen_minutes(lin):
    client = log_in()
    set_clock(client, proved_at=14 * 60)
    assert client.get("/settings/security/email/").status_code == 200
    set_clock(client, proved_at=16 * 60)
    question = client.get("/settings/security/email/")
    assert question.url == "/accounts/reauthenticate/?next=%2Fsettings%2Fsecurity%2Femail%2F"
    assert "Incorrect password." in client.post(question.url, {"password": "wrong"}).text
    assert client.get("/settings/security/email/").status_code == 302
    assert client.post(question.url, {"password": PASSWORD}).url == "/settings/security/email/"
    assert client.get("/settings/security/email/").status_code == 200


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/settings/security/", "%2Fsettings%2Fsecurity%2F"),
        ("https://evil.example/settings/security/", "%2F"),
        ("", "%2F"),
    ],
)
def test_button_that_asks_who_it_is_leads_back_to_its_page(lin, referer, back):
    client = log_in()
    set_clock(client, proved_at=16 * 60)
    answer = client.post("/settings/security/email/", {"email": "x@example.org"}, HTTP_REFERER=referer)
    assert answer.url == f"/accounts/reauthenticate/?next={back}"


def test_code_of_the_app_proves_who_it_is(lin, monkeypatch):
    client = log_in()
    auth.TOTP.activate(lin.user, "JBSWY3DPEHPK3PXP")
    set_clock(client, proved_at=16 * 60)
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([7]))
    typed = {
        "code": auth.format_hotp_value(auth.hotp_value("JBSWY3DPEHPK3PXP", 7)),
        "next": "/settings/security/email/",
    }
    assert client.post("/accounts/reauthenticate/code/", typed).url == "/settings/security/email/"
    assert client.get("/settings/security/email/").status_code == 200


def test_page_lists_where_one_is_signed_in_and_ends_one(lin):
    here, there = log_in(), log_in(HTTP_USER_AGENT=PHONE, REMOTE_ADDR="203.0.113.9")
    page = here.get("/settings/security/")
    assert [(place.device, place.row.ip, place.is_this_one) for place in page.context["places"]] == [
        ("an unknown device", "127.0.0.1", True),
        ("Chrome on Android", "203.0.113.9", False),
    ]
    assert "Chrome on Android" in page.text
    here.post(f"/settings/security/sessions/{page.context['places'][1].row.pk}/end/")
    assert (is_in(here), is_in(there)) == (True, False)


def test_session_of_another_login_does_not_exist(lin):
    MemberFactory(user__email="bo@example.org")
    bo = Client()
    bo.post("/accounts/login/", {"login": "bo@example.org", "password": PASSWORD})
    other = UserSession.objects.get()
    here = log_in()
    answers = [here.post(f"/settings/security/sessions/{pk}/end/") for pk in (other.pk, 999_999)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert is_in(bo)


def test_all_others_are_signed_out_at_once(lin):
    here, there, elsewhere = log_in(), log_in(), log_in()
    here.post("/settings/security/sessions/end/")
    assert [is_in(each) for each in (here, there, elsewhere)] == [True, False, False]


def set_up_app(client):
    secret = client.get("/accounts/app/").context["form"].secret
    client.post("/accounts/app/", {"code": auth.format_hotp_value(auth.hotp_value(secret, 7))})


def change_password(client):
    new = "another good sentence"
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [change_password, set_up_app, lambda client: client.post("/accounts/app/remove/")])
def test_change_of_password_or_factor_signs_all_others_out(lin, change, monkeypatch):
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([7]))
    here, there = log_in(), log_in()
    if change not in (change_password, set_up_app):
        auth.TOTP.activate(lin.user, "JBSWY3DPEHPK3PXP")
    change(here)
    assert (is_in(here), is_in(there)) == (True, False)
    assert UserSession.objects.count() == Session.objects.count() == 1


def test_signing_out_ends_the_session_and_clears_what_the_browser_kept(lin):
    client = log_in()
    key = client.session.session_key
    answer = client.post("/accounts/logout/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert not Session.objects.filter(session_key=key).exists()
    stolen = Client()
    stolen.cookies["sessionid"] = key
    assert not is_in(stolen)
    assert "Clear-Site-Data" not in Client().get("/accounts/logout/").headers


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (PHONE, "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36 Edg/126.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/126 Mobile Safari/537.36 MicroMessenger/8.0", "WeChat on Android"),
        ("curl/8.0", "an unknown device"),
        ("", "an unknown device"),
    ],
)  # fmt: skip
def test_device_is_named_in_words(user_agent, words):
    assert device_of(user_agent) == words
