"""Inviting by mail: a link that works once, for seven days, for the one who was asked."""

import datetime
import hashlib
import re
import threading

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.test import Client
from django.utils import timezone

from cards.membership import InvitationGone, LoginExists, accept, accept_as_new, invite, read_invitation
from cards.models import Invitation, LogEntry, Member, User
from tests.factories import PASSWORD, InvitationFactory, UserFactory
from tests.family import Family, every_row, is_answered, said, sign_in

pytestmark = pytest.mark.django_db

WHO = {"name": "Bo", "email": "bo@example.org", "role": "manager", "language": "en"}
JOIN = {"password": "a sentence that is long", "time_zone": "Asia/Shanghai"}
INVITE = "/household/invitations/"


class DeadServer(BaseEmailBackend):
    def send_messages(self, messages):
        raise ConnectionRefusedError


@pytest.fixture(autouse=True)
def _fresh_limits():
    cache.clear()


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def typed(**changes):
    return {f"invite-{name}": value for name, value in (WHO | changes).items()}


def asked(family, **changes):
    """Invite somebody; return the invitation and the path of its link."""
    invitation, token = invite(family.owner, **(WHO | changes), now=timezone.now())
    return invitation, f"/invitations/{token}/"


def link_of_mail():
    (found,) = re.findall(r"http://127\.0\.0\.1:8000(/invitations/\S+/)", mail.outbox[-1].body)
    return found


def log():
    return [(line.kind, line.name) for line in LogEntry.objects.order_by("pk")]


def test_owner_invites_and_the_mail_holds_the_only_link(family, browser):
    page = browser.post(INVITE, typed(email="Bo@Example.ORG", language="es", role="viewer"), follow=True)
    assert said(page) == ["Bo gets a mail with the invitation."]
    invitation = Invitation.objects.get()
    assert (invitation.household, invitation.by) == (family.household, family.owner)
    assert (invitation.email, invitation.role, invitation.language) == ("bo@example.org", "viewer", "es")
    assert [message.to for message in mail.outbox] == [["bo@example.org"]]
    token = link_of_mail().split("/")[2]
    assert len(token) == 43
    assert invitation.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(every_row())
    assert not User.objects.filter(email="bo@example.org").exists()
    assert log() == [("invited", "Bo")]
    assert "bo@example.org" not in str(LogEntry.objects.values())


@pytest.mark.parametrize(("language", "words"), [("en", "Join here:"), ("es", ""), ("zh-hans", "")])
def test_mail_is_in_the_language_of_the_invited(family, browser, language, words):
    browser.post(INVITE, typed(language=language))
    message = mail.outbox[0]
    assert words in message.body
    assert "\n" not in message.subject
    assert "Chen family" in message.subject


def test_link_comes_from_the_site_and_never_from_the_request(browser):
    headers = {"HTTP_X_FORWARDED_HOST": "evil.example", "HTTP_FORWARDED": "host=evil.example"}
    browser.post(INVITE, typed(), HTTP_HOST="localhost", **headers)
    assert link_of_mail()
    assert "evil" not in mail.outbox[0].message().as_string()


@pytest.mark.parametrize("name", ["Bo\r\nBcc: x@example.org", "Bo\nX: y", "Bo\x0bBcc: x@example.org"])
def test_no_name_gets_into_the_header_of_the_mail(family, browser, name):
    family.household.name = name
    family.household.save()
    browser.post(INVITE, typed(name=name))
    for message in mail.outbox:
        assert message.recipients() == ["bo@example.org"]
        assert {"Bcc", "X"} & set(message.message().keys()) == set()


