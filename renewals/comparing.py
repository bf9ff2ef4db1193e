"""Plans side by side: the same facts of each, in words, and which of them differ."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cards.models import Confidence, KeepRule, Plan, Promotion

from .choosing import Purse
from .costs import yearly_cost
from .plan_words import (
    is_web,
    say_checked,
    say_converted,
    say_country,
    say_data,
    say_features,
    say_fee,
    say_hours,
    say_messages,
    say_minutes,
    say_papers,
    say_rating,
    say_year,
    say_yes_no,
)
from .verdicts import life_limit, say_life_limit
from .words import say_acts, say_period, say_rule, say_short_day


@dataclass(frozen=True)
class Viewpoint:
    """From where the plans are looked at: the day, and the money of the household."""

    today: datetime.date
    purse: Purse


@dataclass(frozen=True)
class Cell:
    """A fact of one plan, a line or more; no line when it is not known. `url` is where a line leads, or empty."""

    plan: Plan
    lines: tuple[str, ...]
    url: str = ""


@dataclass(frozen=True)
class Fact:
    """A fact that every plan has, known or not. `say` returns its lines; an empty line is not known."""

    key: str
    label: str | Promise
    say: Callable[[Plan, Viewpoint], Sequence[str]]


@dataclass(frozen=True)
class Row:
    """One fact of several plans, in their order."""

    key: str
    label: str | Promise
    cells: list[Cell]

    @property
    def differs(self) -> bool:
        """Whether the plans are not alike in it; not known is unlike known."""
        return len({cell.lines for cell in self.cells}) > 1


@dataclass(frozen=True)
class Part:
    """Rows that belong together."""

    label: str | Promise
    rows: list[Row]


def with_facts(plans: QuerySet[Plan], today: datetime.date) -> QuerySet[Plan]:
    """Fetch with the plans all that is told of them, in four queries for any number of plans."""
    running = Promotion.objects.filter(starts_on__lte=today, ends_on__gte=today)
    return plans.select_related("operator").prefetch_related(
        "rules__steps", Prefetch("operator__promotions", queryset=running)
    )


def compare(plans: Sequence[Plan], point: Viewpoint, only_differences: bool = False) -> list[Part]:
    """Return what is known of the plans, fact by fact, for any number of plans; it asks the database nothing.

    The plans come from `with_facts`. With `only_differences`, rows in which all plans are alike are left out.
    """
    parts = []
    for label, facts in PARTS:
        rows = [Row(fact.key, fact.label, [_cell(fact, plan, point) for plan in plans]) for fact in facts]
        shown = [row for row in rows if row.differs or not only_differences]
        if shown:
            parts.append(Part(label, shown))
    return parts


def promotions_of(plan: Plan, today: datetime.date) -> list[Promotion]:
    """Return the operator's promotions that run on the day and are for this plan or for all."""
    return [
        promotion
        for promotion in plan.operator.promotions.all()
        if promotion.is_running(today) and promotion.plan_id in {None, plan.pk}
    ]


def _cell(fact: Fact, plan: Plan, point: Viewpoint) -> Cell:
    lines = tuple(line for line in fact.say(plan, point) if line)
    return Cell(plan, lines, plan.source_url if fact.key == "source" and is_web(plan.source_url) else "")


def _of_rules(say: Callable[[KeepRule], str]) -> Callable[[Plan, Viewpoint], Sequence[str]]:
    """Return a fact that each rule of the plan has; rules that say the same say it once."""

    def say_each(plan: Plan, point: Viewpoint) -> list[str]:
        lines = list(dict.fromkeys(say(rule) for rule in plan.rules.all()))
        return [line or _("not known") for line in lines] if any(lines) else []

    return say_each


def _say_rules(plan: Plan, point: Viewpoint) -> list[str]:
    limit = life_limit(plan)
    lines = [say_rule(rule, plan) for rule in plan.rules.all()]
    return lines if limit is None else [*lines, say_life_limit(limit)]


def _say_costs(plan: Plan, point: Viewpoint) -> list[str]:
    cost = yearly_cost(plan)
    return [say_year(cost), say_converted(cost, point.purse.convert(cost), point.purse.currency, point.today)]


def _say_grace(rule: KeepRule) -> str:
    if rule.grace_value is None:
        return ""
    return say_period(rule.grace_value, rule.grace_unit) if rule.grace_value else _("none")


def _say_grace_acts(rule: KeepRule) -> str:
    if rule.grace_value == 0:
        return _("nothing, as there is no grace")
    if rule.grace_value is None and not rule.grace_acts:
        return ""
    return say_acts(set(rule.grace_acts or rule.qualifying_acts))


