"""YAML read safely, with the line of every key, so that a mistake can be named where it stands."""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import gettext as _

# The whole packaged catalogue has 8,000 nodes, seven deep.
MOST_NODES, DEEPEST = 50_000, 20
# Numbers of more digits fit no column; Python refuses to reckon with thousands of them.
MOST_DIGITS = 20
# Halves of characters: YAML can spell them, but no database and no page can take them.
SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Problem:
    """What is wrong and where. A `line` of 0 means no line, an empty `field` the whole row or file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = {"file": self.file, "line": self.line, "field": self.field, "message": self.message}
        if self.line and self.field:
            return _("%(file)s line %(line)d, %(field)s: %(message)s") % where
        if self.line:
            return _("%(file)s line %(line)d: %(message)s") % where
        if self.field:
            return _("%(file)s, %(field)s: %(message)s") % where
        return _("%(file)s: %(message)s") % where


class CatalogueError(Exception):
    """Terms are not as they must be, or cannot be put in place; `messages` name every mistake and where it stands."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages


class Row(dict[str, Any]):
    """A mapping of a file; `line` is where it starts, `lines` where each of its keys stands."""

    def __init__(self, file: str, line: int = 0) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.lines: dict[str, int] = {}

    def problem(self, field: str, message: str) -> Problem:
        """Return a problem with one key of the row, or with all of it when `field` is empty."""
        return Problem(self.file, self.lines.get(field, self.line), field, message)


def as_row(mapping: dict[str, Any], place: str) -> Row:
    """Return a mapping that was in no file as a Row, and all within it; `place` says where, such as “acme-line”."""
    row = Row(place)
    for key, value in mapping.items():
        if isinstance(value, list):
            row[key] = [
                as_row(entry, f"{place} · {key} {number}") if isinstance(entry, dict) else entry
                for number, entry in enumerate(value, 1)
            ]
        else:
            row[key] = as_row(value, f"{place} · {key}") if isinstance(value, dict) else value
    return row


def rows_of(row: Row, key: str, at_least_one: str = "") -> tuple[list[Row], list[Problem]]:
    """Return the rows listed under a key, and what is wrong with that list.

    When `at_least_one` is given it is the complaint about none.
    """
    listed = [] if row.get(key) is None else row[key]
    if not isinstance(listed, list):
        return [], [row.problem(key, _("This must be a list of rows."))]
    rows = [entry for entry in listed if isinstance(entry, Row)]
    if len(rows) < len(listed):
        return rows, [row.problem(key, _("Each entry of this list must be a row of fields."))]
    return rows, [row.problem(key, at_least_one)] if at_least_one and not rows else []


def frame_problems(content: Row, listed: str, version: int) -> list[Problem]:
    """Return what is wrong with the outermost keys of a file: its version and the one key that lists its rows."""
    message = _("There is no such field.")
    problems = [content.problem(key, message) for key in content if key not in {"version", listed}]
    if content.get("version") != version or isinstance(content.get("version"), bool):
        problems.append(content.problem("version", _("This must be %(version)d.") % {"version": version}))
    return problems


def twin_problem(row: Row, other: Row, key: str, name: str) -> Problem:
    """Return the problem that a row has a name which an earlier row has already."""
    where = {"name": name, "file": other.file, "line": other.lines.get(key, other.line)}
    return row.problem(key, _("“%(name)s” is already in %(file)s line %(line)d.") % where)


def read_file(path: Path, name: str = "") -> tuple[object, list[Problem]]:
    """Return what the file holds, with a Row for each mapping, and what is wrong with its YAML.

    `name` is what the problems call the file, where that is not the last part of its path.
    """
    name = name or path.name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(name, 0, "", _("This file cannot be read: %(error)s.") % {"error": error})]
    return read_text(text, name)


def read_text(text: str, name: str) -> tuple[object, list[Problem]]:
    """Return what a YAML text holds, with a Row for each mapping, and what is wrong with it."""
    try:
        loader = _Loader(text, name)
        return loader.get_single_data(), loader.problems
    except yaml.MarkedYAMLError as error:
        mark, message = error.problem_mark, _("This is not YAML: %(error)s.") % {"error": error.problem}
        return None, [Problem(name, mark.line + 1 if mark else 0, "", message)]
    except yaml.YAMLError as error:
        return None, [Problem(name, 0, "", _("This is not YAML: %(error)s.") % {"error": error})]


class _Loader(yaml.SafeLoader):
    """A safe loader that keeps lines, reckons nothing, and notes a key that is given twice.

    It takes no aliases and no more or deeper nodes than a catalogue has, so that a few lines cannot grow to millions.
    """

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self.file = file
        self.problems: list[Problem] = []
        self.nodes = self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self.nodes += 1
        self.depth += 1
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, _("aliases are not taken"), mark)
        if self.nodes > MOST_NODES or self.depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, _("this is too large for a catalogue"), mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if SURROGATES.search(node.value):
            node.value = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", node.value)
            line = node.start_mark.line + 1
            self.problems.append(Problem(self.file, line, "", _("A character is only half given here.")))
        return node

    def construct_row(self, node: yaml.MappingNode) -> Iterator[Row]:
        row = Row(self.file, node.start_mark.line + 1)
        yield row
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in row:
                self.problems.append(Problem(self.file, line, key, _("This field is given twice.")))
            row.lines[key] = line
            row[key] = self.construct_object(value_node, deep=True)


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float | str:
    """Return a plain decimal number. What YAML would reckon, such as 010 for 8 or 1:30 for 90, stays text."""
    text = str(node.value)
    if len(text) > MOST_DIGITS:
        return text
    if re.fullmatch(r"[-+]?(0|[1-9]\d*)", text):
        return int(text)
    return float(text) if re.fullmatch(r"[-+]?\d+\.\d+", text) else text


def _day(loader: _Loader, node: yaml.ScalarNode) -> datetime.date | str:
    """Return a day. One that does not exist, such as 2026-13-01, stays text, for the form to refuse."""
    try:
        return datetime.date.fromisoformat(node.value)
    except ValueError:
        return str(node.value)


def _yes_or_no(loader: _Loader, node: yaml.ScalarNode) -> bool | str:
    """Return true or false. The words that YAML takes for them too, such as NO for Norway, stay text."""
    return {"true": True, "false": False}.get(node.value.lower(), str(node.value))


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_row)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _day)
_Loader.add_constructor("tag:yaml.org,2002:bool", _yes_or_no)
