"""What a plan is, in words: fee, cost, allowances, papers, and how old the facts are. None is said as not known."""

import datetime
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from babel.lists import format_list
from babel.numbers import format_decimal
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cards.models import Feature, KeepRule, Operator, Plan, TopUpStep
from cards.money import babel_locale, format_amount
from cards.rates import Converted

from .costs import Cost
from .models import Document
from .words import facts_are_old, say_last_checked, say_month, say_period, say_short_day

MEGABYTES_OF_A_GIGABYTE = 1024


@dataclass(frozen=True)
class Source:
    """Where a fact of a plan comes from. `kind` and `date` are in words, empty when not known.

    `was_read`: whoever wrote the facts down has read it, and not only another source that quotes it.
    """

    url: str
    kind: str
    date: str
    was_read: bool

    @property
    def is_web(self) -> bool:
        return is_web(self.url)


@dataclass(frozen=True)
class Rung:
    """A step of a ladder in words; an empty `amount` is not known."""

    amount: str
    paid: str
    period: str


def is_web(url: str) -> bool:
    """Whether a source can be linked to; some name a page or a file in words."""
    return url.startswith(("http://", "https://"))


def say_country(code: str) -> str:
    """Return the country's name, or the code itself where no name is known; an empty code stands for any country."""
    return babel_locale().territories.get(code, code) if code else _("any country")


def say_checked(plan: Plan, today: datetime.date) -> str:
    """Return how old the facts of a plan are: the day, or only the month once they are old."""
    if facts_are_old(plan, today):
        return say_last_checked(plan)
    if plan.checked_on is None:
        return _("As your household entered it.")
    return _("Checked on %(day)s.") % {"day": say_short_day(plan.checked_on)}


def say_year(cost: Cost) -> str:
    """Return what a year takes, in the operator's currency; empty when that is not known."""
    if cost.amount is None:
        return ""
    amount = format_amount(cost.amount, cost.currency)
    return _("%(amount)s or more; a part of it is not known") % {"amount": amount} if cost.is_least else amount


def say_cost(cost: Cost) -> str:
    """Return what a year takes as a sentence, in the operator's currency."""
    if cost.amount is None:
        return _("What keeping it a year costs is not known.")
    return _("Keeping it a year costs %(amount)s.") % {"amount": say_year(cost)}


def say_converted(cost: Cost, converted: Converted | None, currency: str, today: datetime.date) -> str:
    """Return the same in the household's `currency`; empty where that adds nothing.

    `converted` of None is a cost for which no rate is known. A rate older than 90 days is said to be old.
    """
    if cost.amount is None or not currency or cost.currency == currency:
        return ""
    if converted is None or converted.dated_on is None:
        return _("No rate from %(currency)s to %(target)s is known.") % {"currency": cost.currency, "target": currency}
    rate = {"amount": format_amount(converted.amount, currency), "day": say_short_day(converted.dated_on)}
    if converted.is_old(today):
        return _("That is %(amount)s, by a rate of %(day)s, which is older than 90 days.") % rate
    return _("That is %(amount)s, by the rate of %(day)s.") % rate


def say_fee(plan: Plan) -> str:
    """Return the fee and what it pays for; empty when both are not known."""
    period = say_period(plan.period_value, plan.period_unit) if plan.period_value else ""
    if plan.fee is None:
        return _("For %(period)s; the fee is not known") % {"period": period} if period else ""
    amount = format_amount(plan.fee, plan.currency)
    if not period:
        return _("%(amount)s; for how long is not known") % {"amount": amount}
    return _("%(amount)s for %(period)s") % {"amount": amount, "period": period}


def say_data(megabytes: int) -> str:
    """Return “200 MB” or “4.5 GB”."""
    if megabytes < MEGABYTES_OF_A_GIGABYTE:
        return _("%(count)s MB") % {"count": _say_number(Decimal(megabytes))}
    return _("%(count)s GB") % {"count": _say_number(Decimal(megabytes) / MEGABYTES_OF_A_GIGABYTE)}


