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
    """Return a key for what is encrypted at rest, in Fernet's own format."""
    return Fernet.generate_key().decode()


def read_or_make_key(path: Path, make: Callable[[], str]) -> str:
    """Return the key kept in `path`; on the first start make it, readable by its owner alone (mode 0600).

    Two processes that start together end up with the same key: the file appears whole, under its name, once.
    """
    if not path.exists():
        draft = _draft(path, make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def read_keys(path: Path) -> list[str]:
    """Return the keys kept in `path`, newest first, separated there by commas; none when there is no such file."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return [key.strip() for key in text.split(",") if key.strip()]


def write_keys(path: Path, keys: list[str]) -> None:
    """Put the keys into `path` in one step: whoever reads it meanwhile, or after a crash, finds the old or the new."""
    draft = _draft(path, ",".join(keys))
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft
