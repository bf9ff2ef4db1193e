"""The mails themselves, written when they leave, so that they say what is true then."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import css_inline
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import prefetch_related_objects
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from renewals import words
from renewals.models import Delivery, Reminder

from .headlines import join, one_line, say_about, say_state, shorten
from .ladder import Moment
from .links import Link, act_links, site_url, stop_url
from .planning import next_mails
from .sentences import Said, say_line
from .watch import Line, Watch, lines_on, watch_over

Kind = Delivery.Kind

# As it goes over the wire, both parts and all headers. Many clients show no more of a mail than a little over 100 KB.
MOST_BYTES = 20_000
MOST_OF_A_SUBJECT = 60
# With less of a name left, the subject says how it stands and not how much else there is.
FEW_OF_A_NAME = 8
# So many lines are written in full and in short, where there is room; so many rather than none of the other sort.
MOST_FULL, MOST_SHORT = 12, 60
FEW_FULL, FEW_SHORT = 3, 10


@dataclass(frozen=True)
class Entry:
    """A line as a mail has it: what it says, and the links by which its reader acts without a sign-in."""

    said: Said
    acts: list[Link]

    @property
    def main(self) -> Link:
        """The one that leads to the exact step."""
        return self.said.links[0]

    @property
    def others(self) -> list[Link]:
        return [*self.acts, *self.said.links[1:]]


class Letter(EmailMultiAlternatives):
    """A mail, and the lines it says."""

    lines: Sequence[Line] = ()


def forget_unsaid(delivery: Delivery, letter: Letter) -> None:
    """Let what the letter was planned to say and does not say be said another day.

    A line can be silenced between its plan and the mail, as somebody is doing it or does not want to hear of it yet.
    """
    said = {_topic(*line.key) for line in letter.lines}
    rows = Reminder.objects.for_member(delivery.member).filter(delivery=delivery)
    keys = rows.values_list("pk", "subject", "kind", "about_on", "moment_on")
    unsaid = [pk for pk, subject, kind, about_on, on in keys if _topic(subject, kind, about_on, on) not in said]
    if unsaid:
        rows.filter(pk__in=unsaid).delete()


def render(delivery: Delivery, now: datetime.datetime) -> Letter | None:
    """Return the mail of a delivery in its member's language and zone; None when nothing is left to say.

    A line drops out when its card was renewed, closed or postponed since the mail was planned; so does all of it when
    the member has left or stopped their mails. The plain text says the same as the HTML.
    """
    member = delivery.member
    if member.left_at or (member.mail_stopped_at and delivery.kind != Kind.TEST):
        return None
    with translation.override(member.language), timezone.override(member.zone):
        watch = watch_over(member, now)
        lines = _lines_of(delivery, watch, now)
        if not lines and delivery.kind != Kind.TEST:
            return None
        shown = lines[: MOST_FULL + MOST_SHORT]
        prefetch_related_objects([line.renewal for line in shown if line.renewal], "steps")
        entries = [Entry(say_line(line, watch, now), act_links(delivery, line, now)) for line in shown]
        context = {
            "subject": _subject(lines, watch),
            "name": one_line(member.name),
            "household": one_line(str(member.household)),
            "is_test": delivery.kind == Kind.TEST,
            "next": _say_next(watch, now),
            "dashboard_url": site_url("dashboard"),
            "settings_url": site_url("settings"),
            "stop_url": "" if delivery.kind == Kind.TEST else stop_url(member),
        }
        letter = _fitting(delivery, entries, len(lines), context)
        letter.lines = lines
        return letter


def _lines_of(delivery: Delivery, watch: Watch, now: datetime.datetime) -> list[Line]:
    if delivery.kind == Kind.DIGEST:
        return _still_true(delivery, lines_on(watch, now))
    return _about_member(delivery, watch, now) if delivery.kind == Kind.ALERT else []


def _still_true(delivery: Delivery, lines: Sequence[Line]) -> list[Line]:
    """Return those of today's lines that the mail was planned for; the moment may be a later one by now."""
    reminders = Reminder.objects.for_member(delivery.member).filter(delivery=delivery)
    planned = {_topic(*each) for each in reminders.values_list("subject", "kind", "about_on", "moment_on")}
    subjects = {topic[0] for topic in planned}
    return [
        line
        for line in lines
        if _topic(*line.key) in planned
        or (line.subject in subjects and line.moment.kind in {"grace", "recovery", "lost"})
    ]


