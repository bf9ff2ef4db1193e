"""The shared catalogue out to a file, and from a file back into it, with a look at what would change."""

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import yaml
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from cards.models import CatalogueChange, Operator, Plan, User

from .applying import apply_terms, create_operator, create_plan, lock_shared, read_shared, update
from .checking import VERSION, Checker, parents_first
from .csv_lines import read_csv, write_csv
from .history import note_change
from .loader import Loaded
from .reading import SURROGATES, CatalogueError, read_text
from .terms import OperatorTerms, PlanTerms, Terms
from .writing import (
    Difference,
    Mapping,
    SharedRow,
    differences,
    with_retirement,
    write_operator,
    write_plan,
    write_row,
    write_terms,
)

MOST_BYTES = 2 * 1024 * 1024
YAML_ENDINGS, CSV_ENDING = {".yaml", ".yml"}, ".csv"
# In quotes of another kind, YAML takes these for line ends and folds them.
OTHER_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True)
class Import:
    """What a file would bring, known to be right; `name` is the file's. A table brings plans only."""

    name: str
    operators: list[OperatorTerms] = field(default_factory=list)
    plans: list[PlanTerms] = field(default_factory=list)


@dataclass(frozen=True)
class Proposed:
    """What an import would make or change; `kind` is “operator” or “plan”."""

    kind: str
    slug: str
    name: str
    is_new: bool
    differences: list[Difference]


def export_yaml() -> str:
    """Return the shared operators and plans that are not retired, in the format of the catalogue's files."""
    operators, plans = _current_operators(), [write_plan(plan) for plan in _current_plans()]
    sold: dict[str, list[Mapping]] = {operator["slug"]: [] for operator in operators}
    for plan in plans:
        sold[plan.pop("operator")].append(_with_day(plan))
    document = [{**_with_day(operator), "plans": sold[operator["slug"]]} for operator in operators]
    return yaml.dump(
        {"version": VERSION, "operators": document},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=1000,
    )


def export_csv() -> str:
    """Return the shared plans that are not retired, a line for each keep rule, to be sent as UTF-8.

    All sources but the first are left out, and so are the operators' own facts.
    """
    return write_csv(write_plan(plan) for plan in _current_plans())


def read_import(name: str, content: bytes) -> Import:
    """Return what a file of either format would bring.

    Raises CatalogueError with every mistake, its line and its reason: one alone, and nothing can be imported.
    """
    ending = PurePath(name).suffix.lower()
    name = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", PurePath(name).name)
    if ending not in {*YAML_ENDINGS, CSV_ENDING}:
        raise CatalogueError([_("Choose a file whose name ends in .yaml or .csv.")])
    if len(content) > MOST_BYTES:
        raise CatalogueError([_("The file is too large: 2 MB at most.")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogueError([_("The file is not UTF-8 text. Save it as “CSV UTF-8”.")]) from error
    known = Operator.objects.filter(household=None).values_list("slug", "belongs_to__slug")
    checker = Checker(is_shipped=False, parents={slug: parent or "" for slug, parent in known})
    if ending == CSV_ENDING:
        _check_table(checker, name, text)
    else:
        parsed, checker.problems = read_text(text, name)
        if not (parsed is None and checker.problems):
            checker.check_file(name, parsed)
    checker.check_names()
    _check_days(checker, timezone.localdate())
    checker.raise_problems()
    return Import(name, parents_first(checker.operators), checker.plans)


def preview_import(imported: Import) -> list[Proposed]:
    """Return what the import would make or change; writes nothing. Asks the same queries for any number of rows."""
    operators, plans = read_shared()
    proposed = []
    for terms in _all_terms(imported):
        rows: Any = plans if isinstance(terms, PlanTerms) else operators
        row = rows.get(terms.values["slug"])
        found = _what_differs(row, terms)
        if row is None or found:
            kind = "plan" if isinstance(terms, PlanTerms) else "operator"
            proposed.append(Proposed(kind, terms.values["slug"], terms.values["name"], row is None, found))
    return proposed


@transaction.atomic
def run_import(imported: Import, user: User | None) -> Loaded:
    """Bring all of the import into the shared catalogue, or nothing.

    What it makes or changes counts as edited, is noted in the history as the user's, and a plan whose dates may move
    is marked with `recount_since`. Raises CatalogueError when an operator is gone meanwhile.
    """
    now, done, plans_changed = timezone.now(), Counter[str](), []
    operators, plans = lock_shared()
    for terms in _all_terms(imported):
        rows: Any = plans if isinstance(terms, PlanTerms) else operators
        row: SharedRow | None = rows.get(terms.values["slug"])
        if row is not None and not _what_differs(row, terms):
            done["unchanged"] += 1
            continue
        before = None if row is None else with_retirement(write_row(row), row)
        marks: dict[str, Any] = {"edited_at": now}
        if row is None:
            row = create_plan(terms) if isinstance(terms, PlanTerms) else create_operator(terms)
            done["created"] += 1
        else:
            if apply_terms(row, terms):
                marks["recount_since"] = now
                plans_changed.append(row.pk)
            done["updated"] += 1
        update(row, marks)
        note_change(row, CatalogueChange.How.IMPORT, user, before)
    return Loaded(
        created=done["created"], updated=done["updated"], unchanged=done["unchanged"], plans_changed=plans_changed
    )


def _check_table(checker: Checker, name: str, text: str) -> None:
    plans, problems = read_csv(name, text)
    checker.problems += problems
    for operator, row in plans:
        if operator not in checker.parents:
            checker.problems.append(row.problem("operator", _("There is no such operator.")))
        checker.plans.append(checker.plan(row, operator, is_partial=True))


def _check_days(checker: Checker, today: datetime.date) -> None:
    """Refuse facts that were checked on a day to come: they would never grow old."""
    message = _("This day is still to come.")
    for rows, named, key in (
        (checker.operator_rows, checker.operators, "checked_on"),
        (checker.plan_rows, checker.plans, "checked"),
    ):
        days = [terms.values.get("checked_on") for terms in named]
        checker.problems += [
            row.problem(key, message) for row, day in zip(rows, days, strict=True) if day is not None and day > today
        ]


def _all_terms(imported: Import) -> Iterator[Terms]:
    yield from imported.operators
    yield from imported.plans


def _what_differs(row: SharedRow | None, terms: Terms) -> list[Difference]:
    """Return what the terms say other than the row; where they say nothing the row stays as it is."""
    ours = None if row is None else write_row(row)
    return differences(ours, {**(ours or {}), **write_terms(terms)})


def _current_operators() -> list[Mapping]:
    operators = Operator.objects.filter(household=None).current().order_by("slug")
    return [write_operator(row) for row in operators.select_related("belongs_to").prefetch_related("channels")]


def _current_plans() -> Iterator[Plan]:
    """Yield the plans to export; those of a retired operator are not."""
    plans = Plan.objects.filter(household=None, operator__household=None, operator__retired_on=None).current()
    yield from plans.order_by("slug").select_related("operator").prefetch_related("rules__steps")


def _with_day(terms: Mapping) -> Mapping:
    """Return the terms with the day of the last check as a day, which the files have without quotes."""
    days = {key: terms[key] for key in ("checked", "checked_on") if terms.get(key)}
    return {**terms, **{key: datetime.date.fromisoformat(day) for key, day in days.items()}}


class _Dumper(yaml.SafeDumper):
    """Writes as the catalogue's files are written: texts of several lines in blocks, no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        if OTHER_LINE_ENDS.search(text):
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
