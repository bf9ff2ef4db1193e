from typing import Any

from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from cards.access import fetch_to_change, manager_of
from cards.models import Card
from cards.rights import Right
from cards.secrets import KeyLost, Tampered
from renewals import words
from renewals.deadlines import recompute_card, why_not_counted
from renewals.forms.records import (
    ActivityForm,
    PaymentForm,
    ReadingForm,
    RecordForm,
    SeenAfterwards,
    SignalForm,
)
from renewals.history import mark_of, newest_of
from renewals.lifecycle import Reason
from renewals.models import Activity, Payment, Reading, SignalCheck
from renewals.uploads import attachment, content_of, kept_with_rows
from renewals.walkthrough import record_quick_renewal

from .bin import delete_and_say, note_record
from .card import card_today, has_news

FORMS: dict[str, type[RecordForm]] = {
    "reading": ReadingForm,
    "payment": PaymentForm,
    "activity": ActivityForm,
    "signal": SignalForm,
}
MODELS: dict[str, Any] = {"reading": Reading, "payment": Payment, "activity": Activity, "signal": SignalCheck}
# These are whole renewals when logged; a closed card is not renewed.
QUICK = {"payment", "activity"}
WITH_CARD = ("plan__operator",)


@require_http_methods(["GET", "POST"])
def log(request: HttpRequest, pk: int) -> HttpResponse:
    """Log what happened. A payment or a use of the line is a whole renewal, recorded in one form."""
    card = fetch_to_change(request, Card.objects.select_related(*WITH_CARD), pk)
    member, kind = manager_of(request), request.GET.get("kind", "reading")
    if kind not in FORMS or (card.closed_on and kind in QUICK):
        raise Http404
    today = card_today(member, card)
    form = FORMS[kind](request.POST or None, request.FILES or None, card=card, member=member, today=today)
    seen = None
    if kind in QUICK:
        seen = SeenAfterwards(request.POST or None, card=card, is_use=kind == "activity", prefix="seen")
    if request.method == "POST" and form.is_valid() & (seen is None or seen.is_valid()):
        answer = _save_quick(request, card, form, seen) if seen else _save(request, card, form)
        if answer is not None:
            return answer
    about = {"card": card, "form": form, "seen": seen, "kind": kind, "known": mark_of(newest_of(card))}
    return render(request, "renewals/log.html", about)


@require_http_methods(["GET", "POST"])
def correct(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Correct a wrong entry by a new one that names it; the old one stays in sight."""
    row = _record_to_change(request, kind, pk)
    card, member = row.card, manager_of(request)
    if row.is_corrected:
        messages.error(request, _("This entry was corrected meanwhile by %(by)s.") % {"by": row.corrected_by.by})
        return redirect("card", card.pk)
    form_class = FORMS[kind]
    initial = {name: getattr(row, name) for name in form_class.base_fields if name != "receipt"}
    form = form_class(
        request.POST or None,
        request.FILES or None,
        initial=initial,
        card=card,
        member=member,
        today=card_today(member, card),
    )
    if request.method == "POST" and form.is_valid():
        for name in ("renewal_id", "step", "confirmed_on", "receipt", "receipt_type"):
            if hasattr(row, name) and not getattr(form.instance, name):
                setattr(form.instance, name, getattr(row, name))
        form.instance.corrects = row
        return _save(request, card, form)
    return render(request, "renewals/log.html", {"card": card, "form": form, "kind": kind, "corrects": row})


@require_http_methods(["GET", "POST"])
def delete_record(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Put a wrong entry into the bin after asking; the deadline is computed anew."""
    row = _record_to_change(request, kind, pk)
    if request.method == "GET":
        return render(request, "renewals/delete_record.html", {"card": row.card, "row": row, "kind": kind})
    delete_and_say(request, kind, row, _("The entry is deleted and the dates are computed anew."))
    return redirect("card", row.card_id)


@require_GET
def receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand out a receipt, as a download that no browser runs."""
    payment = fetch_to_change(request, Payment.objects.kept(), pk, Right.REVEAL)
    try:
        content = content_of(payment, "receipt") if payment.receipt else None
    except FileNotFoundError:
        content = None
    except (KeyLost, Tampered) as error:
        messages.error(request, str(error))
        return redirect("card", payment.card_id)
    if content is None:
        raise Http404
    return attachment(content, payment.receipt_type, f"receipt-{payment.pk}")


def _record_to_change(request: HttpRequest, kind: str, pk: int) -> Any:
    if kind not in MODELS:
        raise Http404
    rows = MODELS[kind].objects.kept().select_related("card__plan__operator", "corrected_by__by")
    return fetch_to_change(request, rows, pk)


def _save(request: HttpRequest, card: Card, form: RecordForm) -> HttpResponse:
    try:
        with kept_with_rows():
            row = form.save()
            recompute_card(card)
            note_record(request, row)
    except IntegrityError:
        messages.error(request, _("This entry was corrected meanwhile by somebody else. Nothing was changed."))
        return redirect("card", card.pk)
    messages.success(request, _("Written down."))
    return redirect("card", card.pk)


def _save_quick(request: HttpRequest, card: Card, form: RecordForm, seen: SeenAfterwards) -> HttpResponse | None:
    """Record the act and what was seen after it; None, and nothing written, when somebody else was faster."""
    member, today = manager_of(request), card_today(manager_of(request), card)
    reading = seen.reading(card, member, today)
    is_charged = bool(seen.cleaned_data.get("is_charged"))
    with kept_with_rows():
        if has_news(request, card):
            return None
        act = form.save(commit=False)
        renewal, renewed = record_quick_renewal(act, reading, is_charged, member, timezone.now(), today)
        note_record(request, act)
    if renewed:
        messages.success(request, _("%(card)s is renewed.") % {"card": card})
        return redirect("renewal", renewal.pk)
    # What will not count even when it is confirmed is told first.
    reason = why_not_counted(card, act) or Reason.NOT_CONFIRMED
    messages.warning(request, words.say_why_unchanged(reason, words.rule_of(card), card.plan))
    return redirect("renewal_step", renewal.pk, "confirm")
