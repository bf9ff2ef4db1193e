"""Fields that are unreadable in the database file, its backups and its logs."""

from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


def seal(content: bytes) -> bytes:
    """Encrypt `content` with the installation's newest key (authenticated: a changed byte is refused)."""
    return _keys().encrypt(content)


def unseal(token: bytes) -> bytes:
    """Return what `seal` was given. Raises ImproperlyConfigured when no key of this installation opens it."""
    try:
        return _keys().decrypt(token)
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "An encrypted value cannot be read with the keys of this installation. "
            "Put back the ENCRYPTION_KEY (or the file encryption_key of the data folder) it was written with."
        ) from error


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


class EncryptedTextField(models.TextField):
    """Text that is sealed on its way into the database. It can be neither searched nor sorted by."""

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return seal(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        return unseal(value.encode()).decode() if value else value
