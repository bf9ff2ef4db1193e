from .card import Card, CardQuerySet, LinkedAccount, PlanChange
from .catalogue import (
    Confidence,
    Feature,
    Operator,
    Plan,
    Promotion,
    StepGuide,
    TopUpChannel,
)
from .catalogue_change import CatalogueChange
from .household import Household, HouseholdQuerySet, Level, Member, Person, User
from .invitation import Invitation
from .keep_rule import Act, KeepRule, PaidFrom, TopUpStep, Unit
from .log import LogEntry, LogIsAppendOnly
from .rate import ExchangeRate

__all__ = [
    "Act",
    "Card",
    "CardQuerySet",
    "CatalogueChange",
    "Confidence",
    "ExchangeRate",
    "Feature",
    "Household",
    "HouseholdQuerySet",
    "Invitation",
    "KeepRule",
    "Level",
    "LinkedAccount",
    "LogEntry",
    "LogIsAppendOnly",
    "Member",
    "Operator",
    "PaidFrom",
    "Person",
    "Plan",
    "PlanChange",
    "Promotion",
    "StepGuide",
    "TopUpChannel",
    "TopUpStep",
    "Unit",
    "User",
]
