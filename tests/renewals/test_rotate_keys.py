"""Another key for the installation, while everything goes on running."""

import io
import subprocess
import sys
from importlib import import_module

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from cards.encryption import installation_keys, reseal, seal, unseal
from cards.models import Card, Household
from cards.secrets import KeyLost, count_lost, open_file, read_secret, seal_file, write_secret
from config.keys import read_keys, write_keys
from renewals.models import Channel, Document
from renewals.rotating import Count, keys_of_households, reseal_all, sealed_fields
from renewals.uploads import content_of
from tests.app import ROOT, app_environment
from tests.factories import CardFactory, MemberFactory, PersonFactory
from tests.family import Family

FIRST, SECOND = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def key_file(settings, tmp_path):
    """The file of an installation that holds one key."""
    settings.ENCRYPTION_KEYS = []
    settings.ENCRYPTION_KEY_FILE = tmp_path / "encryption_key"
    write_keys(settings.ENCRYPTION_KEY_FILE, [FIRST])
    return settings.ENCRYPTION_KEY_FILE


def fill(households=5):
    """Give some households a PUK, a number, a file and a channel each; return the files' sealed content."""
    files = {}
    for at in range(households):
        member = MemberFactory()
        card = CardFactory(household=member.household)
        write_secret(card, "puk", f"1000000{at}")
        card.save()
        person = PersonFactory(household=member.household)
        document = Document.objects.create(household=member.household, person=person, kind="passport")
        write_secret(document, "number", f"K{at}")
        document.save()
        Channel.objects.create(household=member.household, member=member, url=f"ntfy://{at}", service="ntfy")
        files[member.household_id] = seal_file(member.household, "scan", f"scan {at}".encode())
    return files


def everything(files):
    """Return all that is sealed, read: a value that no key opens is the only way for this to differ."""
    assert count_lost() == 0
    return [
        [read_secret(card, "puk") for card in Card.objects.order_by("pk")],
        [read_secret(paper, "number") for paper in Document.objects.order_by("pk")],
        list(Channel.objects.order_by("pk").values_list("url", flat=True)),
        [open_file(Household(pk=pk), "scan", sealed).decode() for pk, sealed in files.items()],
    ]


