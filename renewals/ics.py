"""The calendar as a file (iCalendar, RFC 5545 and 7986), which phones and other calendars read.

It goes through other people's computers, so it names a card by its name and the last four digits of its number, and
nothing that is secret. An event is said by its rows alone and never by the clock: what has not changed is the same,
byte for byte.
"""

import datetime
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event, vText

from . import words
from .agenda import Entry, Kind
from .lifecycle import DAY

# So many days before, at nine o'clock in the morning, a phone that wants to reminds of it.
_ALARMS: dict[Kind, tuple[int, ...]] = {
    Kind.SAFE: (0,),
    Kind.DEADLINE: (7, 1),
    Kind.REVIEW: (0,),
    Kind.FLIGHT: (),
    Kind.EXPIRY: (30,),
}
_NINE = datetime.timedelta(hours=9)
_READ_AGAIN = datetime.timedelta(hours=12)
_LONGEST_NAME = 60
# Control characters, among them those that turn the direction of writing around.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
# So many digits, whatever stands between them, can be a phone number.
_PHONE_NUMBER = re.compile(r"\+?\d(?:[\W_]{0,3}\d){6,}")


def write_calendar(entries: Iterable[Entry], name: str) -> bytes:
    """Return the entries as one iCalendar file in the active language; `name` is what a calendar program calls it."""
    calendar = Calendar()
    calendar.add("prodid", "-//Keepnumber//Keepnumber//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    for key in ("name", "x-wr-calname"):
        calendar.add(key, vText(_plain(name)))
    calendar.add("refresh-interval", _READ_AGAIN, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vText("PT12H"))
    for entry in entries:
        if entry.kind in _ALARMS:
            calendar.add_component(_event(entry))
    return calendar.to_ical()


def _event(entry: Entry) -> Event:
    site = urlsplit(settings.SITE_URL)
    summary, address = _summary(entry), settings.SITE_URL + entry.path
    event = Event()
    event.add("uid", f"{entry.row._meta.model_name}-{entry.row.pk}-{entry.kind}@{site.hostname}")
    event.add("dtstamp", entry.changed_at)
    event.add("last-modified", entry.changed_at)
    event.add("sequence", entry.revision)
    event.add("status", "CANCELLED" if entry.is_cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("dtstart", entry.on)
    event.add("dtend", entry.on + DAY)
    event.add("summary", summary)
    event.add("description", "\n".join([*_advice(entry), address]))
    event.add("url", address)
    for days in () if entry.is_cancelled else _ALARMS[entry.kind]:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", summary)
        alarm.add("trigger", _NINE - days * DAY)
        event.add_component(alarm)
    return event


def _summary(entry: Entry) -> str:
    name = _plain(entry.name)
    if entry.digits:
        name = f"{name} …{entry.digits}"
    return _("%(name)s: %(what)s") % {"name": name, "what": entry.what}


def _advice(entry: Entry) -> list[str]:
    """Return what to know on the day, in sentences."""
    card = entry.card
    if card is None:
        return []
    if entry.kind is Kind.REVIEW:
        return [_("Look up at the operator whether the renewal has arrived, and write it down.")]
    order = words.say_what_to_do(words.rule_of(card), card.plan) + "."
    if entry.kind is Kind.SAFE and card.deadline:
        return [order, _("Deadline: %(day)s.") % {"day": words.say_day(card.deadline)}]
    return [order, words.say_otherwise(card)]


def _plain(text: str) -> str:
    """Return what people typed on one line, not too long; of a phone number only the last four digits."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    line = _PHONE_NUMBER.sub(lambda found: "…" + re.sub(r"\D", "", found[0])[-4:], line)
    return line if len(line) <= _LONGEST_NAME else line[:_LONGEST_NAME] + "…"
