"""Letting a number go, so that nothing that hangs on it is lost unawares; and keeping it after all."""

import datetime
from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from cards.models import Card, LinkedAccount, Member, Plan, StepGuide

from . import words
from .lifecycle import DAY, Period
from .models import LetGo, Task
from .walkthrough import RenewalClosed, abandon_renewal

# The step under which operators' guides tell how a number is given up.
LET_GO = "let_go"


def let_go(
    card: Card,
    member: Member,
    *,
    how: str,
    ends_on: datetime.date,
    note: str,
    moved: Iterable[LinkedAccount],
    now: datetime.datetime,
    today: datetime.date,
) -> LetGo | None:
    """Close the card and keep how its number ends; return the record, None when somebody closed it meanwhile.

    `moved` are the accounts that hang on another number already; the rest is written down as left on it, and asked
    for until the end, where that still lies ahead. An open renewal is abandoned.
    """
    with transaction.atomic():
        # Of two tabs the second waits here and then finds the card closed.
        card.closed_on = Card.objects.select_for_update().get(pk=card.pk).closed_on
        if card.closed_on:
            return None
        _abandon_open_renewal(card, member, now)
        staying = card.linked_accounts.filter(moved_on=None)
        staying.filter(pk__in=[account.pk for account in moved]).update(moved_on=today)
        left = list(staying.values_list("name", flat=True))
        departure = LetGo.objects.create(
            household_id=card.household_id,
            card=card,
            decided_on=today,
            ends_on=ends_on,
            how=how,
            accounts_left=left,
            note=note,
            by=member,
            recorded_at=now,
        )
        # Without a keep act the number is fully alive only until its deadline, whatever end was chosen.
        alive_until = min(ends_on, card.deadline) if card.deadline and card.deadline >= today else ends_on
        if left and ends_on >= today:
            Task.objects.update_or_create(
                card=card,
                kind=Task.Kind.MOVE_ACCOUNTS,
                state=Task.State.OPEN,
                defaults={"household_id": card.household_id, "due_on": alive_until, "opened_at": now},
            )
        _set_closed(card, today, now)
    return departure


def keep_after_all(card: Card, member: Member, now: datetime.datetime) -> None:
    """Open a closed card again; what hangs on its number need not be moved any more.

    Raises IntegrityError, with nothing written, when another open card of the household has the number.
    """
    with transaction.atomic():
        _set_closed(card, None, now)
        card.tasks.filter(kind=Task.Kind.MOVE_ACCOUNTS, state=Task.State.OPEN).update(
            state=Task.State.DISMISSED, closed_at=now, closed_by=member
        )


def guides_of(plan: Plan) -> list[StepGuide]:
    """Return what the plan and its operator say about giving a number up, in the reader's language, the plan first."""
    guides = StepGuide.objects.filter(Q(plan=plan) | Q(operator=plan.operator_id), step=LET_GO, language=get_language())
    return sorted(guides, key=lambda guide: guide.plan_id is None)


def say_windows(card: Card, ends_on: datetime.date | None) -> list[str]:
    """Return what is still possible after the end of a number: to have it back, to port it out, to be refunded.

    As days of the calendar when `ends_on`, the last day of the number, is known; else as lengths of time. What the
    plan does not say is told as not known.
    """
    rule = words.rule_of(card)
    recovery = None if rule is None or rule.recovery_value is None else (rule.recovery_value, rule.recovery_unit)
    return [
        _say_recovery(recovery, ends_on),
        _say_port_out(card.plan.port_out_days, ends_on),
        _say_refund(card.plan.refund_days, ends_on),
    ]


def _set_closed(card: Card, closed_on: datetime.date | None, now: datetime.datetime) -> None:
    """Close the card, or open it again; calendars are told by its revision."""
    Card.objects.filter(pk=card.pk).update(closed_on=closed_on, revision=F("revision") + 1, changed_at=now)
    card.closed_on = closed_on


def _abandon_open_renewal(card: Card, member: Member, now: datetime.datetime) -> None:
    renewal = card.renewals.open().first()
    if renewal is None:
        return
    try:
        abandon_renewal(renewal, member, _("The number is let go."), now)
    except RenewalClosed:
        # It came to an end by itself at the same moment, which is as good.
        return


def _say_recovery(period: tuple[int, str] | None, ends_on: datetime.date | None) -> str:
    if period is None:
        return _("Whether the operator gives the number back on request is not known.")
    if not period[0]:
        return _("The operator does not give the number back after its end.")
    if ends_on is None:
        return _("For %(period)s after its end the operator gives the number back on request.") % {
            "period": words.say_period(*period)
        }
    return _("Until %(day)s the operator gives the number back on request.") % {
        "day": words.say_short_day(Period.of(*period).after(ends_on))
    }


def _say_port_out(days: int | None, ends_on: datetime.date | None) -> str:
    if days is None:
        return _("Whether the number can go to another operator after its end is not known: do it before.")
    if not days:
        return _("The number can go to another operator only before its end.")
    if ends_on is None:
        return _("For %(period)s after its end the number can still go to another operator.") % {
            "period": words.say_period(days, "days")
        }
    return _("Until %(day)s the number can still go to another operator.") % {
        "day": words.say_short_day(ends_on + days * DAY)
    }


def _say_refund(days: int | None, ends_on: datetime.date | None) -> str:
    if days is None:
        return _("Whether the rest of the balance is paid out is not known.")
    if not days:
        return _("The rest of the balance is not paid out.")
    if ends_on is None:
        return _("For %(period)s after its end the rest of the balance is paid out on request.") % {
            "period": words.say_period(days, "days")
        }
    return _("Until %(day)s the rest of the balance is paid out on request.") % {
        "day": words.say_short_day(ends_on + days * DAY)
    }
