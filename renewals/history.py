"""The history of a card: everything that happened to it, newest first."""

import datetime
from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone

from cards.models import Card, Member, PlanChange

from .models import Activity, LetGo, Payment, Reading, Renewal, RuleChange, SignalCheck, Task
from .words import say_rule_change

# The kinds a member writes down, and may correct or delete.
RECORDS = ("payment", "activity", "reading", "signal")


@dataclass(frozen=True)
class Entry:
    """One line. `kind` names the record; `is_corrected` when a later row replaces it.

    `is_last` when it is the card's last change of plan, the one that can be taken back.
    """

    on: datetime.date
    kind: str
    row: Reading | Payment | Activity | SignalCheck | Renewal | PlanChange | LetGo | RuleChange | Task
    by: Member | None
    is_corrected: bool = False
    is_last: bool = False

    @property
    def can_be_corrected(self) -> bool:
        return self.kind in RECORDS and not self.is_corrected

    @property
    def rule_change(self) -> str:
        """What a changed rule did to the dates, in words; empty for every other kind."""
        return say_rule_change(self.row) if isinstance(self.row, RuleChange) else ""

    @property
    def correct_url(self) -> str:
        return reverse("correct", args=[self.kind, self.row.pk])

    @property
    def delete_url(self) -> str:
        return reverse("delete_record", args=[self.kind, self.row.pk])


def history_of(card: Card) -> list[Entry]:
    """Return everything that happened to a card, newest first; of changes of plan those that hold.

    Nine queries; eight for a card whose changes of plan were fetched with it.
    """
    entries = [
        Entry(timezone.localdate(row.finished_at), "renewal", row, row.finished_by)
        for row in card.renewals.exclude(finished_at=None).select_related("finished_by")
        if row.finished_at
    ]
    changes = sorted(card.plan_changes.all(), key=lambda change: change.starts_on)
    entries += [
        Entry(change.starts_on, "plan_change", change, change.by, is_last=change == changes[-1])
        for change in changes
        if change.applied_at
    ]
    entries += [Entry(row.decided_on, "let_go", row, row.by) for row in card.departures.select_related("by")]
    entries += [
        Entry(timezone.localdate(row.closed_at), "task", row, row.closed_by)
        for row in card.tasks.exclude(closed_at=None).select_related("closed_by")
        if row.closed_at
    ]
    entries += [Entry(row.changed_on, "rule", row, None) for row in card.rule_changes.all()]
    for kind, rows, day in (
        ("payment", card.payments.kept().select_related("via"), "paid_on"),
        ("activity", card.activities.kept(), "done_on"),
        ("reading", card.readings.kept(), "read_on"),
        ("signal", card.signal_checks.kept(), "checked_on"),
    ):
        entries += [
            Entry(getattr(row, day), kind, row, row.by, row.is_corrected)
            for row in rows.select_related("by", "corrected_by", "corrects")
        ]
    return sorted(entries, key=lambda entry: (entry.on, _moment(entry)), reverse=True)


def newest_of(card: Card) -> Payment | Activity | Reading | None:
    """Return what was written down last and moves dates, whatever its own day; None when there is nothing."""
    kinds = (card.payments, card.activities, card.readings)
    rows = [rows.kept().select_related("by").order_by("-pk").first() for rows in kinds]
    return max((row for row in rows if row), key=lambda row: row.recorded_at, default=None)


def mark_of(row: Payment | Activity | Reading | None) -> str:
    """Return what tells a row from all others: a form carries it, so that it notices what came after it."""
    return f"{row._meta.model_name}-{row.pk}" if row else "nothing"


def _moment(entry: Entry) -> datetime.datetime:
    row = entry.row
    if isinstance(row, RuleChange):
        return datetime.datetime.combine(row.changed_on, datetime.time.max, datetime.UTC)
    return row.opened_at if isinstance(row, Renewal | Task) else row.recorded_at
