"""YAML read safely, with the line of every key, so that a mistake can be named where it stands."""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Problem:
    """What is wrong and where. A `line` of 0 means the whole file, an empty `field` the whole row."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = {"file": self.file, "line": self.line, "field": self.field, "message": self.message}
        if not self.line:
            return _("%(file)s: %(message)s") % where
        if not self.field:
            return _("%(file)s line %(line)d: %(message)s") % where
        return _("%(file)s line %(line)d, %(field)s: %(message)s") % where


class Row(dict[str, Any]):
    """A mapping of a file; `line` is where it starts, `lines` where each of its keys stands."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.lines: dict[str, int] = {}

    def problem(self, field: str, message: str) -> Problem:
        """Return a problem with one key of the row, or with all of it when `field` is empty."""
        return Problem(self.file, self.lines.get(field, self.line), field, message)


def read_file(path: Path) -> tuple[object, list[Problem]]:
    """Return what the file holds, with a Row for each mapping, and what is wrong with its YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(path.name, 0, "", _("This file cannot be read: %(error)s.") % {"error": error})]
    try:
        loader = _Loader(text, path.name)
        return loader.get_single_data(), loader.problems
    except yaml.MarkedYAMLError as error:
        mark, message = error.problem_mark, _("This is not YAML: %(error)s.") % {"error": error.problem}
        return None, [Problem(path.name, mark.line + 1 if mark else 0, "", message)]
    except yaml.YAMLError as error:
        return None, [Problem(path.name, 0, "", _("This is not YAML: %(error)s.") % {"error": error})]


class _Loader(yaml.SafeLoader):
    """A safe loader that keeps lines, reckons nothing, and notes a key that is given twice."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self.file = file
        self.problems: list[Problem] = []

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
