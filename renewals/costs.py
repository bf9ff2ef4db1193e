"""What it costs to keep a number for a year, by its plan's rule at the least that counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cards.models import Card, KeepRule, Plan, Unit
from cards.rates import Converted, Rates, sum_of

CENT = Decimal("0.01")
A_YEAR = {Unit.DAYS: Decimal(365), Unit.MONTHS: Decimal(12), Unit.YEARS: Decimal(1)}


@dataclass(frozen=True)
class Cost:
    """What a year takes, in the operator's currency. An `amount` of None is not known, which is never zero.

    `is_least`: more may be needed, as part of it is not known. Money topped up is still there to be used.
    """

    amount: Decimal | None
    currency: str
    is_least: bool = False


def yearly_cost(plan: Plan) -> Cost:
    """Return what keeping a number on this plan takes in a year; of several rules, the dearest one.

    The plan comes with its rules and their ladders prefetched.
    """
    costs = [_of_rule(rule, plan) for rule in plan.rules.all()]
    known = [cost for cost in costs if cost.amount is not None]
    if not known:
        return Cost(None, plan.currency)
    dearest = max(known, key=lambda cost: cost.amount or Decimal(0))
    mixed = any(cost.currency != dearest.currency for cost in known)
    return Cost(dearest.amount, dearest.currency, is_least=len(known) < len(costs) or mixed)


@dataclass(frozen=True)
class CardCost:
    """What a card takes in a year: in the operator's currency, and in the household's; `converted` of None: not known.

    `converted` is not known when the cost itself is not, when no rate leads to the household's currency, and when the
    household has none.
    """

    card: Card
    cost: Cost
    converted: Converted | None


@dataclass(frozen=True)
class HouseholdCost:
    """What all cards take in a year. A `total` of None is not known: no card's cost could be added up.

    `left_out` counts the cards that are not in the total; `is_least` says that those in it may need more.
    """

    rows: list[CardCost]
    total: Converted | None
    left_out: int
    is_least: bool


def household_cost(cards: Iterable[Card], currency: str, rates: Rates) -> HouseholdCost:
    """Return what these cards take in a year, in `currency` where a rate leads there; an empty one adds nothing up.

    The cards come with their plans, the plans' rules and their ladders prefetched.
    """
    rows = []
    for card in cards:
        cost = yearly_cost(card.plan)
        is_known = cost.amount is not None and currency
        converted = rates.convert(cost.amount or Decimal(0), cost.currency, currency) if is_known else None
        rows.append(CardCost(card, cost, converted))
    added = [row for row in rows if row.converted is not None]
    total = sum_of(row.converted for row in added if row.converted)
    return HouseholdCost(rows, total, len(rows) - len(added), any(row.cost.is_least for row in added))


def times_a_year(value: int, unit: str) -> Decimal:
    """Return how often a period of this length fits into a year."""
    return A_YEAR[Unit(unit)] / value


def _of_rule(rule: KeepRule, plan: Plan) -> Cost:
    if rule.kind in {KeepRule.Kind.FEE_PAID, KeepRule.Kind.FEE_FROM_BALANCE}:
        return _each(plan.fee, plan.currency, rule.value, rule.unit)
    if rule.kind == KeepRule.Kind.ACTIVITY:
        # What one SMS or call costs is known for hardly any plan, and differs by where it goes.
        return Cost(None, plan.currency)
    steps = [step for step in rule.steps.all() if step.minimum_amount is not None]
    if not steps:
        return _each(plan.fee, plan.currency, rule.value, rule.unit)
    return _cheapest(_each(step.minimum_amount, step.currency, step.value, step.unit) for step in steps)


def _cheapest(costs: Iterable[Cost]) -> Cost:
    """Return the cheapest of a ladder, among those in the currency of its first step: others cannot be compared."""
    rungs = list(costs)
    same = [cost for cost in rungs if cost.currency == rungs[0].currency]
    return min(same, key=lambda cost: cost.amount or Decimal(0))


def _each(amount: Decimal | None, currency: str, value: int, unit: str) -> Cost:
    if amount is None:
        return Cost(None, currency)
    return Cost((amount * times_a_year(value, unit)).quantize(CENT), currency)