def rotate(*options):
    out = io.StringIO()
    call_command("rotate_keys", *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_new_key_opens_everything_alone_and_the_second_run_says_that_the_old_one_may_go(key_file):
    files = fill()
    before = everything(files)
    said = rotate("--new-key")
    fresh, old = read_keys(key_file)
    assert (old, fresh == FIRST) == (FIRST, False)
    assert "10 values are sealed with the newest key, 10 of them since now." in said
    assert "Run this once more" in said
    assert "leave only the first key" not in said
    said = rotate()
    assert "10 values are sealed with the newest key, 0 of them since now." in said
    assert f"leave only the first key in {key_file}" in said
    write_keys(key_file, [fresh])
    assert everything(files) == before
    assert fresh not in said


@pytest.mark.django_db
@pytest.mark.parametrize("stop", range(13))
def test_rotation_stopped_anywhere_leaves_everything_readable_and_goes_on(key_file, stop, monkeypatch):
    """Whatever row it stops at, each is sealed with a key that is there."""
    monkeypatch.setattr("renewals.rotating.BATCH", 2)
    files = fill()
    before = everything(files)
    write_keys(key_file, [SECOND, FIRST])
    steps = (done for field in [keys_of_households(), *sealed_fields()] for done in reseal_all(field, Count()))
    for _step, _done in zip(range(stop), steps, strict=False):
        assert everything(files) == before
    assert everything(files) == before
    rotate()
    write_keys(key_file, [SECOND])
    assert everything(files) == before


@pytest.mark.django_db
def test_value_written_meanwhile_is_not_overwritten(key_file, monkeypatch):
    """Between the look at a row and its change, a member saves another one."""
    fill(1)
    write_keys(key_file, [SECOND, FIRST])

    def reseal_late(token):
        Channel.objects.update(url="ntfy://another")
        return reseal(token)

    monkeypatch.setattr("renewals.rotating.reseal", reseal_late)
    list(reseal_all(Channel._meta.get_field("url"), Count()))
    assert Channel.objects.get().url == "ntfy://another"


@pytest.mark.django_db
def test_value_that_no_key_opens_is_counted_and_nothing_is_to_be_removed(key_file):
    fill(2)
    write_keys(key_file, [SECOND])
    with pytest.raises(CommandError, match=r"4 values are opened by none of the keys\. Remove no key"):
        rotate()
    write_keys(key_file, [SECOND, FIRST])
    assert "4 of them since now" in rotate()


@pytest.mark.django_db
def test_second_factors_are_sealed_anew_and_nothing_else_in_them_changes(key_file):
    user = MemberFactory().user
    codes = [seal(b"11111111").decode(), seal(b"22222222").decode()]
    app = Authenticator.objects.create(user=user, type="totp", data={"secret": seal(b"BASE32").decode()})
    spare = Authenticator.objects.create(
        user=user, type="recovery_codes", data={"seed": seal(b"seed").decode(), "used_mask": 5, "migrated_codes": codes}
    )
    key = Authenticator.objects.create(user=user, type="webauthn", data={"name": "key", "credential": {"id": "x"}})
    write_keys(key_file, [SECOND, FIRST])
    assert "4 values are sealed with the newest key, 2 of them since now." in rotate()
    write_keys(key_file, [SECOND])
    for row in (app, spare, key):
        row.refresh_from_db()
    assert unseal(app.data["secret"].encode()) == b"BASE32"
    assert (unseal(spare.data["seed"].encode()), spare.data["used_mask"]) == (b"seed", 5)
    assert [unseal(code.encode()) for code in spare.data["migrated_codes"]] == [b"11111111", b"22222222"]
    assert key.data == {"name": "key", "credential": {"id": "x"}}


@pytest.mark.django_db
def test_missing_key_is_not_replaced_by_a_new_one(key_file):
    fill(1)
    key_file.unlink()
    with pytest.raises(CommandError, match="The key is missing"):
        rotate("--new-key")
    assert not key_file.exists()


@pytest.mark.django_db
def test_keys_of_the_environment_are_for_people_to_change(settings):
    settings.ENCRYPTION_KEYS = [FIRST]
    with pytest.raises(CommandError, match="Set ENCRYPTION_KEY to the line below") as refused:
        rotate("--new-key")
    assert FIRST not in str(refused.value)
    settings.ENCRYPTION_KEYS = [SECOND, FIRST]
    fill(1)
    assert "leave only the first key in ENCRYPTION_KEY" in rotate()


@pytest.mark.django_db
def test_new_installation_gets_its_first_key(settings, tmp_path):
    settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEY_FILE = [], tmp_path / "encryption_key"
    assert "0 values" in rotate("--new-key")
    assert len(installation_keys()) == 1


# What an earlier version had sealed with the installation's key


@pytest.mark.django_db
def test_numbers_and_receipts_of_an_earlier_version_are_sealed_anew(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    family = Family().fill()
    Document.objects.update(number=seal(b"K1").decode())
    family.payment.receipt.save("old", ContentFile(seal(b"%PDF-")))
    migration = import_module("renewals.migrations.0005_seal_numbers")
    for _again in range(2):
        migration.seal_anew(apps, None)
    assert read_secret(Document.objects.get(), "number") == "K1"
    assert content_of(family.payment, "receipt") == b"%PDF-"
    assert [path.name for path in (tmp_path / "receipts").iterdir()] == ["old"]


@pytest.mark.django_db
def test_number_whose_key_is_missing_waits_for_it(settings):
    """The change of version is not stopped by a key that is lost; once it is back, rotate_keys seals what is left."""
    Family().fill()
    token = seal(b"K1").decode()
    Document.objects.update(number=token)
    kept = list(settings.ENCRYPTION_KEYS)
    settings.ENCRYPTION_KEYS = [FIRST]
    import_module("renewals.migrations.0005_seal_numbers").seal_anew(apps, None)
    assert Document.objects.get().number == token
    with pytest.raises(KeyLost, match="Put back"):
        read_secret(Document.objects.get(), "number")
    settings.ENCRYPTION_KEYS = [FIRST, *kept]
    rotate()
    assert read_secret(Document.objects.get(), "number") == "K1"


KILLED = """
import os, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
import renewals.rotating
renewals.rotating.BATCH = 1
left = int(sys.argv[1])
def dies(execute, sql, params, many, context):
    global left
    if sql.startswith("UPDATE"):
        if left == 0:
            os._exit(9)
        left -= 1
    return execute(sql, params, many, context)
with connection.execute_wrapper(dies):
    call_command("rotate_keys", *sys.argv[2:])
"""
CHECKED = """
import django
django.setup()
from cards.models import Card
from cards.secrets import KeyLost, count_lost, read_secret
from renewals.models import Channel
print(count_lost(), [read_secret(card, "puk") for card in Card.objects.order_by("pk")],
      [channel.url for channel in Channel.objects.order_by("pk")])
"""
FILLED = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from cards.models import Card, Household, Member, Operator, Plan, User
from cards.secrets import write_secret
from renewals.models import Channel
plan = Plan.objects.create(operator=Operator.objects.create(slug="o", name="O"), slug="p", name="P")
for at in range(4):
    household = Household.objects.create(name=str(at))
    user = User.objects.create_user(f"{at}@example.org")
    member = Member.objects.create(household=household, user=user, name=str(at))
    card = Card.objects.create(household=household, plan=plan, name=str(at), number=f"+535200000{at}")
    write_secret(card, "puk", f"1000000{at}")
    card.save()
    Channel.objects.create(household=household, member=member, url=f"ntfy://{at}", service="ntfy")
"""


def test_rotation_killed_at_any_write_leaves_everything_readable(tmp_path):
    """The process dies as by kill -9, at each of its eight writes in turn; then it runs to its end."""
    environment = app_environment(tmp_path, 8000, DJANGO_SETTINGS_MODULE="config.settings")

    def run(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert run(FILLED).returncode == 0
    whole = run(CHECKED).stdout
    assert whole.startswith("0 ['10000000', '10000001', '10000002', '10000003'] ['ntfy://0'")
    assert run(KILLED, 0, "--new-key").returncode == 9
    for left in (1, 1, 2, 1, 1):
        assert run(CHECKED).stdout == whole
        assert run(KILLED, left).returncode == 9
    assert run(CHECKED).stdout == whole
    done = run(KILLED, 99)
    assert (done.returncode, "8 values are sealed with the newest key, 2 of them since now." in done.stdout) == (
        0,
        True,
    )
    write_keys(tmp_path / "encryption_key", read_keys(tmp_path / "encryption_key")[:1])
    assert run(CHECKED).stdout == whole
