"""What was deleted: for thirty days it can be put back, then it is gone for good, with its files."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from cards.models import Card, Member

from .deadlines import recompute_card
from .models import Activity, Document, Payment, Reading, SignalCheck
from .uploads.keeping import forget

KEPT = datetime.timedelta(days=30)
MODELS: dict[str, Any] = {
    "document": Document,
    "payment": Payment,
    "activity": Activity,
    "reading": Reading,
    "signal": SignalCheck,
}
FILES = {"document": "scan", "payment": "receipt"}
# With what each is written on a page.
WITH = {kind: ("person",) if kind == "document" else ("card__plan__operator",) for kind in MODELS}

Binned = Document | Payment | Activity | Reading | SignalCheck


class CannotDelete(Exception):
    """The row cannot be deleted; the exception's text says why, in the active language."""


@dataclass(frozen=True)
class InBin:
    """A deleted row of one of the MODELS, named by `kind`, with when that was and when it is gone for good."""

    kind: str
    row: Binned
    deleted_at: datetime.datetime

    @property
    def gone_at(self) -> datetime.datetime:
        return self.deleted_at + KEPT


def put_into_bin(row: Binned, member: Member, now: datetime.datetime) -> bool:
    """Delete a row so that it can be restored; return whether it was there still. A card's dates are computed anew.

    Raises CannotDelete for an entry that a later one corrects: that one would be left without what it corrects.
    """
    with transaction.atomic():
        card = _locked_card(row)
        if _corrections(row).filter(deleted_at=None).exists():
            raise CannotDelete(_("This entry was corrected meanwhile. Delete the entry that corrects it instead."))
        if not _mark(row, False, deleted_at=now, deleted_by=member):
            return False
        if card:
            recompute_card(card)
    return True


def restore(row: Binned) -> bool:
    """Put a row back that is in the bin; return whether it was there. A card's dates are computed anew.

    An entry that corrects another one brings that one back as well, to go on standing corrected in the history.
    """
    with transaction.atomic():
        card = _locked_card(row)
        if not _mark(row, True, deleted_at=None, deleted_by=None):
            return False
        corrected = getattr(row, "corrects", None)
        while corrected is not None:
            _mark(corrected, True, deleted_at=None, deleted_by=None)
            corrected = corrected.corrects
        if card:
            recompute_card(card)
    return True


def save_correction(row: Any) -> None:
    """Save a record that may correct another one.

    Was that one corrected before by an entry that is in the bin now, then the latter corrects this one, if it is ever
    restored: of each entry one correction holds.
    """
    with transaction.atomic():
        binned = list(_corrections(row.corrects).exclude(deleted_at=None)) if row.corrects else []
        for other in binned:
            other.corrects = None
            other.save(update_fields=["corrects"])
        row.save()
        for other in binned:
            other.corrects = row
            other.save(update_fields=["corrects"])


def bin_of(member: Member, now: datetime.datetime) -> list[InBin]:
    """Return what the member may see of their household's bin, the last deleted first. Five queries."""
    found = [
        InBin(kind, row, row.deleted_at)
        for kind, model in MODELS.items()
        for row in model.objects.for_member(member)
        .filter(deleted_at__gt=now - KEPT)
        .select_related("deleted_by", *WITH[kind])
    ]
    return sorted(found, key=lambda each: (each.deleted_at, each.row.pk), reverse=True)


def empty_bin(now: datetime.datetime) -> int:
    """Delete for good, with its files, what has been in the bins of all households for thirty days; return how many."""
    count = 0
    for kind, model in MODELS.items():
        # What corrects an entry was deleted before it, and so goes before it.
        for row in model.objects.filter(deleted_at__lte=now - KEPT).order_by("deleted_at", "-pk"):
            row.delete()
            if kind in FILES and (name := getattr(row, FILES[kind]).name):
                forget(name)
            count += 1
    return count


def _locked_card(row: Binned) -> Card | None:
    """Lock the card that a row belongs to, so that two acts on its history come one after the other."""
    if isinstance(row, Document):
        return None
    return Card.objects.select_for_update(of=("self",)).select_related("plan__operator").get(pk=row.card_id)


def _corrections(row: Any) -> Any:
    """Return what corrects a row, in the bin or not; a document is not corrected but changed."""
    rows = type(row).objects
    return rows.none() if isinstance(row, Document) else rows.filter(corrects=row.pk)


def _mark(row: Any, is_deleted: bool, **fields: Any) -> bool:
    """Write a row's deletion, if it still is as it was seen; return whether it was."""
    # Calendars show documents, and are told of a change by its revision.
    news = {"revision": F("revision") + 1} if isinstance(row, Document) else {}
    still = type(row).objects.filter(pk=row.pk, deleted_at__isnull=not is_deleted)
    if not still.update(**fields, **news):
        return False
    for name, value in fields.items():
        setattr(row, name, value)
    return True