def say_minutes(count: int) -> str:
    """Return “100 minutes”."""
    return ngettext("%(count)d minute", "%(count)d minutes", count) % {"count": count}


def say_messages(count: int) -> str:
    """Return “20 SMS”."""
    return ngettext("%(count)d SMS", "%(count)d SMS", count) % {"count": count}


def say_hours(count: int) -> str:
    """Return “48 hours”."""
    return ngettext("%(count)d hour", "%(count)d hours", count) % {"count": count}


def say_features(features: Collection[str], joined_by: Literal["standard", "or"] = "standard") -> str:
    """Return the extras as a list in words; an extra that this version does not know is left out."""
    labels = [str(each.label) for each in Feature if each in features]
    return format_list(labels, style=joined_by, locale=babel_locale())


def say_paper_kinds(kinds: Collection[str]) -> str:
    """Return papers of which any one is enough: “passport or identity card”."""
    return format_list([str(kind.label) for kind in Document.Kind if kind in kinds], style="or", locale=babel_locale())


def say_papers(operator: Operator) -> str:
    """Return the papers the operator asks for; empty when that is not known."""
    if operator.requires_document is False:
        return _("No papers")
    kinds = say_paper_kinds(operator.document_kinds)
    if operator.requires_document and kinds:
        return kinds if len(operator.document_kinds) == 1 else _("One of: %(papers)s") % {"papers": kinds}
    if operator.requires_document:
        return _("It asks for papers; for which is not known")
    return _("Whether it asks for papers is not known; it takes: %(papers)s") % {"papers": kinds} if kinds else ""


def say_rating(stars: int) -> str:
    """Return how good the service is, of five."""
    return _("%(count)d of 5") % {"count": stars}


def say_yes_no(answer: bool | None) -> str:
    """Return yes or no; empty for not known."""
    return "" if answer is None else _("yes") if answer else _("no")


def sources_of(plan: Plan) -> list[Source]:
    """Return all sources of the plan, in the order in which they are written down."""
    return [
        Source(
            url=each["url"],
            kind=_SOURCE_KINDS[each["kind"]]() if each.get("kind") in _SOURCE_KINDS else "",
            date=_say_source_date(str(each.get("date") or "")),
            was_read=bool(each.get("read")),
        )
        for each in plan.sources
        if isinstance(each, dict) and isinstance(each.get("url"), str)
    ]


def ladders_of(plan: Plan) -> list[list[Rung]]:
    """Return the ladders of the plan's rules, each from its smallest amount up; rules without a ladder have none."""
    ladders = [[_rung(step) for step in _steps_of(rule)] for rule in plan.rules.all()]
    return [rungs for rungs in ladders if rungs]


def _steps_of(rule: KeepRule) -> list[TopUpStep]:
    """Return the ladder from its smallest amount up, an unknown one last: databases disagree where they put it."""
    return sorted(rule.steps.all(), key=lambda step: (step.minimum_amount is None, step.minimum_amount or 0))


def _rung(step: TopUpStep) -> Rung:
    amount = "" if step.minimum_amount is None else format_amount(step.minimum_amount, step.currency)
    return Rung(amount, step.get_channel_display(), say_period(step.value, step.unit))


def _say_source_date(text: str) -> str:
    """Write the date of a source as exactly as it is known: a day, a month or a year; empty when it is not known."""
    if not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", text):
        return ""
    try:
        day = datetime.date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return ""
    return {4: str(day.year), 7: say_month(day)}.get(len(text)) or say_short_day(day)


def _say_number(number: Decimal) -> str:
    return format_decimal(number, "#,##0.##", locale=babel_locale())


_SOURCE_KINDS: dict[str, Callable[[], str]] = {
    "carrier": lambda: _("the operator"),
    "regulator": lambda: _("the regulator"),
    "press": lambda: _("press"),
    "reseller": lambda: _("a reseller"),
    "community": lambda: _("reports of users"),
    "secondary": lambda: _("a study"),
    "dataset": lambda: _("a collection of facts"),
    "code": lambda: _("program code"),
    "shop": lambda: _("a shop"),
    "template": lambda: _("a template of this app"),
}
