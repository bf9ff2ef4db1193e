"""A household's secrets: sealed with a key of its own, each bound to its place, so that none opens anywhere else.

The household's key is itself sealed with the installation's keys, which are neither in the database nor in a backup.
Whoever takes the household's key away takes all its secrets away, in every copy that is made later.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import PurePosixPath
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import SuspiciousOperation
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from .encryption import KeyLost, seal, unseal
from .models import Household

__all__ = ["KeyLost", "Tampered", "count_lost", "forget_key", "has_secret", "is_sealed", "is_sealed_file", "mask",
           "open_file", "opens", "read_secret", "seal_file", "write_secret"]  # fmt: skip

VERSION = "1:"
NONCE_BYTES = 12
DOTS = "••••"


class Tampered(SuspiciousOperation):
    """What is kept was changed, or moved here from another row, field, file or household."""

    default = _("What is kept here was changed from outside, or belongs elsewhere, so it is not shown. Enter it anew.")

    def __init__(self, message: object = default) -> None:
        super().__init__(message)


@sensitive_variables()
def write_secret(row: Any, field: str, text: str) -> None:
    """Seal `text` into a field of a row that has a pk; the row is still to be saved. Empty text stays empty.

    Raises KeyLost when the household's key cannot be opened: a second one would lose the secrets of the first.
    """
    if row.pk is None:
        raise ValueError("a secret is bound to its row, so the row is saved first")
    content = _encrypt(_key_to_seal(row.household_id), text.encode(), _place(row, field)) if text else b""
    setattr(row, field, VERSION + urlsafe_b64encode(content).decode() if text else "")


@sensitive_variables()
def read_secret(row: Any, field: str) -> str:
    """Return the text of a sealed field; empty when nothing is kept. Raises KeyLost, or Tampered."""
    sealed: str = getattr(row, field)
    if not sealed:
        return ""
    if not is_sealed(sealed):
        raise KeyLost  # written by an earlier version, with a key that was not there when it was to be sealed anew
    try:
        content = urlsafe_b64decode(sealed.removeprefix(VERSION))
    except ValueError as error:
        raise Tampered from error
    return _decrypt(_key_to_open(row.household_id), content, _place(row, field)).decode()


def has_secret(row: Any, field: str) -> bool:
    """Whether the field keeps something, without opening it."""
    return bool(getattr(row, field))


def seal_file(household: Household, name: str, content: bytes) -> bytes:
    """Return the content of a file as it is to be kept under `name`, of which only the last part counts."""
    return VERSION.encode() + _encrypt(_key_to_seal(household.pk), content, _place_of_file(name))


def open_file(household: Household, name: str, sealed: bytes) -> bytes:
    """Return what `seal_file` was given. Raises KeyLost, or Tampered."""
    if not is_sealed_file(sealed):
        raise KeyLost
    return _decrypt(_key_to_open(household.pk), sealed.removeprefix(VERSION.encode()), _place_of_file(name))


def is_sealed(text: str) -> bool:
    """Whether a field's value is sealed with a household's key; earlier versions used the installation's."""
    return text.startswith(VERSION)


def is_sealed_file(content: bytes) -> bool:
    """Whether a file is sealed with a household's key; earlier versions used the installation's."""
    return content.startswith(VERSION.encode())


def mask(text: str) -> str:
    """Return dots and at most the last four characters, never more than a third of the text."""
    shown = min(4, len(text) // 3)
    return f"{DOTS} {text[-shown:]}" if shown >= 2 else DOTS


def opens(household: Household) -> bool:
    """Whether the household's secrets can be read; so can those of a household that has none yet."""
    return _opens(household.pk, _sealed_key(household.pk))


def count_lost() -> int:
    """Return the number of households whose secrets no key of the installation opens."""
    keys = Household.objects.exclude(data_key="").values_list("pk", "data_key")
    return sum(not _opens(pk, sealed) for pk, sealed in keys.iterator())


def forget_key(household: Household) -> None:
    """Take the household's key away: nothing it has sealed so far can be read any more, here or in a later copy."""
    Household.objects.filter(pk=household.pk).update(data_key="")


@sensitive_variables()
def _key_to_seal(household_id: int) -> bytes:
    """Return the household's key, made by whoever needs it first; of several at once, one is kept."""
    sealed = _sealed_key(household_id)
    if not sealed:
        fresh = seal(f"{household_id}:".encode() + AESGCM.generate_key(bit_length=256)).decode()
        Household.objects.filter(pk=household_id, data_key="").update(data_key=fresh)
        sealed = _sealed_key(household_id)
    return _open_key(household_id, sealed)


def _key_to_open(household_id: int) -> bytes:
    sealed = _sealed_key(household_id)
    if not sealed:
        raise KeyLost(_("The key of this household's secrets was taken away, so they cannot be read any more."))
    return _open_key(household_id, sealed)


def _sealed_key(household_id: int) -> str:
    return Household.objects.values_list("data_key", flat=True).get(pk=household_id)


def _open_key(household_id: int, sealed: str) -> bytes:
    owner, _colon, key = unseal(sealed.encode()).partition(b":")
    if owner != str(household_id).encode():
        raise Tampered
    return key


def _opens(household_id: int, sealed: str) -> bool:
    try:
        return not sealed or bool(_open_key(household_id, sealed))
    except (KeyLost, Tampered):
        return False


def _place(row: models.Model, field: str) -> bytes:
    return f"{row._meta.label_lower}:{row.pk}:{field}".encode()


def _place_of_file(name: str) -> bytes:
    return f"file:{PurePosixPath(name).name}".encode()


def _encrypt(key: bytes, content: bytes, place: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, place)


def _decrypt(key: bytes, sealed: bytes, place: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except (InvalidTag, ValueError) as error:
        raise Tampered from error
