"""What was deleted, and the way back."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from cards.access import fetch_to_change, manager_of
from cards.journal import differences, note, state_of
from cards.models import LogEntry, Member
from renewals import bin as bins
from renewals.models import Document

# In what a correction differs from what it corrects without anybody having typed it.
OF_THE_ROW = {"by", "corrects", "receipt_type"}


@require_GET
def bin_page(request: HttpRequest) -> HttpResponse:
    """What was deleted in the last thirty days: by whom, when, and until when it can be put back."""
    member = manager_of(request)
    return render(request, "renewals/bin.html", {"deleted": bins.bin_of(member, timezone.now())})


@require_POST
def restore(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Put back what was deleted; pressed again, it changes nothing."""
    if kind not in bins.MODELS:
        raise Http404
    row = fetch_to_change(request, bins.MODELS[kind].objects.select_related(*bins.WITH[kind]), pk)
    with transaction.atomic():
        is_restored = bins.restore(row)
        if is_restored:
            _note(manager_of(request), LogEntry.Kind.RESTORED, kind, row, request)
    if is_restored:
        messages.success(request, _("It is back, as it was before."))
    else:
        messages.info(request, _("This was put back before. Nothing was changed."))
    return redirect("documents") if kind == "document" else redirect("card", row.card_id)


def delete_and_say(request: HttpRequest, kind: str, row: Any, words: str) -> None:
    """Put a row into the bin and say so in `words`, with a button on the next page that undoes it."""
    member = manager_of(request)
    try:
        with transaction.atomic():
            if bins.put_into_bin(row, member, timezone.now()):
                _note(member, LogEntry.Kind.DELETED, kind, row, request)
    except bins.CannotDelete as error:
        messages.error(request, str(error))
        return
    messages.success(request, words, extra_tags=reverse("restore", args=[kind, row.pk]))


def note_record(request: HttpRequest, row: Any) -> None:
    """Write into the household's log that a record was added, or how it corrects an earlier one."""
    member, kind = manager_of(request), _kind_of(row)
    if row.corrects is None:
        _note(member, LogEntry.Kind.ADDED, kind, row, request)
        return
    changed = {
        name: values for name, values in differences(state_of(row.corrects), row).items() if name not in OF_THE_ROW
    }
    note(member, LogEntry.Kind.CHANGED, f"card:{row.card_id}", str(row), {"record": kind} | changed, request)


def _note(member: Member, act: LogEntry.Kind, kind: str, row: Any, request: HttpRequest) -> None:
    """Note an act on one of the MODELS. What hangs on a card names it, and is seen by those who see the card."""
    if isinstance(row, Document):
        note(member, act, f"document:{row.pk}", str(row), request=request)
    else:
        note(member, act, f"card:{row.card_id}", str(row), {"record": kind}, request)


def _kind_of(row: Any) -> str:
    return next(kind for kind, model in bins.MODELS.items() if isinstance(row, model))
