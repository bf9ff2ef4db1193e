from .card import Card, LinkedAccount
from .catalogue import (
    Confidence,
    Operator,
    Plan,
    Promotion,
    StepGuide,
    TopUpChannel,
)
from .household import Household, HouseholdQuerySet, Member, Person, User
from .keep_rule import Act, KeepRule, PaidFrom, TopUpStep, Unit

__all__ = [
    "Act",
    "Card",
    "Confidence",
    "Household",
    "HouseholdQuerySet",
    "KeepRule",
    "LinkedAccount",
    "Member",
    "Operator",
    "PaidFrom",
    "Person",
    "Plan",
    "Promotion",
    "StepGuide",
    "TopUpChannel",
    "TopUpStep",
    "Unit",
    "User",
]
