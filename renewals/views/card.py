import datetime

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cards.access import fetch, fetch_to_change, manager_of, member_of
from cards.forms import CardForm, LinkedAccountForm, NumberForm, OwnPlanForm
from cards.journal import note, note_change, state_of
from cards.models import Card, LinkedAccount, LogEntry, Member, Plan, PlanChange
from cards.numbers import country_of
from cards.stale import locked, posts_in_one_go
from renewals import words
from renewals.deadlines import kept_dates, recompute_card, stage_of, today_for
from renewals.forms.plans import slugs_of
from renewals.forms.records import FirstForm
from renewals.history import history_of, mark_of, newest_of
from renewals.leaving import say_windows
from renewals.lifeline import lifeline, shared_scale
from renewals.models import LetGo
from renewals.plan_changes import correct_plan
from renewals.snoozing import snooze_choices, snooze_of
from renewals.tasks import open_tasks

from .bin import note_record


def card_today(member: Member, card: Card) -> datetime.date:
    """Return the day to count from for this card and member; the one place where these views read the clock."""
    return today_for(member, card.plan.operator.country, timezone.now())


def own_today(member: Member) -> datetime.date:
    """Return the member's own day, which counts for what is due in no operator's country."""
    return timezone.now().astimezone(member.zone).date()


def has_news(request: HttpRequest, card: Card) -> bool:
    """Lock the card and tell whether something was written down since the form was shown; a message says by whom.

    Without it a double click or a second tab would pay a period twice, and the deadline come too late.
    """
    Card.objects.select_for_update().get(pk=card.pk)
    card.refresh_from_db(fields=["deadline", "deadline_source"])
    newest = newest_of(card)
    if newest is None or request.POST.get("known", mark_of(newest)) == mark_of(newest):
        return False
    messages.warning(
        request,
        _("%(by)s wrote something down meanwhile. Look at the history; save again only if yours is another entry.")
        % {"by": newest.by},
    )
    return True


@require_GET
def card_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One number: what to do now, the rule, its lifeline, what hangs on it, its history."""
    rows = Card.objects.select_related("plan__operator", "person", "responsible", "deputy")
    changes = PlanChange.objects.select_related("plan_before__operator", "plan_after__operator", "by")
    rows = rows.prefetch_related("plan__rules__steps", "linked_accounts", Prefetch("plan_changes", changes))
    card, member = fetch(request, rows, pk), member_of(request)
    today = card_today(member, card)
    stage, dates = stage_of(card, today), kept_dates(card)
    scale = shared_scale([dates], today)
    rule, history = words.rule_of(card), history_of(card)
    departure = next((entry.row for entry in history if isinstance(entry.row, LetGo)), None) if card.closed_on else None
    renewal = card.renewals.open().select_related("taken_by").first()
    return render(
        request,
        "renewals/card.html",
        {
            "card": card,
            "operator": card.plan.operator,
            "stage": stage,
            "stage_words": words.say_stage(stage),
            "countdown": words.say_countdown(card, stage, today),
            "now": words.say_now(card, stage),
            "otherwise": words.say_otherwise(card),
            "rule": words.say_rule(rule, card.plan),
            "is_use": rule is not None and rule.kind == "activity",
            "has_charges": any(rule.kind == "fee_from_balance" for rule in card.plan.rules.all()),
            "source": words.say_source(card),
            "last_checked": words.say_last_checked(card.plan) if words.facts_are_old(card.plan, today) else "",
            "has_source": card.plan.source_url.startswith(("https://", "http://")),
            "planned": next((change for change in card.plan_changes.all() if change.applied_at is None), None),
            "departure": departure,
            "windows": say_windows(card, departure.ends_on) if departure else [],
            "todos": [todo for todo in open_tasks(member, [card], own_today(member)) if todo.card],
            "line": lifeline(dates, today, scale),
            "months": scale.months(),
            "renewal": renewal,
            "holder": renewal.holder(timezone.now()) if renewal else None,
            "snooze": snooze_of(card, member, today),
            "snooze_choices": snooze_choices(card, today).items(),
            "balance": card.readings.valid().exclude(balance=None).select_related("by").first(),
            "history": history,
            "account_form": LinkedAccountForm(),
        },
    )


@require_http_methods(["GET", "POST"])
def add_card(request: HttpRequest) -> HttpResponse:
    """Add a card: first its number alone, then the form with country and operator guessed from it.

    A plan that was looked at before is chosen already: its page hands it on in the address.
    """
    member = manager_of(request)
    if request.method == "GET":
        return render(request, "renewals/card_number.html", {"form": NumberForm()})
    number_form = NumberForm(request.POST)
    if "name" not in request.POST:
        if not number_form.is_valid():
            return render(request, "renewals/card_number.html", {"form": number_form})
        initial = {"number": request.POST["number"], "responsible": member, **_wanted_plan(request, member)}
        form = CardForm(member=member, initial=initial)
        return _card_form(request, form, OwnPlanForm(prefix="own"))
    return _save_card(request, member, None)


@require_http_methods(["GET", "POST"])
@posts_in_one_go
def edit_card(request: HttpRequest, pk: int) -> HttpResponse:
    card = fetch_to_change(request, locked(request, Card.objects.select_related("plan__operator")), pk)
    member = manager_of(request)
    if request.method == "POST":
        return _save_card(request, member, card)
    return _card_form(request, CardForm(instance=card, member=member), OwnPlanForm(prefix="own"))


@require_http_methods(["GET", "POST"])
def start_card(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask of a new card the one thing that makes it live: what was last seen or done."""
    card = fetch_to_change(request, Card.objects.select_related("plan__operator"), pk)
    member = manager_of(request)
    form = FirstForm(request.POST or None, card=card, member=member, today=card_today(member, card))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if is_new := not has_news(request, card):
                for row in form.rows():
                    row.save()
                    note_record(request, row)
                recompute_card(card)
        if is_new:
            messages.success(request, _("%(card)s is watched over now.") % {"card": card})
            return redirect("card", card.pk)
    rule, known = words.say_rule(words.rule_of(card), card.plan), mark_of(newest_of(card))
    return render(request, "renewals/card_start.html", {"card": card, "form": form, "rule": rule, "known": known})


