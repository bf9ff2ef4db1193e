from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from cards.access import fetch, fetch_to_change, member_of
from cards.models import Card
from renewals import walkthrough
from renewals.forms.steps import AbandonForm
from renewals.models import Renewal
from renewals.walkthrough import RenewalClosed

FULL = (
    "card__plan__operator",
    "card__person",
    "card__responsible",
    "plan",
    "taken_by",
    "opened_by",
    "finished_by",
    "retry_of",
)


@require_POST
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the walk-through of a card, or resume the one that is open."""
    card = fetch_to_change(request, Card.objects.open().select_related("plan__operator"), pk)
    renewal = walkthrough.start_renewal(card, member_of(request), timezone.now())
    return redirect("renewal_step", renewal.pk, renewal.current_key)


@require_GET
def renewal_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The record of a renewal: every step, who, when, what was paid, the deadline before and after."""
    renewal = fetch(request, Renewal.objects.select_related(*FULL), pk)
    return _renewal_page(request, renewal, AbandonForm())


@require_POST
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Say “I am doing it”."""
    renewal = fetch_to_change(request, Renewal.objects.all(), pk)
    if not renewal.is_open:
        tell_closed(request, renewal)
        return redirect("renewal", renewal.pk)
    walkthrough.take_renewal(renewal, member_of(request), timezone.now())
    return redirect("renewal_step", renewal.pk, renewal.current_key)


@require_POST
def abandon(request: HttpRequest, pk: int) -> HttpResponse:
    renewal = fetch_to_change(request, Renewal.objects.select_related(*FULL), pk)
    form = AbandonForm(request.POST)
    if not renewal.is_open:
        tell_closed(request, renewal)
    elif not form.is_valid():
        return _renewal_page(request, renewal, form)
    else:
        try:
            walkthrough.abandon_renewal(renewal, member_of(request), form.cleaned_data["reason"], timezone.now())
        except RenewalClosed as error:
            tell_closed(request, error.renewal)
    return redirect("renewal", renewal.pk)


def tell_closed(request: HttpRequest, renewal: Renewal) -> None:
    """Say how and by whom a renewal was ended while this member had its page open."""
    messages.info(
        request,
        _("This renewal has ended meanwhile: %(state)s, by %(by)s. Nothing was changed.")
        % {"state": renewal.get_state_display(), "by": renewal.finished_by},
    )


def _renewal_page(request: HttpRequest, renewal: Renewal, abandon_form: AbandonForm) -> HttpResponse:
    return render(
        request,
        "renewals/renewal.html",
        {
            "renewal": renewal,
            "card": renewal.card,
            "steps": renewal.steps.select_related("done_by"),
            "current": renewal.current_key if renewal.is_open else None,
            "payments": renewal.payments.kept().select_related("by", "via", "corrected_by"),
            "activities": renewal.activities.kept().select_related("by", "corrected_by"),
            "readings": renewal.readings.kept().select_related("by", "corrected_by"),
            "checks": renewal.document_checks.select_related("document", "checked_by"),
            "holder": renewal.holder(timezone.now()),
            "abandon_form": abandon_form,
            "terms": renewal.plan_terms,
        },
    )
