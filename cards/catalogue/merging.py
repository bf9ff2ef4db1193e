"""The three-way merge: what a release does to a row that may have been edited here."""

import datetime
from collections.abc import Mapping
from enum import Enum
from typing import Any

# Not terms but when somebody last looked at them, and whether the row can be chosen.
BESIDE_THE_TERMS = {"checked", "checked_on", "retired_on"}

Mapped = Mapping[str, Any]


class Verdict(Enum):
    TAKE = "take"
    """The row becomes what the release says."""
    KEEP = "keep"
    """The row stays as it was edited; the release says nothing new."""
    OFFER = "offer"
    """The row stays as it was edited until someone decides; the release says something else."""


def merge(ours: Mapped, base: Mapped | None, theirs: Mapped, *, is_edited: bool) -> Verdict:
    """Return what to do with a row.

    ours: what the row says now. base: what the last release said; None is not known. theirs: what this one says.
    """
    if not is_edited or is_same(ours, theirs) or (base is not None and is_same(ours, base)):
        return Verdict.TAKE
    if base is not None and is_same(theirs, base):
        return Verdict.KEEP
    return Verdict.OFFER


def is_same(one: Mapped, other: Mapped) -> bool:
    """Whether two mappings of the catalogue's files say the same terms, whenever these were last checked.

    A key that is not there, as in what an older version wrote, says as much as one that is empty.
    """
    return _said(one) == _said(other)


def later(one: datetime.date | None, other: datetime.date | None) -> datetime.date | None:
    """Return the later of two days; None is not known."""
    return max((day for day in (one, other) if day), default=None)


def _said(terms: Mapped) -> dict[str, Any]:
    said = {key: _filled(value) for key, value in terms.items() if key not in BESIDE_THE_TERMS}
    return {key: value for key, value in said.items() if not _is_empty(value)}


def _filled(value: object) -> object:
    """Return a value without the empty keys of the rows within it."""
    if isinstance(value, list):
        return [_filled(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _filled(entry) for key, entry in value.items() if not _is_empty(entry)}
    return value


def _is_empty(value: object) -> bool:
    """Whether a value says nothing; zero and no do say something."""
    return value is None or value == "" or value == []