def _topic(subject: str, kind: str, about_on: datetime.date, moment_on: datetime.date) -> tuple[object, ...]:
    """Return what a line is about, whatever its moment.

    A changed rule is news of one day. What is not known is about no date. Whether a deadline rests on the balance can
    change while it stays the same day.
    """
    if kind == Reminder.Kind.RULE:
        return subject, kind, about_on, moment_on
    if kind == Reminder.Kind.UNKNOWN:
        return subject, kind
    return subject, Reminder.Kind.DEADLINE if kind == Reminder.Kind.BALANCE else kind, about_on


def _about_member(delivery: Delivery, watch: Watch, now: datetime.datetime) -> list[Line]:
    """Return the line of an alert; none when its member can be reached again or has gone."""
    about = next((member for member in watch.members if member.pk == delivery.about_id), None)
    since = about.out_of_reach_since if about else None
    if about is None or since is None:
        return []
    zone = watch.member.zone
    today = now.astimezone(zone).date()
    moment = Moment("unreachable", since.astimezone(zone).date(), today)
    return [Line(moment, f"member:{about.pk}", today, about=about)]


def _subject(lines: Sequence[Line], watch: Watch) -> str:
    """Return the worst thing, in at most 60 characters: of a long name the end is left out, not how it stands."""
    if not lines:
        return _("Keepnumber: the test mail has arrived")
    about, state = say_about(lines[0], watch), say_state(lines[0], watch)
    more, taken = _say_more(len(lines) - 1), len(join("-", state)) - 1
    if len(more) + taken + min(len(about), FEW_OF_A_NAME) > MOST_OF_A_SUBJECT:
        more = ""
    room = MOST_OF_A_SUBJECT - len(more)
    if about:
        about = shorten(about, max(room - taken, 3))
    return f"{shorten(join(about, state), room)}{more}"


def _say_next(watch: Watch, now: datetime.datetime) -> str:
    """Return when the next mail comes and what it will be about, so that one that does not come is missed."""
    if watch.member.mail_stopped_at:
        return _("You have stopped your mails: after this one, none will come.")
    coming = next_mails(watch.member, now, 1, watch)
    if not coming:
        return _("No further mail is set.")
    at, lines = coming[0].at, coming[0].lines
    return _("The next mail comes on %(day)s: %(what)s. If it does not come, look at the site.") % {
        "day": words.say_day(at.astimezone(watch.member.zone).date()),
        "what": f"{join(say_about(lines[0], watch), say_state(lines[0], watch))}{_say_more(len(lines) - 1)}",
    }


def _say_more(count: int) -> str:
    return ngettext(", and %(count)d more", ", and %(count)d more", count) % {"count": count} if count else ""


def _fitting(delivery: Delivery, entries: Sequence[Entry], count: int, context: dict[str, Any]) -> Letter:
    """Return the mail with as much of its `count` lines as there is room for: the worst in full, the rest in short."""
    full = min(len(entries), MOST_FULL)
    short = len(entries) - full
    while True:
        message = _message(
            delivery,
            {
                **context,
                "full": entries[:full],
                "short": entries[full : full + short],
                "left_out": count - full - short,
            },
        )
        if full == 0 or _size_of(message) <= MOST_BYTES:
            return message
        if short > FEW_SHORT:
            short = max(FEW_SHORT, short * 2 // 3)
        elif full > FEW_FULL:
            full -= 1
        elif short:
            short -= 1
        else:
            full -= 1


def _size_of(message: Letter) -> int:
    wire: Any = message.message()
    return len(wire.as_bytes(linesep="\r\n"))


def _message(delivery: Delivery, context: dict[str, Any]) -> Letter:
    message = Letter(
        subject=context["subject"],
        body=render_to_string("mail/letter.txt", context),
        to=[delivery.member.user.email],
        headers=_headers(delivery, context["stop_url"]),
    )
    html = render_to_string("mail/letter.html", context)
    message.attach_alternative(css_inline.inline(html, keep_style_tags=False, minify_css=True), "text/html")
    return message


def _headers(delivery: Delivery, stop_url: str) -> dict[str, str]:
    """Return the headers by which a mail is known again, gets no automatic answer, and can be stopped.

    RFC 8058 lets a mail program stop it with one press, over https only.
    """
    headers = {
        "Message-ID": delivery.message_id,
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "List-Id": f"<household-{delivery.household_id}.{urlsplit(settings.SITE_URL).hostname}>",
    }
    if stop_url:
        headers["List-Unsubscribe"] = f"<{stop_url}>"
        if stop_url.startswith("https://"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
