import dataclasses
import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cards.access import fetch, fetch_to_change, manager_of, member_of
from cards.models import Card, Member, Promotion, StepGuide
from renewals import walkthrough, words
from renewals.deadlines import activity_event, events_of, expected_deadline, payment_event, rules_of
from renewals.forms import steps as step_forms
from renewals.forms.records import ActivityForm, BalanceForm, PaymentForm, ReadingForm, ValidityForm
from renewals.lifecycle import why_unchanged
from renewals.models import Reading, Renewal, RenewalStep
from renewals.walkthrough import RenewalClosed, StaleStep

from .card import card_today

Key = RenewalStep.Key
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
    return redirect("renewal_step", renewal.pk, _current(renewal))


@require_GET
def renewal_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The record of a renewal: every step, who, when, what was paid, the deadline before and after."""
    renewal = fetch(request, Renewal.objects.select_related(*FULL), pk)
    return render(
        request,
        "renewals/renewal.html",
        {
            "renewal": renewal,
            "card": renewal.card,
            "steps": renewal.steps.select_related("done_by"),
            "current": _current(renewal) if renewal.is_open else None,
            "payments": renewal.payments.select_related("by", "via", "corrected_by"),
            "activities": renewal.activities.select_related("by", "corrected_by"),
            "readings": renewal.readings.select_related("by", "corrected_by"),
            "checks": renewal.document_checks.select_related("document", "checked_by"),
            "holder": renewal.holder(timezone.now()),
            "abandon_form": step_forms.AbandonForm(),
            "terms": renewal.plan_terms,
        },
    )


@require_POST
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Say “I am doing it”."""
    renewal = fetch_to_change(request, Renewal.objects.open(), pk)
    walkthrough.take_renewal(renewal, member_of(request), timezone.now())
    return redirect("renewal_step", renewal.pk, _current(renewal))


@require_POST
def abandon(request: HttpRequest, pk: int) -> HttpResponse:
    renewal = fetch_to_change(request, Renewal.objects.all(), pk)
    form = step_forms.AbandonForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say why you stop."))
    else:
        try:
            walkthrough.abandon_renewal(renewal, member_of(request), form.cleaned_data["reason"], timezone.now())
        except RenewalClosed as error:
            _tell_closed(request, error.renewal)
    return redirect("renewal", renewal.pk)


@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """One step: what to do, one form, what happens otherwise."""
    renewal = fetch(request, Renewal.objects.select_related(*FULL), pk)
    step = renewal.steps.filter(key=key).select_related("done_by").first()
    if step is None:
        raise Http404
    member = member_of(request)
    if request.method == "POST":
        manager_of(request)
    if not renewal.is_open:
        if request.method == "POST":
            _tell_closed(request, renewal)
        return redirect("renewal", renewal.pk)
    if key == Key.CONFIRM and renewal.state != Renewal.State.AWAITING:
        messages.info(request, _("First the steps before it."))
        return redirect("renewal_step", renewal.pk, _current(renewal))
    today = card_today(member, renewal.card)
    posted = request.POST.get("do", "done") if request.method == "POST" else None
    form = _form_of(request, step, renewal, member, today, is_bound=posted == "done")
    skip_form = step_forms.SkipForm(request.POST if posted == "skip" else None, prefix="skip")
    reject_form = step_forms.RejectForm(request.POST if posted == "reject" else None, renewal=renewal, prefix="reject")
    follow_up_form = step_forms.FollowUpForm(request.POST if posted == "wait" else None, today=today, prefix="wait")
    if posted and not _is_held(renewal, member, key):
        try:
            answer = _act(request, posted, step, renewal, member, today, form, skip_form, reject_form, follow_up_form)
        except StaleStep as error:
            step = error.step
            messages.warning(
                request,
                _("%(by)s did this step meanwhile, at %(at)s. Look at the result; save again only to correct it.")
                % {
                    "by": step.done_by,
                    "at": timezone.localtime(step.done_at).strftime("%H:%M") if step.done_at else "?",
                },
            )
        except RenewalClosed as error:
            _tell_closed(request, error.renewal)
            return redirect("renewal", renewal.pk)
        else:
            if answer is not None:
                return answer
    return render(
        request,
        "renewals/step.html",
        {
            "renewal": renewal,
            "card": renewal.card,
            "operator": renewal.card.plan.operator,
            "step": step,
            "steps": list(renewal.steps.select_related("done_by")),
            "template": f"renewals/steps/{key}.html",
            "form": form,
            "skip_form": skip_form,
            "reject_form": reject_form,
            "follow_up_form": follow_up_form,
            "is_held": _is_held(renewal, member, key),
            "holder": renewal.holder(timezone.now()),
            "days_left": words.say_days_left(renewal.card.deadline, today) if renewal.card.deadline else "",
            "otherwise": words.say_otherwise(renewal.card),
            "rule": words.say_rule(words.rule_of(renewal.card), renewal.card.plan),
            "guides": _guides(renewal.card, key),
            "recorded": _recorded(renewal, key),
            "previous": _previous(renewal, step),
            **_extra(renewal, key, member, today),
        },
    )


