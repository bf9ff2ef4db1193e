"""What a household says of itself, its people, and in which of their households a login is."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cards.access import allowed, manager_of, member_of
from cards.forms import HouseholdForm, InvitationForm, PersonForm, RoleForm
from cards.journal import note, note_change, state_of
from cards.middleware import HOUSEHOLD
from cards.models import Household, Invitation, LogEntry, Member, Person
from cards.rights import Right
from cards.stale import locked, posts_in_one_go


@require_GET
def household(request: HttpRequest) -> HttpResponse:
    """Members and people of the household; for its owner also who is invited."""
    return household_page(request)


@require_http_methods(["GET", "POST"])
@posts_in_one_go
def edit_household(request: HttpRequest) -> HttpResponse:
    """The household's name, its currency, and the tasks it wants to be reminded of."""
    member = allowed(request, Right.ARRANGE)
    household = locked(request, Household.objects.all()).get(pk=member.household_id)
    before = state_of(household)
    form = HouseholdForm(request.POST or None, instance=household)
    if request.method == "POST" and form.is_valid():
        household.save(update_fields=["name", "currency", "checks_signal", "backs_up_papers"])
        note_change(member, before, household, request)
        messages.success(request, _("Saved."))
        return redirect("household")
    return render(request, "cards/household_edit.html", {"form": form})


@require_POST
def add_person(request: HttpRequest) -> HttpResponse:
    member = manager_of(request)
    form = PersonForm(request.POST, instance=Person(household=member.household))
    if form.is_valid():
        try:
            with transaction.atomic():
                person = form.save()
                note(member, LogEntry.Kind.ADDED, f"person:{person.pk}", person.name, request=request)
            return redirect("household")
        except IntegrityError:
            form.add_error("name", _("There is already a person of this name."))
    return household_page(request, person_form=form)


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Go to another household of the same login; one it does not belong to is as if it were not there."""
    wanted = request.POST.get("household", "")
    memberships: list[Member] = getattr(request, "memberships", [])
    member = next((each for each in memberships if str(each.household_id) == wanted), None)
    if member is None:
        raise Http404
    request.session[HOUSEHOLD] = member.household_id
    return redirect("dashboard")


def household_page(
    request: HttpRequest, person_form: PersonForm | None = None, invitation_form: InvitationForm | None = None
) -> HttpResponse:
    """Show the household's page, with a form as it was typed where it could not be taken."""
    member = member_of(request)
    members = list(Member.objects.for_member(member).present().order_by("name", "pk"))
    pending = list(Invitation.objects.for_member(member).pending()) if Right.MEMBERS in member.rights else []
    now = timezone.now()
    return render(
        request,
        "cards/household.html",
        {
            "members": [(each, RoleForm(initial={"role": each.role}, auto_id=False)) for each in members],
            "people": Person.objects.for_member(member).select_related("member").order_by("name"),
            "invitations": [(each, each.expires_at <= now) for each in pending],
            "person_form": person_form or PersonForm(),
            "invitation_form": invitation_form
            or InvitationForm(prefix="invite", initial={"language": member.language}),
        },
    )
