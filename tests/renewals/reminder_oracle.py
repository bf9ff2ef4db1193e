"""docs/reminders.md read a second time, without the code that it is held against.

The app counts from the day it is. Here the whole calendar of a thing is written down first, every day on which it is
said from its beginning to its end, and then it is looked up which of these days have come. The family is a few plain
records of its own; only the dates of a card come from outside, as they are tested elsewhere.
"""

import datetime
import functools
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

DAY = datetime.timedelta(days=1)
FAR = datetime.date(2031, 1, 1)
LEVELS = {
    "calm": (14, 3, 0),
    "standard": (30, 14, 7, 3, 1, 0),
    "insistent": (60, 30, 14, 7, 6, 5, 4, 3, 2, 1, 0),
}
# The zones of the countries that these families have to do with; an operator without a country counts as UTC.
ZONES = {
    "": ("UTC",),
    "CN": ("Asia/Shanghai", "Asia/Urumqi"),
    "CU": ("America/Havana",),
    "ES": ("Europe/Madrid", "Atlantic/Canary", "Africa/Ceuta"),
    "GB": ("Europe/London",),
    "NZ": ("Pacific/Auckland", "Pacific/Chatham"),
    "SG": ("Asia/Singapore",),
}
RESPONSIBLE, DEPUTY, EVERYONE = "responsible", "deputy", "everyone"


class Line(NamedTuple):
    """What one member is told: of a subject such as card:5, and which of the moments of its calendar it was."""

    member: str
    subject: str
    kind: str
    about_on: datetime.date
    moment_on: datetime.date


class Calendar(NamedTuple):
    """All days on which one thing is said, whether they lie behind or ahead."""

    kind: str
    about_on: datetime.date
    days: tuple[datetime.date, ...]


class Mail(NamedTuple):
    """A mail that arrived: the lines of a digest, or None for the news that another member is out of reach."""

    to: "Member"
    lines: frozenset[Line] | None


@dataclass(eq=False)
class Household:
    id: int
    created_at: datetime.datetime
    checks_signal: bool = True
    copies_papers: bool = True
    copied_at: datetime.datetime | None = None
    members: list["Member"] = field(default_factory=list)
    people: list["Person"] = field(default_factory=list)
    cards: list["Card"] = field(default_factory=list)
    documents: list["Document"] = field(default_factory=list)
    trips: list["Trip"] = field(default_factory=list)


@dataclass(eq=False)
class Member:
    id: int
    name: str
    household: Household
    zone: str
    hour: datetime.time
    level: str = "standard"
    days: tuple[int, ...] = ()
    may_change: bool = True
    absence: tuple[datetime.date, datetime.date] | None = None
    refused_since: datetime.datetime | None = None
    stopped_at: datetime.datetime | None = None
    is_new: bool = True

    @property
    def out_of_reach_since(self) -> datetime.datetime | None:
        return min((at for at in (self.refused_since, self.stopped_at) if at), default=None)

    def is_away(self, day: datetime.date) -> bool:
        return self.absence is not None and self.absence[0] <= day <= self.absence[1]

    def date_of(self, instant: datetime.datetime) -> datetime.date:
        return instant.astimezone(zoneinfo.ZoneInfo(self.zone)).date()

    def mail_moment(self, day: datetime.date) -> datetime.datetime:
        """Return when the member's hour comes on a day of theirs, in UTC."""
        return _moment(self.zone, self.hour, day)


@dataclass(eq=False)
class Person:
    id: int
    member: Member | None = None


@dataclass(eq=False)
class Operator:
    id: int
    country: str
    asks_for_papers: bool | None = None
    paper_kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dates:
    """The dates of a card, as they are on its row."""

    deadline: datetime.date | None = None
    due_on: datetime.date | None = None
    safe_on: datetime.date | None = None
    grace_ends_on: datetime.date | None = None
    lost_on: datetime.date | None = None
    rests_on_balance: bool = False
    is_incomplete: bool = False


