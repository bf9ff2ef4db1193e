"""Merges a release of the catalogue into the shared operators, plans and guides, and touches nothing else.

Three things are compared: what the last release said (`shipped` on the row), what this one says, and what the row
says. See `merging` for what follows from it.
"""

import datetime
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from cards.models import CatalogueChange

from .applying import apply_terms, create_operator, create_plan, lock_shared, update
from .checking import read_catalogue
from .guides import load_guides
from .history import is_retired_by_release, new_change
from .merging import Verdict, later, merge
from .reading import CatalogueError
from .terms import Catalogue, OperatorTerms, PlanTerms, Terms
from .writing import Mapping, SharedRow, with_retirement, write_row, write_terms

CATALOGUE = Path(__file__).parent


@dataclass(frozen=True)
class Loaded:
    """What a load did, counted in operators and plans; `guides` are those that are new, changed or gone.

    `kept_edited` stay as an administrator edited them. `retired` are those the files no longer name. `offered`, in
    operators, plans and guides, wait for somebody to decide between what was edited and what the files say.
    `plans_changed` are the ids of the plans that are new or whose rules, fee or currency changed: these are marked
    with `recount_since`, because the cards on them have to be computed anew.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    kept_edited: int = 0
    retired: int = 0
    offered: int = 0
    guides: int = 0
    plans_changed: list[int] = field(default_factory=list)


def load_catalogue(folder: Path = CATALOGUE, *, now: datetime.datetime | None = None) -> Loaded:
    """Load all files of `folder`, or nothing. A second load of the same files writes nothing.

    Rows of the shared catalogue are found by their short names. Those of a household and those that only an
    administrator made are never touched. `now` is written to what changes; None means this moment. Raises
    CatalogueError.
    """
    catalogue = read_catalogue(folder)
    with transaction.atomic():
        return _Loading(now or timezone.now()).load(catalogue)


class _Loading:
    """One load: the shared rows as they were at its start, locked, and what was done to them."""

    def __init__(self, now: datetime.datetime) -> None:
        self.now = now
        self.operators, self.plans = lock_shared()
        self.done: Counter[str] = Counter()
        self.plans_changed: list[int] = []
        self.changes: list[CatalogueChange] = []

    def load(self, catalogue: Catalogue) -> Loaded:
        for operator in catalogue.operators:
            self.load_operator(operator)
        for plan in catalogue.plans:
            self.load_plan(plan)
        for rows, terms in ((self.operators, catalogue.operators), (self.plans, catalogue.plans)):
            named = {each.values["slug"] for each in terms}
            self.retire(row for slug, row in rows.items() if slug not in named)
        CatalogueChange.objects.bulk_create(self.changes)
        guides = load_guides(catalogue.guides, self.operators, self.plans)
        return Loaded(
            created=self.done["created"],
            updated=self.done["updated"],
            unchanged=self.done["unchanged"],
            kept_edited=self.done["kept_edited"],
            retired=self.done["retired"],
            offered=self.done["offered"] + guides.offered,
            guides=guides.changed,
            plans_changed=self.plans_changed,
        )

    def load_operator(self, terms: OperatorTerms) -> None:
        operator = self.operators.get(terms.values["slug"])
        if operator is None:
            operator = create_operator(terms, shipped=write_terms(terms))
            self.operators[operator.slug] = operator
            self.done["created"] += 1
        else:
            self.merge(operator, terms)

    def load_plan(self, terms: PlanTerms) -> None:
        plan = self.plans.get(terms.values["slug"])
        if plan is None:
            plan = create_plan(terms, shipped=write_terms(terms))
            self.plans[plan.slug] = plan
            self.plans_changed.append(plan.pk)
            self.done["created"] += 1
        else:
            self.merge(plan, terms)

    def merge(self, row: SharedRow, terms: Terms) -> None:
        ours, theirs = write_row(row), write_terms(terms)
        verdict = merge(ours, row.shipped, theirs, is_edited=row.edited_at is not None)
        if verdict is Verdict.TAKE and self.take(row, ours, terms, theirs):
            return
        if verdict is Verdict.KEEP:
            update(row, {"shipped": theirs, "offered": None})
        else:
            update(row, {"offered": theirs})
            self.done["offered"] += 1
        self.done["kept_edited"] += 1

    def take(self, row: SharedRow, ours: Mapping, terms: Terms, theirs: Mapping) -> bool:
        """Let the row be as the release says; return whether it can be."""
        checked_on = later(row.checked_on, terms.values["checked_on"])
        terms = replace(terms, values=terms.values | {"checked_on": checked_on})
        before, after = with_retirement(ours, row), write_terms(terms)
        marks: dict[str, Any] = {"shipped": theirs, "offered": None, "edited_at": None}
        if ours != after:
            try:
                if apply_terms(row, terms):
                    marks["recount_since"] = self.now
                    self.plans_changed.append(row.pk)
            except CatalogueError:
                # With what was edited elsewhere, an operator would belong to itself: somebody has to decide.
                return False
        if is_retired_by_release(row):
            marks["retired_on"] = None
        update(row, marks)
        self.note(row, before, with_retirement(after, row))
        self.done["unchanged" if before == with_retirement(after, row) else "updated"] += 1
        return True

    def retire(self, rows: Iterable[SharedRow]) -> None:
        """Retire what the last release named and this one does not; the cards on it keep it."""
        for row in rows:
            if row.shipped is None:
                continue
            terms = write_row(row)
            before = with_retirement(terms, row)
            self.done["retired"] += row.retired_on is None
            update(
                row, {"shipped": None, "offered": None, "retired_on": row.retired_on or timezone.localdate(self.now)}
            )
            self.note(row, before, with_retirement(terms, row))

    def note(self, row: SharedRow, before: Mapping, after: Mapping) -> None:
        if before != after:
            change = new_change(row, CatalogueChange.How.RELEASE, before, after)
            change.changed_at = self.now
            self.changes.append(change)
