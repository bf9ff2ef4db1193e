"""Which plan suits a household: a verdict of each plan on each answer, and from these its place and the reasons.

Pure functions: no database, no clock. Plans come with operator, rules and ladders fetched; today is an argument.
Nobody has to take a place on trust: `Order` names the parts that decide, and every plan says why it stands there.
"""

import dataclasses
import datetime
import enum
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cards.models import Confidence, Plan
from cards.rates import Converted, Rates

from .costs import Cost, yearly_cost
from .plan_words import say_country
from .verdicts import (
    Answers,
    Fit,
    Gap,
    Need,
    Verdict,
    find_verdicts,
    gap_between_acts,
    is_at_home,
    life_limit,
    say_life_limit,
)
from .words import facts_are_old


class Sort(models.TextChoices):
    BEST = "", gettext_lazy("best first")
    COST = "cost", gettext_lazy("cheapest first")
    ACTS = "acts", gettext_lazy("fewest acts first")
    OPERATOR = "operator", gettext_lazy("by operator")
    COUNTRY = "country", gettext_lazy("by country")
    CHECKED = "checked", gettext_lazy("newest facts first")


class Known(enum.IntEnum):
    """How well the cost of a plan can be compared with that of others."""

    WHOLLY = 0
    AT_LEAST = 1
    OTHER_CURRENCY = 2
    NOT = 3


@dataclass(frozen=True)
class Purse:
    """The household's currency, empty when it has none, and the rates that lead to it."""

    currency: str = ""
    rates: Rates = dataclasses.field(default_factory=lambda: Rates([]))

    def convert(self, cost: Cost) -> Converted | None:
        """Return the cost in the household's currency; None when it or the way there is not known."""
        if cost.amount is None or not self.currency:
            return None
        return self.rates.convert(cost.amount, cost.currency, self.currency)


class Order(NamedTuple):
    """The place of a plan. Of two plans the first part in which they differ decides, and less comes first.

    does_not_fit: an answer rules the plan out.
    cannot_be_kept: the line ends after some days, whatever is paid.
    is_doubtful: a template without an operator, or facts of low confidence.
    unknown: how many facts that an answer asks for nobody has found out; none of them counts as a yes.
    is_away: the phone will be in another country than the operator's, where the line has to find a network first.
    known_cost: how well the cost can be compared; not known comes after known.
    common_cost: a year in the currency that all are compared in, the household's or the only one there is; 0 without.
    acts: how often in a year somebody has to act.
    currency, cost: a year in the operator's own currency, compared only among plans of the same one.
    need: the more a plan gives of what is needed, the less; to only keep a number, a basic line before others.
    is_old: the facts were last checked more than 180 days ago.
    name, pk: so that the order is total, and the same each time.
    """

    does_not_fit: bool
    cannot_be_kept: bool
    is_doubtful: bool
    unknown: int
    is_away: bool
    known_cost: Known
    common_cost: Decimal
    acts: Decimal
    currency: str
    cost: Decimal
    need: int
    is_old: bool
    name: str
    pk: int


@dataclass(frozen=True)
class Choice:
    """A plan in the list. `place` is None for one that does not fit; `converted` and `gap` for what is not known."""

    plan: Plan
    cost: Cost
    converted: Converted | None
    gap: Gap | None
    order: Order
    reasons: tuple[Verdict, ...]
    place: int | None = None

    @property
    def fits(self) -> bool:
        return not self.order.does_not_fit

    @property
    def obstacles(self) -> list[Verdict]:
        """The reasons why it does not fit."""
        return [reason for reason in self.reasons if reason.fit is Fit.NO]

    @property
    def price(self) -> Decimal:
        """What a year costs, to be compared among choices priced alike."""
        return self.order.common_cost or self.order.cost

    @property
    def is_sure(self) -> bool:
        """Whether it fits, can be kept, and nothing that was asked about it is doubtful or unknown."""
        return not any(self.order[:4])


def rank(plans: Iterable[Plan], answers: Answers, today: datetime.date, purse: Purse) -> list[Choice]:
    """Return the plans best first, as `Order` says, those that do not fit last; each with the reasons of its place."""
    costs = [(plan, yearly_cost(plan)) for plan in plans]
    common = purse.currency or _only_currency(cost for _plan, cost in costs)
    judged = [_judge(plan, cost, answers, today, purse, common) for plan, cost in costs]
    choices = sorted(judged, key=lambda choice: choice.order)
    praise = _praise(choices, answers, has_common=bool(common))
    return [
        dataclasses.replace(
            choice,
            place=place if choice.fits else None,
            reasons=(*praise[choice.plan.pk], *choice.reasons),
        )
        for place, choice in enumerate(choices, 1)
    ]


def sort_choices(choices: Sequence[Choice], by: str) -> list[Choice]:
    """Return ranked choices in another order, a value of `Sort`; what does not fit stays last, and ties stay ranked."""
    key = _SORT_KEYS[Sort(by)]
    return sorted(choices, key=lambda choice: (choice.order.does_not_fit, *key(choice), choice.order))


def _only_currency(costs: Iterable[Cost]) -> str:
    currencies = {cost.currency for cost in costs if cost.amount is not None}
    return currencies.pop() if len(currencies) == 1 else ""