def test_owner_is_told_when_no_mail_can_leave_and_sends_again(family, browser, settings):
    works = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "tests.cards.test_invitations.DeadServer"
    page = browser.post(INVITE, typed(), follow=True)
    assert said(page)[0].startswith("Bo is invited, but no mail could be sent.")
    settings.EMAIL_BACKEND = works
    invitation = Invitation.objects.get()
    page = browser.post(f"{INVITE}{invitation.pk}/again/", follow=True)
    assert said(page) == ["Bo gets a mail with the invitation."]
    assert Client().get(link_of_mail()).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "x\0", "Null characters are not allowed."),
        ("email", "bo", "Enter a valid email address."),
        ("email", "b" * 250 + "@example.org", "at most 254 characters"),
        ("role", "owner", "Select a valid choice."),
        ("language", "xx", "Select a valid choice."),
    ],
)
def test_invitation_that_cannot_be_made_is_answered_in_words(browser, name, value, words):
    before = every_row()
    page = browser.post(INVITE, typed(**{name: value}))
    assert is_answered(page, f"invite-{name}", words)
    for other in {"name", "email"} - {name}:
        assert is_answered(page, f"invite-{other}", "", WHO[other])
    assert every_row() == before
    assert mail.outbox == []


def test_address_of_a_member_or_an_invited_is_answered_in_words(family, browser):
    asked(family)
    before = every_row()
    page = browser.post(INVITE, typed(email="BO@example.org"))
    assert is_answered(page, "invite-email", "This address is invited already.")
    page = browser.post(INVITE, typed(email=family.viewer.user.email))
    assert is_answered(page, "invite-email", "This address belongs to a member already.")
    assert every_row() == before


def test_owner_does_not_learn_whether_an_address_has_a_login_elsewhere(family):
    stranger = Family("Pérez").viewer.user.email
    answers = []
    for email in (stranger, "nobody@example.org"):
        page = sign_in(family.owner).post(INVITE, typed(email=email), follow=True)
        answers.append((page.status_code, said(page), mail.outbox[-1].body.replace(link_of_mail(), "")))
    assert answers[0] == answers[1]


def test_invited_person_chooses_a_password_and_is_in(family):
    invitation, path = asked(family)
    client = Client()
    page = client.get(path)
    for words in ("Join Chen family", "Olga Chen invites you as a manager", "You sign in with bo@example.org"):
        assert words in page.text
    page = client.post(path, JOIN, follow=True)
    assert page.redirect_chain == [("/", 302)]
    assert said(page) == ["Welcome to Chen family."]
    member = Member.objects.get(name="Bo")
    assert (member.household, member.role, member.time_zone) == (family.household, "manager", "Asia/Shanghai")
    assert (member.user.is_staff, member.user.is_superuser) == (False, False)
    assert member.user.check_password(JOIN["password"])
    assert "<h1>Chen family</h1>" in client.get("/household/").text
    assert log()[-1] == ("joined", "Bo")
    invitation.refresh_from_db()
    assert invitation.accepted_at is not None
    assert "bo@example.org" not in sign_in(family.owner).get("/household/").text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("password", "", "This field is required."),
        ("password", "short", "at least 12 characters"),
        ("password", "bo@example.org", "too similar"),
        ("time_zone", "Havana", "“Havana” is not a time zone."),
    ],
)
def test_invited_person_is_answered_in_words(family, name, value, words):
    _invitation, path = asked(family)
    before = every_row()
    assert is_answered(Client().post(path, JOIN | {name: value}), name, words)
    assert every_row() == before


def test_invited_person_with_a_login_signs_in_first_and_then_joins(family):
    stranger = Family("Pérez").viewer
    _invitation, path = asked(family, email=stranger.user.email, role="viewer")
    client, before = Client(), every_row()
    page = client.get(path)
    assert f'href="/accounts/login/?next={path}"' in page.text
    assert 'name="password"' not in page.text
    client.post(path, JOIN)
    assert every_row() == before
    assert client.login(email=stranger.user.email, password=PASSWORD)
    assert is_answered(client.get(path), "time_zone", "")
    assert "Join" in client.get(path).text
    assert every_row()["cards.Member"] == before["cards.Member"]
    client.post(path, {"time_zone": "America/Havana"})
    joined = Member.objects.get(household=family.household, user=stranger.user)
    assert (joined.role, joined.left_at) == ("viewer", None)
    # They see the household they joined, and can go back to the other one.
    page = client.get("/household/")
    assert "<h1>Chen family</h1>" in page.text
    assert "Pérez family</button>" in page.text