@dataclass(eq=False)
class Card:
    """`rule_changes`: the day of each and the deadline after it. `accounts`: the last day of the number, and the
    moment the task was opened, while there are accounts to be moved.
    """

    id: int
    household: Household
    operator: Operator
    plan: int
    created_at: datetime.datetime
    holder: Person | None = None
    responsible: Member | None = None
    deputy: Member | None = None
    level: str = ""
    days: tuple[int, ...] = ()
    dates: Dates = Dates()
    is_closed: bool = False
    last_read_on: datetime.date | None = None
    signal_seen_on: datetime.date | None = None
    signal_closed_at: datetime.datetime | None = None
    taken: tuple[Member, datetime.datetime] | None = None
    quiet_from: datetime.datetime | None = None
    review_at: datetime.datetime | None = None
    rule_changes: list[tuple[datetime.date, datetime.date | None]] = field(default_factory=list)
    details_asked_at: datetime.datetime | None = None
    accounts: tuple[datetime.date | None, datetime.datetime] | None = None
    snoozes: dict[Member, tuple[datetime.date, datetime.date]] = field(default_factory=dict)

    def date_of(self, member: Member, instant: datetime.datetime) -> datetime.date:
        """Return today for a line about the card: the member's day or the operator's, where that is further on."""
        zones = [zoneinfo.ZoneInfo(zone) for zone in (member.zone, *ZONES[self.operator.country])]
        return max(instant.astimezone(zone).date() for zone in zones)

    def stage(self, day: datetime.date) -> str:
        dates = self.dates
        if dates.deadline is None or dates.due_on is None or dates.safe_on is None:
            return "unknown"
        life = [
            ("lost", dates.lost_on),
            ("recovery", dates.grace_ends_on and dates.grace_ends_on + DAY),
            ("grace", dates.deadline + DAY),
            ("urgent", dates.safe_on + DAY),
            ("due", dates.due_on),
            ("unknown" if dates.is_incomplete else "active", datetime.date.min),
        ]
        return next(stage for stage, begins_on in life if begins_on and begins_on <= day)

    def doer(self, now: datetime.datetime) -> Member | None:
        """Return who said “I am doing it” less than 24 hours ago."""
        if self.taken and now - self.taken[1] < datetime.timedelta(hours=24):
            return self.taken[0]
        return None

    def responsible_members(self, day: datetime.date, now: datetime.datetime) -> set[Member]:
        family = set(self.household.members)
        if self.responsible is None:
            return family
        chosen = {self.responsible} | {doer for doer in [self.doer(now)] if doer}
        is_cut_off = self.responsible.out_of_reach_since is not None
        if self.deputy and (is_cut_off or self.responsible.is_away(day)):
            chosen.add(self.deputy)
        if is_cut_off and (self.deputy is None or self.deputy.out_of_reach_since):
            return family
        return chosen

    def part_of(self, member: Member, day: datetime.date, now: datetime.datetime) -> str:
        if member in self.responsible_members(day, now):
            return RESPONSIBLE
        return DEPUTY if member is self.deputy else EVERYONE

    def take(self, member: Member, now: datetime.datetime) -> None:
        """Note that the member said “I am doing it”: it silences the others unless there was a silence of late."""
        self.taken = member, now
        if self.quiet_from is None or now - self.quiet_from >= datetime.timedelta(hours=48):
            self.quiet_from = now

    def is_silent_for(self, member: Member, now: datetime.datetime) -> bool:
        """Whether another member, who is in reach, is doing it, and that still spares the others."""
        doer = self.doer(now)
        if doer is None or doer is member or doer.out_of_reach_since:
            return False
        return now - self.quiet_from < datetime.timedelta(hours=24)


@dataclass(eq=False)
class Document:
    id: int
    person: Person
    kind: str
    expires_on: datetime.date | None


@dataclass(eq=False)
class Promotion:
    id: int
    operator: Operator
    plan: int | None
    starts_on: datetime.date
    ends_on: datetime.date


@dataclass(eq=False)
class Trip:
    """A flight. `has_cards`: whether there is a card to see to, as it is seen on a day; this is told by `trips`."""

    id: int
    leaves_on: datetime.date
    has_cards: Callable[[datetime.date], bool]
    is_cancelled: bool = False


