"""What each answer to the four questions means for one plan, and why, in words.

Pure functions. What is not known of a plan never rules it out and never counts as a yes: it is a verdict of its own.
"""

import enum
from dataclasses import dataclass
from decimal import Decimal

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cards.models import Act, Feature, KeepRule, Plan, TopUpStep, Unit
from cards.money import format_amount

from .models import Document
from .plan_words import say_country, say_data, say_features, say_messages, say_minutes, say_paper_kinds
from .words import say_every, say_period

# Where the phone will be, when that is no one country.
ANYWHERE = "anywhere"
BUSINESS = [Feature.VIDEO_MEETINGS, Feature.COMPANY_MAIL]
DAYS_OF_A_YEAR = 365
MONTHS_OF_A_YEAR = 12


class Need(models.TextChoices):
    KEEP = "keep", gettext_lazy("only to keep the number")
    CALLS = "calls", gettext_lazy("calls and SMS")
    DATA = "data", gettext_lazy("mobile data")
    BUSINESS = "business", gettext_lazy("business extras, such as video meetings and company mail")


class Papers(models.TextChoices):
    PASSPORT = "passport", gettext_lazy("a passport")
    IDENTITY_CARD = "identity_card", gettext_lazy("an identity card of the operator's country")
    BOTH = "both", gettext_lazy("both")
    NONE = "none", gettext_lazy("none of them")


class Often(models.TextChoices):
    MONTH = "month", gettext_lazy("every month")
    QUARTER = "quarter", gettext_lazy("every 3 months")
    HALF_YEAR = "half_year", gettext_lazy("every half-year")
    YEAR = "year", gettext_lazy("once a year")


class Fit(enum.StrEnum):
    """A verdict of a plan on an answer; `OPEN`: nobody asked, but it is worth telling."""

    YES = "yes"
    UNKNOWN = "unknown"
    NO = "no"
    OPEN = "open"


@dataclass(frozen=True)
class Answers:
    """What somebody said; an empty answer leaves the question open, and then it decides nothing.

    need, papers, often: values of `Need`, `Papers`, `Often`. where: the ISO code of a country, or ANYWHERE.
    """

    need: str = ""
    where: str = ""
    papers: str = ""
    often: str = ""


@dataclass(frozen=True)
class Verdict:
    """What one answer means for one plan, with the reason as a sentence. `unknown` counts the facts not known."""

    fit: Fit
    reason: str
    unknown: int = 0


@dataclass(frozen=True)
class Gap:
    """How far apart the acts of a plan may be. `days` of None: no act is due, there only has to be enough balance.

    `step` is the rung of the ladder that allows it, None where all rungs keep the number alike.
    """

    days: int | None
    value: int = 0
    unit: str = Unit.DAYS
    step: TopUpStep | None = None

    @property
    def acts_a_year(self) -> Decimal:
        return Decimal(DAYS_OF_A_YEAR) / self.days if self.days else Decimal(0)


# Operators sell a year as 360 days, a half-year as 180 and so on; who can act once a year can be five days early.
DAYS_BETWEEN = {Often.MONTH: 30, Often.QUARTER: 90, Often.HALF_YEAR: 180, Often.YEAR: 360}


def find_verdicts(plan: Plan, answers: Answers) -> list[Verdict]:
    """Return the verdicts on all answers that were given, and how often the plan needs an act in any case."""
    asked = [
        _about_need(plan, Need(answers.need)) if answers.need else None,
        _about_place(plan, answers.where) if answers.where else None,
        _about_papers(plan, Papers(answers.papers)) if answers.papers else None,
        _about_acts(plan, Often(answers.often) if answers.often else None),
    ]
    return [verdict for verdict in asked if verdict]


def is_at_home(plan: Plan, where: str) -> bool:
    """Whether the phone will be in the operator's own country."""
    return bool(where) and plan.operator.country == where


def life_limit(plan: Plan) -> int | None:
    """Return after how many days the line ends whatever is paid; None for one that can be kept."""
    return min((rule.life_limit_days for rule in plan.rules.all() if rule.life_limit_days is not None), default=None)


def say_life_limit(days: int) -> str:
    """Return that such a line cannot be kept."""
    return _("Cannot be kept: it ends %(period)s after it starts, whatever is paid.") % {
        "period": say_period(days, Unit.DAYS)
    }


def gap_between_acts(plan: Plan) -> Gap | None:
    """Return how far apart the acts may be: by the strictest rule, at its longest rung; None without any rule."""
    gaps = [_gap_of(rule) for rule in plan.rules.all()]
    return min(gaps, key=lambda gap: (gap.days is None, gap.days or 0), default=None)


def _gap_of(rule: KeepRule) -> Gap:
    if rule.kind == KeepRule.Kind.FEE_FROM_BALANCE:
        return Gap(None)
    rungs = list(rule.steps.all())
    has_choice = len({(rung.value, rung.unit) for rung in rungs}) > 1
    gaps = [_gap(rung.value, rung.unit, rung if has_choice else None) for rung in rungs]
    if not rungs or {Act.SMS, Act.CALL, Act.DATA} & set(rule.qualifying_acts):
        gaps.append(_gap(rule.value, rule.unit, None))
    return max(gaps, key=lambda gap: gap.days or 0)


