"""What stands in the family's calendar, and on which day: dates of cards, reviews, papers and flights."""

import datetime
import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cards.models import Card, Member

from .models import Document, Renewal, Trip
from .models.renewal import RenewalQuerySet
from .plan_words import say_country

# What no calendar shows is not even read.
_SECRETS = ("iccid", "pin", "puk", "account_username", "notes")


class Kind(enum.StrEnum):
    """What is to come; of one day the first of these stands on top."""

    LOST = "lost"
    GRACE = "grace"
    DEADLINE = "deadline"
    SAFE = "safe"
    REVIEW = "review"
    FLIGHT = "flight"
    EXPIRY = "expiry"


@dataclass(frozen=True)
class Entry:
    """One day of one row. `revision` counts the changes of the row's days, the last of them at `changed_at`.

    `is_cancelled`: it was to come and does not any more, as the card is closed, the review over, the flight off.
    """

    kind: Kind
    on: datetime.date
    row: Card | Renewal | Document | Trip
    revision: int
    changed_at: datetime.datetime
    is_cancelled: bool

    @property
    def card(self) -> Card | None:
        """The card it is about; None for papers and flights."""
        return self.row.card if isinstance(self.row, Renewal) else self.row if isinstance(self.row, Card) else None

    @property
    def name(self) -> str:
        """Whose day it is: the card, the person, the route."""
        if isinstance(self.row, Document):
            return self.row.person.name
        if isinstance(self.row, Trip):
            return f"{say_country(self.row.from_country)} → {say_country(self.row.to_country)}"
        return str(self.card)

    @property
    def digits(self) -> str:
        """The last four digits of the card's number, to tell two cards apart; empty without a card."""
        return self.card.number[-4:] if self.card else ""

    @property
    def what(self) -> str:
        """What the day is, in words."""
        if isinstance(self.row, Document):
            return _("%(paper)s expires") % {"paper": self.row.get_kind_display()}
        return {
            Kind.LOST: pgettext("stage", "lost"),
            Kind.GRACE: pgettext("calendar", "grace ends"),
            Kind.DEADLINE: pgettext("calendar", "deadline"),
            Kind.SAFE: pgettext("calendar", "safe date"),
            Kind.REVIEW: pgettext("calendar", "ask about the review"),
            Kind.FLIGHT: pgettext("calendar", "flight"),
        }[self.kind]

    @property
    def path(self) -> str:
        """The page about it."""
        if isinstance(self.row, Document):
            return reverse("documents")
        return reverse({Card: "card", Renewal: "renewal", Trip: "trip"}[type(self.row)], args=[self.row.pk])


def household_entries(member: Member, gone_since: datetime.datetime) -> list[Entry]:
    """Return all that stands in the calendar of the member's household, with what was cancelled since `gone_since`.

    They come by day, of one day the gravest first. The day of a review is that of the member's zone.
    """
    cards = Card.objects.for_member(member).filter(Q(closed_on=None) | Q(closed_on__gte=_day(gone_since, member)))
    cards = cards.select_related("plan__operator").prefetch_related("plan__rules__steps").defer(*_SECRETS)
    papers = Document.objects.for_member(member).kept().exclude(expires_on=None)
    papers = papers.select_related("person").defer("number")
    trips = Trip.objects.for_member(member).filter(Q(cancelled_at=None) | Q(cancelled_at__gte=gone_since))
    entries = [entry for card in cards for entry in _of_card(card)]
    entries += _reviews(Renewal.objects.for_member(member), member, gone_since)
    entries += [*_papers(papers), *_flights(trips)]
    return sorted(entries, key=_by_day)


def card_entries(card: Card, member: Member, gone_since: datetime.datetime) -> list[Entry]:
    """Return the entries of one card, as `household_entries` does those of all."""
    entries = [*_reviews(Renewal.objects.filter(card=card), member, gone_since)]
    if card.closed_on is None or card.closed_on >= _day(gone_since, member):
        entries += _of_card(card)
    return sorted(entries, key=_by_day)


def _of_card(card: Card) -> Iterator[Entry]:
    days = {Kind.SAFE: card.safe_on, Kind.DEADLINE: card.deadline, Kind.LOST: card.lost_on}
    if card.grace_ends_on != card.deadline:
        days[Kind.GRACE] = card.grace_ends_on
    for kind, day in days.items():
        if day:
            yield Entry(kind, day, card, card.revision, card.changed_at, card.closed_on is not None)


def _reviews(renewals: RenewalQuerySet, member: Member, gone_since: datetime.datetime) -> Iterator[Entry]:
    awaiting = Renewal.State.AWAITING
    rows = renewals.exclude(follow_up_at=None).filter(Q(state=awaiting) | Q(finished_at__gte=gone_since))
    rows = rows.select_related("card").defer("plan_terms", *(f"card__{name}" for name in _SECRETS))
    for row in rows:
        if row.follow_up_at:
            day = _day(row.follow_up_at, member)
            yield Entry(Kind.REVIEW, day, row, row.revision, row.changed_at, row.state != awaiting)


def _papers(documents: Iterable[Document]) -> Iterator[Entry]:
    for row in documents:
        if row.expires_on:
            yield Entry(Kind.EXPIRY, row.expires_on, row, row.revision, row.changed_at, is_cancelled=False)


def _flights(trips: Iterable[Trip]) -> Iterator[Entry]:
    """A flight is written down and never changed, only cancelled."""
    for row in trips:
        is_off = row.cancelled_at is not None
        yield Entry(Kind.FLIGHT, row.leaves_on, row, int(is_off), row.cancelled_at or row.created_at, is_off)


def _by_day(entry: Entry) -> tuple[datetime.date, int, str, int]:
    return entry.on, list(Kind).index(entry.kind), entry.name, entry.row.pk


def _day(moment: datetime.datetime, member: Member) -> datetime.date:
    return moment.astimezone(member.zone).date()