@functools.cache
def every(step: int, first: datetime.date, last: datetime.date = FAR) -> tuple[datetime.date, ...]:
    """Return every `step`-th day from the first to the last."""
    return tuple(first + n * DAY for n in range(0, (last - first).days + 1, step))


FORTNIGHTS = tuple(day for day in every(1, datetime.date(2024, 1, 1)) if day.toordinal() % 14 == 0)
MONTHS = tuple(day for day in every(1, datetime.date(2024, 1, 1)) if day.day == 1)


@functools.cache
def _moment(zone: str, hour: datetime.time, day: datetime.date) -> datetime.datetime:
    minute = datetime.datetime.combine(day, hour)
    while True:
        # Both readings of an hour that comes twice; one that is skipped reads back as another.
        readings = [minute.replace(tzinfo=zoneinfo.ZoneInfo(zone), fold=fold) for fold in (0, 1)]
        instants = [reading.astimezone(datetime.UTC) for reading in readings]
        real = [at for at in instants if at.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None) == minute]
        if real:
            return min(real)
        minute += datetime.timedelta(minutes=1)


def deadline_days(card: Card, member: Member, part: str) -> tuple[datetime.date, ...]:
    """Return all days on which a member of this part is told of the deadline that lies ahead."""
    deadline, safe_on = card.dates.deadline, card.dates.safe_on
    before = set(LEVELS[card.level or member.level]) | set(member.days) | set(card.days)
    if part == DEPUTY:
        before = {days for days in before if days <= 7} | {7}
    days = {deadline - number * DAY for number in before}
    if part == EVERYONE:
        days = {day for day in days if day > safe_on}
    if safe_on < deadline:
        days |= {*every(2, safe_on + DAY, deadline), deadline}
    days = {member.absence[0] - DAY if day <= safe_on and member.is_away(day) else day for day in days}
    snooze_end = _snooze_end(card, member)
    # The member chose this day; their absence does not move it.
    return tuple(days | {snooze_end} if snooze_end else days)


def _snooze_end(card: Card, member: Member) -> datetime.date | None:
    about_on, until_on = card.snoozes.get(member, (None, None))
    return min(until_on, card.dates.safe_on) if about_on and about_on == card.dates.deadline else None


def stage_calendar(card: Card, member: Member, part: str, today: datetime.date) -> Calendar | None:
    """Return the one calendar that holds in the stage the card is in; None where nothing is said in it."""
    stage, dates = card.stage(today), card.dates
    if stage == "grace":
        days = every(2, dates.deadline + DAY, dates.grace_ends_on or FAR)
        return Calendar("grace", dates.deadline, (*days, dates.grace_ends_on) if dates.grace_ends_on else days)
    if stage == "recovery":
        return Calendar("recovery", dates.lost_on, every(7, dates.grace_ends_on + DAY, dates.lost_on - DAY))
    if stage == "lost":
        return Calendar("lost", dates.lost_on, (dates.lost_on,))
    if stage == "unknown":
        last = max(day for day in FORTNIGHTS if day <= today)
        return Calendar("unknown", last, (last,))
    end = _snooze_end(card, member)
    if end and today < end:
        return None
    kind = "balance" if dates.rests_on_balance else "deadline"
    return Calendar(kind, dates.deadline, deadline_days(card, member, part))