def _gap(value: int, unit: str, step: TopUpStep | None) -> Gap:
    a_year = {Unit.DAYS: DAYS_OF_A_YEAR, Unit.MONTHS: MONTHS_OF_A_YEAR, Unit.YEARS: 1}[Unit(unit)]
    return Gap(value * DAYS_OF_A_YEAR // a_year, value, unit, step)


def _about_need(plan: Plan, need: Need) -> Verdict:
    return {
        Need.KEEP: _about_keeping,
        Need.CALLS: _about_calls,
        Need.DATA: _about_data,
        Need.BUSINESS: _about_business,
    }[need](plan)


def _about_keeping(plan: Plan) -> Verdict:
    limit = life_limit(plan)
    if limit is not None:
        return Verdict(Fit.NO, say_life_limit(limit))
    reasons = {
        Plan.Type.BASIC: _("A basic line, for those who only keep the number."),
        Plan.Type.PACKAGE: _("A package: it gives more than the number needs to stay."),
        Plan.Type.SPECIAL: _("A special offer: it keeps the number, on terms of its own."),
    }
    return Verdict(Fit.YES, reasons[Plan.Type(plan.type)])


def _about_calls(plan: Plan) -> Verdict:
    minutes, messages = plan.voice_minutes, plan.sms_count
    included = {
        "minutes": "" if minutes is None else say_minutes(minutes),
        "messages": "" if messages is None else say_messages(messages),
    }
    if 0 in {minutes, messages}:
        return Verdict(Fit.NO, _("Includes no minutes.") if minutes == 0 else _("Includes no SMS."))
    if minutes is None and messages is None:
        return Verdict(Fit.UNKNOWN, _("How many minutes and SMS it includes is not known."), 2)
    if messages is None:
        return Verdict(Fit.UNKNOWN, _("Includes %(minutes)s; how many SMS is not known.") % included, 1)
    if minutes is None:
        return Verdict(Fit.UNKNOWN, _("Includes %(messages)s; how many minutes is not known.") % included, 1)
    return Verdict(Fit.YES, _("Includes %(minutes)s and %(messages)s.") % included)


def _about_data(plan: Plan) -> Verdict:
    if plan.data_mb is None:
        return Verdict(Fit.UNKNOWN, _("How much data it includes is not known."), 1)
    if plan.data_mb == 0:
        return Verdict(Fit.NO, _("Includes no data."))
    return Verdict(Fit.YES, _("Includes %(data)s of data.") % {"data": say_data(plan.data_mb)})


def _about_business(plan: Plan) -> Verdict:
    offered = [extra for extra in BUSINESS if extra in plan.features]
    missing = [extra for extra in BUSINESS if extra not in plan.features]
    words = {"offered": say_features(offered), "missing": say_features(missing, "or")}
    if not missing:
        return Verdict(Fit.YES, _("Offers %(offered)s.") % words)
    if not offered:
        return Verdict(Fit.UNKNOWN, _("Not known whether it offers %(missing)s.") % words, len(missing))
    return Verdict(Fit.UNKNOWN, _("Offers %(offered)s; not known whether also %(missing)s.") % words, len(missing))


def _about_place(plan: Plan, where: str) -> Verdict:
    country = plan.operator.country
    if is_at_home(plan, where):
        return Verdict(Fit.YES, _("A line of %(country)s, where the phone is.") % {"country": say_country(country)})
    if plan.receives_abroad:
        return Verdict(Fit.YES, _("Receives SMS abroad."))
    if plan.receives_abroad is None:
        return Verdict(Fit.UNKNOWN, _("Not known whether SMS arrive abroad."), 1)
    if not country and where != ANYWHERE:
        return Verdict(Fit.UNKNOWN, _("Receives no SMS abroad, and of which country it is, is not known."), 1)
    return Verdict(Fit.NO, _("Receives no SMS abroad."))


def _about_papers(plan: Plan, papers: Papers) -> Verdict:
    operator = plan.operator
    if operator.requires_document is False:
        return Verdict(Fit.YES, _("Asks for no papers."))
    own = {
        Papers.PASSPORT: [Document.Kind.PASSPORT],
        Papers.IDENTITY_CARD: [Document.Kind.IDENTITY_CARD],
        Papers.BOTH: [Document.Kind.IDENTITY_CARD, Document.Kind.PASSPORT],
        Papers.NONE: [],
    }[papers]
    taken = [kind for kind in own if kind in operator.document_kinds]
    if taken:
        return Verdict(Fit.YES, _("Takes the papers you have: %(papers)s.") % {"papers": say_paper_kinds(taken)})
    if operator.requires_document is None:
        return Verdict(Fit.UNKNOWN, _("Not known whether it asks for papers."), 1)
    wanted = say_paper_kinds(operator.document_kinds)
    if wanted:
        return Verdict(Fit.NO, _("Wants papers: %(papers)s.") % {"papers": wanted})
    if papers == Papers.NONE:
        return Verdict(Fit.NO, _("Wants papers; which ones is not known."))
    return Verdict(Fit.UNKNOWN, _("Wants papers; which ones is not known."), 1)


def _about_acts(plan: Plan, often: Often | None) -> Verdict:
    """Tell how often an act is due; `often` of None is an open question, and then this only informs."""
    gap, is_open = gap_between_acts(plan), often is None
    if gap is None:
        return Verdict(
            Fit.OPEN if is_open else Fit.UNKNOWN, _("How often it needs an act is not known."), int(not is_open)
        )
    if gap.days is None:
        return Verdict(
            Fit.OPEN if is_open else Fit.YES, _("Needs no act by a certain day, only enough on the balance.")
        )
    words = {"period": say_every(gap.value, gap.unit)}
    if often is not None and gap.days < DAYS_BETWEEN[often]:
        return Verdict(Fit.NO, _("Asks for an act every %(period)s.") % words)
    reason = _("Needs an act every %(period)s.") % words
    if gap.step and gap.step.minimum_amount is not None:
        words["amount"] = format_amount(gap.step.minimum_amount, gap.step.currency)
        reason = _("Needs an act every %(period)s, if each is of %(amount)s or more.") % words
    return Verdict(Fit.OPEN if is_open else Fit.YES, reason)