def _say_grace_receives(rule: KeepRule) -> str:
    return _("nothing, as there is no grace") if rule.grace_value == 0 else say_yes_no(rule.grace_receives)


def _say_recovery(rule: KeepRule) -> str:
    if rule.recovery_value is None:
        return ""
    if rule.recovery_value == 0:
        return _("not at all")
    return _("for %(period)s, on request") % {"period": say_period(rule.recovery_value, rule.recovery_unit)}


def _say_lost(rule: KeepRule) -> str:
    if rule.grace_value is None:
        return ""
    if rule.recovery_value:
        return _("when it has not been asked back by then")
    return _("after grace") if rule.grace_value else _("after the deadline")


def _say_window(days: int | None) -> str:
    if days is None:
        return ""
    return _("for %(period)s") % {"period": say_period(days, "days")} if days else _("not at all")


def _say_promotions(plan: Plan, point: Viewpoint) -> list[str]:
    running = [
        _("%(promotion)s, until %(day)s") % {"promotion": promotion, "day": say_short_day(promotion.ends_on)}
        for promotion in promotions_of(plan, point.today)
    ]
    return running or [_("none that we know of")]


def _say_confidence(plan: Plan, point: Viewpoint) -> list[str]:
    lines = [str(Confidence(plan.confidence).label), plan.confidence_reason]
    if plan.confidence == Confidence.LOW:
        lines.append(_("Confirm it with the operator before you rely on it."))
    return lines


def _optional(value: int | None, say: Callable[[int], str]) -> list[str]:
    return [] if value is None else [say(value)]


PARTS: list[tuple[str | Promise, list[Fact]]] = [
    (
        gettext_lazy("The plan"),
        [
            Fact("country", gettext_lazy("Country"), lambda plan, point: [say_country(plan.operator.country)]),
            Fact("type", gettext_lazy("Type"), lambda plan, point: [plan.get_type_display()]),
            Fact("rule", gettext_lazy("Keep rule"), _say_rules),
            Fact("fee", gettext_lazy("Fee and period"), lambda plan, point: [say_fee(plan)]),
            Fact("cost", gettext_lazy("Keeping it a year costs"), _say_costs),
        ],
    ),
    (
        gettext_lazy("What it offers"),
        [
            Fact("data", gettext_lazy("Data"), lambda plan, point: _optional(plan.data_mb, say_data)),
            Fact("minutes", gettext_lazy("Minutes"), lambda plan, point: _optional(plan.voice_minutes, say_minutes)),
            Fact("sms", gettext_lazy("SMS"), lambda plan, point: _optional(plan.sms_count, say_messages)),
            Fact("features", gettext_lazy("Features"), lambda plan, point: [say_features(plan.features)]),
            Fact("abroad", gettext_lazy("Receives SMS abroad"), lambda plan, point: [say_yes_no(plan.receives_abroad)]),
            Fact("extras", gettext_lazy("Good to know"), lambda plan, point: plan.extras.splitlines()),
            Fact("promotions", gettext_lazy("Promotions now"), _say_promotions),
        ],
    ),
    (
        gettext_lazy("After the deadline"),
        [
            Fact("grace", gettext_lazy("Grace"), _of_rules(_say_grace)),
            Fact("grace_acts", gettext_lazy("What still saves it in grace"), _of_rules(_say_grace_acts)),
            Fact("grace_receives", gettext_lazy("Still receives in grace"), _of_rules(_say_grace_receives)),
            Fact("recovery", gettext_lazy("Given back after grace"), _of_rules(_say_recovery)),
            Fact("lost", gettext_lazy("The number is lost"), _of_rules(_say_lost)),
            Fact(
                "port_out",
                gettext_lazy("Can go to another operator"),
                lambda plan, point: [_say_window(plan.port_out_days)],
            ),
            Fact("refund", gettext_lazy("Balance is paid out"), lambda plan, point: [_say_window(plan.refund_days)]),
        ],
    ),
    (
        gettext_lazy("Papers and service"),
        [
            Fact("papers", gettext_lazy("Papers"), lambda plan, point: [say_papers(plan.operator)]),
            Fact(
                "review",
                gettext_lazy("Usual review"),
                lambda plan, point: _optional(plan.operator.review_hours, say_hours),
            ),
            Fact(
                "rating",
                gettext_lazy("Service rating"),
                lambda plan, point: _optional(plan.operator.service_rating, say_rating),
            ),
        ],
    ),
    (
        gettext_lazy("How sure this is"),
        [
            Fact("confidence", gettext_lazy("Confidence"), _say_confidence),
            Fact("checked", gettext_lazy("Checked"), lambda plan, point: [say_checked(plan, point.today)]),
            Fact("source", gettext_lazy("Source"), lambda plan, point: [plan.source_url]),
        ],
    ),
]