def _form_of(
    request: HttpRequest,
    step: RenewalStep,
    renewal: Renewal,
    member: Member,
    today: datetime.date,
    *,
    is_bound: bool,
) -> forms.BaseForm:
    """Return the form of a step; unbound it shows what was recorded, so that going back corrects it."""
    data, files = (request.POST, request.FILES) if is_bound else (None, None)
    about: dict[str, Any] = {"card": renewal.card, "member": member, "today": today}
    old = _recorded(renewal, step.key)
    if step.key == Key.DOCUMENTS:
        return step_forms.DocumentsForm(data, needed_until=expected_deadline(renewal.card, today), **about)
    if step.key == Key.CHOOSE:
        return step_forms.ChooseForm(data, card=renewal.card, member=member, renewal=renewal)
    form_class = _RECORD_FORMS.get(step.key)
    if form_class is None:
        return step_forms.DoneForm(data, initial={"note": step.note})
    initial = {name: getattr(old, name) for name in form_class.base_fields if name != "receipt"} if old else {}
    if step.key == Key.PAY and not old:
        initial = {"kind": renewal.act, "amount": renewal.amount, "currency": renewal.currency}
        initial = {name: value for name, value in initial.items() if value}
    if step.key == Key.VALIDITY and not old:
        seen = renewal.readings.valid().filter(step=Key.BALANCE).exclude(valid_until=None).first()
        initial = {"valid_until": seen.valid_until if seen else renewal.card.deadline}
    form = form_class(data, files, initial=initial, **about)
    form.instance.renewal = renewal
    if hasattr(form.instance, "step"):
        form.instance.step = step.key
    if old and step.key != Key.CONFIRM:
        form.instance.corrects = old
        if step.key == Key.PAY:
            form.instance.receipt, form.instance.receipt_type = old.receipt.name, old.receipt_type
    return form


_RECORD_FORMS: dict[str, Any] = {
    Key.BALANCE: BalanceForm,
    Key.VALIDITY: ValidityForm,
    Key.PAY: PaymentForm,
    Key.ACT: ActivityForm,
    Key.CONFIRM: ReadingForm,
}


def _act(
    request: HttpRequest,
    posted: str,
    step: RenewalStep,
    renewal: Renewal,
    member: Member,
    today: datetime.date,
    form: Any,
    skip_form: step_forms.SkipForm,
    reject_form: step_forms.RejectForm,
    follow_up_form: step_forms.FollowUpForm,
) -> HttpResponse | None:
    """Do what was asked; return where to go, or None to show the page again with what was typed."""
    now = timezone.now()
    revision = step_forms.RevisionForm(request.POST)
    seen = (revision.cleaned_data["revision"] or 0) if revision.is_valid() else 0
    if posted == "skip" and step.key != Key.CONFIRM:
        if not skip_form.is_valid():
            return None
        walkthrough.finish_step(step, member, seen, now, note=skip_form.cleaned_data["reason"], skip=True)
        return redirect("renewal_step", renewal.pk, _current(renewal))
    if posted == "reject" and step.key == Key.CONFIRM:
        if not reject_form.is_valid():
            return None
        typed = reject_form.cleaned_data
        walkthrough.reject_renewal(renewal, member, typed["failed_step"], typed["reason"], now)
        return redirect("renewal", renewal.pk)
    if posted == "wait" and step.key == Key.CONFIRM:
        if not follow_up_form.is_valid():
            return None
        walkthrough.ask_again(renewal, follow_up_form.cleaned_data["follow_up_on"], member)
        messages.success(request, _("We ask again on that day."))
        return redirect("dashboard")
    if posted != "done" or not form.is_valid():
        return None
    if step.key == Key.CONFIRM:
        return _confirm(request, step, renewal, member, today, form, seen)
    with transaction.atomic():
        walkthrough.finish_step(step, member, seen, now, note=getattr(form, "cleaned_data", {}).get("note", ""))
        if step.key == Key.DOCUMENTS:
            walkthrough.record_checks(renewal, member, form.checks(), now)
        elif step.key == Key.CHOOSE:
            walkthrough.record_order(renewal, form.order())
        elif step.key in {Key.BALANCE, Key.VALIDITY}:
            walkthrough.record_reading(form.save(commit=False))
            walkthrough.note_deadline_before(renewal)
        elif step.key in _RECORD_FORMS:
            form.save()
    if step.key in {Key.PAY, Key.ACT}:
        _warn_if_it_does_not_count(request, renewal, form.instance)
    return redirect("renewal_step", renewal.pk, _current(renewal))


