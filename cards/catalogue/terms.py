"""What the catalogue says of an operator, a plan or a step, once it is known to be right."""

from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]


@dataclass(frozen=True)
class RuleTerms:
    """A keep rule; `steps` is its ladder."""

    values: Values
    steps: list[Values]


@dataclass(frozen=True)
class PlanTerms:
    """A plan. `operator` is a short name. A column that `values` leaves out stays as it is."""

    operator: str
    values: Values
    rules: list[RuleTerms]


@dataclass(frozen=True)
class OperatorTerms:
    """An operator; `belongs_to` is the short name of another one, empty for none."""

    values: Values
    belongs_to: str
    channels: list[Values]


Terms = OperatorTerms | PlanTerms


@dataclass(frozen=True)
class GuideTerms:
    """What a step says in one language; `owner` is “operator” or “plan”, `slug` the short name of it."""

    owner: str
    slug: str
    step: str
    language: str
    values: Values


@dataclass(frozen=True)
class Catalogue:
    """All that one release or one import names; operators stand before their brands."""

    operators: list[OperatorTerms] = field(default_factory=list)
    plans: list[PlanTerms] = field(default_factory=list)
    guides: list[GuideTerms] = field(default_factory=list)