def _judge(plan: Plan, cost: Cost, answers: Answers, today: datetime.date, purse: Purse, common: str) -> Choice:
    verdicts, gap, converted = find_verdicts(plan, answers), gap_between_acts(plan), purse.convert(cost)
    limit, is_old = life_limit(plan), facts_are_old(plan, today)
    is_template = not plan.operator.country and plan.household_id is None
    is_doubtful = plan.confidence == Confidence.LOW
    order = Order(
        does_not_fit=any(verdict.fit is Fit.NO for verdict in verdicts),
        cannot_be_kept=limit is not None,
        is_doubtful=is_template or is_doubtful,
        unknown=sum(verdict.unknown for verdict in verdicts),
        is_away=bool(answers.where) and not is_at_home(plan, answers.where),
        known_cost=_how_known(cost, converted, purse),
        common_cost=_in_common(cost, converted, common),
        acts=gap.acts_a_year if gap else Decimal("Infinity"),
        currency=cost.currency,
        cost=cost.amount or Decimal(0),
        need=_need_order(plan, answers.need),
        is_old=is_old,
        name=str(plan),
        pk=plan.pk,
    )
    if limit is not None and answers.need != Need.KEEP:
        verdicts.append(Verdict(Fit.OPEN, say_life_limit(limit)))
    if is_template:
        verdicts.append(Verdict(Fit.OPEN, _("A template without an operator: adapt it to the rule of your own.")))
    elif is_doubtful:
        verdicts.append(Verdict(Fit.OPEN, _("Not well confirmed: ask the operator before you rely on it.")))
    return Choice(plan, cost, converted, gap, order, tuple(verdicts))


def _how_known(cost: Cost, converted: Converted | None, purse: Purse) -> Known:
    if cost.amount is None:
        return Known.NOT
    if purse.currency and converted is None:
        return Known.OTHER_CURRENCY
    return Known.AT_LEAST if cost.is_least else Known.WHOLLY


def _in_common(cost: Cost, converted: Converted | None, common: str) -> Decimal:
    if converted is not None:
        return converted.amount
    return cost.amount if cost.amount is not None and cost.currency == common else Decimal(0)


def _need_order(plan: Plan, need: str) -> int:
    if need == Need.CALLS:
        return -((plan.voice_minutes or 0) + (plan.sms_count or 0))
    if need == Need.DATA:
        return -(plan.data_mb or 0)
    return [Plan.Type.BASIC, Plan.Type.PACKAGE, Plan.Type.SPECIAL].index(Plan.Type(plan.type))


def _praise(choices: Sequence[Choice], answers: Answers, has_common: bool) -> dict[int, list[Verdict]]:
    """Return what the best ones are best at, by plan; only those are compared of which all is known that was asked."""
    praise: dict[int, list[Verdict]] = defaultdict(list)
    sure = [choice for choice in choices if choice.is_sure]
    priced: dict[tuple[str, bool], list[Choice]] = defaultdict(list)
    known = [choice for choice in sure if choice.cost.amount is not None and not choice.cost.is_least]
    # One that cannot be converted may be the cheapest of all.
    is_common = has_common and not any(choice.order.known_cost is Known.OTHER_CURRENCY for choice in known)
    for choice in known:
        priced["" if is_common else choice.cost.currency, choice.order.is_away].append(choice)
    for (currency, _is_away), rivals in priced.items():
        least = min(choice.price for choice in rivals)
        for choice in rivals:
            if len(rivals) > 1 and choice.price == least:
                praise[choice.plan.pk].append(Verdict(Fit.YES, _say_cheapest(choice, answers, currency)))
    acting = [choice for choice in sure if choice.order.acts]
    fewest = min((choice.order.acts for choice in acting), default=None)
    for choice in acting:
        if choice.order.acts == fewest and any(rival.order.acts != fewest for rival in acting):
            praise[choice.plan.pk].append(Verdict(Fit.YES, _("Of those that fit, it asks for an act least often.")))
    return praise


def _say_cheapest(choice: Choice, answers: Answers, currency: str) -> str:
    """Return the praise; a `currency` says that only plans priced in it were compared."""
    words = {"currency": currency, "country": say_country(choice.plan.operator.country)}
    if choice.order.is_away and currency:
        return _("The cheapest to keep in %(currency)s that receives SMS abroad, as far as costs are known.") % words
    if choice.order.is_away:
        return _("The cheapest to keep that receives SMS abroad, as far as costs are known.")
    if answers.where and currency:
        return _("The cheapest line of %(country)s to keep in %(currency)s, as far as costs are known.") % words
    if answers.where:
        return _("The cheapest line of %(country)s to keep, as far as costs are known.") % words
    if currency:
        return _("The cheapest to keep in %(currency)s, as far as costs are known.") % words
    return _("The cheapest to keep, as far as costs are known.")


_SORT_KEYS: dict[Sort, Callable[[Choice], tuple]] = {
    Sort.BEST: lambda choice: (),
    Sort.COST: lambda choice: (
        choice.order.known_cost,
        choice.order.common_cost,
        choice.order.currency,
        choice.order.cost,
    ),
    Sort.ACTS: lambda choice: (choice.order.acts,),
    Sort.OPERATOR: lambda choice: (choice.plan.operator.name.casefold(),),
    Sort.COUNTRY: lambda choice: (not choice.plan.operator.country, say_country(choice.plan.operator.country)),
    Sort.CHECKED: lambda choice: (-(choice.plan.checked_on or datetime.date.min).toordinal(),),
}
