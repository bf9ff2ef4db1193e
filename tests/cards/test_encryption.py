"""The installation's keys, and what they seal by themselves."""

import os
import stat

import pytest
from cryptography.fernet import Fernet

from cards.encryption import KeyLost, holds_sealed, installation_keys, make_first_key, reseal, seal, unseal
from cards.secrets import seal_file
from config import start
from config.keys import read_keys, write_keys
from renewals.models import Channel
from tests.factories import HouseholdFactory, MemberFactory
from tests.family import Family

FIRST, SECOND = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def key_file(settings, tmp_path):
    """The file of an installation whose environment holds no key."""
    settings.ENCRYPTION_KEYS = []
    settings.ENCRYPTION_KEY_FILE = tmp_path / "encryption_key"
    return settings.ENCRYPTION_KEY_FILE


def test_newest_key_seals_and_every_key_opens(settings):
    settings.ENCRYPTION_KEYS = [FIRST]
    old = seal(b"old")
    settings.ENCRYPTION_KEYS = [SECOND, FIRST]
    fresh = seal(b"new")
    assert (unseal(old), unseal(fresh)) == (b"old", b"new")
    settings.ENCRYPTION_KEYS = [SECOND]
    assert unseal(fresh) == b"new"
    with pytest.raises(KeyLost, match="Put back the ENCRYPTION_KEY"):
        unseal(old)


def test_reseal_leaves_alone_what_has_the_newest_key(settings):
    settings.ENCRYPTION_KEYS = [FIRST]
    old = seal(b"text")
    assert reseal(old) is None
    settings.ENCRYPTION_KEYS = [SECOND, FIRST]
    fresh = reseal(old)
    settings.ENCRYPTION_KEYS = [SECOND]
    assert unseal(fresh) == b"text"


@pytest.mark.django_db
def test_first_secret_makes_the_key_for_its_owner_alone(key_file):
    assert unseal(seal(b"text")) == b"text"
    assert installation_keys() == read_keys(key_file)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert len(read_keys(key_file)) == 1


@pytest.mark.django_db
def test_missing_key_is_not_replaced_where_secrets_are_kept(key_file):
    household = HouseholdFactory()
    seal_file(household, "name", b"content")
    key_file.unlink()
    make_first_key()
    assert not key_file.exists()
    with pytest.raises(KeyLost):
        seal(b"text")
    with pytest.raises(KeyLost):
        seal_file(household, "name", b"content")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["nothing", "data key", "channel", "scan"])
def test_installation_knows_whether_it_keeps_secrets(kind):
    family = Family().fill()
    assert not holds_sealed()
    if kind == "data key":
        seal_file(family.household, "name", b"content")
    if kind == "channel":
        Channel.objects.create(household=family.household, member=family.owner, url="ntfy://x", service="ntfy")
    if kind == "scan":
        family.document.scan = "scans/x"
        family.document.save()
    assert holds_sealed() == (kind != "nothing")


@pytest.mark.django_db
def test_key_put_back_while_running_is_taken_up_at_once(key_file):
    token = seal(b"text")
    kept = key_file.read_text()
    write_keys(key_file, [SECOND])
    with pytest.raises(KeyLost):
        unseal(token)
    write_keys(key_file, [SECOND, kept])
    assert unseal(token) == b"text"
    assert os.listdir(key_file.parent) == ["encryption_key"]


@pytest.mark.parametrize("text", ["nonsense", "dG9vIHNob3J0"])
def test_what_is_no_key_is_said_in_words(settings, text):
    settings.ENCRYPTION_KEYS = [text]
    with pytest.raises(KeyLost, match="is not a key"):
        unseal(b"x")


@pytest.mark.django_db
def test_field_that_no_key_opens_is_empty_and_survives_a_save(settings):
    member = MemberFactory()
    kept = list(settings.ENCRYPTION_KEYS)
    Channel.objects.create(household=member.household, member=member, url="ntfy://secret", service="ntfy")
    settings.ENCRYPTION_KEYS = [FIRST]
    channel = Channel.objects.get()
    assert channel.url == ""
    channel.last_error = "no key"
    channel.save()
    settings.ENCRYPTION_KEYS = kept
    assert (Channel.objects.get().url, Channel.objects.get().last_error) == ("ntfy://secret", "no key")


@pytest.mark.django_db
def test_start_without_the_key_says_so_and_goes_on(key_file, capsys):
    start.prepare_keys()
    assert len(read_keys(key_file)) == 1
    assert capsys.readouterr().err == ""
    seal_file(HouseholdFactory(), "name", b"content")
    key_file.unlink()
    start.prepare_keys()
    said = capsys.readouterr().err
    assert "The secrets of 1 households cannot be opened" in said
    assert f"Put back ENCRYPTION_KEY, or the file {key_file}" in said
    assert not key_file.exists()
