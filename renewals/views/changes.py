"""A card on another plan, and a card that is given up."""

import copy
import datetime
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from cards.access import fetch_to_change, manager_of
from cards.journal import note
from cards.models import Card, LogEntry, Member, PlanChange
from renewals import leaving, plan_changes, words
from renewals.deadlines import kept_dates
from renewals.forms.changes import LetGoForm, PlanChangeForm
from renewals.lifecycle import Standing
from renewals.plan_changes import PlanChangeRefused

from .card import card_today


@require_http_methods(["GET", "POST"])
def change_plan(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a card on another plan: first it is shown which dates that brings, then it is saved."""
    card = fetch_to_change(request, Card.objects.open().select_related("plan__operator"), pk)
    member = manager_of(request)
    today = card_today(member, card)
    form = PlanChangeForm(request.POST or None, card=card, member=member, today=today)
    about: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        try:
            if "sure" in request.POST and request.POST.get("seen", form.mark) == form.mark:
                _save_once(request, card, form, member, today)
                messages.success(request, _say_saved(card, form, today))
                return redirect("card", card.pk)
            about = _preview(card, form, member, today)
        except PlanChangeRefused as error:
            form.add_error(None, error.message)
    changes = card.plan_changes.select_related("plan_before__operator", "plan_after__operator")
    about["last"] = changes.order_by("starts_on").last()
    about["has_renewal"] = card.renewals.open().exists()
    return render(request, "renewals/plan_change.html", {"card": card, "form": form} | about)


@require_POST
def cancel_plan_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a change of plan back."""
    change = fetch_to_change(request, PlanChange.objects.select_related("card", "plan_before", "plan_after"), pk)
    try:
        with transaction.atomic():
            plan_changes.cancel_plan_change(change)
            _note(request, change.card, plan=[str(change.plan_after), str(change.plan_before)])
        messages.success(request, _("The change of plan is taken back and the dates are computed anew."))
    except PlanChangeRefused as error:
        messages.error(request, error.message)
    return redirect("card", change.card_id)


@require_http_methods(["GET", "POST"])
def let_go(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a number go once nothing hangs on it unawares, or open a closed card again."""
    rows = Card.objects.select_related("plan__operator").prefetch_related("plan__rules", "linked_accounts")
    card = fetch_to_change(request, rows, pk)
    # What to do is sent along: somebody else may have done it since the page was shown.
    if request.POST.get("do") == "open":
        return _open_again(request, card)
    if card.closed_on:
        return _already_closed(request, card)
    member = manager_of(request)
    form = LetGoForm(request.POST or None, card=card)
    if request.method == "POST" and form.is_valid():
        typed = {name: form.cleaned_data[name] for name in ("how", "ends_on", "note")}
        now, today = timezone.now(), card_today(member, card)
        with transaction.atomic():
            if leaving.let_go(card, member, moved=form.moved_accounts(), now=now, today=today, **typed):
                _note(request, card, closed_on=[None, today.isoformat()])
        messages.success(request, _("%(card)s is closed. What is still possible stands on its page.") % {"card": card})
        return redirect("card", card.pk)
    about = {
        "card": card,
        "form": form,
        "guides": leaving.guides_of(card.plan),
        "windows": leaving.say_windows(card, form.cleaned_data.get("ends_on") if form.is_bound else None),
        "has_renewal": card.renewals.open().exists(),
    }
    return render(request, "renewals/card_close.html", about)


def _save_plan(card: Card, form: PlanChangeForm, member: Member, today: datetime.date) -> None:
    plan, starts_on = form.cleaned_data["plan"], form.starts_on_day
    if starts_on is None:
        plan_changes.correct_plan(card, plan)
    else:
        plan_changes.change_plan(card, plan, starts_on, member, timezone.now(), today)


def _save_once(request: HttpRequest, card: Card, form: PlanChangeForm, member: Member, today: datetime.date) -> None:
    """Save the plan; a second click on the button finds it saved, which is no mistake."""
    before, plan = str(card.plan), form.cleaned_data["plan"]
    try:
        with transaction.atomic():
            _save_plan(card, form, member, today)
            since = {"starts_on": [None, form.starts_on_day.isoformat()]} if form.starts_on_day else {}
            _note(request, card, plan=[before, str(plan)], **since)
    except PlanChangeRefused:
        last = card.plan_changes.order_by("starts_on").last()
        if last is None or (last.plan_after, last.starts_on) != (form.cleaned_data["plan"], form.starts_on_day):
            raise


def _preview(card: Card, form: PlanChangeForm, member: Member, today: datetime.date) -> dict[str, Any]:
    """Return what saving would bring. Raises PlanChangeRefused where saving would.

    It is saved and taken back, so that the preview cannot differ from what it announces.
    """
    trial, plan = copy.copy(card), form.cleaned_data["plan"]
    with transaction.atomic():
        _save_plan(trial, form, member, today)
        transaction.set_rollback(True)
    before, after = kept_dates(card), kept_dates(trial)
    rule = words.say_rule(plan.rules.prefetch_related("steps").first(), plan)
    about = {"rows": _date_rows(before, after), "is_same": before == after, "plan": plan, "rule": rule}
    return {"preview": about}


def _date_rows(before: Standing, after: Standing) -> list[tuple[str, datetime.date | None, datetime.date | None]]:
    """Return each date with its name, as it is and as it would be; None is not known."""
    return [
        (_("Valid until"), before.deadline, after.deadline),
        (_("Can be saved until"), before.grace_ends_on, after.grace_ends_on),
        (_("Lost on"), before.lost_on, after.lost_on),
    ]


def _say_saved(card: Card, form: PlanChangeForm, today: datetime.date) -> str:
    plan, starts_on = form.cleaned_data["plan"], form.starts_on_day
    if starts_on is None:
        return _("The plan is corrected and the dates are computed anew.")
    if starts_on > today:
        facts = {"card": card, "plan": plan, "day": words.say_short_day(starts_on)}
        return _("%(card)s changes to %(plan)s on %(day)s.") % facts
    return _("%(card)s is on %(plan)s now.") % {"card": card, "plan": plan}


def _open_again(request: HttpRequest, card: Card) -> HttpResponse:
    closed_on = card.closed_on.isoformat() if card.closed_on else None
    try:
        with transaction.atomic():
            leaving.keep_after_all(card, manager_of(request), timezone.now())
            _note(request, card, closed_on=[closed_on, None])
    except IntegrityError:
        messages.error(request, _("Another open card has this number already. Close that one first."))
        return redirect("card", card.pk)
    messages.success(request, _("The card is open again."))
    return redirect("dashboard")


def _already_closed(request: HttpRequest, card: Card) -> HttpResponse:
    if request.method == "GET":
        return render(request, "renewals/card_open.html", {"card": card})
    messages.info(request, _("The card is closed."))
    return redirect("card", card.pk)


def _note(request: HttpRequest, card: Card, **changed: Sequence[str | None]) -> None:
    note(manager_of(request), LogEntry.Kind.CHANGED, f"card:{card.pk}", card.name, dict(changed), request)
