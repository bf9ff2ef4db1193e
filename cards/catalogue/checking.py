"""From the rows of the files to terms that fit the models, or to a list of everything that does not."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from .forms import ChannelForm, OperatorForm, PlanForm, RowForm, RuleForm, SourceForm, StepForm
from .guides import read_guides
from .reading import (
    CatalogueError,
    Problem,
    Row,
    as_row,
    frame_problems,
    read_file,
    rows_of,
    twin_problem,
)
from .terms import Catalogue, OperatorTerms, PlanTerms, RuleTerms, Values

VERSION = 1
# What terms that were written down have beside the keys of a file.
BESIDE_THE_FILE = {"operator", "retired_on"}


def read_catalogue(folder: Path) -> Catalogue:
    """Return all that the folder's files and those of its `guides` name. Raises CatalogueError."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise CatalogueError([_("There are no catalogue files in %(folder)s.") % {"folder": folder}])
    checker = Checker(is_shipped=True)
    for path in paths:
        content, problems = read_file(path)
        checker.problems += problems
        if not (content is None and problems):
            checker.check_file(path.name, content)
    checker.check_names()
    operators, plans = ({str(row.get("slug")) for row in rows} for rows in (checker.operator_rows, checker.plan_rows))
    guides, problems = read_guides(folder / "guides", operators, plans)
    checker.problems += problems
    checker.raise_problems()
    return Catalogue(parents_first(checker.operators), checker.plans, guides)


def check_plan(mapping: Mapping[str, Any]) -> PlanTerms:
    """Return the terms of a plan that `write_plan` wrote. Raises CatalogueError when they are not right.

    They may be without source and date, as an administrator may leave them.
    """
    checker = Checker(is_shipped=False)
    row = as_row({key: mapping[key] for key in mapping if key not in BESIDE_THE_FILE}, str(mapping.get("slug", "")))
    terms = checker.plan(row, str(mapping.get("operator") or ""))
    checker.raise_problems()
    return terms


def check_operator(mapping: Mapping[str, Any]) -> OperatorTerms:
    """Return the terms of an operator that `write_operator` wrote. Raises CatalogueError when they are not right.

    Whether there is an operator that it belongs to, and no circle, shows when they are put in place.
    """
    checker = Checker(is_shipped=False)
    terms = checker.operator(
        as_row({key: mapping[key] for key in mapping if key not in BESIDE_THE_FILE}, str(mapping.get("slug", "")))
    )
    checker.raise_problems()
    return terms


def parents_first(operators: Iterable[OperatorTerms]) -> list[OperatorTerms]:
    """Sort so that no operator comes before one of these that it belongs to; there are no circles."""
    named = {operator.values["slug"]: operator for operator in operators}

    def depth(operator: OperatorTerms) -> int:
        return 1 + depth(named[operator.belongs_to]) if operator.belongs_to in named else 0

    return sorted(named.values(), key=depth)


class Checker:
    """Goes through rows, keeps what is good in `operators` and `plans` and what is wrong in `problems`.

    `parents` are the operators known beside those of the rows, each with the one it belongs to (short names).
    """

    def __init__(self, *, is_shipped: bool, parents: Mapping[str, str] | None = None) -> None:
        self.is_shipped = is_shipped
        self.parents = parents or {}
        self.problems: list[Problem] = []
        self.operators: list[OperatorTerms] = []
        self.plans: list[PlanTerms] = []
        self.operator_rows: list[Row] = []
        self.plan_rows: list[Row] = []

    def raise_problems(self) -> None:
        """Raise CatalogueError, with all problems in the order of files and lines, if there are any."""
        if self.problems:
            ordered = sorted(self.problems, key=lambda problem: (problem.file, problem.line))
            raise CatalogueError(list(dict.fromkeys(map(str, ordered))))

    def check_file(self, name: str, content: object) -> None:
        """Check what one file holds, operators with their plans."""
        if not isinstance(content, Row):
            self.problems.append(Problem(name, 1, "", _("A catalogue file holds “version” and “operators”.")))
            return
        self.problems += frame_problems(content, "operators", VERSION)
        rows = self.rows_of(content, "operators", at_least_one=_("A catalogue file names an operator or more."))
        self.operators += [self.operator(row) for row in rows]

    def check_names(self) -> None:
        """Check what only shows when all files are read: names given twice, and who belongs to whom."""
        self.refuse_twins(self.operator_rows, "slug")
        self.refuse_twins(self.plan_rows, "slug")
        parents: dict[str, object] = {**self.parents}
        parents |= {str(row.get("slug")): row.get("belongs_to") for row in self.operator_rows}
        for row in self.operator_rows:
            parent = row.get("belongs_to")
            if parent is None:
                continue
            if not isinstance(parent, str) or parent not in parents:
                unknown = (
                    _("There is no such operator in the files.") if self.is_shipped else _("There is no such operator.")
                )
                self.problems.append(row.problem("belongs_to", unknown))
                continue
            seen = [row.get("slug")]
            while parent and isinstance(parent, str) and parent not in seen:
                seen.append(parent)
                parent = parents.get(parent)
            if parent and parent == row.get("slug"):
                self.problems.append(row.problem("belongs_to", _("An operator cannot belong to itself.")))

    def operator(self, row: Row) -> OperatorTerms:
        self.operator_rows.append(row)
        values = self.values(OperatorForm(row, is_shipped=self.is_shipped))
        channel_rows = self.rows_of(row, "channels")
        channels = [self.values(ChannelForm(channel)) for channel in channel_rows]
        self.refuse_twins(channel_rows, "name")
        self.plans += [self.plan(plan, str(row.get("slug"))) for plan in self.rows_of(row, "plans")]
        return OperatorTerms(values, str(row.get("belongs_to") or ""), channels)

    def plan(self, row: Row, operator: str, *, is_partial: bool = False) -> PlanTerms:
        """Return the terms of a plan of the operator (short name); see RowForm for `is_partial`."""
        self.plan_rows.append(row)
        values = self.values(PlanForm(row, is_shipped=self.is_shipped, is_partial=is_partial))
        if "sources" in row or not is_partial:
            values["sources"] = [self.values(SourceForm(source)) for source in self.rows_of(row, "sources")]
        rules = self.rows_of(row, "rules", at_least_one=_("A plan needs a keep rule."))
        return PlanTerms(operator, values, [self.rule(rule) for rule in rules])

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
        rows, problems = rows_of(row, key, at_least_one)
        self.problems += problems
        return rows

    def refuse_twins(self, rows: list[Row], key: str) -> None:
        """Note every row that has a key's value in common with an earlier one."""
        first: dict[object, Row] = {}
        for row in rows:
            name = row.get(key)
            if isinstance(name, str) and first.setdefault(name, row) is not row:
                self.problems.append(twin_problem(row, first[name], key, name))
