"""How a mail names each of its lines in a few words: in its subject, above the line, and when it is yet to come."""

import re
from collections.abc import Callable, Iterable

from babel.lists import format_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cards.models import Card, Member, Promotion
from cards.money import babel_locale
from renewals import words
from renewals.models import Document, Trip
from renewals.plan_words import say_country
from renewals.tasks import Todo

from .watch import Line, Watch

MOST_NAMES = 5
MOST_OF_A_NAME = 40
# Line ends, and what turns the direction in which the rest is read: a name may hold them, a line of ours may not.
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def say_about(line: Line, watch: Watch) -> str:
    """Return whose line it is: the card, the paper, the member; empty for the household as a whole."""
    about = line.about
    if isinstance(about, Promotion):
        return one_line(str(cards_of_promotion(about, watch)[0].plan.operator))
    if isinstance(about, Trip):
        return f"{say_country(about.from_country)} → {say_country(about.to_country)}"
    return one_line(str(line.card or (about if isinstance(about, Member | Document) else "")))


def say_state(line: Line, watch: Watch) -> str:
    """Return in a few words how it stands with what the line is about."""
    return one_line(_STATES[line.moment.kind](line, watch))


def join(about: str, state: str) -> str:
    """Return “Mamá: 3 days left”; of the household as a whole the state alone."""
    return _("%(about)s: %(state)s") % {"about": about, "state": state} if about else state


def one_line(text: str) -> str:
    """Return the text without line ends and without marks that turn the direction of reading."""
    return _BREAKS.sub(" ", text).strip()


def shorten(text: str, most: int) -> str:
    """Return the text, cut to at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def list_names(names: Iterable[str]) -> str:
    """Return the names as a list in words; of many only the first, and of long ones the beginning."""
    known = [shorten(one_line(name), MOST_OF_A_NAME) for name in names]
    more = len(known) - MOST_NAMES
    if more > 0:
        known[MOST_NAMES:] = [ngettext("%(count)d more", "%(count)d more", more) % {"count": more}]
    return format_list(known, locale=babel_locale())


def cards_of_promotion(promotion: Promotion, watch: Watch) -> list[Card]:
    """Return the cards to which a promotion applies, in the order of their names."""
    return [
        card
        for card in watch.cards
        if card.plan.operator_id == promotion.operator_id and promotion.plan_id in {None, card.plan_id}
    ]


def _grace_state(line: Line, watch: Watch) -> str:
    end = line.card.grace_ends_on if line.card else None
    if end is None:
        return _("deadline past, save it now")
    days = (end - line.today).days
    if days == 0:
        return _("deadline past, today is the last day to save it")
    return ngettext("deadline past, %(count)d day to save it", "deadline past, %(count)d days to save it", days) % {
        "count": days
    }


def _accounts_state(line: Line, watch: Watch) -> str:
    day = line.about.due_on if isinstance(line.about, Todo) else None
    if day and day < line.today:
        return _("accounts are still on it")
    left = words.say_days_left(day, line.today) if day else ""
    return _("move its accounts, %(left)s") % {"left": left} if left else _("move its accounts")


def _document_state(line: Line, watch: Watch) -> str:
    days = (line.moment.about_on - line.today).days
    if days < 0:
        return _("has expired")
    if days == 0:
        return _("expires today")
    return ngettext("expires in %(count)d day", "expires in %(count)d days", days) % {"count": days}


def _trip_state(line: Line, watch: Watch) -> str:
    count = len(line.trip_cards)
    return ngettext(
        "flight on %(day)s, %(count)d card to see to", "flight on %(day)s, %(count)d cards to see to", count
    ) % {"day": words.say_short_day(line.moment.about_on), "count": count}


def _watching_state(line: Line, watch: Watch) -> str:
    count = len(watch.cards)
    return ngettext("Still watching %(count)d number", "Still watching %(count)d numbers", count) % {"count": count}


def _unreachable_state(line: Line, watch: Watch) -> str:
    has_stopped = isinstance(line.about, Member) and line.about.mail_stopped_at
    return _("has stopped their mails") if has_stopped else _("mail does not arrive")


_STATES: dict[str, Callable[[Line, Watch], str]] = {
    "grace": _grace_state,
    "recovery": lambda line, watch: _("ask for it back"),
    "lost": lambda line, watch: _("lost, by our dates"),
    "deadline": lambda line, watch: words.say_days_left(line.moment.about_on, line.today),
    "balance": lambda line, watch: (
        _("balance too low, %(left)s") % {"left": words.say_days_left(line.moment.about_on, line.today)}
    ),
    "unreachable": _unreachable_state,
    "accounts": _accounts_state,
    "rule": lambda line, watch: _("the rule of its plan has changed"),
    "review": lambda line, watch: _("was the renewal accepted?"),
    "trip": _trip_state,
    "unknown": lambda line, watch: _("until when is it valid?"),
    "papers": lambda line, watch: _("a paper expires before the renewal"),
    "document": _document_state,
    "details": lambda line, watch: _("tell the operator the new details"),
    "reading": lambda line, watch: _("look at the balance and validity"),
    "signal": lambda line, watch: _("check the signal"),
    "copy": lambda line, watch: _("Make a safe copy of the papers"),
    "promotion": lambda line, watch: _("promotion until %(day)s") % {"day": words.say_short_day(line.moment.about_on)},
    "watching": _watching_state,
}
