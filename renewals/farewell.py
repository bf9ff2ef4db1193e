"""What ends with a membership: nothing is sent to who has left, and nothing of theirs opens the household any more."""

import datetime
from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from cards.membership import member_left
from cards.models import Card, Member

from .models import CalendarFeed, Channel, Delivery, Renewal, Snooze


@receiver(member_left)
def say_farewell(member: Member, now: datetime.datetime, **_about: Any) -> None:
    """End the member's feed, channel, snoozes, claims and waiting mails, in the transaction in which they leave.

    Whoever waits for “I am doing it” of theirs is reminded again at once.
    """
    CalendarFeed.objects.filter(member=member).delete()
    Snooze.objects.filter(member=member).delete()
    waiting = Delivery.objects.filter(Q(member=member) | Q(about=member), state__in=Delivery.OPEN_STATES)
    waiting.update(state=Delivery.State.WITHDRAWN, lease=None)
    Channel.objects.filter(member=member).delete()
    held = Renewal.objects.open().filter(taken_by=member)
    Card.objects.filter(renewals__in=held).update(quiet_since=None)
    held.update(taken_by=None, taken_at=None)