def card_calendars(card: Card, member: Member, now: datetime.datetime) -> Iterator[Calendar]:
    """Yield what there is to say of a card to a member."""
    today = card.date_of(member, now)
    part = card.part_of(member, today, now)
    if part == RESPONSIBLE and card.accounts:
        yield _accounts_calendar(card, member)
    if card.is_closed:
        return
    stage, staged = card.stage(today), stage_calendar(card, member, part, today)
    if staged and not (card.is_silent_for(member, now) and stage not in {"unknown", "lost"}):
        yield staged
    if card.review_at and not card.is_silent_for(member, now):
        first = member.date_of(card.review_at)
        yield Calendar("review", first, every(2, first))
    for changed_on, deadline in card.rule_changes:
        if today <= changed_on + 30 * DAY:
            yield Calendar("rule", deadline or changed_on, (changed_on,))
    if part == RESPONSIBLE:
        yield from _papers_calendars(card, today)
        if stage in {"active", "due"}:
            read_on = card.last_read_on or member.date_of(card.created_at)
            yield Calendar("reading", read_on, every(90, read_on + 90 * DAY))
        if card.household.checks_signal:
            due_on = _signal_due_on(card, member)
            yield Calendar("signal", due_on, every(30, due_on))
        if card.details_asked_at:
            asked_on = member.date_of(card.details_asked_at)
            yield Calendar("details", asked_on, every(30, asked_on))


def _accounts_calendar(card: Card, member: Member) -> Calendar:
    last_on, opened_at = card.accounts
    if last_on is None:
        opened_on = member.date_of(opened_at)
        return Calendar("accounts", opened_on, every(14, opened_on))
    before = [last_on - days * DAY for days in (30, 14, 7, 3, 1, 0)]
    return Calendar("accounts", last_on, (*before, *every(7, last_on + 7 * DAY, last_on + 30 * DAY)))


def _papers_calendars(card: Card, today: datetime.date) -> Iterator[Calendar]:
    operator, deadline = card.operator, card.dates.deadline
    if not operator.asks_for_papers or card.stage(today) not in {"active", "due", "urgent"}:
        return
    accepted = [
        paper
        for paper in card.household.documents
        if paper.person is card.holder and (not operator.paper_kinds or paper.kind in operator.paper_kinds)
    ]
    if any(paper.expires_on is None or paper.expires_on > deadline for paper in accepted):
        return
    for paper in accepted:
        if today <= paper.expires_on:
            yield Calendar("papers", paper.expires_on, (paper.expires_on - 60 * DAY, paper.expires_on - 14 * DAY))


def _signal_due_on(card: Card, member: Member) -> datetime.date:
    closed_on = member.date_of(card.signal_closed_at) if card.signal_closed_at else None
    seen = [day for day in (card.signal_seen_on, closed_on) if day]
    return max(seen, default=member.date_of(card.created_at)) + 90 * DAY


def other_calendars(
    member: Member, promotions: list[Promotion], now: datetime.datetime
) -> Iterator[tuple[str, Calendar]]:
    """Yield what there is to say to a member beside the cards, each with its subject."""
    home, today = member.household, member.date_of(now)
    for document in home.documents:
        expires_on = document.expires_on
        if expires_on and today <= expires_on + 30 * DAY and member in _readers_of(document, home):
            days = tuple(expires_on - days * DAY for days in (180, 90, 30, 0))
            yield f"document:{document.id}", Calendar("document", expires_on, days)
    for promotion in promotions:
        if promotion.starts_on <= today <= promotion.ends_on and _uses(member, promotion, now):
            yield f"promotion:{promotion.id}", Calendar("promotion", promotion.ends_on, (promotion.starts_on,))
    for trip in home.trips:
        days = tuple(trip.leaves_on - days * DAY for days in (14, 7, 3, 1))
        if days[0] <= today <= trip.leaves_on and not trip.is_cancelled and trip.has_cards(today):
            yield f"trip:{trip.id}", Calendar("trip", trip.leaves_on, days)
    if home.copies_papers and member.may_change:
        due_on = member.date_of(home.copied_at or home.created_at) + 365 * DAY
        yield f"household:{home.id}", Calendar("copy", due_on, every(30, due_on))
    for other in home.members:
        if other is not member and other.out_of_reach_since:
            since = member.date_of(other.out_of_reach_since)
            yield f"member:{other.id}", Calendar("unreachable", since, every(7, since + 7 * DAY))
    if any(not card.is_closed for card in home.cards):
        month = max(day for day in MONTHS if day <= today)
        yield f"household:{home.id}", Calendar("watching", month, (month,))


