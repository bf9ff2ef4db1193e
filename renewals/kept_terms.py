"""The terms a renewal was opened under: what it asks for, and what its acts count by, whatever changed since."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cards.models import KeepRule, PaidFrom, Plan

from .lifecycle import Period, Rule, Step
from .models import Renewal


@dataclass(frozen=True)
class KeptStep:
    """A rung of the ladder; the fields are those of `cards.TopUpStep`."""

    minimum_amount: Decimal | None
    currency: str
    channel: str
    value: int
    unit: str

    def get_channel_display(self) -> str:
        return str(PaidFrom(self.channel).label)


@dataclass(frozen=True)
class KeptRule:
    """A keep rule; the fields are those of `cards.KeepRule` that a page tells of."""

    pk: int
    kind: str
    value: int
    unit: str
    qualifying_acts: list[str]
    ladder: list[KeptStep]


@dataclass(frozen=True)
class KeptPlan:
    """What the plan was called and cost; the fields are those of `cards.Plan`."""

    name: str
    fee: Decimal | None
    currency: str


@dataclass(frozen=True)
class WalkTerms:
    """The plan and the rules a walk-through goes by; `rule` is the one it was opened for, None where none is known."""

    plan: Plan | KeptPlan
    rules: list[KeepRule] | list[KeptRule]
    rule: KeepRule | KeptRule | None


def walk_terms(renewal: Renewal) -> WalkTerms:
    """Return what the renewal goes by: its copy where the rule changed while it was open, else the plan itself.

    A copy of another plan than the card is on by now is of no use, nor is one that does not name its rules.
    """
    kept = renewal.plan_terms
    if renewal.keeps_terms and rules_kept(kept) and _is_for_its_plan(renewal):
        plan = KeptPlan(kept["plan"], _amount(kept["fee"]), kept["currency"])
        rules = [_kept_rule(values) for values in kept["rules"]]
        return WalkTerms(plan, rules, _rule_of(rules, renewal.rule_id))
    own = list(renewal.card.plan.rules.all())
    return WalkTerms(renewal.card.plan, own, _rule_of(own, renewal.card.deadline_source.get("rule")))


def rules_kept(terms: dict[str, Any]) -> tuple[Rule, ...]:
    """Return the rules of a renewal's `plan_terms` as the arithmetic takes them.

    None of a copy that the first release made: it does not say which rules they are.
    """
    if any("id" not in rule for rule in terms["rules"]):
        return ()
    fee, currency = _amount(terms["fee"]), terms["currency"]
    return tuple(
        Rule(
            id=rule["id"],
            kind=rule["kind"],
            keeps=Period.of(rule["value"], rule["unit"]),
            qualifying_acts=frozenset(rule["qualifying_acts"]),
            counts_from=rule["counts_from"],
            stack_limit_days=rule["stack_limit_days"],
            steps=tuple(
                Step(
                    _amount(step["minimum_amount"]),
                    step["currency"],
                    step["channel"],
                    Period.of(step["value"], step["unit"]),
                )
                for step in rule["steps"]
            ),
            grace=_period(rule["grace_value"], rule["grace_unit"]),
            grace_acts=frozenset(rule["grace_acts"]),
            recovery=_period(rule["recovery_value"], rule["recovery_unit"]),
            life_limit_days=rule["life_limit_days"],
            lead_days=rule["lead_days"],
            buffer_days=rule["buffer_days"],
            fee=fee,
            currency=currency,
        )
        for rule in terms["rules"]
    )


def _is_for_its_plan(renewal: Renewal) -> bool:
    """Whether the card is still on the plan it was on when the renewal was opened, as far as that can be told."""
    return renewal.rule is None or renewal.rule.plan_id == renewal.card.plan_id


def _kept_rule(values: dict[str, Any]) -> KeptRule:
    ladder = [KeptStep(**step | {"minimum_amount": _amount(step["minimum_amount"])}) for step in values["steps"]]
    return KeptRule(values["id"], values["kind"], values["value"], values["unit"], values["qualifying_acts"], ladder)


def _rule_of(rules: Any, wanted: int | None) -> Any:
    return next((rule for rule in rules if rule.pk == wanted), rules[0] if rules else None)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _period(value: int | None, unit: str) -> Period | None:
    return None if value is None else Period.of(value, unit)
