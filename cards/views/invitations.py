"""Inviting somebody into the household, and what the invited person sees.

The address of an invitation is a secret: it goes into no cache, no search engine and to no other site; of the logs
`config.logs` takes care.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.core.internal import ratelimit
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from cards import membership
from cards.access import allowed, fetch_to_change
from cards.fields import common_zones
from cards.forms import InvitationForm, JoinForm, NewLoginForm
from cards.membership import InvitationGone, LoginExists, NotPossible
from cards.middleware import HOUSEHOLD
from cards.models import Invitation, Member, User
from cards.rights import Right

from .household import household_page
from .setup import BACKEND

# So many invitations a household may send, and so many invitations may be opened from one address.
LIMITS = {"invite": "20/h/key", "invitation": "20/m/ip"}


def _secret(view: Callable[[HttpRequest, str], HttpResponse]) -> Callable[[HttpRequest, str], HttpResponse]:
    """Make a page open to whoever has its address, but not to who tries many, and keep the address to them.

    With “no-referrer” a browser would send the page's own form as from nowhere, and it would be refused.
    """

    @login_not_required
    @require_http_methods(["GET", "HEAD", "POST"])
    @never_cache
    @wraps(view)
    def answer(request: HttpRequest, token: str) -> HttpResponse:
        is_allowed = _is_within_limit(request, "invitation")
        response = view(request, token) if is_allowed else ratelimit.respond_429(request)
        response.headers["Referrer-Policy"] = "strict-origin"
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    return answer


@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """Ask somebody by mail to join."""
    owner = allowed(request, Right.MEMBERS)
    form = InvitationForm(request.POST, prefix="invite")
    if not form.is_valid():
        return household_page(request, invitation_form=form)
    if not _is_within_limit(request, "invite", f"household:{owner.household_id}"):
        form.add_error(None, _too_many())
        return household_page(request, invitation_form=form)
    try:
        invitation, token = membership.invite(owner, **form.cleaned_data, now=timezone.now(), request=request)
    except NotPossible as refusal:
        form.add_error("email", str(refusal))
        return household_page(request, invitation_form=form)
    _send(request, invitation, token)
    return redirect("household")


@require_POST
def send_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a fresh link to somebody who is invited; the one sent before is dead."""
    invitation = _pending_to_change(request, pk)
    owner = allowed(request, Right.MEMBERS)
    if not _is_within_limit(request, "invite", f"household:{owner.household_id}"):
        messages.error(request, _too_many())
        return redirect("household")
    try:
        token = membership.invite_again(invitation, owner, timezone.now(), request)
    except InvitationGone:
        messages.info(request, _say_over(invitation))
        return redirect("household")
    _send(request, invitation, token)
    return redirect("household")


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an invitation back."""
    invitation = _pending_to_change(request, pk)
    if membership.revoke(invitation, allowed(request, Right.MEMBERS), timezone.now(), request):
        messages.success(request, _("The invitation is taken back. Its link does not work any more."))
    else:
        messages.info(request, _say_over(invitation))
    return redirect("household")


@_secret
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join a household: by choosing a password, or with the login that the invited address has already."""
    try:
        invited = membership.read_invitation(token, timezone.now())
    except InvitationGone:
        return render(request, "cards/invitation_gone.html", status=404)
    with translation.override(_language(request, invited)):
        user = membership.login_of(invited)
        if request.user.is_authenticated and request.user != user:
            return render(request, "cards/invitation.html", {"invitation": invited, "is_other": True})
        if user and request.user.is_anonymous:
            sign_in = f"{reverse('account_login')}?{urlencode({'next': request.path}, safe='/')}"
            return render(request, "cards/invitation.html", {"invitation": invited, "sign_in": sign_in})
        return _join(request, invited, token, user)


def _join(request: HttpRequest, invited: Invitation, token: str, user: User | None) -> HttpResponse:
    """Show the form by which the invited person joins, and take it. `user` of None: they have no login yet."""
    # As on the first page of all: a script puts the browser's own zone there.
    initial = {"time_zone": "UTC"}
    form = JoinForm(request.POST or None, initial=initial)
    if user is None:
        form = NewLoginForm(request.POST or None, email=invited.email, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            member = _accept(request, token, user, form.cleaned_data)
        except InvitationGone:
            return render(request, "cards/invitation_gone.html", status=404)
        except LoginExists:
            return redirect(request.path)
        if user is None:
            login(request, member.user, backend=BACKEND)
        request.session[HOUSEHOLD] = member.household_id
        messages.success(request, _("Welcome to %(household)s.") % {"household": member.household})
        return redirect("dashboard")
    return render(request, "cards/invitation.html", {"invitation": invited, "form": form, "zones": common_zones()})


def _accept(request: HttpRequest, token: str, user: User | None, typed: dict[str, Any]) -> Member:
    zone, now = typed["time_zone"], timezone.now()
    if user is None:
        return membership.accept_as_new(token, typed["password"], zone, now, request)
    return membership.accept(token, user, zone, now, request)


def _language(request: HttpRequest, invited: Invitation) -> str:
    """Return the language the invited person reads: as the owner said, until they are signed in."""
    return translation.get_language() if request.user.is_authenticated else invited.language


def _pending_to_change(request: HttpRequest, pk: int) -> Invitation:
    found: Invitation = fetch_to_change(request, Invitation.objects.pending(), pk, Right.MEMBERS)
    return found


def _send(request: HttpRequest, invited: Invitation, token: str) -> None:
    """Send the link, and tell the owner whether it left."""
    try:
        membership.send_invitation(invited, token)
        messages.success(request, _("%(name)s gets a mail with the invitation.") % {"name": invited.name})
    except OSError:
        messages.warning(
            request,
            _("%(name)s is invited, but no mail could be sent. Send the invitation again when mail works.")
            % {"name": invited.name},
        )


def _is_within_limit(request: HttpRequest, action: str, key: str | None = None) -> bool:
    usage = ratelimit.consume(request, app="cards", action=action, config=LIMITS, key=key, limit_get=True)
    return usage is not None


def _too_many() -> str:
    return _("That were many invitations for one hour. Please wait a while and try again.")


def _say_over(invited: Invitation) -> str:
    return _("%(name)s has joined or the invitation was taken back meanwhile.") % {"name": invited.name}
