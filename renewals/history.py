"""The history of a card: everything that happened to it, newest first."""

import datetime
from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone

from cards.models import Card, Member

from .models import Activity, Payment, Reading, Renewal, SignalCheck


@dataclass(frozen=True)
class Entry:
    """One line. `kind` names the record; `is_corrected` when a later row replaces it."""

    on: datetime.date
    kind: str
    row: Reading | Payment | Activity | SignalCheck | Renewal
    by: Member | None
    is_corrected: bool = False

    @property
    def correct_url(self) -> str:
        return reverse("correct", args=[self.kind, self.row.pk])

    @property
    def delete_url(self) -> str:
        return reverse("delete_record", args=[self.kind, self.row.pk])


def history_of(card: Card) -> list[Entry]:
    """Return renewals, payments, activities, readings and signal checks of a card, newest first, in five queries."""
    entries = [
        Entry(timezone.localdate(row.finished_at), "renewal", row, row.finished_by)
        for row in card.renewals.exclude(finished_at=None).select_related("finished_by")
        if row.finished_at
    ]
    for kind, rows, day in (
        ("payment", card.payments.select_related("via"), "paid_on"),
        ("activity", card.activities, "done_on"),
        ("reading", card.readings, "read_on"),
        ("signal", card.signal_checks, "checked_on"),
    ):
        entries += [
            Entry(getattr(row, day), kind, row, row.by, hasattr(row, "corrected_by"))
            for row in rows.select_related("by", "corrected_by", "corrects")
        ]
    return sorted(entries, key=lambda entry: (entry.on, _moment(entry)), reverse=True)


def newest_of(card: Card) -> Payment | Activity | Reading | None:
    """Return what was written down last and moves dates, whatever its own day; None when there is nothing."""
    kinds = (card.payments, card.activities, card.readings)
    rows = [rows.select_related("by").order_by("-pk").first() for rows in kinds]
    return max((row for row in rows if row), key=lambda row: row.recorded_at, default=None)


def mark_of(row: Payment | Activity | Reading | None) -> str:
    """Return what tells a row from all others: a form carries it, so that it notices what came after it."""
    return f"{row._meta.model_name}-{row.pk}" if row else "nothing"


def _moment(entry: Entry) -> datetime.datetime:
    row = entry.row
    return row.opened_at if isinstance(row, Renewal) else row.recorded_at
