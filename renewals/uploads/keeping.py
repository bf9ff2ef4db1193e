"""Files and the rows that name them: written before the row's commit, deleted after it, so that no row lacks its file.

A process that is killed leaves at most a file that no row names; `sweep_orphans` takes it away a day later.
"""

import contextlib
import datetime
import os
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error, transaction

from cards.models import Household
from cards.secrets import KeyLost, Tampered, open_file, seal_file
from renewals.models import Document, Payment

# Where files are named; each field has its type beside it.
FIELDS: tuple[tuple[Any, str], ...] = ((Payment, "receipt"), (Document, "scan"))
ORPHANS_KEPT = datetime.timedelta(days=1)
# What opening a kept file may raise: it is gone, or cannot be trusted.
LOST = (FileNotFoundError, KeyLost, Tampered)

_written: ContextVar[list[str] | None] = ContextVar("written", default=None)


@contextlib.contextmanager
def kept_with_rows() -> Iterator[None]:
    """Open a transaction; if it fails, the files that were kept in it go as its rows do."""
    written: list[str] = []
    before = _written.set(written)
    try:
        with transaction.atomic():
            yield
    except BaseException:
        # A commit whose answer was lost may have been one: only what no row names goes, else the sweep decides.
        with contextlib.suppress(Error):
            for name in written:
                forget(name)
        raise
    finally:
        _written.reset(before)


def keep(row: Any, field: str, kind: str, content: bytes) -> None:
    """Seal the content into a new file of the row, which is still to be saved; `kind` is a key of TYPES.

    The file it takes the place of is deleted with the commit, unless another row names it.
    """
    drop(row, field)
    name = f"{row._meta.get_field(field).upload_to}/{secrets.token_urlsafe(24)}"
    written = _written.get()
    if written is not None:
        written.append(name)
    _write(path_of(name), seal_file(row.household, name, content))
    setattr(row, field, name)
    setattr(row, f"{field}_type", kind)


def drop(row: Any, field: str) -> None:
    """Let the row, which is still to be saved, name no file; the one it named is deleted with the commit."""
    if old := getattr(row, field).name:
        transaction.on_commit(partial(forget, old))
    setattr(row, field, "")
    setattr(row, f"{field}_type", "")


def content_of(row: Any, field: str) -> bytes:
    """Return what was kept. Raises one of LOST: FileNotFoundError when the file is gone, KeyLost, or Tampered."""
    name = getattr(row, field).name
    return open_file(row.household, name, path_of(name).read_bytes())


def forget(name: str) -> None:
    """Delete a file, unless a row names it, as a correction does the receipt of what it corrects."""
    if not any(model._base_manager.filter(**{field: name}).exists() for model, field in FIELDS):
        path_of(name).unlink(missing_ok=True)


def files_of(household: Household) -> set[str]:
    """Return the names of all files a household keeps, those in its bin and of cards that few may see among them."""
    return {
        name
        for model, field in FIELDS
        for name in model._base_manager.filter(household=household).exclude(**{field: ""}).values_list(field, flat=True)
    }


def size_of(name: str) -> int:
    """Return how many bytes a file takes; 0 for one that is gone."""
    with contextlib.suppress(FileNotFoundError):
        return path_of(name).stat().st_size
    return 0


def sweep_orphans(now: datetime.datetime) -> int:
    """Delete the files that no row names and that are older than a day; return how many."""
    before, count = (now - ORPHANS_KEPT).timestamp(), 0
    for model, field in FIELDS:
        folder = model._meta.get_field(field).upload_to
        if not path_of(folder).is_dir():
            continue
        # The folder is read before the table: a file that is old enough was named by then, or never will be.
        names = (f"{folder}/{file.name}" for file in path_of(folder).iterdir())
        old = {name for name in names if _is_older(name, before)}
        named = model._base_manager.exclude(**{field: ""}).values_list(field, flat=True)
        for name in old.difference(named.iterator()):
            path_of(name).unlink(missing_ok=True)
            count += 1
    return count


def path_of(name: str) -> Path:
    """Return where a file is, in a folder that no address leads to."""
    return Path(settings.MEDIA_ROOT) / name


def _is_older(name: str, moment: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path_of(name).stat().st_mtime < moment
    return False


def _write(path: Path, content: bytes) -> None:
    """Write a file that only this login may read, and have it on the disk before any row names it."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
