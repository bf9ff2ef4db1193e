import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cards.access import fetch, manager_of, member_of
from cards.models import Member, Promotion, StepGuide
from renewals import walkthrough, words
from renewals.deadlines import why_not_counted
from renewals.forms.steps import FollowUpForm, RejectForm, RevisionForm, SkipForm, step_form
from renewals.kept_terms import WalkTerms, walk_terms
from renewals.models import Renewal, RenewalStep
from renewals.uploads import kept_with_rows
from renewals.walkthrough import RenewalClosed, StaleStep

from .bin import note_record
from .card import card_today
from .walk import FULL, tell_closed

Key = RenewalStep.Key


@dataclass
class Desk:
    """One step as one member has it before them. `posted` is which of its forms was sent, None when only looking."""

    request: HttpRequest
    renewal: Renewal
    step: RenewalStep
    member: Member
    today: datetime.date
    posted: str | None

    @cached_property
    def form(self) -> Any:
        sent = self.posted == "done"
        data, files = (self.request.POST, self.request.FILES) if sent else (None, None)
        return step_form(self.step, self.member, self.today, data, files)

    @cached_property
    def skip_form(self) -> SkipForm:
        return SkipForm(self._sent("skip"), prefix="skip")

    @cached_property
    def reject_form(self) -> RejectForm:
        return RejectForm(self._sent("reject"), renewal=self.renewal, prefix="reject")

    @cached_property
    def follow_up_form(self) -> FollowUpForm:
        return FollowUpForm(self._sent("wait"), today=self.today, prefix="wait")

    @cached_property
    def terms(self) -> WalkTerms:
        """The plan and rules this renewal goes by."""
        return walk_terms(self.renewal)

    @property
    def seen_revision(self) -> int:
        """The revision of the step that the member saw when they sent the form."""
        form = RevisionForm(self.request.POST)
        return (form.cleaned_data["revision"] or 0) if form.is_valid() else 0

    @property
    def is_held(self) -> bool:
        """Whether another member is doing it, so that paying now could pay twice."""
        holder = self.renewal.holder(timezone.now())
        return self.step.key in {Key.PAY, Key.ACT} and holder is not None and holder != self.member

    def go_on(self) -> HttpResponse:
        return redirect("renewal_step", self.renewal.pk, self.renewal.current_key)

    def _sent(self, name: str) -> Any:
        return self.request.POST if self.posted == name else None


@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """One step: what to do, one form, what happens otherwise."""
    renewal = fetch(request, Renewal.objects.select_related(*FULL), pk)
    row = renewal.steps.filter(key=key).select_related("done_by").first()
    if row is None:
        raise Http404
    row.renewal = renewal
    member = manager_of(request) if request.method == "POST" else member_of(request)
    if not renewal.is_open:
        if request.method == "POST":
            tell_closed(request, renewal)
        return redirect("renewal", renewal.pk)
    posted = request.POST.get("do", "done") if request.method == "POST" else None
    desk = Desk(request, renewal, row, member, card_today(member, renewal.card), posted)
    if key == Key.CONFIRM and renewal.state != Renewal.State.AWAITING:
        messages.info(request, _("First the steps before it."))
        return desk.go_on()
    if "take" in request.POST:
        # What was typed while somebody else held the renewal is shown again, to be saved now.
        walkthrough.take_renewal(renewal, member, timezone.now())
    elif posted and not desk.is_held and (answer := _answer(desk)) is not None:
        return answer
    return _step_page(desk)


def _answer(desk: Desk) -> HttpResponse | None:
    """Do what was asked; return where to go, or None to show the page again with what was typed."""
    answers = _CONFIRM_ANSWERS if desk.step.key == Key.CONFIRM else _STEP_ANSWERS
    answer = answers.get(desk.posted or "")
    try:
        return answer(desk) if answer else None
    except RenewalClosed as error:
        tell_closed(desk.request, error.renewal)
        return redirect("renewal", desk.renewal.pk)
    except StaleStep as error:
        desk.step = error.step
        at = timezone.localtime(error.step.done_at).strftime("%H:%M") if error.step.done_at else "?"
        messages.warning(
            desk.request,
            _("%(by)s did this step meanwhile, at %(at)s. Look at the result; save again only to correct it.")
            % {"by": error.step.done_by, "at": at},
        )
        return None


def _done(desk: Desk) -> HttpResponse | None:
    """Write down what the step records, in one transaction with the step itself."""
    if not desk.form.is_valid():
        return None
    step, renewal, now = desk.step, desk.renewal, timezone.now()
    note = desk.form.cleaned_data.get("note", "")
    with kept_with_rows():
        walkthrough.finish_step(step, desk.member, desk.seen_revision, now, note=note)
        if step.key == Key.DOCUMENTS:
            walkthrough.record_checks(renewal, desk.member, desk.form.checks(), now)
        elif step.key == Key.CHOOSE:
            walkthrough.record_order(renewal, desk.form.order())
        elif step.key in {Key.BALANCE, Key.VALIDITY}:
            walkthrough.record_reading(desk.form.save(commit=False))
            walkthrough.note_deadline_before(renewal)
        elif step.key in {Key.PAY, Key.ACT}:
            desk.form.save()
        if step.key in {Key.BALANCE, Key.VALIDITY, Key.PAY, Key.ACT}:
            note_record(desk.request, desk.form.instance)
    if step.key in {Key.PAY, Key.ACT} and (reason := why_not_counted(renewal.card, desk.form.instance)):
        messages.warning(desk.request, words.say_why_unchanged(reason, desk.terms.rule, desk.terms.plan))
    return desk.go_on()


