"""What was sent to whom, and what the mail server said to it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from cards.access import member_of
from renewals.delivery_words import names_of_subjects, without_addresses
from renewals.models import Delivery, Reminder
from renewals.reminders.ladder import Moment, worst_first
from renewals.reminders.planning import queue_test

PER_PAGE = 100
# Of one mail so many subjects are named at once; the others are folded.
MOST_SUBJECTS = 3
# What the page needs of a line: no card's secrets are read for it.
OF_A_LINE = ("subject", "kind", "about_on", "moment_on", "card__name")
TONES = {
    Delivery.State.SENT: "active",
    Delivery.State.FAILED: "urgent",
    Delivery.State.WITHDRAWN: "closed",
}


@dataclass(frozen=True)
class Mail:
    """A delivery as the page shows it. `lines` are what it was about, worst first."""

    delivery: Delivery
    lines: list[str]

    @property
    def tone(self) -> str:
        return TONES.get(Delivery.State(self.delivery.state), "due")

    @property
    def is_open(self) -> bool:
        return self.delivery.state in Delivery.OPEN_STATES

    @property
    def reply(self) -> str:
        """What the server said: when it took the mail, or when it last did not."""
        return without_addresses(self.delivery.last_error or self.delivery.answer)

    @property
    def first_lines(self) -> list[str]:
        return self.lines[:MOST_SUBJECTS]

    @property
    def other_lines(self) -> list[str]:
        return self.lines[MOST_SUBJECTS:]


@require_GET
def mails(request: HttpRequest) -> HttpResponse:
    """The mails of the whole household, the last one first: who was told what, and whether it arrived."""
    member = member_of(request)
    lines = Reminder.objects.for_member(member).select_related("card").only("delivery", *OF_A_LINE)
    sent = (
        Delivery.objects.for_member(member)
        .select_related("member", "about", "channel")
        .defer("channel__url")
        .prefetch_related(Prefetch("reminders", lines))
        .order_by("-created_at", "-pk")
    )
    page = Paginator(sent, PER_PAGE).get_page(request.GET.get("page"))
    names = names_of_subjects(member, (row for delivery in page for row in delivery.reminders.all()))
    rows = [Mail(delivery, _lines_of(delivery, names)) for delivery in page]
    return render(request, "renewals/mails.html", {"page": page, "mails": rows})


@require_POST
def send_test(request: HttpRequest) -> HttpResponse:
    """Queue a test mail to oneself; it goes the way of every reminder."""
    member = member_of(request)
    if member.deliveries.filter(kind=Delivery.Kind.TEST, state__in=Delivery.OPEN_STATES).exists():
        messages.info(request, _("A test is on its way already. Its state is shown below."))
    else:
        queue_test(member, timezone.now())
        messages.success(
            request, _("The test mail is queued. It goes the way of every reminder, within a minute or two.")
        )
    return redirect("settings")


def _lines_of(delivery: Delivery, names: Mapping[str, str]) -> list[str]:
    """Return what a mail was about: each subject once, with all that was said of it."""
    said: dict[str, list[str]] = {}
    for row in sorted(delivery.reminders.all(), key=_by_urgency):
        kinds = said.setdefault(row.subject, [])
        if (kind := row.get_kind_display()) not in kinds:
            kinds.append(kind)
    return [" · ".join(filter(None, [names.get(subject, ""), ", ".join(kinds)])) for subject, kinds in said.items()]


def _by_urgency(row: Reminder) -> tuple[int, datetime.date, int]:
    return *worst_first(Moment(row.kind, row.about_on, row.moment_on)), row.pk
