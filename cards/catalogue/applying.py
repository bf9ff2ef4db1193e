"""Puts checked terms into the rows of operators and plans; what differs is written, and nothing else."""

from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from cards.models import KeepRule, Operator, Plan, TopUpChannel, TopUpStep

from .reading import CatalogueError
from .terms import OperatorTerms, PlanTerms, RuleTerms, Terms, Values
from .writing import SharedRow

# The columns of a plan that its cards' dates depend on, beside its rules.
MOVING = {"fee", "currency"}


def lock_shared() -> tuple[dict[str, Operator], dict[str, Plan]]:
    """Return what `read_shared` does, locked.

    Locked before it is read, so that what somebody else just made is seen too.
    """
    for model in (Operator, Plan):
        list(model._default_manager.filter(household=None).order_by("pk").select_for_update().values_list("pk"))
    return read_shared()


def read_shared() -> tuple[dict[str, Operator], dict[str, Plan]]:
    """Return the shared operators and plans by short name, with all that their terms are written from.

    Asks five queries, however many there are.
    """
    operators, plans = Operator.objects.filter(household=None), Plan.objects.filter(household=None)
    shared = {operator.pk: operator for operator in operators.order_by("pk").prefetch_related("channels")}
    sold = list(plans.order_by("pk").prefetch_related("rules__steps"))
    for operator in shared.values():
        if operator.belongs_to_id in shared:
            operator.belongs_to = shared[operator.belongs_to_id]
    for plan in sold:
        if plan.operator_id in shared:
            plan.operator = shared[plan.operator_id]
    return {operator.slug: operator for operator in shared.values()}, {plan.slug: plan for plan in sold}


def create_operator(terms: OperatorTerms, **marks: Any) -> Operator:
    """Make a shared operator; `marks` are columns that are no terms. Raises CatalogueError as `apply_operator`."""
    operator = Operator(**terms.values, **marks)
    operator.belongs_to = _parent(operator, terms.belongs_to)
    operator.save()
    _apply_channels(operator, terms.channels)
    return operator


def create_plan(terms: PlanTerms, **marks: Any) -> Plan:
    """Make a shared plan; `marks` are columns that are no terms. Raises CatalogueError as `apply_plan`."""
    plan = Plan.objects.create(operator=_shared_operator(terms.operator), **terms.values, **marks)
    _apply_rules(plan, terms.rules)
    return plan


def apply_terms(row: SharedRow, terms: Terms) -> bool:
    """Let an operator or a plan be as its terms say, and return whether dates of cards may move."""
    if isinstance(row, Plan) and isinstance(terms, PlanTerms):
        return apply_plan(row, terms)
    if isinstance(row, Operator) and isinstance(terms, OperatorTerms):
        apply_operator(row, terms)
    return False


def apply_operator(operator: Operator, terms: OperatorTerms) -> None:
    """Let an operator be as the terms say. Raises CatalogueError when it would belong to none known or to itself."""
    parent = _parent(operator, terms.belongs_to)
    update(operator, terms.values | {"belongs_to": parent})
    _apply_channels(operator, terms.channels)


def apply_plan(plan: Plan, terms: PlanTerms) -> bool:
    """Let a plan be as the terms say, and return whether dates of its cards may move.

    The caller marks the plan with `recount_since` then, in the same transaction. Rules are the same ones when they
    stand at the same place, so that renewals that refer to them keep them. Raises CatalogueError when there is no
    such operator.
    """
    values = dict(terms.values)
    if terms.operator and terms.operator != plan.operator.slug:
        values["operator"] = _shared_operator(terms.operator)
    columns = update(plan, values)
    has_other_rules = _apply_rules(plan, terms.rules)
    return has_other_rules or bool(MOVING & set(columns))


def update(row: models.Model, values: Values) -> list[str]:
    """Write the columns whose values differ, and return their names."""
    changed = [name for name, value in values.items() if not _is_equal(getattr(row, name), value)]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)
    return changed


def _is_equal(one: object, other: object) -> bool:
    """Whether two values of a column are equal; the order of a list of names says nothing."""
    if isinstance(one, list) and isinstance(other, list) and all(isinstance(name, str) for name in [*one, *other]):
        return sorted(one) == sorted(other)
    return one == other


def _shared_operator(slug: str) -> Operator:
    operator = Operator.objects.filter(household=None, slug=slug).first()
    if operator is None:
        raise CatalogueError([_("There is no operator “%(slug)s” any more.") % {"slug": slug}])
    return operator


def _parent(operator: Operator, slug: str) -> Operator | None:
    """Return the operator of the short name, None for none, unless this would close a circle."""
    if not slug:
        return None
    if operator.belongs_to is not None and operator.belongs_to.slug == slug:
        return operator.belongs_to
    parent = _shared_operator(slug)
    above: Operator | None = parent
    seen = set()
    while above is not None and above.pk not in seen:
        if above.pk == operator.pk:
            raise CatalogueError([_("An operator cannot belong to itself.")])
        seen.add(above.pk)
        above = above.belongs_to
    return parent


def _apply_channels(operator: Operator, wanted: list[Values]) -> None:
    """Make the operator's channels the wanted ones, each kept by its name."""
    present = {channel.name: channel for channel in operator.channels.order_by("pk")}
    for values in wanted:
        channel = present.pop(values["name"], None)
        if channel is None:
            TopUpChannel.objects.create(operator=operator, **values)
        else:
            update(channel, values)
    for channel in present.values():
        channel.delete()


def _apply_rules(plan: Plan, wanted: list[RuleTerms]) -> bool:
    """Make the plan's rules the wanted ones; return whether any differed."""
    present = list(plan.rules.order_by("pk").prefetch_related("steps"))
    is_changed = len(present) != len(wanted)
    for rule, terms in zip(present, wanted, strict=False):
        changed = [bool(update(rule, terms.values)), _apply_steps(rule, terms.steps)]
        is_changed |= any(changed)
    for terms in wanted[len(present) :]:
        rule = KeepRule.objects.create(plan=plan, **terms.values)
        TopUpStep.objects.bulk_create(TopUpStep(rule=rule, **step) for step in terms.steps)
    for rule in present[len(wanted) :]:
        rule.delete()
    return is_changed


def _apply_steps(rule: KeepRule, wanted: list[Values]) -> bool:
    """Make the ladder the wanted one; return whether it differed. The order of its steps does not matter."""
    present: list[Values] = [
        {name: getattr(step, name) for name in ("minimum_amount", "currency", "channel", "value", "unit")}
        for step in rule.steps.all()
    ]
    if len(present) == len(wanted) and all(step in present for step in wanted):
        return False
    rule.steps.all().delete()
    TopUpStep.objects.bulk_create(TopUpStep(rule=rule, **step) for step in wanted)
    return True
