from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .access import manager_of, member_of
from .fields import common_zones
from .forms import HouseholdForm, NewMemberForm, PersonForm, SetupForm
from .household import AlreadyFounded, add_member, found_household, invite, is_empty
from .models import Household, Member, Person


@require_http_methods(["GET", "POST"])
@login_not_required
def setup(request: HttpRequest) -> HttpResponse:
    """Make the first household and its owner; once there is one, this address does not exist any more."""
    if not is_empty():
        raise Http404
    form = SetupForm(request.POST or None, initial={"language": get_language(), "time_zone": "UTC"})
    if request.method == "POST" and form.is_valid():
        try:
            owner = found_household(**form.cleaned_data)
        except AlreadyFounded as error:
            raise Http404 from error
        login(request, owner.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        with translation.override(owner.language):
            messages.success(request, _("Welcome. Add the first card: its number is enough to start."))
        return redirect("dashboard")
    return render(request, "cards/setup.html", {"form": form, "zones": common_zones()})


@require_GET
def household(request: HttpRequest) -> HttpResponse:
    """Members and people of the household."""
    return _household_page(
        request,
        PersonForm(),
        NewMemberForm(prefix="member", initial={"time_zone": member_of(request).time_zone}),
    )


@require_http_methods(["GET", "POST"])
def edit_household(request: HttpRequest) -> HttpResponse:
    """The household's name, its currency, and the tasks it wants to be reminded of."""
    member = manager_of(request)
    form = HouseholdForm(request.POST or None, instance=Household.objects.get(pk=member.household_id))
    if request.method == "POST" and form.is_valid():
        form.instance.save(update_fields=list(form.fields))
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
                form.save()
            return redirect("household")
        except IntegrityError:
            form.add_error("name", _("There is already a person of this name."))
    return _household_page(request, form, NewMemberForm(prefix="member"))


@require_POST
def add_member_view(request: HttpRequest) -> HttpResponse:
    """Add a member; the mail they get lets them choose a password."""
    owner = manager_of(request)
    form = NewMemberForm(request.POST, prefix="member")
    if not form.is_valid():
        return _household_page(request, PersonForm(), form)
    fields = {name: form.cleaned_data[name] for name in ("name", "role", "language", "time_zone")}
    try:
        member = add_member(owner.household, form.cleaned_data["email"], **fields)
    except IntegrityError:
        form.add_error("email", _("This address already has a login here."))
        return _household_page(request, PersonForm(), form)
    try:
        invite(request, member)
        messages.success(request, _("%(name)s gets a mail to choose a password.") % {"name": member.name})
    except OSError:
        messages.warning(
            request,
            _("%(name)s is a member now, but no mail could be sent. “Forgot your password?” helps when mail works.")
            % {"name": member.name},
        )
    return redirect("household")


def _household_page(request: HttpRequest, person_form: PersonForm, member_form: NewMemberForm) -> HttpResponse:
    member = member_of(request)
    return render(
        request,
        "cards/household.html",
        {
            "members": Member.objects.for_member(member).select_related("user").order_by("name"),
            "people": Person.objects.for_member(member).select_related("member").order_by("name"),
            "person_form": person_form,
            "member_form": member_form,
            "zones": common_zones(),
        },
    )
