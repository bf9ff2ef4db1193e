"""Whose day has come, and what is to be said to them: rows are written, nothing is sent."""

import datetime
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q

from cards.models import Card, Member
from renewals.deadlines import kept_dates, today_for
from renewals.models import Delivery, Reminder, Renewal, RuleChange, new_message_id

from .ladder import Moment, Part, change_moment, due_moment, next_day, review_moment, worst_first


@dataclass(frozen=True)
class Line:
    """One line of a mail: the card, the moment that has come, and the day it is counted from.

    `change` is what a change of the rule did to the dates, where the line is about that.
    """

    card: Card
    moment: Moment
    today: datetime.date
    renewal: Renewal | None
    change: RuleChange | None = None


def members_due(now: datetime.datetime) -> models.QuerySet[Member]:
    """Return the members whose mail hour has come since their day was last planned."""
    return (
        Member.objects.filter(Q(next_plan_at__lte=now) | Q(next_plan_at=None), user__is_active=True)
        .select_related("household", "user")
        .order_by("next_plan_at", "pk")
    )


def plan_member(member: Member, now: datetime.datetime) -> Delivery | None:
    """Queue today's digest of a member, if there is anything to say; return it, else None.

    Of two runs at once one plans and the other finds the day taken. What an earlier mail could not deliver comes
    again; a mail still on its way takes today's lines along, so that ten days without a server end in one digest.
    """
    day = now.astimezone(member.zone).date()
    hour = first_instant(member.zone, day, member.remind_at)
    following = first_instant(member.zone, day + datetime.timedelta(days=1), member.remind_at)
    with transaction.atomic():
        taken = Member.objects.filter(pk=member.pk, next_plan_at=member.next_plan_at).update(
            next_plan_at=hour if now < hour else following
        )
        if not taken or now < hour:
            return None
        lines = new_lines(member, now)
        if not lines or member.deliveries.filter(kind="digest", local_date=day).exists():
            return None
        delivery = _delivery_for(member, day, now)
        _keep_reminders(member, delivery, lines)
        return delivery


def new_lines(member: Member, now: datetime.datetime) -> list[Line]:
    """Return what is to be said to a member now and no mail has said or is about to say, worst first."""
    said = set(
        Reminder.objects.for_member(member)
        .filter(member=member)
        .exclude(delivery__state__in=[Delivery.State.FAILED, Delivery.State.WITHDRAWN])
        .values_list("subject_id", "kind", "about_on", "moment_on")
    )
    return [
        line
        for line in current_lines(member, now)
        if (line.card.pk, line.moment.kind, line.moment.about_on, line.moment.on) not in said
    ]


def current_lines(member: Member, now: datetime.datetime) -> list[Line]:
    """Return everything that has come by `now` for a member, said or not, worst first."""
    lines = []
    for card in watched_cards(member):
        today = today_for(member, card.plan.operator.country, now)
        part = part_of(member, card, today)
        renewal = next(iter(card.renewals.all()), None)
        moments = [due_moment(kept_dates(card), today, member.reminder_level, part)]
        if renewal and renewal.follow_up_at and renewal.state == Renewal.State.AWAITING:
            moments.append(review_moment(renewal.follow_up_at.astimezone(member.zone).date(), today))
        lines += [Line(card, moment, today, renewal) for moment in moments if moment]
        for change in card.rule_changes.all():
            if moment := change_moment(change.changed_on, change.new_deadline, today):
                lines.append(Line(card, moment, today, renewal, change))
    return sorted(lines, key=lambda line: worst_first(line.moment))


def watched_cards(member: Member) -> Iterable[Card]:
    """Return the open cards of the member's household with what a mail says about them, in five queries."""
    return (
        Card.objects.for_member(member)
        .open()
        .select_related("plan__operator", "responsible", "deputy")
        .prefetch_related(
            "plan__rules__steps",
            "linked_accounts",
            "rule_changes",
            models.Prefetch("renewals", Renewal.objects.open().select_related("taken_by")),
        )
    )


def part_of(member: Member, card: Card, today: datetime.date) -> Part:
    """Return what the member is for the card. Without a responsible member everyone is responsible."""
    if card.responsible is None or card.responsible == member:
        return Part.RESPONSIBLE
    if card.deputy == member:
        return Part.RESPONSIBLE if card.responsible.is_away(today) else Part.DEPUTY
    return Part.EVERYONE


def next_mail(member: Member, now: datetime.datetime) -> tuple[datetime.date, Card] | None:
    """Return the day of the member's next mail after today and the card it will be about; None when none is set."""
    ahead = []
    for card in watched_cards(member):
        today = today_for(member, card.plan.operator.country, now)
        day = next_day(kept_dates(card), today, member.reminder_level, part_of(member, card, today))
        if day:
            ahead.append((day, card.pk, card))
    return (min(ahead)[0], min(ahead)[2]) if ahead else None


def queue_test(member: Member, now: datetime.datetime) -> Delivery:
    """Queue a test mail; the same loop sends it in the same way as a real one."""
    return Delivery.objects.create(
        household_id=member.household_id,
        member=member,
        kind=Delivery.Kind.TEST,
        local_date=now.astimezone(member.zone).date(),
        message_id=_message_id(),
        next_try_at=now,
    )


def first_instant(zone: zoneinfo.ZoneInfo, day: datetime.date, hour: datetime.time) -> datetime.datetime:
    """Return the moment at which a day in a zone first reaches an hour.

    An hour that summer time skips is reached at the next minute there is; one that comes twice, the first time.
    """
    wall = datetime.datetime.combine(day, hour)
    instant = min(wall.replace(tzinfo=zone, fold=fold).astimezone(datetime.UTC) for fold in (0, 1))
    while instant.astimezone(zone).replace(tzinfo=None) < wall:
        instant += datetime.timedelta(minutes=1)
    return instant


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
    )


def _keep_reminders(member: Member, delivery: Delivery, lines: Sequence[Line]) -> None:
    """Write each line down as said by this mail; a line whose mail failed for good moves over to it."""
    for line in lines:
        Reminder.objects.update_or_create(
            member=member,
            subject=line.card,
            kind=line.moment.kind,
            about_on=line.moment.about_on,
            moment_on=line.moment.on,
            defaults={"household_id": member.household_id, "delivery": delivery},
        )


def _message_id() -> str:
    return new_message_id(urlsplit(settings.SITE_URL).hostname or "localhost")
