from .card import Card, LinkedAccount
from .catalogue import (
    Act,
    Confidence,
    KeepRule,
    Operator,
    PaidFrom,
    Plan,
    Promotion,
    StepGuide,
    TopUpChannel,
    TopUpStep,
    Unit,
)
from .household import Household, HouseholdQuerySet, Member, Person, User

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
