"""The page on which members choose another channel than email for their own reminders."""

import datetime
import re
import sys

import pytest
from django.db import connection
from django.test import Client

from renewals.models import Channel
from tests.factories import MemberFactory
from tests.family import Family, every_row, field_of, is_answered, said, sign_in

pytestmark = pytest.mark.django_db

PAGE, REMOVE = "/settings/channel/", "/settings/channel/remove/"
URL = "ntfys://tk_S3cretS3cret@ntfy.example.org/topic"


@pytest.fixture
def family():
    return Family()


def add_channel(member, **fields):
    fields = {"url": URL, "service": "ntfy"} | fields
    return Channel.objects.create(household=member.household, member=member, **fields)


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_every_member_sets_a_channel_of_their_own(family, role):
    member = getattr(family, role)
    page = sign_in(member).post(PAGE, {"url": f"  {URL} "}, follow=True)
    assert page.redirect_chain == [(PAGE, 302)]
    assert said(page) == ["Saved. Send yourself a test from the settings page."]
    assert "Your reminders go to ntfy since" in page.text
    assert '<a class="btn" href="/settings/">' in page.text
    channel = Channel.objects.get()
    assert (channel.household, channel.member, channel.url, channel.service) == (family.household, member, URL, "ntfy")


def test_address_is_sealed_and_never_shown_again(family):
    client = sign_in(family.owner)
    saved = client.post(PAGE, {"url": URL}, follow=True)
    for page in (saved, client.get(PAGE), client.get("/settings/")):
        assert "S3cret" not in page.text
        assert "ntfy.example.org" not in page.text
    assert "value=" not in field_of(saved, "url")
    assert 'autocomplete="off"' in field_of(saved, "url")
    with connection.cursor() as cursor:
        cursor.execute("SELECT url FROM renewals_channel")
        ((kept,),) = cursor.fetchall()
    assert "S3cret" not in kept
    assert str(Channel.objects.get()) == "ntfy"


def test_another_channel_takes_the_place_of_the_first(family):
    client = sign_in(family.owner)
    failed_at = datetime.datetime(2026, 3, 1, 8, tzinfo=datetime.UTC)
    before = add_channel(family.owner, created_at=failed_at, failed_at=failed_at, last_error="The server has a fault.")
    client.post(PAGE, {"url": "schan://SCT1Tabc"})
    channel = Channel.objects.get()
    assert (channel.url, channel.service) == ("schan://SCT1Tabc", "ServerChan")
    assert (channel.failed_at, channel.last_error) == (None, "")
    assert channel.created_at > before.created_at


def test_page_says_when_and_why_the_channel_failed(family):
    failed_at = datetime.datetime(2026, 3, 1, 13, 5, tzinfo=datetime.UTC)
    add_channel(family.owner, failed_at=failed_at, last_error="The server has a fault of its own (500).")
    page = sign_in(family.owner).get(PAGE)
    # Havana is five hours behind.
    assert re.search(r"ntfy failed on Mar 1, 2026 8:05\sAM:", page.text)
    assert "The server has a fault of its own (500)." in page.text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "This field is required."),
        ("https://ntfy.sh/topic", "The address has to begin with the name of the service: ntfys://"),
        ("mailto://anna:secret@example.org", "This service is not known here."),
        ("tgram://123", "Write the address of Telegram like this: tgram://bot-token/chat-id"),
        ("json://127.0.0.1/hook", "The server is in a private network. Only the administrator can allow that."),
        ("jsons://example.org/?verify=no", "or this part of it: verify"),
        ("x" * 5000, "The address is too long."),
    ],
)
def test_bad_address_comes_back_with_what_was_typed(family, url, words):
    add_channel(family.owner)
    client = sign_in(family.owner)
    before = every_row()
    assert is_answered(client.post(PAGE, {"url": url}), "url", words, url)
    assert every_row() == before


def test_typed_markup_comes_back_as_text(family):
    page = sign_in(family.owner).post(PAGE, {"url": 'json://"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text


def test_removing_brings_the_email_back(family):
    add_channel(family.owner)
    other = add_channel(family.viewer)
    page = sign_in(family.owner).post(REMOVE, follow=True)
    assert page.redirect_chain == [(PAGE, 302)]
    assert said(page) == ["Removed. Your reminders come by email again."]
    assert "Use email again" not in page.text
    assert list(Channel.objects.all()) == [other]


def test_removing_what_is_not_there_changes_nothing(family):
    add_channel(family.viewer)
    client = sign_in(family.owner)
    before = every_row()
    page = client.post(REMOVE, follow=True)
    assert (page.status_code, said(page)) == (200, [])
    assert every_row() == before


def test_nobody_sees_or_changes_the_channel_of_another_member(family):
    stranger = Family("Pérez").owner
    channel = add_channel(family.owner, service="Telegram", last_error="Reason")
    for member in (family.manager, family.viewer, stranger):
        client = sign_in(member)
        assert "Your reminders go to" not in client.get(PAGE).text
        client.post(PAGE, {"url": "schan://SCT1"})
        client.post(REMOVE)
    assert list(Channel.objects.all()) == [channel]
    channel.refresh_from_db()
    assert channel.url == URL


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(family, method):
    client = sign_in(family.owner)
    assert [getattr(client, method)(address).status_code for address in (PAGE, REMOVE)] == [405, 405]
    assert client.get(REMOVE).status_code == 405


def test_anonymous_is_led_to_the_sign_in(family):
    add_channel(family.owner)
    for answer in (Client().get(PAGE), Client().post(PAGE, {"url": URL}), Client().post(REMOVE)):
        assert (answer.status_code, answer.url.partition("?")[0]) == (302, "/accounts/login/")
    assert Channel.objects.count() == 1


def test_login_without_a_household_is_refused(family):
    user = family.owner.user
    family.owner.delete()
    client = Client()
    client.force_login(user)
    assert [client.get(PAGE).status_code, client.post(REMOVE).status_code] == [403, 403]


def test_page_shows_how_the_address_of_each_service_is_written(family):
    page = sign_in(family.viewer).get(PAGE)
    examples = [
        *("ntfys://topic", "tgram://bot-token/chat-id", "wecombot://key", "barks://api.day.app/device-key"),
        *("schan://SendKey", "gotifys://server/token", "matrixs://access-token@server/!room:server"),
        "jsons://server/path",
    ]
    assert [f"<code>{example}</code>" in page.text for example in examples] == [True] * 8
    assert page.text.count("<code>") == 8
    assert page.text.count('class="btn main"') == 1


def test_without_apprise_the_page_says_what_the_administrator_does(family, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    add_channel(family.owner)
    client = sign_in(family.owner)
    for page in (client.get(PAGE), client.post(PAGE, {"url": "schan://SCT1"})):
        assert page.status_code == 200
        assert "make run" in page.text
        assert "uv sync --extra push" in page.text
        assert 'name="url"' not in page.text
    assert Channel.objects.get().url == URL
    client.post(REMOVE)
    assert not Channel.objects.exists()


@pytest.mark.parametrize("others", [0, 29])
def test_page_takes_the_same_queries_in_a_large_household(family, others, django_assert_num_queries):
    for member in MemberFactory.create_batch(others, household=family.household):
        add_channel(member)
    add_channel(family.owner)
    client = sign_in(family.owner)
    client.get(PAGE)
    with django_assert_num_queries(4):
        client.get(PAGE)
