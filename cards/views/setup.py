from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cards.access import member_of
from cards.fields import common_zones
from cards.forms import FoundForm, SetupForm
from cards.household import AlreadyFounded, found_another, found_household, is_empty
from cards.middleware import HOUSEHOLD

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


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
        login(request, owner.user, backend=BACKEND)
        with translation.override(owner.language):
            messages.success(request, _("Welcome. Add the first card: its number is enough to start."))
        return redirect("dashboard")
    return render(request, "cards/setup.html", {"form": form, "zones": common_zones()})


@require_http_methods(["GET", "POST"])
def found(request: HttpRequest) -> HttpResponse:
    """Make a further household of one's own; only who runs the installation may, for everybody else it is not there."""
    member = member_of(request)
    if not member.user.is_staff:
        raise Http404
    form = FoundForm(request.POST or None, initial={"name": member.name})
    if request.method == "POST" and form.is_valid():
        about = {"language": member.language, "time_zone": member.time_zone}
        owner = found_another(member.user, **form.cleaned_data, **about)
        request.session[HOUSEHOLD] = owner.household_id
        messages.success(request, _("Welcome. Add the first card: its number is enough to start."))
        return redirect("dashboard")
    return render(request, "cards/found.html", {"form": form})
