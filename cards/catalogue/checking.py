"""From the rows of the files to values that fit the models, or to a list of everything that does not."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from .forms import ChannelForm, OperatorForm, PlanForm, RowForm, RuleForm, SourceForm, StepForm
from .reading import Problem, Row, read_file

VERSION = 1

Values = dict[str, Any]


@dataclass(frozen=True)
class RuleTerms:
    values: Values
    steps: list[Values]


@dataclass(frozen=True)
class PlanTerms:
    values: Values
    rules: list[RuleTerms]


@dataclass(frozen=True)
class OperatorTerms:
    """An operator of the files; `belongs_to` is the short name of another one, empty for none."""

    values: Values
    belongs_to: str
    channels: list[Values]
    plans: list[PlanTerms]


class CatalogueError(Exception):
    """The files are not as they must be; `messages` name file, line and field of every mistake."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages


def read_catalogue(folder: Path) -> list[OperatorTerms]:
    """Return all operators of the folder's files, parents before their brands. Raises CatalogueError."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise CatalogueError([_("There are no catalogue files in %(folder)s.") % {"folder": folder}])
    checker = _Checker()
    for path in paths:
        content, problems = read_file(path)
        checker.problems += problems
        if not (content is None and problems):
            checker.check_file(path.name, content)
    checker.check_names()
    if checker.problems:
        ordered = sorted(checker.problems, key=lambda problem: (problem.file, problem.line))
        raise CatalogueError([str(problem) for problem in ordered])
    return _parents_first(checker.operators)


def _parents_first(operators: Iterable[OperatorTerms]) -> list[OperatorTerms]:
    """Sort so that no operator comes before the one it belongs to; there are no circles."""
    named = {operator.values["slug"]: operator for operator in operators}

    def depth(operator: OperatorTerms) -> int:
        return 1 + depth(named[operator.belongs_to]) if operator.belongs_to else 0

    return sorted(named.values(), key=depth)


class _Checker:
    """Goes through the files, keeps what is good in `operators` and what is wrong in `problems`."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.operators: list[OperatorTerms] = []
        self.operator_rows: list[Row] = []
        self.plan_rows: list[Row] = []

    def check_file(self, name: str, content: object) -> None:
        if not isinstance(content, Row):
            self.problems.append(Problem(name, 1, "", _("A catalogue file holds “version” and “operators”.")))
            return
        for key in content:
            if key not in {"version", "operators"}:
                self.problems.append(content.problem(key, _("There is no such field.")))
        if content.get("version") != VERSION or isinstance(content.get("version"), bool):
            message = _("This must be %(version)d.") % {"version": VERSION}
            self.problems.append(content.problem("version", message))
        rows = self.rows_of(content, "operators", at_least_one=_("A catalogue file names an operator or more."))
        self.operators += [self.operator(row) for row in rows]

    def check_names(self) -> None:
        """Check what only shows when all files are read: names given twice, and who belongs to whom."""
        self.refuse_twins(self.operator_rows, "slug")
        self.refuse_twins(self.plan_rows, "slug")
        parents = {str(row.get("slug")): row.get("belongs_to") for row in self.operator_rows}
        for row in self.operator_rows:
            parent = row.get("belongs_to")
            if parent is None:
                continue
            if not isinstance(parent, str) or parent not in parents:
                self.problems.append(row.problem("belongs_to", _("There is no such operator in the files.")))
                continue
            seen = [row.get("slug")]
            while isinstance(parent, str) and parent not in seen:
                seen.append(parent)
                parent = parents.get(parent)
            if parent is not None and parent == row.get("slug"):
                self.problems.append(row.problem("belongs_to", _("An operator cannot belong to itself.")))

    def operator(self, row: Row) -> OperatorTerms:
        self.operator_rows.append(row)
        values = self.values(OperatorForm(row))
        channel_rows = self.rows_of(row, "channels")
        channels = [self.values(ChannelForm(channel)) for channel in channel_rows]
        self.refuse_twins(channel_rows, "name")
        plans = [self.plan(plan) for plan in self.rows_of(row, "plans")]
        return OperatorTerms(values, str(row.get("belongs_to") or ""), channels, plans)

    def plan(self, row: Row) -> PlanTerms:
        self.plan_rows.append(row)
        values = self.values(PlanForm(row))
        values["sources"] = [self.values(SourceForm(source)) for source in self.rows_of(row, "sources")]
        rules = self.rows_of(row, "rules", at_least_one=_("A plan needs a keep rule."))
        return PlanTerms(values, [self.rule(rule) for rule in rules])

    def rule(self, row: Row) -> RuleTerms:
        values = self.values(RuleForm(row))
        rows = self.rows_of(row, "steps")
        steps = [self.values(StepForm(step)) for step in rows]
        rungs = set()
        for step_row, step in zip(rows, steps, strict=True):
            if not {"minimum_amount", "currency", "channel"} <= set(step):
                continue
            rung = (step["minimum_amount"], step["currency"], step["channel"])
            if rung in rungs:
                self.problems.append(step_row.problem("minimum_amount", _("The ladder has two equal steps.")))
            rungs.add(rung)
        return RuleTerms(values, steps)

    def values(self, form: RowForm) -> Values:
        """Return the columns of a row that are right, and note those that are not."""
        self.problems += form.problems()
        return dict(form.cleaned_data)

    def rows_of(self, row: Row, key: str, *, at_least_one: str = "") -> list[Row]:
        """Return the rows listed under a key; when `at_least_one` is given it is the complaint about none."""
        listed = [] if row.get(key) is None else row[key]
        if not isinstance(listed, list):
            self.problems.append(row.problem(key, _("This must be a list of rows.")))
            return []
        rows = [entry for entry in listed if isinstance(entry, Row)]
        if len(rows) < len(listed):
            self.problems.append(row.problem(key, _("Each entry of this list must be a row of fields.")))
        elif not rows and at_least_one:
            self.problems.append(row.problem(key, at_least_one))
        return rows

    def refuse_twins(self, rows: list[Row], key: str) -> None:
        """Note every row that has a key's value in common with an earlier one."""
        first: dict[object, Row] = {}
        for row in rows:
            name = row.get(key)
            if isinstance(name, str) and first.setdefault(name, row) is not row:
                other = first[name]
                message = _("“%(name)s” is already in %(file)s line %(line)d.")
                where = {"name": name, "file": other.file, "line": other.lines[key]}
                self.problems.append(row.problem(key, message % where))