def test_invitation_is_no_use_to_who_is_signed_in_as_somebody_else(family):
    stranger = Family("Pérez").owner
    _invitation, path = asked(family)
    client, before = sign_in(stranger), every_row()
    for page in (client.get(path), client.post(path, JOIN)):
        assert f"You are signed in as {stranger.user.email}" in page.text
        assert "bo@example.org" not in page.text
    assert every_row() == before


def dead_links(family):
    """Return paths of links that do not work: unknown, expired, used, revoked, replaced."""
    now = timezone.now()
    _unknown, unknown = "", f"/invitations/{'x' * 43}/"
    expired, expired_path = asked(family, email="expired@example.org")
    Invitation.objects.filter(pk=expired.pk).update(made_at=now - datetime.timedelta(days=7))
    used, used_path = asked(family, email="used@example.org")
    accept_as_new(used_path.split("/")[2], JOIN["password"], "UTC", now)
    revoked, revoked_path = asked(family, email="revoked@example.org")
    sign_in(family.owner).post(f"{INVITE}{revoked.pk}/revoke/")
    again, again_path = asked(family, email="again@example.org")
    sign_in(family.owner).post(f"{INVITE}{again.pk}/again/")
    return [unknown, expired_path, used_path, revoked_path, again_path, "/invitations/%00/", f"/invitations/{used.pk}/"]


def test_link_that_does_not_work_is_one_same_page_whatever_the_reason(family):
    paths = dead_links(family)
    before = every_row()
    pages = [send(path) for path in paths for send in (Client().get, lambda path: Client().post(path, JOIN))]
    assert {page.status_code for page in pages} == {404}
    assert len({re.sub(rb'value="\w+"', b"", page.content) for page in pages}) == 1
    assert "Chen" not in pages[0].text
    assert every_row() == before


def test_link_works_until_the_last_moment_of_seven_days(family):
    now = timezone.now()
    _invitation, token = invite(family.owner, **WHO, now=now)
    read_invitation(token, now + datetime.timedelta(days=7, seconds=-1))
    with pytest.raises(InvitationGone):
        read_invitation(token, now + datetime.timedelta(days=7))


def test_looking_at_an_invitation_changes_no_row(family):
    """A mail scanner follows every link."""
    _invitation, path = asked(family)
    before = every_row()
    for _each in range(3):
        assert Client().get(path).status_code == 200
        assert Client().head(path).status_code == 200
    assert every_row() == before
    assert Client().post(path, JOIN).status_code == 302


def test_page_of_an_invitation_is_kept_by_nobody(family):
    _invitation, path = asked(family)
    for answer in (Client().get(path), Client().get("/invitations/x/")):
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.headers["Referrer-Policy"] == "strict-origin"
        assert answer.headers["X-Robots-Tag"] == "noindex"


def test_double_submit_makes_one_member(family):
    _invitation, path = asked(family)
    assert Client().post(path, JOIN).status_code == 302
    assert Client().post(path, JOIN).status_code == 404
    assert Member.objects.filter(name="Bo").count() == 1


def test_login_made_meanwhile_is_asked_to_sign_in(family):
    _invitation, path = asked(family)
    UserFactory(email="bo@example.org")
    with pytest.raises(LoginExists):
        accept_as_new(path.split("/")[2], JOIN["password"], "UTC", timezone.now())
    assert "Sign in" in Client().post(path, JOIN).text
    assert not Member.objects.filter(name="Bo").exists()


def test_member_who_has_left_can_be_invited_again(family):
    Member.objects.filter(pk=family.viewer.pk).update(left_at=timezone.now())
    _invitation, path = asked(family, email=family.viewer.user.email)
    assert sign_in(family.viewer).post(path, {"time_zone": "UTC"}).url == "/"
    rows = Member.objects.filter(user=family.viewer.user, household=family.household).order_by("pk")
    assert [member.left_at is None for member in rows] == [False, True]


def test_joining_with_a_login_that_is_a_member_by_now_makes_no_second_one(family):
    _invitation, token = invite(family.owner, **WHO, now=timezone.now())
    user = UserFactory(email="bo@example.org")
    member = Member.objects.create(household=family.household, user=user, name="Bo")
    assert accept(token, user, "UTC", timezone.now()) == member
    assert Member.objects.filter(user=user).count() == 1


