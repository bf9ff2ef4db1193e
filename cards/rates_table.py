"""Exchange rates from a CSV: read and checked as a whole, compared with those that are there, then saved at once."""

import csv
import datetime
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from .fields import AmountField, CurrencyField, DayField
from .models import ExchangeRate
from .money import check_currency

COLUMNS = ("currency", "target", "rate", "dated_on", "source")
OPTIONAL = {"source"}
MOST_LINES = 10_000
LONGEST_CELL = 200

Key = tuple[str, str, datetime.date]


@dataclass(frozen=True)
class RateTable:
    """The rates of a file and its `mistakes`, each with its line; with any of them nothing is to be saved."""

    rows: list[ExchangeRate]
    mistakes: list[str]


@dataclass(frozen=True)
class ChangedRate:
    """A rate that is there with another value or source, and what it becomes."""

    before: ExchangeRate
    after: ExchangeRate


@dataclass(frozen=True)
class RateChanges:
    """What the rates of a file change about those that are there."""

    new: list[ExchangeRate]
    changed: list[ChangedRate]
    unchanged: int

    @cached_property
    def mark(self) -> str:
        """The same for the same changes to the same rates, and only for them."""
        told = [("new", *_terms(row)) for row in self.new]
        told += [("changed", *_terms(pair.before), *_terms(pair.after)) for pair in self.changed]
        return hashlib.sha256(repr(told).encode()).hexdigest()


def decode_rates(content: bytes) -> str:
    """Return a file's text, its lines ended in one way. Raises ValidationError for one that is not in UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValidationError(
            _("Line %(line)d: this is not in UTF-8. Save the file as “CSV UTF-8”."), code="utf8", params={"line": line}
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_rates(text: str, today: datetime.date) -> RateTable:
    """Return the rates of a CSV whose first line names the columns, and all that is wrong with it.

    Cells are parted by commas or semicolons. `today` is the last day that a rate may be of.
    """
    records = _records(text)
    line, header, problem = next(records, (1, [], _("The file is empty.")))
    names = [name.strip().lower() for name in header]
    problems = [problem] if problem else _header_problems(names)
    if problems:
        return RateTable([], [_at(line, problem) for problem in problems])
    return _Reader(names, today).read(records)


def compare_rates(rows: Iterable[ExchangeRate], there: QuerySet[ExchangeRate]) -> RateChanges:
    """Return what these rates change about those that are `there`, in one query.

    A row without a source that has the rate that is there changes nothing.
    """
    wanted = list(rows)
    days = [row.dated_on for row in wanted]
    near = there.filter(currency__in={row.currency for row in wanted}, target__in={row.target for row in wanted})
    if days:
        near = near.filter(dated_on__range=(min(days), max(days)))
    known = {_key(row): row for row in near} if days else {}
    new = [row for row in wanted if _key(row) not in known]
    pairs = [ChangedRate(known[_key(row)], row) for row in wanted if _key(row) in known]
    changed = [pair for pair in pairs if _is_changed(pair)]
    return RateChanges(new, changed, len(pairs) - len(changed))


def import_rates(rows: Iterable[ExchangeRate], mark: str) -> RateChanges | None:
    """Save these rates, all or none, and return what changed.

    None, and nothing saved, when that is no longer what was seen: `mark` is that of the changes as they were shown.
    """
    try:
        with transaction.atomic():
            changes = compare_rates(rows, ExchangeRate.objects.select_for_update())
            if changes.mark != mark:
                return None
            ExchangeRate.objects.bulk_create(changes.new)
            ExchangeRate.objects.bulk_create(
                [pair.after for pair in changes.changed],
                update_conflicts=True,
                unique_fields=["currency", "target", "dated_on"],
                update_fields=["rate", "source"],
            )
    except IntegrityError:  # Somebody else wrote one of the new rates between our look and our save.
        return None
    return changes


class _Reader:
    """Goes through the lines, keeps what is good in `rows` and what is wrong in `mistakes`."""

    def __init__(self, names: list[str], today: datetime.date) -> None:
        self.names, self.today = names, today
        self.rows: list[ExchangeRate] = []
        self.mistakes: list[str] = []
        self.first: dict[Key, int] = {}
        self.fields = _fields()

    def read(self, records: Iterable[tuple[int, list[str], str]]) -> RateTable:
        for count, (line, cells, problem) in enumerate(records, 1):
            if count > MOST_LINES:
                return RateTable([], [_("There are more than %(count)d lines.") % {"count": MOST_LINES}])
            if not problem and len(cells) != len(self.names):
                problem = _("There are %(found)d cells instead of %(expected)d.") % {
                    "found": len(cells),
                    "expected": len(self.names),
                }
            if problem:
                self.mistakes.append(_at(line, problem))
            else:
                self.take(line, dict(zip(self.names, cells, strict=True)))
        if not self.rows and not self.mistakes:
            self.mistakes.append(_("There is no rate in this file."))
        return RateTable(self.rows, self.mistakes)

    def take(self, line: int, cells: dict[str, str]) -> None:
        values: dict[str, Any] = {}
        for name, cell in cells.items():
            try:
                values[name] = self.clean(name, cell)
            except ValidationError as error:
                self.mistakes += [_at(line, f"{name}: {message}") for message in error.messages]
        pair = values.get("currency"), values.get("target")
        if pair[0] and pair[0] == pair[1]:
            self.mistakes.append(_at(line, _("A rate is between two currencies.")))
        if len(values) < len(cells):
            return
        row = ExchangeRate(**values)
        first = self.first.setdefault(_key(row), line)
        if first != line:
            self.mistakes.append(_at(line, _("The same currencies and day are in line %(first)d.") % {"first": first}))
        self.rows.append(row)

    def clean(self, name: str, cell: str) -> Any:
        """Return the value of a cell. Raises ValidationError for one that is wrong."""
        if len(cell) > LONGEST_CELL:
            raise ValidationError(_("This is longer than %(count)d characters."), params={"count": LONGEST_CELL})
        value = self.fields[name].clean(cell)
        if name == "dated_on" and value > self.today:
            raise ValidationError(_("This day is still to come."))
        return value


def _records(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield each line that is not empty: its number, its cells, and what keeps it from being read, if anything."""
    header = text.lstrip("\n").partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, [], _("This line is not written as in a CSV; look at its quotation marks.")
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells, ""


