"""The lines of the household's log in plain words, in the reader's language."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.dateparse import parse_date
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from cards.models import Card, Household, LogEntry, Member, Person
from cards.rights import Right
from cards.templatetags.words import short_day

from .models import Activity, CalendarFeed, Channel, Document, Payment, Reading, SignalCheck, Trip

Kind = LogEntry.Kind

# What a subject such as card:5 begins with, and what a line calls an entry of a card's history.
MODELS: dict[str, type[models.Model]] = {
    "card": Card,
    "document": Document,
    "household": Household,
    "member": Member,
    "person": Person,
    "trip": Trip,
    "channel": Channel,
    "feed": CalendarFeed,
    "payment": Payment,
    "activity": Activity,
    "reading": Reading,
    "signal": SignalCheck,
}
RECORD = "record"


@dataclass(frozen=True)
class Change:
    """A field that was changed. `before` and `after` are empty, and `is_kept` False, where the log has no values."""

    label: str
    before: str = ""
    after: str = ""
    is_kept: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the log as the page shows it."""

    entry: LogEntry

    @property
    def words(self) -> str:
        """Who did what, as one sentence."""
        entry = self.entry
        facts = {"who": entry.member or _("Somebody"), "what": self._what(), "right": self._right()}
        return _sentence(entry, self._fields()) % (facts | {"fields": ", ".join(self._fields())})

    @property
    def changes(self) -> list[Change]:
        """What was changed, field by field, where the sentence does not say it already."""
        if self.entry.kind in {Kind.REVEALED, Kind.DOWNLOADED}:
            return []
        return [self._change(name, values) for name, values in self.entry.changed.items() if name != RECORD]

    def _what(self) -> str:
        """Return what it was about: the kind of thing with its name, a card by its name alone."""
        record = self.entry.changed.get(RECORD)
        kind = record if isinstance(record, str) else self.entry.subject.partition(":")[0]
        model = MODELS.get(kind)
        if model is None or kind in {"card", "member"}:
            return self.entry.name or (str(model._meta.verbose_name) if model else "–")
        label = str(model._meta.verbose_name)
        return f"{label} “{self.entry.name}”" if self.entry.name else label

    def _right(self) -> str:
        refused: dict[str, str] = {
            Right.CHANGE: _("to change something"),
            Right.REVEAL: _("to see a secret"),
            Right.ARRANGE: _("to change the household"),
            Right.MEMBERS: _("to change members"),
            Right.LOG: _("to read this log"),
            Right.ERASE: _("to erase the household"),
        }
        return refused.get(self.entry.subject.partition(":")[2], "–")

    def _fields(self) -> list[str]:
        return [_label(self._model(), name) for name in self.entry.changed if name != RECORD]

    def _model(self) -> type[models.Model] | None:
        record = self.entry.changed.get(RECORD)
        return MODELS.get(record if isinstance(record, str) else self.entry.subject.partition(":")[0])

    def _change(self, name: str, values: Any) -> Change:
        model = self._model()
        label = capfirst(_label(model, name))
        if not isinstance(values, list) or len(values) != 2:
            return Change(label)
        before, after = (_value(model, name, value) for value in values)
        return Change(label, before, after, is_kept=True)


def _sentence(entry: LogEntry, fields: list[str]) -> str:
    if entry.kind == Kind.REVEALED and fields:
        return _("%(who)s looked at the %(fields)s of %(what)s")
    return {
        Kind.SIGNED_IN: _("%(who)s signed in"),
        Kind.SIGN_IN_FAILED: _("Somebody tried in vain to sign in as %(who)s"),
        Kind.SIGNED_OUT: _("%(who)s signed out"),
        Kind.ACCOUNT: _("%(who)s changed how they sign in"),
        Kind.DENIED: _("%(who)s was refused %(right)s"),
        Kind.REVEALED: _("%(who)s looked at what is secret of %(what)s"),
        Kind.DOWNLOADED: _("%(who)s downloaded %(what)s"),
        Kind.ADDED: _("%(who)s added %(what)s"),
        Kind.CHANGED: _("%(who)s changed %(what)s"),
        Kind.DELETED: _("%(who)s deleted %(what)s"),
        Kind.RESTORED: _("%(who)s put back %(what)s"),
        Kind.INVITED: _("%(who)s invited %(what)s"),
        Kind.JOINED: _("%(what)s joined the household"),
        Kind.LEFT: _("%(who)s left the household"),
        Kind.REMOVED: _("%(who)s removed %(what)s from the household"),
        Kind.ROLE: _("%(who)s changed the role of %(what)s"),
    }[Kind(entry.kind)]


def _label(model: type[models.Model] | None, name: str) -> str:
    """Return what people call a field; its own name where nobody knows it."""
    words = {"plan_change": _("change of plan"), "erase_at": _("erasing"), "sign_in": _("sign-in")}
    if name in words:
        return words[name]
    field = _field(model, name)
    return name.replace("_", " ") if field is None else str(getattr(field, "verbose_name", name))


def _value(model: type[models.Model] | None, name: str, value: Any) -> str:
    """Return a value of the log as people write it; a dash for none."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    field = _field(model, name)
    if choices := getattr(field, "choices", None):
        return str(dict(choices).get(value, value))
    if isinstance(field, models.DateField) and (day := _day(value)):
        return short_day(day)
    return str(value)


def _field(model: type[models.Model] | None, name: str) -> Any:
    try:
        return model._meta.get_field(name) if model else None
    except FieldDoesNotExist:
        return None


def _day(value: object) -> datetime.date | None:
    try:
        return parse_date(str(value))
    except ValueError:
        return None