def _confirm(
    request: HttpRequest,
    step: RenewalStep,
    renewal: Renewal,
    member: Member,
    today: datetime.date,
    form: Any,
    seen: int,
) -> HttpResponse:
    reading: Reading = form.save(commit=False)
    if walkthrough.confirm_renewal(step, member, seen, timezone.now(), today, reading):
        messages.success(request, _("%(card)s is renewed.") % {"card": renewal.card})
        return redirect("renewal", renewal.pk)
    messages.warning(
        request,
        _("What you read is written down, but the deadline has not moved: the number is not renewed yet. "
          "Wait and look again, or record that it was rejected."),
    )  # fmt: skip
    return redirect("renewal_step", renewal.pk, Key.CONFIRM)


def _warn_if_it_does_not_count(request: HttpRequest, renewal: Renewal, row: Any) -> None:
    event = payment_event(row) if hasattr(row, "amount") else activity_event(row)
    rules = rules_of(renewal.card.plan)
    reason = why_unchanged(rules, dataclasses.replace(event, is_confirmed=True), events_of(renewal.card))
    if reason is not None:
        messages.warning(request, words.say_why_unchanged(reason, words.rule_of(renewal.card), renewal.card.plan))


def _extra(renewal: Renewal, key: str, member: Member, today: datetime.date) -> dict[str, Any]:
    """Return what only one step's page shows."""
    operator = renewal.card.plan.operator
    if key == Key.CHOOSE:
        promotions = Promotion.objects.filter(operator=operator, starts_on__lte=today, ends_on__gte=today)
        return {"promotions": promotions}
    if key in {Key.PAY, Key.VISIT}:
        return {"channels": list(operator.channels.all())}
    if key == Key.BALANCE:
        return {"channels": list(operator.channels.all()), **_fee_due(renewal)}
    if key == Key.CONFIRM:
        return {"payment": renewal.payments.valid().first()}
    if key == Key.ACT:
        rule = words.rule_of(renewal.card)
        counting = set(rule.qualifying_acts) if rule else set()
        return {
            "counting": words.say_acts(counting),
            "not_counting": words.say_acts_that_do_not_count(counting),
        }
    return {}


def _fee_due(renewal: Renewal) -> dict[str, Any]:
    """Return the next fee, the balance seen in this renewal, and by how much it is short; nothing where not known."""
    plan, seen = renewal.card.plan, _recorded(renewal, Key.BALANCE)
    if plan.fee is None:
        return {}
    balance = seen.balance if seen and seen.currency == plan.currency else None
    short_by = max(plan.fee - balance, Decimal(0)) if balance is not None else None
    return {"fee_due": plan.fee, "fee_currency": plan.currency, "balance": balance, "short_by": short_by}


def _recorded(renewal: Renewal, key: str) -> Any:
    """Return what a step has recorded and nobody has corrected; None when nothing."""
    if key in {Key.BALANCE, Key.VALIDITY, Key.CONFIRM}:
        return renewal.readings.valid().filter(step=key).select_related("by").first()
    if key == Key.PAY:
        return renewal.payments.valid().select_related("by").first()
    if key == Key.ACT:
        return renewal.activities.valid().select_related("by").first()
    return None


def _guides(card: Card, key: str) -> list[StepGuide]:
    """Return the texts for this step in the reader's language: the plan's own, then the operator's."""
    guides = StepGuide.objects.filter(step=key, language=get_language())
    return [*guides.filter(plan=card.plan), *guides.filter(operator=card.plan.operator)]


def _is_held(renewal: Renewal, member: Member, key: str) -> bool:
    """Whether another member is doing it, so that paying now could pay twice."""
    holder = renewal.holder(timezone.now())
    return key in {Key.PAY, Key.ACT} and holder is not None and holder != member


def _current(renewal: Renewal) -> str:
    """Return the key of the first step that is not done."""
    step = renewal.steps.filter(done_at=None).first()
    return step.key if step else Key.CONFIRM


def _previous(renewal: Renewal, step: RenewalStep) -> str | None:
    earlier = renewal.steps.filter(position__lt=step.position).last()
    return earlier.key if earlier else None


def _tell_closed(request: HttpRequest, renewal: Renewal) -> None:
    messages.info(
        request,
        _("This renewal has ended meanwhile: %(state)s, by %(by)s. Nothing was changed.")
        % {"state": renewal.get_state_display(), "by": renewal.finished_by},
    )
