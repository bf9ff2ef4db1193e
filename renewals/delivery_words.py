"""What pages say of mails: what a line is about, and what a mail server answered."""

import re
from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cards.models import Member, Promotion

from .models import Document, Reminder, Trip
from .plan_words import say_country
from .reminders.watch import Line

# Kinds whose date is a day ahead, or just past, that people count by.
COUNTED = frozenset({"grace", "deadline", "balance", "accounts", "trip", "papers", "document"})
_ADDRESS = re.compile(r"[^\s<>()\"',;:=]+@[^\s<>()\"',;]+")


def say_in_short(line: Line) -> str:
    """Return what a line of a mail is about: “Mamá · deadline · 30 days before”."""
    moment, name = line.moment, ""
    if line.card:
        name = line.card.name
    elif isinstance(line.about, Document | Promotion | Trip | Member):
        name = _name(line.about)
    days = say_days_before((moment.about_on - line.today).days) if moment.kind in COUNTED else ""
    return " · ".join(filter(None, [name, str(Reminder.Kind(moment.kind).label), days]))


def say_days_before(days: int) -> str:
    """Return on which side of a date a mail comes, and how far from it; `days` below zero are after it."""
    if days == 0:
        return _("on the day itself")
    if days > 0:
        return ngettext("%(count)d day before", "%(count)d days before", days) % {"count": days}
    return ngettext("%(count)d day after", "%(count)d days after", -days) % {"count": -days}


def names_of_subjects(member: Member, reminders: Iterable[Reminder]) -> dict[str, str]:
    """Return what the family calls each subject of these lines, in at most four queries; what is gone has no name.

    The lines are those of the member's household, with their cards fetched.
    """
    reminders = list(reminders)
    names = {row.subject: row.card.name for row in reminders if row.card}
    tables: dict[str, QuerySet[Document] | QuerySet[Trip] | QuerySet[Member] | QuerySet[Promotion]] = {
        "document": Document.objects.for_member(member).kept().select_related("person").defer("number"),
        "trip": Trip.objects.for_member(member),
        "member": Member.objects.for_member(member),
        "promotion": Promotion.objects.all(),
    }
    for kind, rows in tables.items():
        keys = {row.subject.partition(":")[2] for row in reminders if row.subject.startswith(f"{kind}:")}
        names |= {f"{kind}:{row.pk}": _name(row) for row in rows.filter(pk__in=keys)}
    return names


def without_addresses(answer: str) -> str:
    """Return what a server said without the email addresses in it: no member reads another's."""
    return _ADDRESS.sub("…@…", answer)


def _name(row: Document | Promotion | Trip | Member) -> str:
    if isinstance(row, Trip):
        return f"{say_country(row.from_country)} → {say_country(row.to_country)}"
    return str(row)
