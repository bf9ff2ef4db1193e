import datetime
import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from babel.dates import get_day_names
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from cards.access import fetch, member_of
from cards.journal import note
from cards.models import Card, LogEntry, Member
from cards.money import babel_locale
from renewals.agenda import Entry, card_entries, household_entries
from renewals.feeds import make_feed, reader_of, revoke_feed
from renewals.ics import write_calendar
from renewals.models import CalendarFeed
from renewals.month import Month
from renewals.words import say_month

# So many entries of a day fit into its field of the grid; the list below the grid has them all.
MOST_IN_FIELD = 3
# So long a calendar is told that something was cancelled, for those that read seldom.
CANCELLED_FOR = datetime.timedelta(days=90)
CALENDAR = "text/calendar; charset=utf-8"


@dataclass(frozen=True)
class Day:
    """A day of the month with all that stands on it."""

    on: datetime.date
    entries: list[Entry]

    @property
    def first_entries(self) -> list[Entry]:
        return self.entries[:MOST_IN_FIELD]

    @property
    def more(self) -> int:
        return len(self.entries) - len(self.first_entries)


@require_GET
def month(request: HttpRequest) -> HttpResponse:
    """A month of the household as a grid, and below it as a list; on a phone as a list only."""
    member, now = member_of(request), timezone.now()
    today, wanted = now.astimezone(member.zone).date(), request.GET.get("month")
    asked = Month.parse(wanted or "")
    shown = asked or Month.of(today)
    entries = [entry for entry in household_entries(member, now) if not entry.is_cancelled]
    days = {day: Day(day, []) for week in shown.weeks() for day in week if day}
    for entry in entries:
        if entry.on in days:
            days[entry.on].entries.append(entry)
    names = {width: get_day_names(width, locale=babel_locale()) for width in ("abbreviated", "wide")}
    return render(
        request,
        "renewals/calendar.html",
        {
            "title": say_month(shown.first),
            "before": shown.before,
            "before_title": say_month(shown.before.first) if shown.before else "",
            "after": shown.after,
            "after_title": say_month(shown.after.first) if shown.after else "",
            "weeks": [[days[day] if day else None for day in week] for week in shown.weeks()],
            "days": [day for day in days.values() if day.entries or day.on == today],
            "weekdays": [(names["abbreviated"][number], names["wide"][number]) for number in range(7)],
            "today": today,
            "is_present": shown.has(today),
            "is_wrong": wanted is not None and asked is None,
            "following": next((entry for entry in entries if Month.of(entry.on) > shown), None),
        },
    )


@require_safe
@login_not_required
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar of whoever the secret address belongs to, for a program that cannot sign in."""
    member = reader_of(token)
    if member is None:
        raise Http404
    with translation.override(member.language):
        entries = household_entries(member, timezone.now() - CANCELLED_FOR)
        content = write_calendar(entries, _calendar_name(member))
    headers = {
        "Content-Disposition": 'inline; filename="keepnumber.ics"',
        "Content-Language": member.language,
        "Cache-Control": "private, no-cache",
        "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
    }
    response = HttpResponse(content, content_type=CALENDAR, headers=headers)
    return get_conditional_response(request, etag=headers["ETag"], response=response) or response


@require_http_methods(["GET", "POST"])
@never_cache
def feed_settings(request: HttpRequest) -> HttpResponse:
    """The member's own calendar address: whether there is one, a button to make one and one to end it.

    It is shown in the answer that makes it and never again, so that answer is kept by no cache.
    """
    member, address = member_of(request), ""
    if request.POST.get("do") == "new":
        with transaction.atomic():
            address = make_feed(member, timezone.now())
            note(member, LogEntry.Kind.ADDED, f"feed:{member.pk}", request=request)
    elif request.POST.get("do") == "revoke":
        with transaction.atomic():
            revoke_feed(member)
            note(member, LogEntry.Kind.DELETED, f"feed:{member.pk}", request=request)
        messages.success(request, _("The address is gone. Calendars that used it get nothing any more."))
        return redirect("feed_settings")
    about = {
        "feed": CalendarFeed.objects.for_member(member).filter(member=member).first(),
        "address": address,
        "webcal": urlsplit(address)._replace(scheme="webcal").geturl() if address else "",
    }
    return render(request, "renewals/feed.html", about)


@require_GET
def card_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The days of one card as a file, to be put into any calendar once; it does not follow what changes later."""
    card = fetch(request, Card.objects.select_related("plan__operator").prefetch_related("plan__rules__steps"), pk)
    member = member_of(request)
    entries = card_entries(card, member, timezone.now() - CANCELLED_FOR)
    if not entries:
        messages.info(request, _("There is no day yet to put into a calendar."))
        return redirect("card", card.pk)
    headers = {
        "Content-Disposition": f'attachment; filename="keepnumber-{card.pk}.ics"',
        "Cache-Control": "no-store",
    }
    return HttpResponse(write_calendar(entries, _calendar_name(member)), content_type=CALENDAR, headers=headers)


def _calendar_name(member: Member) -> str:
    return f"Keepnumber · {member.household}"
