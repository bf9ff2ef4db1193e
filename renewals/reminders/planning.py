"""Whose day has come, and what is to be said to them: rows are written, nothing is sent."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q

from cards.models import Member
from renewals.models import Channel, Delivery, Reminder, new_message_id

from .hours import first_instant, last_day_reached
from .watch import Key, Line, Watch, lines_on, open_renewal_of, watch_over

# A member's next moment lies within two days. One that is further off was written by a wrong clock.
FARTHEST_PLAN = datetime.timedelta(days=3)
# Of the days ahead, so many are looked through for what comes next; a mail a month there always is.
HORIZON = datetime.timedelta(days=400)


@dataclass(frozen=True)
class Coming:
    """A mail that is still to come: when, and what it will say if nothing happens until then."""

    at: datetime.datetime
    lines: list[Line]


def members_due(now: datetime.datetime) -> models.QuerySet[Member]:
    """Return the members whose mail hour has come since their day was last planned, and who want mail."""
    is_due = Q(next_plan_at__lte=now) | Q(next_plan_at=None) | Q(next_plan_at__gt=now + FARTHEST_PLAN)
    return (
        Member.objects.present()
        .filter(is_due, mail_stopped_at=None)
        .select_related("household", "user")
        .order_by("next_plan_at", "pk")
    )


def plan_member(member: Member, now: datetime.datetime) -> Delivery | None:
    """Queue the digest of the member's last day whose hour has come, if there is anything to say; return it, else None.

    A run that comes before today's hour makes up for yesterday's, if no run came after that: whoever calls once a day,
    an hour before the member's, is late and never silent. A member who is new, or has changed hour or zone, waits for
    the hour. Of two runs at once one plans and the other finds the day taken. What an earlier mail could not deliver
    comes again; a mail still on its way takes today's lines along, so that ten days without a server end in one digest.
    """
    day = last_day_reached(member.zone, member.remind_at, now)
    following = first_instant(member.zone, day + datetime.timedelta(days=1), member.remind_at)
    is_missed = member.next_plan_at is not None and member.next_plan_at <= now
    is_due = is_missed or day == now.astimezone(member.zone).date()
    # Looked up before the transaction, so that nobody waits to write meanwhile; what is stale by then drops out when
    # the mail is written.
    lines = new_lines(member, now) if is_due else []
    with transaction.atomic():
        taken = Member.objects.filter(pk=member.pk, next_plan_at=member.next_plan_at).update(next_plan_at=following)
        if not taken or not lines or _has_digest(member, day):
            return None
        delivery = _delivery_for(member, day, now)
        _keep_reminders(member, delivery, lines)
        return delivery


def new_lines(member: Member, now: datetime.datetime) -> list[Line]:
    """Return what is to be said to a member now and no mail has said or is about to say, worst first."""
    lines = lines_on(watch_over(member, now), now)
    said = _said(member, Q(moment_on__in={line.moment.on for line in lines}))
    return [line for line in lines if line.key not in said]


def next_mails(member: Member, now: datetime.datetime, count: int, watch: Watch | None = None) -> list[Coming]:
    """Return the next mails of a member after `now`, at most `count`, as they will be if nothing happens until then.

    `watch` is what their lines depend on, if it has been fetched already. Nobody out of reach gets any.
    """
    if member.mail_stopped_at:
        return []
    watch = watch or watch_over(member, now)
    present = lines_on(watch, now)
    known = Q(moment_on__in={line.moment.on for line in present})
    # What somebody is doing, or what was put off, is not among the lines of today, and may have been said before.
    held = [f"card:{card.pk}" for card in watch.cards if card.pk in watch.snoozes or open_renewal_of(card)]
    seen = _said(member, known | Q(subject__in=held))
    coming: list[Coming] = []
    day, at = _next_planning(member, now)
    while len(coming) < count and at < now + HORIZON:
        lines = [line for line in lines_on(watch, at) if line.key not in seen]
        if lines:
            coming.append(Coming(at, lines))
            seen |= {line.key for line in lines}
        day += datetime.timedelta(days=1)
        at = first_instant(member.zone, day, member.remind_at)
    return coming


def queue_test(member: Member, now: datetime.datetime) -> Delivery:
    """Queue a test mail; the same loop sends it in the same way as a real one."""
    return Delivery.objects.create(
        household_id=member.household_id,
        member=member,
        kind=Delivery.Kind.TEST,
        local_date=now.astimezone(member.zone).date(),
        message_id=_message_id(),
        next_try_at=now,
        channel=_channel_of(member),
    )


def queue_alerts(about: Member, now: datetime.datetime) -> int:
    """Queue a mail to every other member of the household who can be reached, that `about` is not; return how many."""
    others = Member.objects.present().filter(household=about.household_id, mail_stopped_at=None)
    alerts = [
        Delivery(
            household_id=other.household_id,
            member=other,
            kind=Delivery.Kind.ALERT,
            about=about,
            local_date=now.astimezone(other.zone).date(),
            message_id=_message_id(),
            next_try_at=now,
            channel=_channel_of(other),
        )
        for other in others.exclude(pk=about.pk).exclude(unreachable_since__isnull=False)
    ]
    return len(Delivery.objects.bulk_create(alerts, ignore_conflicts=True))


def _said(member: Member, which: Q) -> set[Key]:
    """Return which lines have been said to the member or are about to be; a mail that failed has said nothing."""
    return set(
        Reminder.objects.for_member(member)
        .filter(which, member=member)
        .exclude(delivery__state__in=[Delivery.State.FAILED, Delivery.State.WITHDRAWN])
        .values_list("subject", "kind", "about_on", "moment_on")
    )


def _has_digest(member: Member, day: datetime.date) -> bool:
    return member.deliveries.filter(kind=Delivery.Kind.DIGEST, local_date=day).exists()


def _next_planning(member: Member, now: datetime.datetime) -> tuple[datetime.date, datetime.datetime]:
    """Return the day of the member that is planned next, and when; a day with its digest already gets no second one."""
    planned, today = member.next_plan_at, now.astimezone(member.zone).date()
    if planned and now < planned <= now + FARTHEST_PLAN:
        day = last_day_reached(member.zone, member.remind_at, planned)
    elif planned and planned <= now:
        day = last_day_reached(member.zone, member.remind_at, now)
    else:
        day = today
    if _has_digest(member, day):
        day += datetime.timedelta(days=1)
    return day, max(now, first_instant(member.zone, day, member.remind_at))


def _channel_of(member: Member) -> Channel | None:
    return Channel.objects.for_member(member).filter(member=member).first()


def _delivery_for(member: Member, day: datetime.date, now: datetime.datetime) -> Delivery:
    """Return the member's mail that is still waiting, moved to today, or a fresh one."""
    waiting = member.deliveries.filter(
        kind=Delivery.Kind.DIGEST, state__in=[Delivery.State.QUEUED, Delivery.State.RETRY]
    ).first()
    if waiting and Delivery.objects.filter(pk=waiting.pk, state=waiting.state).update(local_date=day):
        waiting.refresh_from_db()
        return waiting
    return Delivery.objects.create(
        household_id=member.household_id,
        member=member,
        local_date=day,
        message_id=_message_id(),
        next_try_at=now,
        channel=_channel_of(member),
    )


def _keep_reminders(member: Member, delivery: Delivery, lines: Sequence[Line]) -> None:
    """Write each line down as said by this mail; a line whose mail failed for good moves over to it."""
    Reminder.objects.bulk_create(
        [
            Reminder(
                household_id=member.household_id,
                member=member,
                subject=line.subject,
                card=line.card,
                kind=line.moment.kind,
                about_on=line.moment.about_on,
                moment_on=line.moment.on,
                delivery=delivery,
            )
            for line in lines
        ],
        update_conflicts=True,
        unique_fields=["member", "subject", "kind", "about_on", "moment_on"],
        update_fields=["delivery"],
    )


def _message_id() -> str:
    return new_message_id(urlsplit(settings.SITE_URL).hostname or "localhost")
