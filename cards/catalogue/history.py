"""The history of the shared catalogue: what changed, back to what was before, and the choice between two values."""

import datetime
from dataclasses import replace
from typing import Any, TypeVar, cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from cards.models import CatalogueChange, Operator, Plan, StepGuide, User

from .applying import apply_plan, apply_terms, update
from .checking import check_operator, check_plan
from .guides import take_guide
from .merging import later
from .reading import CatalogueError
from .terms import Terms
from .writing import Mapping, SharedRow, snapshot

__all__ = ["apply_plan", "decide", "note_change", "revert"]

Kept = TypeVar("Kept", bound=Operator | Plan | StepGuide)


def note_change(row: SharedRow, how: str, user: User | None, before: Mapping | None) -> CatalogueChange | None:
    """Write down that a shared operator or plan changed, and return the entry; None when nothing differs.

    before: its `snapshot` from before the change, None for a row that is new. how: a CatalogueChange.How. user: who
    did it, None for nobody. Called in the transaction of the change, after all of it is saved.
    """
    after = snapshot(row)
    if after == before:
        return None
    change = new_change(row, how, before, after, user)
    change.save()
    return change


def new_change(
    row: SharedRow, how: str, before: Mapping | None, after: Mapping, user: User | None = None
) -> CatalogueChange:
    """Return an entry of the history that is not saved yet."""
    owner = {"plan": row} if isinstance(row, Plan) else {"operator": row}
    return CatalogueChange(how=how, changed_by=user, before=before, after=after, **owner)


@transaction.atomic
def revert(change: CatalogueChange, user: User | None) -> bool:
    """Put a row back to what it was before a change, and return whether that was any different from what it is.

    The row counts as edited, and a plan whose dates may move is marked with `recount_since`. Raises CatalogueError
    when the row was new then, or when what it was cannot be had any more.
    """
    terms = change.before
    if terms is None:
        raise CatalogueError([_("There is nothing to go back to: this change made it.")])
    row: SharedRow = _lock(change.plan) if change.plan else _lock(cast(Operator, change.operator))
    before = snapshot(row)
    if before == terms:
        return False
    day = terms.get("retired_on")
    marks = {"retired_on": datetime.date.fromisoformat(day) if day else None, "edited_at": timezone.now()}
    _put(row, _check(row, terms), marks)
    return note_change(row, CatalogueChange.How.REVERT, user, before) is not None


@transaction.atomic
def decide(row: SharedRow | StepGuide, take_offered: bool, user: User | None) -> None:
    """Settle what a release offers for a row that was edited here: take it, or keep what the row says.

    Of an operator or a plan the history says who decided. `row` is read anew at the end. Raises CatalogueError when
    there is nothing to decide any more, or when what is offered cannot be had any more.
    """
    locked = _lock(row)
    offered = locked.offered
    if offered is None:
        raise CatalogueError([_("There is nothing to decide here any more.")])
    marks: dict[str, Any] = {"shipped": offered, "offered": None}
    if isinstance(locked, StepGuide):
        if take_offered:
            take_guide(locked, offered)
        locked.shipped, locked.offered = offered, None
        locked.save()
    else:
        before = snapshot(locked)
        if take_offered:
            terms = _check(locked, offered)
            checked_on = later(locked.checked_on, terms.values["checked_on"])
            terms = replace(terms, values=terms.values | {"checked_on": checked_on})
            if is_retired_by_release(locked):
                marks["retired_on"] = None
            _put(locked, terms, {**marks, "edited_at": None})
        else:
            update(locked, marks)
        new_change(locked, CatalogueChange.How.DECISION, before, snapshot(locked), user).save()
    row.refresh_from_db()


def is_retired_by_release(row: SharedRow) -> bool:
    """Whether it was a release that retired the row, and nobody touched it since; it may have been edited before."""
    if row.retired_on is None or row.shipped is not None:
        return False
    last = row.changes.order_by("pk").last()
    return (
        last is not None
        and last.how == CatalogueChange.How.RELEASE
        and last.before is not None
        and last.before.get("retired_on") is None
        and last.after.get("retired_on") is not None
    )


def _lock(row: Kept) -> Kept:
    return cast(Kept, type(row)._default_manager.select_for_update().get(pk=row.pk))


def _check(row: SharedRow, terms: Mapping) -> Terms:
    return check_plan(terms) if isinstance(row, Plan) else check_operator(terms)


def _put(row: SharedRow, terms: Terms, marks: dict[str, Any]) -> None:
    """Let the row be as the terms say, and write what is to be known of it beside them."""
    if apply_terms(row, terms):
        marks["recount_since"] = timezone.now()
    update(row, marks)
