"""Acts on the plan of a card: change it from a day on, correct one that was entered wrong, take a change back."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from cards.models import Card, Member, Plan, PlanChange

from .deadlines import operator_today, recompute_card


class PlanChangeRefused(Exception):
    """The plan cannot be changed so; nothing was written. `message` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def change_plan(
    card: Card, plan: Plan, starts_on: datetime.date, member: Member, now: datetime.datetime, today: datetime.date
) -> PlanChange:
    """Put the card on another plan from `starts_on` on, which may be past or to come, and compute its dates anew.

    Until a day to come the card stays on its plan. Raises PlanChangeRefused for a day that is not after the last
    change, for a second change that is still to come, and for the plan the card is on already.
    """
    with transaction.atomic():
        # Locked, so that of two members at once the second sees what the first did.
        Card.objects.select_for_update().get(pk=card.pk)
        card.refresh_from_db(fields=["plan"])
        _check(card, plan, starts_on)
        is_due = starts_on <= today
        change = PlanChange.objects.create(
            household_id=card.household_id,
            card=card,
            plan_before=card.plan,
            plan_after=plan,
            starts_on=starts_on,
            by=member,
            applied_at=now if is_due else None,
        )
        if is_due:
            _put_on(card, plan)
        recompute_card(card)
    return change


def correct_plan(card: Card, plan: Plan) -> None:
    """Put the card on the plan it has been on all along, since its last change or from the beginning."""
    with transaction.atomic():
        Card.objects.select_for_update().get(pk=card.pk)
        last = card.plan_changes.exclude(applied_at=None).order_by("starts_on").last()
        following = card.plan_changes.filter(applied_at=None).first()
        _put_on(card, plan)
        if last and last.plan_before == plan:
            last.delete()
        elif last:
            last.plan_after = plan
            last.save(update_fields=["plan_after"])
        if following and following.plan_after == plan:
            following.delete()
        elif following:
            following.plan_before = plan
            following.save(update_fields=["plan_before"])
        recompute_card(card)


def cancel_plan_change(change: PlanChange) -> None:
    """Take a change of plan back, as if it had never been. Raises PlanChangeRefused unless it is the card's last.

    One that somebody has taken back meanwhile stays as it is then.
    """
    with transaction.atomic():
        card = Card.objects.select_for_update().get(pk=change.card_id)
        # Read under the lock: its day may have come since it was shown.
        stored = card.plan_changes.select_related("plan_before").filter(pk=change.pk).first()
        if stored is None:
            return
        if card.plan_changes.filter(starts_on__gt=stored.starts_on).exists():
            raise PlanChangeRefused(_("The plan was changed again after that. Take the later change back first."))
        if stored.applied_at is not None:
            _put_on(card, stored.plan_before)
        stored.delete()
        recompute_card(card)


def apply_due_changes(now: datetime.datetime) -> int:
    """Put every card on the plan whose first day has come in its operator's country; return how many.

    Their dates took the change into account from the moment it was recorded.
    """
    count = 0
    ahead = (now + datetime.timedelta(days=1)).date()
    due = PlanChange.objects.filter(applied_at=None, starts_on__lte=ahead).order_by("starts_on")
    for change in due.select_related("card", "plan_after__operator"):
        if change.starts_on > operator_today(change.plan_after.operator.country, now):
            continue
        with transaction.atomic():
            # The card first, as every other act on its plan: two that lock in turn would wait for each other.
            Card.objects.select_for_update().get(pk=change.card_id)
            if PlanChange.objects.filter(pk=change.pk, applied_at=None).update(applied_at=now):
                _put_on(change.card, change.plan_after)
                count += 1
    return count


def _check(card: Card, plan: Plan, starts_on: datetime.date) -> None:
    if card.plan == plan:
        raise PlanChangeRefused(_("The card is on this plan already."))
    if card.activated_on and starts_on <= card.activated_on:
        raise PlanChangeRefused(_("A plan can only be changed after the day on which the card was activated."))
    last = card.plan_changes.order_by("starts_on").last()
    if last and last.applied_at is None:
        raise PlanChangeRefused(_("Another change of plan is still to come. Take that one back first."))
    if last and starts_on <= last.starts_on:
        raise PlanChangeRefused(_("The plan has already been changed since that day. Choose a later day."))


def _put_on(card: Card, plan: Plan) -> None:
    card.plan = plan
    card.save(update_fields=["plan"])
