"""What the family is told: dates, rules and reasons put into sentences of the active language."""

import datetime
from collections.abc import Callable

from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from cards.models import Act, Card, KeepRule, PaidFrom, Plan, TopUpStep, Unit
from cards.money import babel_locale, format_amount

from . import lifecycle
from .kept_terms import KeptPlan, KeptRule, KeptStep
from .lifecycle import Reason, Stage
from .models import RuleChange

# So long the facts of a plan are taken to hold without being looked at again.
FACTS_LAST = datetime.timedelta(days=180)


def say_day(day: datetime.date) -> str:
    """Write a day with its weekday and the month as a word, so that it cannot be misread."""
    return format_date(day, "full", locale=babel_locale())


def say_short_day(day: datetime.date) -> str:
    """Write a day with the month as a word, for lists."""
    return format_date(day, "medium", locale=babel_locale())


def say_month(day: datetime.date) -> str:
    """Write the month of a day with its year: “March 2026”."""
    return format_skeleton("yMMMM", day, locale=babel_locale())


def say_period(value: int, unit: str) -> str:
    """Return “330 days”, “6 months”, “1 year”."""
    if unit == Unit.YEARS:
        return ngettext("%(count)d year", "%(count)d years", value) % {"count": value}
    if unit == Unit.MONTHS:
        return ngettext("%(count)d month", "%(count)d months", value) % {"count": value}
    return ngettext("%(count)d day", "%(count)d days", value) % {"count": value}


def say_every(value: int, unit: str) -> str:
    """Return what follows “every”: “330 days”, and “month” rather than “1 month”."""
    if value != 1:
        return say_period(value, unit)
    if unit == Unit.YEARS:
        return pgettext("every", "year")
    return pgettext("every", "month") if unit == Unit.MONTHS else pgettext("every", "day")


def say_days_left(deadline: datetime.date, today: datetime.date) -> str:
    """Return how long the number is still fully alive, or how long it has not been."""
    days = (deadline - today).days
    if days == 0:
        return _("today is the last day")
    if days > 0:
        return ngettext("%(count)d day left", "%(count)d days left", days) % {"count": days}
    return ngettext("%(count)d day past", "%(count)d days past", -days) % {"count": -days}


def say_countdown(card: Card, stage: Stage, today: datetime.date) -> tuple[str, str]:
    """Return the large figure of a card and the words under it: the days until the next thing that cannot be undone."""
    end, is_saving = card.deadline, stage in {Stage.GRACE, Stage.RECOVERY}
    if stage is Stage.GRACE:
        end = card.grace_ends_on
    elif stage is Stage.RECOVERY and card.lost_on:
        end = card.lost_on - lifecycle.DAY
    if stage is Stage.CLOSED:
        return "–", ""
    if stage is Stage.LOST:
        return "–", say_stage(stage)
    if end is None:
        return ("!", _("save it now")) if is_saving else ("?", "")
    days = (end - today).days
    if is_saving:
        return str(days), ngettext("day to save it", "days to save it", days)
    return str(days), ngettext("day left", "days left", days)


def say_stage(stage: Stage) -> str:
    """Return the stage in one or two words."""
    return {
        Stage.ACTIVE: pgettext("stage", "active"),
        Stage.DUE: pgettext("stage", "time to renew"),
        Stage.URGENT: pgettext("stage", "act now"),
        Stage.GRACE: pgettext("stage", "in grace"),
        Stage.RECOVERY: pgettext("stage", "in recovery"),
        Stage.LOST: pgettext("stage", "lost"),
        Stage.UNKNOWN: pgettext("stage", "not known"),
        Stage.CLOSED: pgettext("stage", "closed"),
    }[stage]


def rule_of(card: Card) -> KeepRule | None:
    """Return the rule the card's deadline comes from, or its plan's first one; None when the plan has none."""
    rules = list(card.plan.rules.all())
    return next((rule for rule in rules if rule.pk == card.deadline_source.get("rule")), rules[0] if rules else None)


