"""Small things to do around the cards: gentle, never urgent, done or dismissed by a member.

Some are written down when something happens (details of a person change, a number is let go with accounts on it);
they are rows of `Task` as long as they are open. Others come again by themselves: when one is due follows from the
last time, so they have rows only for what was done or dismissed.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from babel.lists import format_list
from django.db import transaction
from django.db.models import Max, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from cards.models import Card, Household, Member, Person
from cards.money import babel_locale

from . import words
from .models import SignalCheck, Task

Kind = Task.Kind

SIGNAL_EVERY = datetime.timedelta(days=90)
COPY_EVERY = datetime.timedelta(days=365)
# In the order in which they are listed: what stands on no card's page, what ends on a day, what can wait.
HOUSEHOLD_KINDS = (Kind.COPY_PAPERS,)
CARD_KINDS = (Kind.MOVE_ACCOUNTS, Kind.UPDATE_DETAILS, Kind.SIGNAL_CHECK)
RECURRING = (Kind.SIGNAL_CHECK, Kind.COPY_PAPERS)
# What an operator knows of a person and wants to be told when it changes.
DETAILS = ("name", "address", "phone", "email")

# When each recurring task is due: by its kind and its card, None for the household's own.
DueDays = dict[tuple[str, int | None], datetime.date]


@dataclass(frozen=True)
class Todo:
    """A small thing to do on a day. `card` of None: for the whole household. `due_on` of None: whenever it suits.

    `since` is the day it was opened, or, for what comes again by itself, the day it is due. `about` names what it is
    about: the changed fields of `person`, or the accounts that are still on the number.
    """

    kind: str
    card: Card | None
    today: datetime.date
    person: Person | None = None
    due_on: datetime.date | None = None
    about: tuple[str, ...] = ()
    since: datetime.date | None = None

    def words(self) -> str:
        """Return what to do, as a sentence of the active language."""
        if self.kind == Kind.COPY_PAPERS or self.card is None:
            return _("Make a safe copy of the papers, PUKs and account names, and keep it in another place.")
        if self.kind == Kind.UPDATE_DETAILS:
            return _say_details(self.card, self.person, self.about)
        if self.kind == Kind.MOVE_ACCOUNTS:
            return self._say_accounts()
        if self.card.form == Card.Form.ESIM:
            return _("Switch the eSIM on and see whether it still finds its network.")
        return _("Put the SIM into a phone and see whether it still finds its network.")

    @property
    def close_url(self) -> str:
        """The address that takes “done” and “not needed”."""
        if self.card is None:
            return reverse("household_task_close", args=[self.kind])
        return reverse("task_close", args=[self.card.pk, self.kind])

    @property
    def form_url(self) -> str:
        """The page on which it is written down that it was done; empty where a press of a button is enough."""
        return signal_form_url(self.card) if self.kind == Kind.SIGNAL_CHECK and self.card else ""

    def _say_accounts(self) -> str:
        facts = {
            "accounts": format_list(self.about, locale=babel_locale()),
            "day": words.say_short_day(self.due_on) if self.due_on else "?",
        }
        if self.due_on and self.due_on < self.today:
            return _("The number ended on %(day)s. Still on it: %(accounts)s. Ask there how to get in again.") % facts
        return _("Move to another number by %(day)s: %(accounts)s.") % facts


def open_tasks(member: Member, cards: Iterable[Card], today: datetime.date) -> list[Todo]:
    """Return what is to be done for these cards and for the household on `today`, the member's own day.

    The cards are the household's own, with `plan__operator` and `linked_accounts` fetched. Three queries, however
    many cards.
    """
    todos = [
        todo
        for todo in tasks_ahead(member, cards, today)
        if todo.kind not in RECURRING or (todo.due_on and todo.due_on <= today)
    ]
    order = [*HOUSEHOLD_KINDS, *CARD_KINDS]
    return sorted(
        todos, key=lambda todo: (order.index(Kind(todo.kind)), todo.due_on or datetime.date.min, str(todo.card))
    )


def tasks_ahead(member: Member, cards: Iterable[Card], today: datetime.date) -> list[Todo]:
    """Return the open tasks and the recurring ones that are still to come, in no order; arguments as `open_tasks`."""
    known = {card.pk: card for card in cards}
    recurring = [
        Todo(kind, known[pk] if pk else None, today, due_on=due_on, since=due_on)
        for (kind, pk), due_on in _due_days(member, known).items()
    ]
    return _written_down(member, known, today) + recurring


@transaction.atomic
def close_task(member: Member, kind: str, card: Card | None, state: str, now: datetime.datetime) -> bool:
    """Note that a task was done or dismissed (`state`); return whether it was open at all.

    `card` is None for a task of the household. A recurring one that is not due any more gets no second row.
    """
    closed = {"state": state, "closed_at": now, "closed_by": member}
    if kind not in RECURRING:
        rows = Task.objects.for_member(member).open()
        return bool(rows.filter(kind=kind, card=card).update(**closed))
    # Of two presses the second waits here and then finds that nothing is due.
    if card is None:
        Household.objects.select_for_update().get(pk=member.household_id)
    else:
        Card.objects.select_for_update().get(pk=card.pk)
    due_on = _due_days(member, {card.pk: card} if card else {}).get((kind, card.pk if card else None))
    if due_on is None or due_on > now.astimezone(member.zone).date():
        return False
    Task.objects.create(household_id=member.household_id, card=card, kind=kind, due_on=due_on, **closed)
    return True


@transaction.atomic
def change_details(person: Person, details: Mapping[str, str], now: datetime.datetime) -> list[str]:
    """Write a person's details (a value for each of DETAILS); return the names of those that really changed.

    Each open card of the person gets the task to tell its operator; one that is open already is extended. Raises
    IntegrityError when the household has another person of this name.
    """
    stored = Person.objects.select_for_update().get(pk=person.pk)
    changed = [name for name in DETAILS if _plain(getattr(stored, name)) != _plain(details[name])]
    if not changed:
        return []
    for name in changed:
        setattr(stored, name, details[name])
    stored.save(update_fields=changed)
    _ask_to_tell(stored, list(stored.cards.open()), changed, now)
    return changed


def signal_form_url(card: Card) -> str:
    """Return the address of the form for a signal check."""
    return reverse("log", args=[card.pk]) + "?kind=signal"


def _written_down(member: Member, cards: Mapping[int, Card], today: datetime.date) -> list[Todo]:
    todos = []
    for task in Task.objects.for_member(member).open().filter(card__in=cards).select_related("person"):
        card = cards[task.card_id or 0]
        about = tuple(task.details)
        if task.kind == Kind.MOVE_ACCOUNTS:
            about = tuple(account.name for account in card.linked_accounts.all() if account.moved_on is None)
        elif card.closed_on:
            continue
        if about:
            opened_on = task.opened_at.astimezone(member.zone).date()
            todos.append(Todo(task.kind, card, today, task.person, task.due_on, about, opened_on))
    return todos


def _due_days(member: Member, cards: Mapping[int, Card]) -> DueDays:
    """Return when each recurring task is due, whether that lies behind or ahead; those switched off have no day."""
    household = member.household
    watched = [card for card in cards.values() if card.closed_on is None] if household.checks_signal else []
    checked = SignalCheck.objects.valid().filter(card__in=watched)
    last_checks = dict(checked.values_list("card").annotate(last=Max("checked_on")))
    closed = Task.objects.for_member(member).filter(Q(card__in=watched) | Q(card=None), kind__in=RECURRING)
    last_closed = {
        (kind, pk): last.astimezone(member.zone).date()
        for kind, pk, last in closed.values_list("kind", "card").annotate(last=Max("closed_at"))
    }
    days: DueDays = {}
    for card in watched:
        seen = [last_checks.get(card.pk), last_closed.get((Kind.SIGNAL_CHECK, card.pk))]
        last = max((day for day in seen if day), default=card.created_at.astimezone(member.zone).date())
        days[Kind.SIGNAL_CHECK, card.pk] = last + SIGNAL_EVERY
    if household.backs_up_papers:
        founded_on = household.created_at.astimezone(member.zone).date()
        days[Kind.COPY_PAPERS, None] = last_closed.get((Kind.COPY_PAPERS, None), founded_on) + COPY_EVERY
    return days


def _ask_to_tell(person: Person, cards: list[Card], changed: list[str], now: datetime.datetime) -> None:
    """Write down for each card that its operator wants to know what changed."""
    rows = Task.objects.open().filter(kind=Kind.UPDATE_DETAILS, card__in=cards)
    tasks = {task.card_id: task for task in rows.select_for_update()}
    for task in tasks.values():
        # A card may have been somebody else's when the task was opened.
        known = task.details if task.person_id == person.pk else []
        task.details = [name for name in DETAILS if name in known or name in changed]
        task.person = person
    Task.objects.bulk_update(tasks.values(), ["details", "person"])
    Task.objects.bulk_create(
        Task(
            household_id=person.household_id,
            card=card,
            person=person,
            kind=Kind.UPDATE_DETAILS,
            details=changed,
            opened_at=now,
        )
        for card in cards
        if card.pk not in tasks
    )


def _plain(text: str) -> str:
    """Return the text with the line ends of every system made equal: a browser sends others than it was given."""
    return "\n".join(text.strip().splitlines())


def _say_details(card: Card, person: Person | None, names: tuple[str, ...]) -> str:
    facts = {"operator": str(card.plan.operator), "person": str(person or "?")}
    if names == ("name",):
        return _("Tell %(operator)s the new name of %(person)s.") % facts
    if names == ("address",):
        return _("Tell %(operator)s the new address of %(person)s.") % facts
    if names == ("phone",):
        return _("Tell %(operator)s the new phone number of %(person)s.") % facts
    if names == ("email",):
        return _("Tell %(operator)s the new email address of %(person)s.") % facts
    labels = [str(field.verbose_name) for field in Person._meta.fields if field.name in names]
    facts["details"] = format_list(labels, locale=babel_locale())
    return _("Tell %(operator)s the new details of %(person)s: %(details)s.") % facts
