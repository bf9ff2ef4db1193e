"""Small things to do, and what operators want to know of a person."""

from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from cards.access import fetch_to_change, manager_of
from cards.journal import note_change, state_of
from cards.models import Card, Member, Person
from cards.stale import locked, posts_in_one_go
from renewals.forms.changes import PersonDetailsForm
from renewals.models import Task
from renewals.tasks import CARD_KINDS, DETAILS, HOUSEHOLD_KINDS, change_details, close_task, signal_form_url


@require_POST
def close_card_task(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Note that a task of a card is done or not needed; a signal check that is done is written down with its bars."""
    card = fetch_to_change(request, Card.objects.all(), pk)
    if kind not in CARD_KINDS:
        raise Http404
    if kind == Task.Kind.SIGNAL_CHECK and _state(request) == Task.State.DONE:
        return redirect(signal_form_url(card))
    _close(request, kind, card)
    return redirect("dashboard") if request.POST.get("from") == "dashboard" else redirect("card", card.pk)


@require_POST
def close_household_task(request: HttpRequest, kind: str) -> HttpResponse:
    """Note that a task of the household is done or not needed."""
    manager_of(request)
    if kind not in HOUSEHOLD_KINDS:
        raise Http404
    _close(request, kind, None)
    return redirect("dashboard")


@require_http_methods(["GET", "POST"])
@posts_in_one_go
def edit_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what operators know of a person; each of the person's cards then asks to have its operator told."""
    person = fetch_to_change(request, locked(request, Person.objects.all()), pk)
    before = state_of(person)
    form = PersonDetailsForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        try:
            changed = change_details(person, {name: form.cleaned_data[name] for name in DETAILS}, timezone.now())
            if changed:
                note_change(manager_of(request), before, person, request)
            messages.success(request, _say_changed(manager_of(request), person, changed))
            return redirect("household")
        except IntegrityError:
            form.add_error("name", _("There is already a person of this name."))
    return render(request, "renewals/person.html", {"person": person, "form": form})


def _state(request: HttpRequest) -> Task.State:
    return Task.State.DISMISSED if request.POST.get("do") == "dismissed" else Task.State.DONE


def _close(request: HttpRequest, kind: str, card: Card | None) -> None:
    member = manager_of(request)
    if close_task(member, kind, card, _state(request), timezone.now()):
        messages.success(request, _("Written down."))
    else:
        messages.info(request, _("This was not to be done any more. Nothing was changed."))


def _say_changed(member: Member, person: Person, changed: list[str]) -> str:
    count = Card.objects.for_member(member).open().filter(person=person).count() if changed else 0
    if not count:
        return _("Saved.")
    return ngettext(
        "Saved. %(count)d card asks now to have its operator told.",
        "Saved. %(count)d cards ask now to have their operators told.",
        count,
    ) % {"count": count}
