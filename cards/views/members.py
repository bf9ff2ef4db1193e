"""Who belongs to the household: roles, handing over, removing, leaving."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from cards import membership
from cards.access import fetch_to_change, member_of
from cards.forms import RoleForm
from cards.membership import NotPossible
from cards.models import Card, Member
from cards.rights import Right
from cards.sign_in import recently_proved


@require_POST
def change_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a member a manager or a viewer."""
    member = _member_to_change(request, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a role: manager or viewer."))
        return redirect("household")
    try:
        membership.change_role(member, form.cleaned_data["role"], member_of(request), request)
        messages.success(request, _("Saved."))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    return redirect("household")


@require_http_methods(["GET", "POST"])
@recently_proved
def hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Make another member the owner, after asking."""
    member = _member_to_change(request, pk)
    if request.method == "GET":
        return render(request, "cards/hand_over.html", {"member": member})
    try:
        membership.hand_over(member, member_of(request), request)
        messages.success(request, _("%(name)s is the owner now. You are a manager.") % {"name": member.name})
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    return redirect("household")


@require_http_methods(["GET", "POST"])
@recently_proved
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a member be none any more, after saying what then becomes of their cards."""
    member = _member_to_change(request, pk)
    if request.method == "GET":
        return render(request, "cards/remove.html", {"member": member, **_what_becomes(request, member)})
    try:
        membership.remove_member(member, member_of(request), timezone.now(), request)
        messages.success(request, _("%(name)s is no member any more.") % {"name": member.name})
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    return redirect("household")


@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest) -> HttpResponse:
    """Leave the household, after saying what then becomes of one's cards."""
    member = member_of(request)
    if request.method == "GET":
        about = {"refusal": membership.why_not_leave(member), **_what_becomes(request, member)}
        return render(request, "cards/leave.html", about)
    try:
        membership.leave(member, timezone.now(), request)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect("household_leave")
    messages.success(request, _("You have left %(household)s.") % {"household": member.household})
    return redirect("dashboard")


def _member_to_change(request: HttpRequest, pk: int) -> Member:
    member: Member = fetch_to_change(request, Member.objects.present(), pk, Right.MEMBERS)
    return member


def _what_becomes(request: HttpRequest, member: Member) -> dict[str, list[Card]]:
    """Return the open cards the member is responsible for: those a deputy takes over, and those nobody does."""
    cards = Card.objects.for_member(member_of(request)).open().filter(responsible=member).select_related("deputy")
    return {
        "taken_over": [card for card in cards if card.deputy],
        "left_over": [card for card in cards if not card.deputy],
    }