def test_invited_but_not_joined_has_nothing(family):
    """vaultwarden CVE-2026-43913: who is invited and has not accepted sees and does nothing."""
    family.fill()
    stranger = Family("Pérez").owner
    _invitation, path = asked(family, email=stranger.user.email)
    client, before = sign_in(stranger), every_row()
    assert "Chen" not in client.get("/").text
    for page in (f"/cards/{family.card.pk}/", f"/renewals/{family.renewal.pk}/", f"/travel/{family.trip.pk}/"):
        assert client.get(page).status_code == 404
    assert client.post("/household/switch/", {"household": family.household.pk}).status_code == 404
    assert client.post(f"/household/members/{family.viewer.pk}/remove/").status_code == 404
    assert every_row() == before
    # What the invitation's page itself shows is who asks and for which household, no number.
    assert family.card.number not in client.get(path).text


@pytest.mark.parametrize("act", ["again", "revoke"])
def test_invitation_of_another_household_is_not_there(family, act):
    theirs = InvitationFactory(household=Family("Pérez").household)
    client, before = sign_in(family.owner), every_row()
    assert client.post(f"{INVITE}{theirs.pk}/{act}/").status_code == 404
    assert every_row() == before


@pytest.mark.parametrize("act", ["again", "revoke"])
def test_invitation_that_is_over_is_not_there(family, browser, act):
    invitation, path = asked(family)
    Client().post(path, JOIN)
    assert browser.post(f"{INVITE}{invitation.pk}/{act}/").status_code == 404


@pytest.mark.parametrize("role", ["manager", "viewer"])
def test_only_the_owner_invites(family, role):
    invitation, _path = asked(family)
    client = sign_in(getattr(family, role))
    tables = ("cards.Invitation", "cards.Member", "cards.User")
    before = [every_row()[table] for table in tables]
    for path in (INVITE, f"{INVITE}{invitation.pk}/again/", f"{INVITE}{invitation.pk}/revoke/"):
        assert client.post(path, typed(email="other@example.org")).status_code == 403
    assert [every_row()[table] for table in tables] == before
    assert mail.outbox == []
    assert "bo@example.org" not in client.get("/household/").text


def test_household_sends_at_most_twenty_invitations_an_hour(family, browser):
    for number in range(20):
        browser.post(INVITE, typed(email=f"bo{number}@example.org"))
    before = every_row()
    page = browser.post(INVITE, typed(email="one-more@example.org"))
    assert "That were many invitations for one hour." in page.text
    page = browser.post(f"{INVITE}{Invitation.objects.first().pk}/again/", follow=True)
    assert "That were many invitations for one hour." in page.text
    assert every_row() == before
    assert len(mail.outbox) == 20
    other = Family("Pérez").owner
    assert said(sign_in(other).post(INVITE, typed(), follow=True)) == ["Bo gets a mail with the invitation."]


def test_tokens_are_not_guessed_from_one_address(family):
    _invitation, path = asked(family)
    answers = [Client().get(f"/invitations/{number}/").status_code for number in range(30)]
    assert answers == [404] * 20 + [429] * 10
    # A forged address brings no fresh limit; the limit is that of the address alone.
    assert Client().get(path, HTTP_X_FORWARDED_FOR="10.1.1.1", HTTP_X_REAL_IP="10.1.1.1").status_code == 429
    assert Client().get(path, REMOTE_ADDR="192.0.2.7").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_two_browsers_that_join_at_once_make_one_member():
    family = Family()
    _invitation, token = invite(family.owner, **WHO, now=timezone.now())
    start, outcomes = threading.Barrier(4), []

    def join():
        start.wait()
        try:
            outcomes.append(accept_as_new(token, JOIN["password"], "UTC", timezone.now()).name)
        except (InvitationGone, LoginExists) as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=join) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["Bo", "InvitationGone", "InvitationGone", "InvitationGone"]
    assert Member.objects.filter(name="Bo").count() == 1
