"""Brings the shared operators and plans of the database to what the files say, and touches nothing else."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import models, transaction

from cards.models import KeepRule, Operator, Plan, TopUpChannel, TopUpStep

from .checking import OperatorTerms, PlanTerms, RuleTerms, Values, read_catalogue

CATALOGUE = Path(__file__).parent


@dataclass(frozen=True)
class Loaded:
    """What a load did, counted in operators and plans.

    `kept_edited` were left as an administrator had edited them. `plans_changed` are the ids of the plans that
    are new or whose rules, fee or currency changed: the cards on them have to be computed anew.
    """

    created: int
    updated: int
    unchanged: int
    kept_edited: int
    plans_changed: list[int]


def load_catalogue(folder: Path = CATALOGUE) -> Loaded:
    """Load all files of `folder`, or nothing. A second load of the same files writes nothing.

    Rows of the shared catalogue are found by their short names. Those of a household are never touched, nor
    those that an administrator edited or that the files no longer name. Raises CatalogueError.
    """
    operators = read_catalogue(folder)
    with transaction.atomic():
        return _Loading().load(operators)


class _Loading:
    """One load: the shared rows as they were at its start, locked, and what was done to them."""

    def __init__(self) -> None:
        shared = Operator.objects.filter(household=None).select_for_update().prefetch_related("channels")
        self.operators = {operator.slug: operator for operator in shared}
        plans = Plan.objects.filter(household=None).select_for_update().prefetch_related("rules__steps")
        self.plans = {plan.slug: plan for plan in plans}
        self.done: Counter[str] = Counter()
        self.plans_changed: list[int] = []

    def load(self, operators: list[OperatorTerms]) -> Loaded:
        for terms in operators:
            self.load_operator(terms)
        for terms in operators:
            for plan in terms.plans:
                self.load_plan(self.operators[terms.values["slug"]], plan)
        return Loaded(
            self.done["created"],
            self.done["updated"],
            self.done["unchanged"],
            self.done["kept_edited"],
            self.plans_changed,
        )

    def load_operator(self, terms: OperatorTerms) -> None:
        parent = self.operators[terms.belongs_to].pk if terms.belongs_to else None
        values = terms.values | {"belongs_to_id": parent}
        operator = self.operators.get(terms.values["slug"])
        if operator is None:
            operator = Operator.objects.create(**values)
            self.operators[operator.slug] = operator
            _load_channels(operator, terms.channels)
            self.done["created"] += 1
        elif operator.edited_at is not None:
            self.done["kept_edited"] += 1
        else:
            changed = [bool(_update(operator, values)), _load_channels(operator, terms.channels)]
            self.done["updated" if any(changed) else "unchanged"] += 1

    def load_plan(self, operator: Operator, terms: PlanTerms) -> None:
        values = terms.values | {"operator_id": operator.pk}
        plan = self.plans.get(terms.values["slug"])
        if plan is None:
            plan = Plan.objects.create(**values)
            for rule in terms.rules:
                _create_rule(plan, rule)
            self.plans_changed.append(plan.pk)
            self.done["created"] += 1
        elif plan.edited_at is not None:
            self.done["kept_edited"] += 1
        else:
            columns = _update(plan, values)
            has_new_rules = _load_rules(plan, terms.rules)
            if has_new_rules or {"fee", "currency"} & set(columns):
                self.plans_changed.append(plan.pk)
            self.done["updated" if columns or has_new_rules else "unchanged"] += 1


def _update(row: models.Model, values: Values) -> list[str]:
    """Write the columns whose values differ, and return their names."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)
    return changed


def _load_channels(operator: Operator, wanted: list[Values]) -> bool:
    """Make the operator's channels the wanted ones, each kept by its name; return whether any differed."""
    present = {channel.name: channel for channel in operator.channels.all()}
    is_changed = False
    for values in wanted:
        channel = present.pop(values["name"], None)
        if channel is None:
            TopUpChannel.objects.create(operator=operator, **values)
        is_changed |= channel is None or bool(_update(channel, values))
    for channel in present.values():
        channel.delete()
    return is_changed or bool(present)


def _load_rules(plan: Plan, wanted: list[RuleTerms]) -> bool:
    """Make the plan's rules the wanted ones; return whether any differed.

    A rule is the same one when it stands at the same place, so that renewals that refer to it keep it.
    """
    present = sorted(plan.rules.all(), key=lambda rule: rule.pk)
    is_changed = len(present) != len(wanted)
    for rule, terms in zip(present, wanted, strict=False):
        changed = [bool(_update(rule, terms.values)), _load_steps(rule, terms.steps)]
        is_changed |= any(changed)
    for terms in wanted[len(present) :]:
        _create_rule(plan, terms)
    for rule in present[len(wanted) :]:
        rule.delete()
    return is_changed


def _create_rule(plan: Plan, terms: RuleTerms) -> None:
    rule = KeepRule.objects.create(plan=plan, **terms.values)
    TopUpStep.objects.bulk_create(TopUpStep(rule=rule, **step) for step in terms.steps)


def _load_steps(rule: KeepRule, wanted: list[Values]) -> bool:
    """Make the ladder the wanted one; return whether it differed. The order of its steps does not matter."""
    present: list[dict[str, Any]] = [
        {name: getattr(step, name) for name in ("minimum_amount", "currency", "channel", "value", "unit")}
        for step in rule.steps.all()
    ]
    if len(present) == len(wanted) and all(step in present for step in wanted):
        return False
    rule.steps.all().delete()
    TopUpStep.objects.bulk_create(TopUpStep(rule=rule, **step) for step in wanted)
    return True
