"""Numbers and receipts that an earlier version sealed with the installation's key: sealed anew with the household's."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import models

from cards.encryption import KeyLost, unseal
from cards.secrets import is_sealed, is_sealed_file, seal_file, write_secret

BATCH = 500


def seal_fields_anew(model: type[models.Model], *fields: str) -> int:
    """Seal the old values of these fields with the key of their household; return how many no key opens.

    Each row is written on its own and one that is done is passed over, so that a run that was cut off goes on.
    """
    lost = 0
    for row in _rows(model, fields):
        for field in fields:
            old = getattr(row, field)
            if not old or is_sealed(old):
                continue
            try:
                write_secret(row, field, unseal(old.encode()).decode())
            except KeyLost:
                lost += 1
            else:
                model._base_manager.filter(pk=row.pk, **{field: old}).update(**{field: getattr(row, field)})
    return lost


def seal_files_anew(model: type[models.Model], field: str) -> int:
    """Seal the old files of this field with the key of their household; return how many no key opens.

    A file is replaced in one step under its own name: after a crash it is the old one or the new one.
    """
    lost = 0
    for row in _rows(model, [field]):
        file = getattr(row, field)
        path = Path(file.storage.path(file.name)) if file else None
        if path is None or not path.exists():
            continue
        old = path.read_bytes()
        if is_sealed_file(old):
            continue
        try:
            content = seal_file(row.household, file.name, unseal(old))
        except KeyLost:
            lost += 1
            continue
        draft = path.with_name(f"{path.name}.part")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as part:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())
        draft.replace(path)
    return lost


def _rows(model: type[models.Model], fields: Any) -> Iterator[Any]:
    """Yield the rows that keep anything in these fields, in batches by their pk: the table may be written meanwhile."""
    kept = models.Q()
    for field in fields:
        kept |= ~models.Q(**{field: ""})
    last = 0
    rows = model._base_manager.filter(kept).order_by("pk")
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield from batch
        last = batch[-1].pk