def say_what_to_do(rule: KeepRule | KeptRule | None, plan: Plan | KeptPlan) -> str:
    """Return the one act that keeps the number, as an order: “Top up at least 100 CUP”."""
    if rule is None:
        return _("Ask the operator what keeps this number")
    if rule.kind == KeepRule.Kind.ACTIVITY:
        easiest = next((order for act, order in _ACT_ORDERS.items() if act in rule.qualifying_acts), None)
        return easiest() if easiest else _("Use the line once")
    if rule.kind == KeepRule.Kind.FEE_FROM_BALANCE:
        if plan.fee is None:
            return _("Top up, so that the fee can be taken from the balance")
        return _("Keep at least %(amount)s on the balance for the next fee") % {
            "amount": format_amount(plan.fee, plan.currency)
        }
    if rule.kind == KeepRule.Kind.FEE_PAID:
        if plan.fee is None:
            return _("Pay the fee of the next period")
        return _("Pay the fee of %(amount)s") % {"amount": format_amount(plan.fee, plan.currency)}
    known = [step for step in rule.ladder if step.minimum_amount is not None]
    is_purchase = Act.TOP_UP not in rule.qualifying_acts
    if not known:
        return (
            _("Buy a plan or package; the amount needed is not known")
            if is_purchase
            else _("Top up; the amount needed is not known")
        )
    amount = _say_amount(known[0])
    if other := next((step for step in known[1:] if step.channel != known[0].channel), None):
        amount = _("%(first)s, or %(second)s") % {"first": amount, "second": _say_amount(other)}
    if is_purchase:
        return _("Buy a plan or package of at least %(amount)s") % {"amount": amount}
    return _("Top up at least %(amount)s") % {"amount": amount}


def say_rule(rule: KeepRule | KeptRule | None, plan: Plan | KeptPlan) -> str:
    """Return the keep rule in one sentence, with what is not known said as not known."""
    if rule is None:
        return _("No rule is known for this plan.")
    period = say_period(rule.value, rule.unit)
    if rule.kind == KeepRule.Kind.FEE_FROM_BALANCE:
        period = say_every(rule.value, rule.unit)
        return _("The operator takes its fee from the balance every %(period)s.") % {"period": period}
    if len({(step.value, step.unit) for step in rule.ladder}) > 1:
        sentence = _("The amount decides how long it keeps the number: %(ladder)s.") % {"ladder": _say_ladder(rule)}
    else:
        sentence = _("%(act)s; each keeps the number for %(period)s.") % {
            "act": say_what_to_do(rule, plan),
            "period": period,
        }
    return _("%(rule)s What counts: %(acts)s.") % {"rule": sentence, "acts": say_acts(set(rule.qualifying_acts))}


def _say_ladder(rule: KeepRule | KeptRule) -> str:
    rungs = [
        _("%(amount)s for %(period)s") % {"amount": _say_amount(step), "period": say_period(step.value, step.unit)}
        for step in rule.ladder
    ]
    return format_list(rungs, style="or", locale=babel_locale())


def say_acts(acts: set[str]) -> str:
    """Return the acts as a list in words: “top-up or fee paid”."""
    return format_list([str(act.label) for act in Act if act in acts], style="or", locale=babel_locale())


def say_acts_that_do_not_count(counting: set[str]) -> str:
    """Return what people try in vain: always what comes in and what is free, and the uses this rule leaves out."""
    uses = {Act.SMS.value, Act.CALL.value, Act.DATA.value}
    vain = [_("incoming calls and SMS"), _("free numbers"), *(str(act.label) for act in Act if act in uses - counting)]
    return format_list(vain, style="or", locale=babel_locale())


def say_otherwise(card: Card) -> str:
    """Return what happens after the deadline, with the dates that are known."""
    if card.deadline is None:
        return _("Nobody knows until when this number lives. Look it up at the operator and write it down here.")
    if card.grace_ends_on is None or card.lost_on is None:
        return _("How long the number can still be saved after that is not known.")
    last = card.lost_on - lifecycle.DAY
    if card.grace_ends_on == card.deadline and last == card.deadline:
        return _("The day after that, the number is lost.")
    if card.grace_ends_on == card.deadline:
        return _("After that it comes back only on request at the operator, until %(last)s; then it is lost.") % {
            "last": say_short_day(last)
        }
    if last == card.grace_ends_on:
        return _("After that it can only be saved, not used, until %(last)s; then the number is lost.") % {
            "last": say_short_day(last)
        }
    return _(
        "After that it can only be saved, not used, until %(grace)s, comes back only on request until %(last)s, "
        "and is then lost."
    ) % {"grace": say_short_day(card.grace_ends_on), "last": say_short_day(last)}


def say_now(card: Card, stage: Stage) -> str:
    """Return what the family has to know first about a card in this stage."""
    rule = rule_of(card)
    order = say_what_to_do(rule, card.plan)
    if stage is Stage.UNKNOWN:
        return _("Look up at the operator until when this number is valid, and write it down.")
    if stage is Stage.LOST:
        return _("By our dates the number is lost. Try it: if it still works, write down what the operator shows.")
    if stage is Stage.RECOVERY:
        return _("Ask the operator to give the number back, before %(day)s.") % {
            "day": say_day(card.lost_on) if card.lost_on else "?"
        }
    if stage is Stage.GRACE:
        if card.grace_ends_on is None:
            return _("The deadline is past. %(act)s today; nobody knows how long it can still be saved.") % {
                "act": order
            }
        return _("The deadline is past. %(act)s by %(day)s: this still saves the number.") % {
            "act": order,
            "day": say_day(card.grace_ends_on),
        }
    if card.deadline is None:
        return order + "."
    return _("%(act)s by %(day)s.") % {"act": order, "day": say_day(card.deadline)}


