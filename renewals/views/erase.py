"""Erasing the household, and taking that back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from cards.access import allowed
from cards.rights import Right
from cards.sign_in import recently_proved
from renewals.erasing import WAIT, ask_to_erase, keep_household
from renewals.forms.erase import EraseForm


@require_http_methods(["GET", "POST"])
@recently_proved
def erase_household(request: HttpRequest) -> HttpResponse:
    """Ask whether all shall go, and for the household's name as a proof that it is meant."""
    member = allowed(request, Right.ERASE)
    form = EraseForm(request.POST or None, name=member.household.name)
    if request.method == "POST" and form.is_valid():
        if ask_to_erase(member, timezone.now(), request=request):
            messages.warning(request, _("The household will be erased. Until then its owner can take that back."))
        else:
            messages.info(request, _("This was asked for before. Nothing was changed."))
        return redirect("dashboard")
    about = {"form": form, "household": member.household, "days": WAIT.days}
    return render(request, "renewals/erase.html", about)


@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Take the wish to erase the household back."""
    if keep_household(allowed(request, Right.ERASE), request=request):
        messages.success(request, _("The household stays. Nothing is erased."))
    else:
        messages.info(request, _("Nobody wants the household to be erased any more. Nothing was changed."))
    return redirect("dashboard")
