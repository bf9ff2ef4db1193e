"""Fewer mails, as a member wishes: one card put off for some days, or no mails at all."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from cards.models import Card, Member

from . import words
from .deadlines import kept_dates, stage_of
from .lifecycle import Stage
from .models import Delivery, Snooze
from .reminders.ladder import Pause, is_paused
from .reminders.planning import queue_alerts

DAYS = (1, 3, 7)


class CannotSnooze(Exception):
    """The card cannot be put off; the exception's text says why, in the active language."""


def snooze(card: Card, member: Member, days: int, today: datetime.date, now: datetime.datetime) -> Snooze:
    """Tell the member nothing about the card's deadline for so many days (one of DAYS), at most until its safe date.

    It is about their own mails only and takes the place of an earlier one. Raises CannotSnooze, with nothing written,
    when the number is in danger already, or for another number of days.
    """
    if refusal := _why_not(card, today):
        raise CannotSnooze(refusal)
    if days not in DAYS:
        raise CannotSnooze(_("Choose 1, 3 or 7 days."))
    until_on = min(today + datetime.timedelta(days=days), card.safe_on or today)
    wish = {"household_id": card.household_id, "about_on": card.deadline, "until_on": until_on, "made_at": now}
    return Snooze.objects.update_or_create(member=member, card=card, defaults=wish)[0]


def wake(card: Card, member: Member) -> None:
    """Let the member be reminded of the card again."""
    Snooze.objects.for_member(member).filter(member=member, card=card).delete()


def snooze_choices(card: Card, today: datetime.date) -> dict[int, datetime.date]:
    """Return for how many days the card can be put off on `today`, each with the day on which it is said again.

    Of those that would all end at the safe date only the first is offered; none at all when it must not wait.
    """
    if _why_not(card, today) or card.safe_on is None:
        return {}
    choices: dict[int, datetime.date] = {}
    for days in DAYS:
        until_on = min(today + datetime.timedelta(days=days), card.safe_on)
        if until_on not in choices.values():
            choices[days] = until_on
    return choices


def snooze_of(card: Card, member: Member, today: datetime.date) -> Snooze | None:
    """Return the member's snooze of the card that still holds on `today`; None when there is none."""
    found = Snooze.objects.for_member(member).filter(member=member, card=card).first()
    holds = found and is_paused(kept_dates(card), today, Pause(found.about_on, found.until_on))
    return found if holds else None


def stop_mails(member: Member, now: datetime.datetime) -> bool:
    """Send the member nothing any more, and tell the others; return False when it was stopped before.

    What is on its way at this moment still arrives.
    """
    with transaction.atomic():
        if not Member.objects.filter(pk=member.pk, mail_stopped_at=None).update(mail_stopped_at=now):
            return False
        waiting = member.deliveries.filter(state__in=[Delivery.State.QUEUED, Delivery.State.RETRY])
        waiting.update(state=Delivery.State.WITHDRAWN)
        queue_alerts(member, now)
    return True


def resume_mails(member: Member) -> None:
    """Send the member mails again, the first one as soon as their hour has come."""
    Member.objects.filter(pk=member.pk).update(mail_stopped_at=None, next_plan_at=None)


def _why_not(card: Card, today: datetime.date) -> str:
    """Return why the card cannot be put off on `today`; empty when it can."""
    stage = stage_of(card, today)
    if stage is Stage.CLOSED:
        return _("This card is closed, so there is nothing to put off.")
    if stage is Stage.LOST:
        return _("By our dates the number is lost, so there is nothing to put off.")
    if stage in {Stage.GRACE, Stage.RECOVERY}:
        return _("The deadline is past, so this cannot be put off.")
    if stage is Stage.UNKNOWN or card.safe_on is None:
        return _("Nobody knows until when this number lives, so it cannot be put off. Look it up first.")
    if today >= card.safe_on:
        return _("This cannot be put off: the number is only safe until %(day)s.") % {
            "day": words.say_day(card.safe_on)
        }
    return ""
