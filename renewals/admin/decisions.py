"""Where a release says other than what was edited here: both values, side by side, until someone decides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from cards.catalogue import CatalogueError, Difference, decide, differences, write_operator, write_plan
from cards.catalogue.guides import write_guide
from cards.models import Operator, Plan, StepGuide

from .pages import number_of_page, page, require_change_permission, staff_of
from .previews import CONFIRMED, finish_recount, preview_page, rehearse

ROWS_A_PAGE = 20
OURS, RELEASE = "ours", "release"


class WaitingFilter(admin.SimpleListFilter):
    title = gettext_lazy("waits for a decision")
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(offered__isnull=False) if self.value() == "yes" else queryset


@dataclass(frozen=True)
class Waiting:
    """A row that waits for a decision; of each difference, `before` is ours and `after` the release's."""

    kind: str
    row: Model
    kind_name: str
    address: str
    differences: Sequence[Difference]


def shared_rows() -> dict[str, QuerySet]:
    """Return the shared operators, plans and guides by the kind's name, with all that their terms are written from."""
    operators = Operator.objects.filter(household=None).select_related("belongs_to").prefetch_related("channels")
    plans = Plan.objects.filter(household=None).select_related("operator").prefetch_related("rules__steps")
    guides = StepGuide.objects.filter(Q(operator__household=None), Q(plan__household=None))
    return {"operator": operators, "plan": plans, "stepguide": guides.select_related("operator", "plan__operator")}


def waiting_rows() -> dict[str, QuerySet]:
    """Return those for which a release offers something else."""
    return {kind: rows.filter(offered__isnull=False).order_by("pk") for kind, rows in shared_rows().items()}


def count_waiting() -> int:
    """Return how many rows wait for a decision."""
    numbers = [rows.order_by().values_list("pk") for rows in waiting_rows().values()]
    return numbers[0].union(*numbers[1:], all=True).count()


@require_GET
def decisions(request: HttpRequest) -> HttpResponse:
    require_change_permission(request, Plan)
    numbers = [(kind, pk) for kind, rows in waiting_rows().items() for pk in rows.values_list("pk", flat=True)]
    shown = Paginator(numbers, ROWS_A_PAGE).get_page(number_of_page(request))
    return page(request, "admin/cards/decisions.html", _("To decide"), shown=shown, waiting=_fetch(shown.object_list))


@require_POST
def decide_one(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Keep ours or take the release's; what moves cards is shown first."""
    rows, taken = shared_rows().get(kind), request.POST.get("take")
    if rows is None or taken not in {OURS, RELEASE}:
        raise Http404
    require_change_permission(request, rows.model)
    row = get_object_or_404(rows, pk=pk)
    if row.offered is None:
        messages.info(request, _("This was decided meanwhile."))
        return redirect("admin:cards_plan_decisions")
    act = partial(decide, row, taken == RELEASE, staff_of(request))
    try:
        if CONFIRMED not in request.POST and (preview := rehearse(act)).cards:
            back = reverse("admin:cards_plan_decisions")
            return preview_page(request, preview, back=back, opts=rows.model._meta, original=rows.get(pk=pk))
        act()
        messages.success(request, _("Decided."))
        finish_recount(request)
    except CatalogueError as error:
        for message in error.messages:
            messages.error(request, message)
    return redirect("admin:cards_plan_decisions")


def _fetch(numbers: Iterable[tuple[str, int]]) -> list[Waiting]:
    """Return the rows of one page, in a fixed number of queries."""
    found = []
    for kind, rows in waiting_rows().items():
        found += [_waiting(kind, row) for row in rows.filter(pk__in=[pk for each, pk in numbers if each == kind])]
    return found


def _waiting(kind: str, row: Any) -> Waiting:
    ours = write_plan(row) if kind == "plan" else write_operator(row) if kind == "operator" else write_guide(row)
    address = reverse(f"admin:cards_{kind}_change", args=[row.pk])
    return Waiting(kind, row, str(row._meta.verbose_name), address, differences(ours, row.offered))
