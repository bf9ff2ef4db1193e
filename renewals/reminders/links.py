"""Addresses in mails: plain ones, and signed ones that let their reader act without a sign-in.

A signed link names a delivery, its member, a card, what is to be done, and the card's deadline at that time. It works
once, and no longer than that deadline is the card's: whoever finds an old mail can do nothing with it.
"""

import datetime
import enum
import re
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from cards.models import Card, Member
from renewals.deadlines import stage_of, today_for
from renewals.lifecycle import Stage
from renewals.models import Delivery, LinkUse, Renewal, Snooze
from renewals.snoozing import snooze, snooze_choices
from renewals.walkthrough import start_renewal, take_renewal

from .watch import Line

LAST = datetime.timedelta(days=60)


class Action(enum.StrEnum):
    TAKE = "take"
    SNOOZE = "snooze"


class Why(enum.StrEnum):
    """Why a link is dead."""

    GONE = "gone"
    OLD = "old"
    OVER = "over"
    LATE = "late"
    USED = "used"


class ForgedLink(Exception):
    """The link is none of ours, or its member's address is another one by now."""


class DeadLink(Exception):
    """The link was ours and does not work any more. `member` is whose it was; None when they are gone."""

    def __init__(self, why: Why, member: Member | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.member = member


@dataclass(frozen=True)
class Link:
    """An address, and what it leads to in words of the active language."""

    url: str
    words: str


@dataclass(frozen=True)
class ActLink:
    """What a signed link lets its member do with a card."""

    delivery: Delivery
    member: Member
    card: Card
    action: Action
    today: datetime.date


def site_url(name: str, *args: object, query: str = "") -> str:
    """Return the whole address of a page, as mails need it; `query` begins with a question mark."""
    return f"{settings.SITE_URL}{reverse(name, args=args)}{query}"


def act_links(delivery: Delivery, line: Line, now: datetime.datetime) -> list[Link]:
    """Return the signed links for a line of a mail: who may change things can take it on, and everybody can wait."""
    card, member = line.card, delivery.member
    if card is None or line.moment.kind not in {"deadline", "balance", "grace", "recovery"}:
        return []
    links = []
    is_mine = line.renewal is not None and line.renewal.holder(now) == member
    if member.may_change and not is_mine:
        links.append(Link(act_url(delivery, card, Action.TAKE), _("I am doing it")))
    if line.moment.kind in {"deadline", "balance"} and snooze_choices(card, line.today):
        links.append(Link(act_url(delivery, card, Action.SNOOZE), _("Remind me later")))
    return links


def act_url(delivery: Delivery, card: Card, action: Action) -> str:
    """Return the address that lets the reader of a mail do something with a card without a sign-in."""
    signed = _signer("act").sign_object([delivery.pk, delivery.member_id, card.pk, action, str(card.deadline)])
    return site_url("mail_act", signed)


def read_act(token: str, now: datetime.datetime) -> ActLink:
    """Return what a link lets its member do now. Raises ForgedLink, and DeadLink with the reason."""
    try:
        delivery_pk, member_pk, card_pk, action, deadline = _signer("act").unsign_object(token)
    except signing.BadSignature as error:
        raise ForgedLink from error
    deliveries = Delivery.objects.select_related("member__user", "member__household")
    present = Member.objects.present().filter(pk=member_pk)
    delivery = deliveries.filter(pk=delivery_pk, member__in=present).first()
    if delivery is None:
        raise DeadLink(Why.GONE)
    member = delivery.member
    card = Card.objects.for_member(member).select_related("plan__operator").filter(pk=card_pk).first()
    if card is None or (action == Action.TAKE and not member.may_change):
        raise DeadLink(Why.GONE, member)
    link = ActLink(delivery, member, card, Action(action), today_for(member, card.plan.operator.country, now))
    if LinkUse.objects.for_member(member).filter(delivery=delivery, card=card, action=action).exists():
        raise DeadLink(Why.USED, member)
    if delivery.local_date + LAST < now.astimezone(member.zone).date():
        raise DeadLink(Why.OLD, member)
    if str(card.deadline) != deadline or stage_of(card, link.today) in {Stage.LOST, Stage.CLOSED}:
        raise DeadLink(Why.OVER, member)
    if action == Action.SNOOZE and not snooze_choices(card, link.today):
        raise DeadLink(Why.LATE, member)
    return link


def holding(link: ActLink, now: datetime.datetime) -> Renewal | None:
    """Return the card's open renewal if another member than the link's is doing it just now; else None."""
    renewal = Renewal.objects.for_member(link.member).open().filter(card=link.card).select_related("taken_by").first()
    holder = renewal.holder(now) if renewal else None
    return renewal if holder and holder != link.member else None


def take_by_link(link: ActLink, now: datetime.datetime) -> Renewal:
    """Use a link up: its member is doing the card's renewal, which is begun if need be. Raises DeadLink."""
    with transaction.atomic():
        _use_up(link, now)
        renewal = start_renewal(link.card, link.member, now)
        take_renewal(renewal, link.member, now)
    return renewal


def snooze_by_link(link: ActLink, days: int, now: datetime.datetime) -> Snooze:
    """Use a link up: its member is not told of the card for so many days. Raises DeadLink and CannotSnooze."""
    with transaction.atomic():
        _use_up(link, now)
        return snooze(link.card, link.member, days, link.today, now)


def stop_url(member: Member) -> str:
    """Return the address that stops all mails to a member; it works as long as their email address stays the same."""
    return site_url("mail_stop", f"{member.pk}.{_stop_signature(member)}")


def read_stop(token: str) -> Member:
    """Return whose mails the link stops. Raises ForgedLink."""
    number, _dot, signature = token.partition(".")
    members = Member.objects.select_related("user", "household").present()
    member = members.filter(pk=number).first() if re.fullmatch(r"[0-9]{1,18}", number) else None
    if member is None or not constant_time_compare(signature, _stop_signature(member)):
        raise ForgedLink
    return member


def _use_up(link: ActLink, now: datetime.datetime) -> None:
    """Note that the link was used. Of two presses, and of a payment at the same moment, the second one waits here."""
    card = Card.objects.select_for_update().get(pk=link.card.pk)
    if card.closed_on or card.deadline != link.card.deadline:
        raise DeadLink(Why.OVER, link.member)
    _use, is_first = LinkUse.objects.get_or_create(
        delivery=link.delivery,
        card=link.card,
        action=link.action,
        defaults={"household_id": link.member.household_id, "used_at": now},
    )
    if not is_first:
        raise DeadLink(Why.USED, link.member)


def _stop_signature(member: Member) -> str:
    return _signer("stop").signature(f"{member.pk} {member.user.email}")


def _signer(what: str) -> signing.Signer:
    return signing.Signer(sep=".", salt=f"renewals.reminders.links.{what}")