def _skip(desk: Desk) -> HttpResponse | None:
    if not desk.skip_form.is_valid():
        return None
    reason = desk.skip_form.cleaned_data["reason"]
    walkthrough.finish_step(desk.step, desk.member, desk.seen_revision, timezone.now(), note=reason, skip=True)
    return desk.go_on()


def _confirm(desk: Desk) -> HttpResponse | None:
    """What the operator shows now decides; a payment alone renews nothing."""
    if not desk.form.is_valid():
        return None
    reading = desk.form.save(commit=False)
    if walkthrough.confirm_renewal(desk.step, desk.member, desk.seen_revision, timezone.now(), desk.today, reading):
        messages.success(desk.request, _("%(card)s is renewed.") % {"card": desk.renewal.card})
        return redirect("renewal", desk.renewal.pk)
    messages.warning(
        desk.request,
        _("What you read is written down, but the deadline has not moved: the number is not renewed yet. "
          "Wait and look again, or record that it was rejected."),
    )  # fmt: skip
    return desk.go_on()


def _reject(desk: Desk) -> HttpResponse | None:
    if not desk.reject_form.is_valid():
        return None
    typed = desk.reject_form.cleaned_data
    walkthrough.reject_renewal(desk.renewal, desk.member, typed["failed_step"], typed["reason"], timezone.now())
    return redirect("renewal", desk.renewal.pk)


def _wait(desk: Desk) -> HttpResponse | None:
    if not desk.follow_up_form.is_valid():
        return None
    walkthrough.ask_again(desk.renewal, desk.follow_up_form.cleaned_data["follow_up_on"], desk.member)
    messages.success(desk.request, _("We ask again on that day."))
    return redirect("dashboard")


_Answers = dict[str, Callable[[Desk], HttpResponse | None]]
_STEP_ANSWERS: _Answers = {"done": _done, "skip": _skip}
_CONFIRM_ANSWERS: _Answers = {"done": _confirm, "reject": _reject, "wait": _wait}


def _step_page(desk: Desk) -> HttpResponse:
    renewal, card, step = desk.renewal, desk.renewal.card, desk.step
    previous = renewal.steps.filter(position__lt=step.position).last()
    return render(
        desk.request,
        "renewals/step.html",
        {
            "renewal": renewal,
            "card": card,
            "operator": card.plan.operator,
            "step": step,
            "steps": list(renewal.steps.select_related("done_by")),
            "template": f"renewals/steps/{step.key}.html",
            "form": desk.form,
            "skip_form": desk.skip_form,
            "reject_form": desk.reject_form,
            "follow_up_form": desk.follow_up_form,
            "is_held": desk.is_held,
            "holder": renewal.holder(timezone.now()),
            "days_left": words.say_days_left(card.deadline, desk.today) if card.deadline else "",
            "otherwise": words.say_otherwise(card),
            "rule": words.say_rule(desk.terms.rule, desk.terms.plan),
            "guides": _guides(desk),
            "recorded": renewal.record_of(step.key),
            "previous": previous.key if previous else None,
            **_only_here(desk),
        },
    )


def _only_here(desk: Desk) -> dict[str, Any]:
    """Return what only this step's page shows."""
    key, operator = desk.step.key, desk.renewal.card.plan.operator
    if key == Key.CHOOSE:
        running = Promotion.objects.filter(operator=operator, starts_on__lte=desk.today, ends_on__gte=desk.today)
        return {"promotions": running}
    if key in {Key.PAY, Key.VISIT}:
        return {"channels": list(operator.channels.all())}
    if key == Key.BALANCE:
        return {"channels": list(operator.channels.all()), **_fee_due(desk)}
    if key == Key.CONFIRM:
        return {"payment": desk.renewal.record_of(Key.PAY)}
    if key == Key.ACT:
        rule = desk.terms.rule
        counting = set(rule.qualifying_acts) if rule else set()
        not_counting = words.say_acts_that_do_not_count(counting)
        return {"counting": words.say_acts(counting), "not_counting": not_counting}
    return {}


def _fee_due(desk: Desk) -> dict[str, Any]:
    """Return the next fee, the balance seen in this renewal, and by how much it is short; nothing where not known."""
    plan, seen = desk.terms.plan, desk.renewal.record_of(Key.BALANCE)
    if plan.fee is None:
        return {}
    balance = seen.balance if seen and seen.currency == plan.currency else None
    short_by = max(plan.fee - balance, Decimal(0)) if balance is not None else None
    return {"fee_due": plan.fee, "fee_currency": plan.currency, "balance": balance, "short_by": short_by}


def _guides(desk: Desk) -> list[StepGuide]:
    """Return the texts for this step in the reader's language: the plan's own, then the operator's."""
    guides, plan = StepGuide.objects.filter(step=desk.step.key, language=get_language()), desk.renewal.card.plan
    return [*guides.filter(plan=plan), *guides.filter(operator=plan.operator)]
