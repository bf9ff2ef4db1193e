"""The two secrets of an installation, made on the first start and kept in the data folder."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet


def new_secret_key() -> str:
    """Return a signing key for Django: 64 random bytes in URL-safe text."""
    return secrets.token_urlsafe(64)


def new_encryption_key() -> str:
    """Return a key for the fields that are encrypted at rest, in Fernet's own format."""
    return Fernet.generate_key().decode()


def read_or_make_key(path: Path, make: Callable[[], str]) -> str:
    """Return the key kept in `path`; on the first start make it, readable by its owner alone (mode 0600).

    Two processes that start together end up with the same key: the file appears whole, under its name, once.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