def _header_problems(names: list[str]) -> list[str]:
    """Return what is wrong with the names of the columns."""
    problems = []
    for name in dict.fromkeys(names):
        if name not in COLUMNS:
            problems.append(
                _("There is no column “%(name)s”. The columns are: %(known)s.")
                % {"name": name[:LONGEST_CELL], "known": ", ".join(COLUMNS)}
            )
        elif names.count(name) > 1:
            problems.append(_("The column “%(name)s” is there twice.") % {"name": name})
    problems += [
        _("The column “%(name)s” is missing.") % {"name": name}
        for name in COLUMNS
        if name not in names and name not in OPTIONAL
    ]
    return problems


def _fields() -> dict[str, forms.Field]:
    """Return the form fields of the columns, with the checks of the model's."""
    return {
        "currency": CurrencyField(validators=[check_currency]),
        "target": CurrencyField(validators=[check_currency]),
        "rate": AmountField(validators=ExchangeRate._meta.get_field("rate").validators),
        "dated_on": DayField(),
        "source": forms.CharField(required=False, max_length=LONGEST_CELL),
    }


def _key(row: ExchangeRate) -> Key:
    return row.currency, row.target, row.dated_on


def _terms(row: ExchangeRate) -> tuple[str, ...]:
    return row.currency, row.target, row.dated_on.isoformat(), f"{row.rate.normalize():f}", row.source


def _is_changed(pair: ChangedRate) -> bool:
    before, after = pair.before, pair.after
    return before.rate != after.rate or bool(after.source and before.source != after.source)


def _at(line: int, problem: str) -> str:
    return _("Line %(line)d: %(problem)s") % {"line": line, "problem": problem}
