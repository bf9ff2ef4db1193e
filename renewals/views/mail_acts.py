"""What a mail's reader does without a sign-in, by a signed link; and the same wishes on the site.

The address of such a page is a secret: it goes into no cache and no search engine, and to no other site; of the logs
`config.logs` takes care.
"""

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from cards.access import fetch, member_of
from cards.models import Card, Member
from renewals import words
from renewals.models.renewal import CLAIM_LASTS
from renewals.reminders.links import (
    Action,
    ActLink,
    DeadLink,
    ForgedLink,
    Why,
    holding,
    read_act,
    read_stop,
    snooze_by_link,
    take_by_link,
)
from renewals.snoozing import DAYS, CannotSnooze, resume_mails, snooze, snooze_choices, stop_mails, wake

from .card import card_today

TYPED_DAYS = {str(days): days for days in (0, *DAYS)}
_WHY_DEAD = {
    Why.GONE: gettext_lazy("Whoever the mail was for may not do this any more."),
    Why.OLD: gettext_lazy("The mail is more than two months old."),
    Why.OVER: gettext_lazy(
        "The number was renewed or let go since this mail was sent, or its deadline is another day by now."
    ),
    Why.LATE: gettext_lazy("This number cannot wait any longer. Renew it, or ask somebody to."),
    Why.USED: gettext_lazy("It was used already, and a link of a mail works only once. Nothing was changed now."),
}


def _secret(view: Callable[[HttpRequest, str], HttpResponse]) -> Callable[[HttpRequest, str], HttpResponse]:
    """Make a page open to whoever has its address, and keep that address from everybody else.

    With “no-referrer” a browser would send the page's own form as from nowhere, and it would be refused.
    """

    @login_not_required
    @require_http_methods(["GET", "HEAD", "POST"])
    @never_cache
    @wraps(view)
    def answer(request: HttpRequest, token: str) -> HttpResponse:
        response = view(request, token)
        response.headers["Referrer-Policy"] = "strict-origin"
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    return answer


@_secret
def act(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether to do what a link of a mail says; the button does it, once."""
    now = timezone.now()
    try:
        link = read_act(token, now)
        with _speaking_to(link.member):
            if request.method != "POST":
                return _ask(request, link, now)
            do = _take if link.action is Action.TAKE else _snooze
            return do(request, link, now)
    except ForgedLink:
        return _dead(request, None)
    except DeadLink as dead:
        return _dead(request, dead)


@csrf_exempt
@_secret
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Stop all mails to a member: by one press in the mail program (RFC 8058), or by the button of this page.

    A mail program has neither cookie nor form; what it sends, the button sends too. Whoever sends it has the link.
    """
    try:
        member = read_stop(token)
    except ForgedLink:
        return _dead(request, None)
    if request.method == "POST" and request.POST.get("List-Unsubscribe") == "One-Click":
        stop_mails(member, timezone.now())
        member.refresh_from_db(fields=["mail_stopped_at"])
    others = Member.objects.for_member(member).present().exclude(pk=member.pk)
    numbers = Card.objects.for_member(member).open().filter(responsible=member).count()
    with _speaking_to(member):
        page = {"member": member, "numbers": numbers, "has_others": others.exists()}
        return _show(request, "stop", page)


@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    """Let mails come again to the member who asks."""
    resume_mails(member_of(request))
    messages.success(request, _("Mails come again, the first one at your mail hour."))
    return redirect("settings")


@require_POST
def snooze_card(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a card off for the member who asks, or, with 0 days, remind them of it again."""
    card, member = fetch(request, Card.objects.select_related("plan__operator"), pk), member_of(request)
    days = TYPED_DAYS.get(request.POST.get("days", ""), -1)
    if days == 0:
        wake(card, member)
        messages.success(request, _("You are reminded of %(card)s again.") % {"card": card})
        return redirect("card", card.pk)
    try:
        until_on = snooze(card, member, days, card_today(member, card), timezone.now()).until_on
        about = {"card": card, "day": words.say_day(until_on)}
        messages.success(request, _("You are not reminded of %(card)s until %(day)s.") % about)
    except CannotSnooze as refusal:
        messages.error(request, str(refusal))
    return redirect("card", card.pk)


@contextmanager
def _speaking_to(member: Member) -> Iterator[None]:
    with translation.override(member.language), timezone.override(member.zone):
        yield


def _ask(request: HttpRequest, link: ActLink, now: datetime.datetime, refusal: str = "") -> HttpResponse:
    choices = snooze_choices(link.card, link.today) if link.action is Action.SNOOZE else {}
    held = holding(link, now) if link.action is Action.TAKE else None
    return _page(request, link, choices=choices.items(), held=held, refusal=refusal)


def _take(request: HttpRequest, link: ActLink, now: datetime.datetime) -> HttpResponse:
    held = holding(link, now)
    if held and request.POST.get("seen") != str(held.taken_by_id):
        return _ask(request, link, now)
    return _page(request, link, renewal=take_by_link(link, now), until_at=now + CLAIM_LASTS)


def _snooze(request: HttpRequest, link: ActLink, now: datetime.datetime) -> HttpResponse:
    try:
        made = snooze_by_link(link, TYPED_DAYS.get(request.POST.get("days", ""), -1), now)
    except CannotSnooze as refusal:
        return _ask(request, link, now, str(refusal))
    return _page(request, link, until_on=made.until_on)


def _page(request: HttpRequest, link: ActLink, **more: object) -> HttpResponse:
    page = {"link": link, "card": link.card, "digits": link.card.number[-4:], **more}
    return _show(request, "act", page)


def _dead(request: HttpRequest, dead: DeadLink | None) -> HttpResponse:
    """Answer a link that does nothing any more (410), or that none of our mails had (404)."""
    if dead is None:
        return _show(request, "dead", {"why": None}, status=404)
    with _speaking_to(dead.member) if dead.member else nullcontext():
        return _show(request, "dead", {"why": _WHY_DEAD[dead.why]}, status=410)


def _show(request: HttpRequest, page: str, context: dict[str, object], status: int = 200) -> HttpResponse:
    response = render(request, f"renewals/mail_{page}.html", context, status=status)
    # The language of the mail's reader, whatever the browser asks for.
    response.headers["Content-Language"] = translation.get_language()
    return response
