"""The administration of operators, plans, keep rules and guides.

It is here and not in `cards`, whose models these are, because saving a plan moves the deadlines of the cards on it,
and deadlines are the business of `renewals`; so are the kinds of papers an operator asks for and the steps that a
guide explains.

Django has no inlines within inlines: the plan's page has its keep rules, and each of them leads to a page of its own
with the ladder. Whatever is changed here is marked as edited, and a release of the catalogue then overwrites nothing.
"""

from .guides import StepGuideAdmin
from .operators import OperatorAdmin
from .plans import PlanAdmin
from .rules import KeepRuleAdmin

__all__ = ["KeepRuleAdmin", "OperatorAdmin", "PlanAdmin", "StepGuideAdmin"]
