"""What is unreadable in the database file, its backups and its logs: the keys of the installation, and its fields."""

from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from config.keys import new_encryption_key, read_keys, read_or_make_key


class KeyLost(ImproperlyConfigured):
    """No key of this installation opens what it keeps sealed."""

    default = _(
        "This is kept encrypted, and this installation does not have the key that opens it. Put back the "
        "ENCRYPTION_KEY, or the file encryption_key of the data folder, with which it was written."
    )

    def __init__(self, message: object = default) -> None:
        super().__init__(message)


def seal(content: bytes) -> bytes:
    """Encrypt `content` with the installation's newest key (authenticated: a changed byte is refused).

    The very first secret makes the key. Raises KeyLost where there are secrets already and the key is missing.
    """
    return _fernet(_keys_or_first()).encrypt(content)


def unseal(token: bytes) -> bytes:
    """Return what `seal` was given. Raises KeyLost when no key of this installation opens it."""
    try:
        return _fernet(installation_keys()).decrypt(token)
    except InvalidToken as error:
        raise KeyLost from error


def reseal(token: bytes) -> bytes | None:
    """Return what `unseal` opens sealed with the newest key; None when it is sealed with that one already.

    Raises KeyLost when no key of this installation opens it.
    """
    try:
        _fernet(installation_keys()[:1]).decrypt(token)
    except InvalidToken:
        return seal(unseal(token))
    return None


def installation_keys() -> list[str]:
    """Return the keys, newest first: those of the environment, else those of the file as it is at this moment.

    A server that is running so takes up another key without being started again.
    """
    return list(settings.ENCRYPTION_KEYS) or read_keys(Path(settings.ENCRYPTION_KEY_FILE))


def holds_sealed() -> bool:
    """Whether anything is kept that only a key of the installation opens."""
    sealed = (EncryptedTextField, SealedField, KeyField, models.FileField)
    factors = apps.get_model("mfa", "Authenticator").objects.exclude(type="webauthn")
    return factors.exists() or any(
        model._base_manager.exclude(**{f"{field.name}__in": [""]}).exists()
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, sealed)
    )


def make_first_key() -> None:
    """Make the key of a new installation. Where secrets are kept already, none is made: it could not open them."""
    if not installation_keys() and not holds_sealed():
        read_or_make_key(Path(settings.ENCRYPTION_KEY_FILE), new_encryption_key)


def _keys_or_first() -> list[str]:
    make_first_key()
    return installation_keys()


def _fernet(keys: list[str]) -> MultiFernet:
    if not keys:
        raise KeyLost
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise KeyLost(_("What ENCRYPTION_KEY, or the file encryption_key, holds is not a key.")) from error


class Unopened(str):
    """A value that no key opens: as text it is empty, and a save of its row leaves it as it is."""

    token: str

    def __new__(cls, token: str) -> "Unopened":
        text = super().__new__(cls, "")
        text.token = token
        return text


class EncryptedTextField(models.TextField):
    """Text that is sealed on its way into the database. It can be neither searched nor sorted by."""

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Unopened):
            return value.token
        text = super().get_prep_value(value)
        return seal(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        if not value:
            return value
        try:
            return unseal(value.encode()).decode()
        except KeyLost:
            return Unopened(value)


# How a sealed text begins: today's, and the one of earlier versions.
SEALED = ("1:", "gAAAA")


class SealedField(models.TextField):
    """A secret of a household as it is kept: sealed, or empty. Only `cards.secrets` turns it into text and back.

    Anything else is refused on its way into the database: a secret that somebody forgot to seal is written nowhere.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        if text and not text.startswith(SEALED):
            raise ValueError("write_secret seals it first")
        return text


class KeyField(models.TextField):
    """The sealed key of a row. Saving the row never writes it, so that no stale copy can take it away."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        return super().pre_save(model_instance, add) if add else F(self.attname)