@require_POST
def add_account(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down an account that hangs on the number."""
    card = fetch_to_change(request, Card.objects.all(), pk)
    form = LinkedAccountForm(request.POST)
    if not form.is_valid():
        return render(request, "renewals/account.html", {"card": card, "form": form})
    form.instance.card, form.instance.household_id = card, card.household_id
    form.save()
    return redirect("card", card.pk)


@require_POST
def move_account(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that an account does not hang on the number any more, or hangs on it again."""
    account = fetch_to_change(request, LinkedAccount.objects.select_related("card__plan__operator"), pk)
    is_back = request.POST.get("do") == "back"
    account.moved_on = None if is_back else account.moved_on or card_today(member_of(request), account.card)
    account.save(update_fields=["moved_on"])
    return redirect("card", account.card_id)


def _wanted_plan(request: HttpRequest, member: Member) -> dict[str, int]:
    plans = Plan.objects.for_member(member).current()
    wanted = plans.filter(slug__in=slugs_of(request.GET.getlist("plan"))).first()
    return {"plan": wanted.pk} if wanted else {}


def _save_card(request: HttpRequest, member: Member, card: Card | None) -> HttpResponse:
    own_plan = OwnPlanForm(request.POST, prefix="own")
    has_own_plan = bool(request.POST.get("own-operator", "").strip())
    before = state_of(card) if card else {}
    form = CardForm(request.POST, instance=card, member=member, has_own_plan=has_own_plan)
    is_new = card is None
    if not (form.is_valid() & (not has_own_plan or own_plan.is_valid())):
        return _card_form(request, form, own_plan if has_own_plan else OwnPlanForm(prefix="own"))
    try:
        with transaction.atomic():
            if has_own_plan:
                form.instance.plan = own_plan.save(member.household, country_of(form.cleaned_data["number"]))
            card = form.save()
            if is_new:
                recompute_card(card)
                note(member, LogEntry.Kind.ADDED, f"card:{card.pk}", card.name, request=request)
            else:
                correct_plan(card, card.plan)
                note_change(member, before, card, request)
    except IntegrityError:
        form.add_error("number", _("Your household already has a card with this number."))
        return _card_form(request, form, own_plan)
    return redirect("card_start" if is_new else "card", card.pk)


def _card_form(request: HttpRequest, form: CardForm, own_plan: OwnPlanForm) -> HttpResponse:
    return render(request, "renewals/card_form.html", {"form": form, "own_plan": own_plan, "card": form.instance})
