"""The second factor: an app's code once, ten recovery codes once each, and what a household may ask of everybody."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth
from django.core import mail
from django.db import connection
from django.test import Client

from cards.factors import picture_of
from cards.models import Household, LogEntry
from cards.sign_in import PROVED_AT, has_second_factor
from tests.factories import PASSWORD, MemberFactory
from tests.family import Family, field_of, said, sign_in

pytestmark = pytest.mark.django_db

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def clock(monkeypatch):
    """Let the apps count time in steps of the test: `clock[0] += 1` is half a minute later."""
    now = [1000]
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([now[0]]))
    return now


@pytest.fixture
def lin():
    return MemberFactory(user__email="lin@example.org", name="Lin")


@pytest.fixture
def with_app(lin):
    auth.TOTP.activate(lin.user, SECRET)
    RecoveryCodes.activate(lin.user)
    return lin


def code_at(step, secret=SECRET):
    return auth.format_hotp_value(auth.hotp_value(secret, step))


def type_password(client=None):
    client = client or Client()
    answer = client.post("/accounts/login/", {"login": "lin@example.org", "password": PASSWORD})
    assert (answer.status_code, answer.url) == (302, "/accounts/factor/")
    return client


def type_code(code, client=None):
    return type_password(client).post("/accounts/factor/", {"code": code})


def unproved(member):
    """Return a browser in which the member signed in long ago."""
    client = sign_in(member)
    session = client.session
    session[PROVED_AT] = 0
    session.save()
    return client


def test_password_alone_lets_nobody_in(with_app):
    client = type_password()
    assert client.get("/").url == "/accounts/login/?next=/"


def test_code_of_the_app_signs_in(with_app, clock):
    client = type_password()
    assert client.get("/accounts/factor/").status_code == 200
    assert client.post("/accounts/factor/", {"code": code_at(1000)}).url == "/"
    assert client.get("/").status_code == 200


def test_code_is_refused_when_it_is_used_again_fifty_times_of_fifty(settings, with_app, clock):
    settings.ACCOUNT_RATE_LIMITS = False
    for step in range(2000, 2050):
        clock[0] = step
        assert type_code(code_at(step)).status_code == 302
        again = type_code(code_at(step))
        assert (again.status_code, "Incorrect code." in field_of(again, "code")) == (200, True)


@pytest.mark.parametrize("step", [999, 1001])
def test_code_of_another_half_minute_is_refused(with_app, clock, step):
    assert "Incorrect code." in field_of(type_code(code_at(step)), "code")


def test_each_of_ten_recovery_codes_signs_in_once(settings, with_app):
    settings.ACCOUNT_RATE_LIMITS = False
    codes = RecoveryCodes.activate(with_app.user).get_unused_codes()
    assert len(set(codes)) == 10
    for code in codes:
        assert type_code(code).status_code == 302
        assert type_code(code).status_code == 200
    assert RecoveryCodes.activate(with_app.user).get_unused_codes() == []


def test_wrong_code_stands_in_the_log(with_app, clock):
    type_code("000000")
    assert list(LogEntry.objects.values_list("kind", flat=True)) == ["sign_in_failed"]


def test_secrets_of_the_factors_are_unreadable_in_the_database(with_app):
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        kept = str(cursor.fetchall())
    seed = RecoveryCodes.activate(with_app.user)
    assert SECRET not in kept
    assert not [code for code in seed.get_unused_codes() if code in kept]


def test_second_factor_is_asked_for_after_a_reset(with_app, clock):
    with_app.user.set_password("a new sentence")
    with_app.user.save()
    client = Client()
    answer = client.post("/accounts/login/", {"login": "lin@example.org", "password": "a new sentence"})
    assert answer.url == "/accounts/factor/"


# Setting it up, and taking it away


def enrol(client, clock):
    page = client.get("/accounts/app/")
    secret = page.context["form"].secret
    return client.post("/accounts/app/", {"code": code_at(clock[0], secret)}, follow=True), page, secret


@pytest.mark.django_db(transaction=True)
def test_app_is_set_up_by_picture_or_text_and_its_codes_are_shown_once(lin, clock):
    client = sign_in(lin)
    shown, page, secret = enrol(client, clock)
    assert secret in page.text
    assert picture_of(page.context["totp_url"]).path in page.text
    assert "data:" not in page.text
    assert len(shown.context["unused_codes"]) == 10
    again = client.get("/accounts/codes/")
    assert not [code for code in shown.context["unused_codes"] if code in again.text]
    assert has_second_factor(lin.user)
    assert [message.body.splitlines()[0] for message in mail.outbox] == [
        "An app that makes codes was added as a second factor."
    ]
    assert LogEntry.objects.get(kind="account").name == "An app that makes codes was added as a second factor."


def test_wrong_code_sets_no_app_up(lin, clock):
    client = sign_in(lin)
    client.get("/accounts/app/")
    assert "Incorrect code." in field_of(client.post("/accounts/app/", {"code": "000000"}), "code")
    assert not has_second_factor(lin.user)


@pytest.mark.parametrize(
    "address", ["/accounts/app/", "/accounts/app/remove/", "/accounts/codes/new/", "/accounts/passkeys/new/"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_factors_change_only_after_a_recent_proof(lin, clock, address, method):
    if address != "/accounts/app/":
        auth.TOTP.activate(lin.user, SECRET)
    before = list(Authenticator.objects.values())
    answer = getattr(unproved(lin), method)(address)
    assert (answer.status_code, answer.url.partition("?")[0]) == (302, "/accounts/reauthenticate/")
    assert list(Authenticator.objects.values()) == before


def test_app_is_removed_after_the_password_was_typed_again(with_app):
    client = unproved(with_app)
    question = client.get("/accounts/app/remove/", follow=True)
    back = client.post(question.redirect_chain[-1][0], {"password": PASSWORD})
    assert back.url == "/accounts/app/remove/"
    page = client.post("/accounts/app/remove/", follow=True)
    assert page.redirect_chain[-1] == ("/settings/security/", 302)
    assert not Authenticator.objects.exists(), "recovery codes go with the factor they stand in for"
    assert "The app that makes codes was removed" in mail.outbox[0].body


@pytest.mark.django_db(transaction=True)
def test_other_recovery_codes_make_those_from_before_useless(with_app):
    before = RecoveryCodes.activate(with_app.user).get_unused_codes()
    shown = sign_in(with_app).post("/accounts/codes/new/", follow=True).context["unused_codes"]
    assert not set(before) & set(shown)
    assert "ten other recovery codes" in mail.outbox[0].body
    assert [type_code(code).status_code for code in (before[0], shown[0])] == [200, 302]


def test_recovery_codes_alone_are_no_second_factor(lin):
    RecoveryCodes.activate(lin.user)
    assert not has_second_factor(lin.user)


# A household that asks everybody for one


@pytest.fixture
def family():
    family = Family("Chen")
    Household.objects.update(requires_second_factor=True)
    return family


BLOCKED = ["/", "/cards/new/", "/documents/", "/settings/", "/household/", "/payments/csv/", "/household/security/"]


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_member_without_a_factor_is_led_to_setting_it_up(family, role, method):
    client = sign_in(getattr(family, role))
    for address in BLOCKED:
        answer = getattr(client, method)(address)
        assert (address, answer.status_code, answer.url) == (address, 302, "/settings/security/")
    assert "Your household asks everybody for a second factor." in client.get("/settings/security/").text
    for address in ("/accounts/app/", "/accounts/passkeys/new/", "/accounts/logout/", "/accounts/password/change/"):
        assert client.get(address).status_code == 200
    assert client.post("/language/", {"language": "es", "next": "/"}).url == "/"


def test_member_with_a_factor_goes_everywhere(family):
    auth.TOTP.activate(family.viewer.user, SECRET)
    client = sign_in(family.viewer)
    assert client.get("/").status_code == 200
    assert "Your household asks" not in client.get("/settings/security/").text


def test_household_that_does_not_ask_needs_none(family):
    Household.objects.update(requires_second_factor=False)
    assert sign_in(family.viewer).get("/").status_code == 200


def test_owner_who_has_a_factor_asks_everybody_for_one(family):
    Household.objects.update(requires_second_factor=False)
    client = sign_in(family.owner)
    page = client.post("/household/security/", {"requires_second_factor": "on"})
    assert "First set up a second factor for yourself." in field_of(page, "requires_second_factor")
    assert not Household.objects.get().requires_second_factor
    auth.TOTP.activate(family.owner.user, SECRET)
    page = client.post("/household/security/", {"requires_second_factor": "on"}, follow=True)
    assert said(page) == ["Saved."]
    assert Household.objects.get().requires_second_factor
    line = LogEntry.objects.get(kind="changed")
    assert line.changed == {"requires_second_factor": [False, True]}
    client.post("/household/security/", {"csrfmiddlewaretoken": "x"})
    assert not Household.objects.get().requires_second_factor


@pytest.mark.parametrize("role", ["manager", "viewer"])
def test_only_the_owner_asks_everybody_for_a_factor(family, role):
    Household.objects.update(requires_second_factor=False)
    client = sign_in(getattr(family, role))
    assert client.get("/household/security/").status_code == 403
    assert client.post("/household/security/", {"requires_second_factor": "on"}).status_code == 403
    assert not Household.objects.get().requires_second_factor