def _readers_of(document: Document, home: Household) -> set[Member]:
    if document.person.member:
        chosen = {document.person.member}
    else:
        cards = [card for card in home.cards if card.holder is document.person and not card.is_closed]
        chosen = {card.responsible for card in cards if card.responsible}
    return set(home.members) if all(member.out_of_reach_since for member in chosen) else chosen


def _uses(member: Member, promotion: Promotion, now: datetime.datetime) -> bool:
    """Whether the member is responsible, on the card's own day, for a card that the promotion is for."""
    return any(
        not card.is_closed
        and card.operator is promotion.operator
        and promotion.plan in {None, card.plan}
        and member in card.responsible_members(card.date_of(member, now), now)
        for card in member.household.cards
    )


class Oracle:
    """What is said to whom, and what was said already."""

    def __init__(self) -> None:
        self.households: list[Household] = []
        self.promotions: list[Promotion] = []
        self.said: set[Line] = set()
        self._last_run: datetime.datetime | None = None
        self._days_looked_at: set[tuple[Member, datetime.date]] = set()

    def lines(self, member: Member, now: datetime.datetime) -> frozenset[Line]:
        """Return what is to be said to the member now: of each calendar the last day that has come, if unsaid."""
        today = member.date_of(now)
        found = [(subject, today, calendar) for subject, calendar in other_calendars(member, self.promotions, now)]
        for card in member.household.cards:
            today = card.date_of(member, now)
            found += [(f"card:{card.id}", today, calendar) for calendar in card_calendars(card, member, now)]
        last_days = [
            (subject, calendar, max((day for day in calendar.days if day <= today), default=None))
            for subject, today, calendar in found
        ]
        lines = {
            Line(member.name, subject, kind, about_on, day) for subject, (kind, about_on, _), day in last_days if day
        }
        return frozenset(lines - self.said)

    def run(self, now: datetime.datetime, refused: frozenset[str] = frozenset()) -> list[Mail]:
        """Return the mails that arrive in a run, when the server refuses the mail of those whose names are given."""
        last, self._last_run = self._last_run, now
        if last and not -datetime.timedelta(minutes=5) <= now - last <= datetime.timedelta(days=7):
            return []
        digests = {}
        for household in self.households:
            for member in household.members:
                if self._is_looked_at(member, now) and (lines := self.lines(member, now)):
                    digests[member] = lines
        self._check_order(digests, refused, now)
        mails: list[Mail] = []
        for member, lines in digests.items():
            if member.name in refused:
                self._refuse(member, now, refused, mails)
            else:
                self.said |= lines
                member.refused_since = None
                mails.append(Mail(member, lines))
        return mails

    def _is_looked_at(self, member: Member, now: datetime.datetime) -> bool:
        """Whether it is now that a day of the member is looked at: by the first run at or after their hour of it.

        That run may come on the next day, before its hour, but not for whom it is the first of all. To a member who has
        stopped their mails, the runs until they want them again are as none.
        """
        if member.stopped_at:
            return False
        today = member.date_of(now)
        day = today if member.mail_moment(today) <= now else today - DAY
        is_looked_at = (member, day) not in self._days_looked_at and (day == today or not member.is_new)
        self._days_looked_at.add((member, day))
        member.is_new = False
        return is_looked_at

    def _refuse(self, member: Member, now: datetime.datetime, refused: frozenset[str], mails: list[Mail]) -> None:
        """Mark the member; whoever is newly marked is told of to all others, in the same run."""
        if member.refused_since:
            return
        member.refused_since = now
        for other in member.household.members:
            if other is member or other.stopped_at:
                continue
            if other.name in refused:
                self._refuse(other, now, refused, mails)
            else:
                other.refused_since = None
                mails.append(Mail(other, None))

    def _check_order(
        self, digests: dict[Member, frozenset[Line]], refused: frozenset[str], now: datetime.datetime
    ) -> None:
        """Raise where the specification leaves open what a run says, as one of its mails changes whom others reach."""
        for member in digests:
            others = [other for other in digests if other is not member and other.household is member.household]
            if others and (member.name in refused) != bool(member.refused_since):
                raise ValueError(f"{now}: {member.name}'s mail and others' of the household leave in one run.")
