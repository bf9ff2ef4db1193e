"""Facts that nobody has checked for long, worst first: by how many cards depend on them."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from cards.catalogue import note_change, snapshot
from cards.models import CatalogueChange, Plan
from renewals.words import FACTS_LAST

from .pages import number_of_page, page, require_change_permission, staff_of

PLANS_A_PAGE = 50


@dataclass(frozen=True)
class Fact:
    """A plan to be checked, and how many open cards depend on it.

    `age` is in words; `link` the address of its source, empty where that is none on the web.
    """

    plan: Plan
    cards: int
    age: str
    link: str


@require_GET
def worklist(request: HttpRequest) -> HttpResponse:
    """The shared plans whose facts are old or were never checked."""
    require_change_permission(request, Plan)
    today = timezone.localdate()
    shown = Paginator(old_plans(today), PLANS_A_PAGE).get_page(number_of_page(request))
    facts = [Fact(plan, plan.open_cards, say_age(plan, today), link_of(plan.source_url)) for plan in shown]
    return page(request, "admin/cards/worklist.html", _("Facts to check"), shown=shown, facts=facts)


@require_POST
def check_off(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that the plan's facts were looked at today and still hold. That is no edit: releases go on as before."""
    require_change_permission(request, Plan)
    with transaction.atomic():
        plan = get_object_or_404(Plan.objects.filter(household=None).select_for_update(of=("self",)), pk=pk)
        before = snapshot(plan)
        plan.checked_on = timezone.localdate()
        plan.save(update_fields=["checked_on"])
        note_change(plan, CatalogueChange.How.EDIT, staff_of(request), before)
    messages.success(request, _("Checked today: %(plan)s") % {"plan": plan})
    return redirect("admin:cards_plan_worklist")


def old_plans(today: datetime.date) -> QuerySet[Plan, Any]:
    """Return the shared plans not checked for 180 days, those with most open cards first; retired ones while in use."""
    return (
        Plan.objects.filter(Q(checked_on=None) | Q(checked_on__lt=today - FACTS_LAST), household=None)
        .select_related("operator")
        .annotate(open_cards=Count("cards", filter=Q(cards__closed_on=None)))
        .filter(Q(retired_on=None) | Q(open_cards__gt=0))
        .order_by("-open_cards", F("checked_on").asc(nulls_first=True), "pk")
    )


def say_age(plan: Plan, today: datetime.date) -> str:
    """Return how long ago the plan's facts were checked."""
    if plan.checked_on is None:
        return _("never checked")
    days = (today - plan.checked_on).days
    return ngettext("checked %(count)d day ago", "checked %(count)d days ago", days) % {"count": days}


def link_of(source: str) -> str:
    """Return the source if a browser can open it, else an empty text."""
    return source if source.startswith(("https://", "http://")) else ""
