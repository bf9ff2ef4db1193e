"""The pages about one's own sign-in, and the owner's about everybody's."""

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cards.access import allowed
from cards.email_change import LinkIsDead, ask_for_email, change_email, read_token
from cards.journal import note_change, state_of
from cards.models import Household
from cards.rights import Right
from cards.security_forms import NewEmailForm, SecondFactorForm
from cards.sessions import end_other_sessions, end_session, places_of
from cards.sign_in import login_of, recently_proved


@require_GET
def security(request: HttpRequest) -> HttpResponse:
    """The password, the second factor, passkeys, the address, and where one is signed in."""
    factors = Authenticator.objects.filter(user=login_of(request)).order_by("pk")
    codes = next((factor for factor in factors if factor.type == Authenticator.Type.RECOVERY_CODES), None)
    return render(
        request,
        "cards/security.html",
        {
            "app": next((factor for factor in factors if factor.type == Authenticator.Type.TOTP), None),
            "passkeys": [factor for factor in factors if factor.type == Authenticator.Type.WEBAUTHN],
            "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
            "places": places_of(request),
        },
    )


@require_POST
def end_place(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign one browser out."""
    if not end_session(login_of(request), pk):
        raise Http404
    messages.success(request, _("Signed out there."))
    return redirect("security")


@require_POST
def end_other_places(request: HttpRequest) -> HttpResponse:
    """Sign every browser out but this one."""
    end_other_sessions(request, login_of(request))
    messages.success(request, _("Signed out everywhere else."))
    return redirect("security")


@require_http_methods(["GET", "POST"])
@recently_proved
def new_email(request: HttpRequest) -> HttpResponse:
    """Ask for another email address; it counts once the link that is sent there was followed."""
    form = NewEmailForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not ratelimit.consume(request, action="manage_email"):
            return ratelimit.respond_429(request)
        ask_for_email(request, login_of(request), form.cleaned_data["email"])
        messages.success(
            request,
            _("A mail is on its way to %(email)s. Follow the link in it within an hour.") % form.cleaned_data,
        )
        return redirect("security")
    return render(request, "cards/email.html", {"form": form})


@require_http_methods(["GET", "POST"])
def confirm_email(request: HttpRequest, token: str) -> HttpResponse:
    """Take up the new address, at the press of a button: a mail scanner follows links too."""
    user = login_of(request)
    old = user.email
    try:
        new = read_token(user, token)
        if request.method == "POST":
            change_email(user, new)
    except (LinkIsDead, IntegrityError):
        return render(request, "cards/email_confirm.html")
    if request.method == "GET":
        return render(request, "cards/email_confirm.html", {"new": new})
    get_adapter(request).send_notification_mail("account/email/email_changed", user, email=old)
    messages.success(request, _("Your address is %(email)s now.") % {"email": new})
    return redirect("security")


@require_http_methods(["GET", "POST"])
@recently_proved
def household_security(request: HttpRequest) -> HttpResponse:
    """Whether everybody in the household needs a second factor."""
    member = allowed(request, Right.MEMBERS)
    household = Household.objects.get(pk=member.household_id)
    before = state_of(household)
    form = SecondFactorForm(request.POST or None, instance=household, user=login_of(request))
    if request.method == "POST" and form.is_valid():
        household.save(update_fields=["requires_second_factor"])
        note_change(member, before, household, request)
        messages.success(request, _("Saved."))
        return redirect("security")
    return render(request, "cards/household_security.html", {"form": form})
