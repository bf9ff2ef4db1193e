"""Pages of what is sealed: entered here, and shown one at a time to those who have just proved who they are."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from cards.access import fetch_to_change, member_of
from cards.journal import note
from cards.models import Card, LogEntry
from cards.rights import Right
from cards.secret_forms import CardSecretsForm
from cards.secrets import KeyLost, Tampered, has_secret, mask, read_secret
from cards.sign_in import has_second_factor, recently_proved
from renewals.models import Document

CARD_FIELDS = {"iccid": "ICCID", "pin": "PIN", "puk": "PUK"}
DOCUMENT_FIELDS = {"number": gettext_lazy("number")}
# Seconds for which a secret stays on the screen.
SHOWN_FOR = 30


@require_http_methods(["GET", "POST"])
@cache_control(no_store=True)
@sensitive_post_parameters("iccid", "pin", "puk")
def card_secrets(request: HttpRequest, pk: int) -> HttpResponse:
    """The codes of a card's SIM: what is kept, masked, and the form to change it."""
    card = fetch_to_change(request, Card.objects.select_related("household"), pk, Right.REVEAL)
    form = CardSecretsForm(request.POST or None, card=card)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if changed := form.save():
                about: dict[str, list[str]] = {name: [] for name in changed}
                note(member_of(request), LogEntry.Kind.CHANGED, f"card:{card.pk}", card.name, about, request)
        if form.has_doubtful_iccid():
            messages.warning(
                request, _("Saved. The ICCID's last digit does not fit the others: compare it with the SIM once more.")
            )
        elif changed:
            messages.success(request, _("Saved. It is kept encrypted."))
        return redirect("card_secrets", card.pk)
    kept = [(name, label, *_masked(card, name)) for name, label in CARD_FIELDS.items() if has_secret(card, name)]
    return render(request, "renewals/secrets.html", {"card": card, "form": form, "kept": kept})


@require_POST
@cache_control(no_store=True)
def reveal_card(request: HttpRequest, pk: int, field: str) -> HttpResponse:
    """Show one code of a card's SIM."""
    card = fetch_to_change(request, Card.objects.all(), pk, Right.REVEAL)
    return _reveal(request, card, field, CARD_FIELDS, reverse("card_secrets", args=[card.pk]))


@require_POST
@cache_control(no_store=True)
def reveal_document(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the number of a document."""
    document = fetch_to_change(request, Document.objects.kept().select_related("person"), pk, Right.REVEAL)
    return _reveal(request, document, "number", DOCUMENT_FIELDS, reverse("documents"))


def _reveal(request: HttpRequest, row: Any, field: str, labels: dict[str, Any], back: str) -> HttpResponse:
    if field not in labels or not has_secret(row, field):
        raise Http404
    if not has_second_factor(request.user):
        return render(request, "renewals/secrets_second_factor.html", {"row": row, "back": back})
    return _show(request, row, field, labels[field], back)


@recently_proved
@sensitive_variables()
def _show(request: HttpRequest, row: Any, field: str, label: Any, back: str) -> HttpResponse:
    """Answer with the page of the secret, from which the browser goes back by itself."""
    try:
        secret = read_secret(row, field)
    except (KeyLost, Tampered) as error:
        messages.error(request, str(error))
        return redirect(back)
    subject = f"{row._meta.model_name}:{row.pk}"
    note(member_of(request), LogEntry.Kind.REVEALED, subject, str(row), {field: []}, request)
    answer = render(
        request,
        "renewals/secrets_shown.html",
        {"row": row, "label": label, "secret": secret, "back": back, "seconds": SHOWN_FOR},
    )
    answer.headers["Refresh"] = f"{SHOWN_FOR}; url={back}"
    return answer


@sensitive_variables()
def _masked(row: Any, field: str) -> tuple[str, str]:
    """Return the field's value in dots, or in its place why it cannot be opened."""
    try:
        return mask(read_secret(row, field)), ""
    except (KeyLost, Tampered) as error:
        return "", str(error)
