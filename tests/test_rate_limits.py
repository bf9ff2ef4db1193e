"""How often one may guess: counted by login and by address, in one place for all processes, and never by a claim."""

import threading

import pytest
from allauth.mfa.totp.internal import auth
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

from cards.models import User
from tests.factories import PASSWORD, MemberFactory

pytestmark = pytest.mark.django_db
WRONG = "not the password"
TOO_MANY = "Too many failed login attempts."


@pytest.fixture
def lin():
    return MemberFactory(user__email="lin@example.org", name="Lin")


@pytest.fixture
def hashed(monkeypatch):
    """What reached the hasher: one entry for each password that was checked."""
    reached = []
    check, make = User.check_password, User.set_password
    monkeypatch.setattr(User, "check_password", lambda *args: reached.append(1) or check(*args))
    monkeypatch.setattr(User, "set_password", lambda *args: reached.append(1) or make(*args))
    return reached


def log_in(email="lin@example.org", password=WRONG, client=None, **headers):
    return (client or Client()).post("/accounts/login/", {"login": email, "password": password}, **headers)


def from_address(number):
    return {"REMOTE_ADDR": f"198.51.100.{number}"}


def test_eleventh_guess_at_a_login_is_refused_from_wherever_it_comes(lin, hashed):
    for number in range(10):
        assert TOO_MANY not in log_in(**from_address(number)).text
    assert TOO_MANY in log_in(password=PASSWORD, **from_address(50)).text
    assert len(hashed) == 10


def test_host_that_is_asked_for_starts_no_new_count(lin, hashed):
    for port in range(30):
        log_in(HTTP_HOST=f"localhost:{8000 + port}", **from_address(port))
    assert len(hashed) == 10


def test_twenty_first_guess_from_an_address_is_refused_whosever_login_it_is(hashed):
    MemberFactory()
    for number in range(25):
        log_in(f"user{number}@example.com")
    assert len(hashed) == 20


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_guesses_at_once_ten_reach_the_hasher(lin, hashed):
    barrier = threading.Barrier(100)

    def guess(number):
        client = Client()
        barrier.wait()
        try:
            log_in(client=client, **from_address(number))
        finally:
            connection.close()

    threads = [threading.Thread(target=guess, args=[number]) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(hashed) <= 10


FORGED = ["HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_CF_CONNECTING_IP", "HTTP_TRUE_CLIENT_IP"]


def test_thousand_forged_addresses_are_one_address(hashed):
    MemberFactory()
    for number in range(1000):
        claim = f"10.0.{number // 250}.{number % 250}"
        name = FORGED[number % len(FORGED)]
        log_in(f"user{number}@example.com", **{name: f"for={claim}" if name == "HTTP_FORWARDED" else claim})
    assert len(hashed) <= 20


def test_proxy_of_ones_own_is_believed_and_what_is_before_it_is_not(settings, hashed):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    MemberFactory()
    for number in range(30):
        log_in(f"user{number}@example.com", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}, 203.0.113.7")
    assert len(hashed) == 20


def test_stranger_cannot_lock_a_known_device_out(lin):
    phone, stranger = Client(), Client()
    assert log_in(password=PASSWORD, client=phone, **from_address(1)).status_code == 302
    phone.post("/accounts/logout/")
    for number in range(2, 14):
        log_in(client=stranger, **from_address(number))
    assert TOO_MANY in log_in(password=PASSWORD, client=stranger, **from_address(50)).text
    assert log_in(password=PASSWORD, client=phone, **from_address(1)).status_code == 302


def test_known_device_has_ten_guesses_of_its_own_and_for_its_own_login(lin, hashed):
    MemberFactory(user__email="bo@example.org")
    phone = Client()
    log_in(password=PASSWORD, client=phone)
    phone.post("/accounts/logout/")
    hashed.clear()
    for number in range(15):
        log_in(client=phone, **from_address(number))
    assert len(hashed) == 10
    hashed.clear()
    for number in range(30, 45):
        log_in("bo@example.org", client=Client(), **from_address(number))
    assert TOO_MANY in log_in("bo@example.org", client=phone, **from_address(60)).text
    assert len(hashed) == 10


@pytest.mark.parametrize("forge", [lambda cookie: "x" + cookie, lambda cookie: cookie[:-1] + "A", lambda cookie: ""])
def test_forged_cookie_makes_no_known_device(lin, hashed, forge):
    phone = Client()
    log_in(password=PASSWORD, client=phone)
    for number in range(10):
        log_in(**from_address(number))
    hashed.clear()
    forger = Client()
    forger.cookies["known"] = forge(phone.cookies["known"].value)
    assert TOO_MANY in log_in(client=forger, **from_address(50)).text
    assert hashed == []


def test_code_of_the_app_may_be_guessed_ten_times(lin, monkeypatch):
    auth.TOTP.activate(lin.user, "JBSWY3DPEHPK3PXP")
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([7]))
    for number in range(10):
        client = Client()
        log_in(password=PASSWORD, client=client, **from_address(number))
        assert "Incorrect code." in client.post("/accounts/factor/", {"code": "000000"}, **from_address(number)).text
    log_in(password=PASSWORD, client=client, **from_address(50))
    right = auth.format_hotp_value(auth.hotp_value("JBSWY3DPEHPK3PXP", 7))
    assert TOO_MANY in client.post("/accounts/factor/", {"code": right}, **from_address(50)).text


def test_reset_is_mailed_five_times_an_hour(lin):
    statuses = [
        Client().post("/accounts/password/reset/", {"email": "lin@example.org"}, **from_address(number)).status_code
        for number in range(8)
    ]
    assert statuses == [302] * 5 + [429] * 3
    assert len(mail.outbox) == 5


def test_password_is_proved_again_with_ten_guesses(lin, hashed):
    client = Client()
    log_in(password=PASSWORD, client=client)
    hashed.clear()
    for number in range(15):
        client.post("/accounts/reauthenticate/", {"password": WRONG}, **from_address(number))
    assert len(hashed) == 10


def test_many_counters_do_not_push_each_other_out(lin, hashed):
    """The cache throws entries away when it is full: a flood of other logins must not free this one."""
    for number in range(10):
        log_in(**from_address(number))
    for number in range(1000):
        cache.set(f"flood_{number}", 1)
    assert TOO_MANY in log_in(password=PASSWORD, **from_address(50)).text