def say_source(card: Card) -> str:
    """Return where the deadline comes from."""
    source = card.deadline_source
    reason, on = source.get("reason"), source.get("on")
    day = say_short_day(datetime.date.fromisoformat(on)) if on else ""
    if reason == Reason.READING:
        return _("Read from the operator on %(day)s.") % {"day": day}
    if reason == Reason.BALANCE:
        return _("Computed from the balance on %(day)s: the first charge it cannot cover.") % {"day": day}
    if reason == Reason.PLAN_CHANGE:
        return _("Carried over from the plan before %(day)s, until something is recorded under the new one.") % {
            "day": day
        }
    if reason == Reason.LIFE_LIMIT:
        return _("This kind of line ends then, whatever is paid.")
    if reason == Reason.ACT:
        return _("Counted from: %(act)s, %(day)s.") % {"act": Act(source["act"]).label, "day": day}
    return _("Nothing is recorded yet that a date could be counted from.")


def facts_are_old(plan: Plan, today: datetime.date) -> bool:
    """Whether nobody has checked the plan's facts for so long that the operator may have changed them since.

    A household's own plan is what the household says it is: it has no day of checking, and never is old.
    """
    if plan.checked_on is None:
        return plan.household_id is None
    return today - plan.checked_on > FACTS_LAST


def say_last_checked(plan: Plan) -> str:
    """Return when somebody last looked whether the operator's rule is still so."""
    if plan.checked_on is None:
        return _("Nobody has noted when this rule was last checked.")
    return _("Rule last checked in %(month)s.") % {"month": say_month(plan.checked_on)}


def say_rule_change(change: RuleChange) -> str:
    """Return what a change of the rule did to the dates of a card."""
    moved = _("The rule of this plan has changed: %(old)s → %(new)s.") % {
        "old": _say_deadline(change.old_deadline),
        "new": _say_deadline(change.new_deadline),
    }
    if change.old_deadline != change.new_deadline:
        return moved
    return _("The rule of this plan has changed. Last day on which the number can come back: %(old)s → %(new)s.") % {
        "old": _say_deadline(change.old_lost_on and change.old_lost_on - lifecycle.DAY),
        "new": _say_deadline(change.new_lost_on and change.new_lost_on - lifecycle.DAY),
    }


def _say_deadline(day: datetime.date | None) -> str:
    return say_short_day(day) if day else _("not known")


def say_why_unchanged(reason: Reason, rule: KeepRule | KeptRule | None, plan: Plan | KeptPlan) -> str:
    """Return why a payment or use did not move the deadline."""
    if reason is Reason.TOO_SMALL:
        return _("This is less than the operator asks for, so the deadline does not change. %(act)s.") % {
            "act": say_what_to_do(rule, plan)
        }
    if reason is Reason.WRONG_CURRENCY:
        return _("The rule of this plan is in another currency, so the deadline does not change.")
    if reason is Reason.AFTER_GRACE:
        return _(
            "This came after the last day that could save the number. Ask the operator, then write down what it shows."
        )
    if reason is Reason.NOT_CONFIRMED:
        return _("Paid is not renewed: the old deadline stays until you have seen the new one at the operator.")
    return _("By the rule of this plan this does not count, so the deadline does not change.")


def _say_amount(step: TopUpStep | KeptStep) -> str:
    if step.minimum_amount is None:
        return _("an amount that is not known")
    amount = format_amount(step.minimum_amount, step.currency)
    if step.channel == PaidFrom.ABROAD:
        return _("%(amount)s from abroad") % {"amount": amount}
    if step.channel == PaidFrom.INSIDE:
        return _("%(amount)s inside the country") % {"amount": amount}
    return amount


# The easiest first.
_ACT_ORDERS: dict[Act, Callable[[], str]] = {
    Act.SMS: lambda: _("Send one chargeable SMS"),
    Act.CALL: lambda: _("Make one chargeable call"),
    Act.DATA: lambda: _("Use a little mobile data"),
    Act.SIGN_IN: lambda: _("Sign in to the account and use it"),
    Act.TOP_UP: lambda: _("Top up"),
    Act.PLAN_PURCHASE: lambda: _("Buy a plan or package"),
}
