"""Who changed what in an operator or a plan, and when; and the way back to what it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cards.catalogue import CatalogueError, Difference, differences, revert, snapshot
from cards.models import CatalogueChange, Operator, Plan

from .pages import number_of_page, page, staff_of
from .previews import finish_recount, moves, rehearse
from .saving import NotedAdmin

CHANGES_A_PAGE = 20


@dataclass(frozen=True)
class Entry:
    """A change as the page shows it; `revert_address` is empty for the one that made the row."""

    change: CatalogueChange
    differences: Sequence[Difference]
    revert_address: str


class HistoryAdmin(NotedAdmin):
    """Pages of operators and plans, whose “History” tells each change and takes it back."""

    def get_urls(self) -> list[URLPattern]:
        revert_page = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.revert_view))
        name = f"cards_{self.opts.model_name}_revert"
        return [path("<int:object_id>/history/<int:change_id>/revert/", revert_page, name=name), *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_or_change_permission(request, row):
            return super().history_view(request, object_id, extra_context)
        changes = Paginator(row.changes.select_related("changed_by"), CHANGES_A_PAGE)
        shown = changes.get_page(number_of_page(request))
        return page(
            request,
            "admin/cards/history.html",
            _("History"),
            opts=self.opts,
            original=row,
            shown=shown,
            entries=[self._entry(change) for change in shown],
        )

    def revert_view(self, request: HttpRequest, object_id: int, change_id: int) -> HttpResponse:
        """Show what taking a change back would do; POST does it."""
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        change = get_object_or_404(row.changes.filter(before__isnull=False), pk=change_id)
        act, refused = partial(revert, change, staff_of(request)), []
        try:
            if request.method == "POST":
                act()
                messages.success(request, _("It is as it was before the change."))
                finish_recount(request)
                return redirect(self._history_address(row))
            moved = moves(rehearse(act))
        except CatalogueError as error:
            moved, refused = None, error.messages
        return page(
            request,
            "admin/cards/revert.html",
            _("Revert to before this change"),
            opts=self.opts,
            original=row,
            change=change,
            differences=differences(snapshot(row), change.before),
            moves=moved,
            refused=refused,
            back=self._history_address(row),
        )

    def _entry(self, change: CatalogueChange) -> Entry:
        address = ""
        if change.before is not None:
            owner = change.plan_id or change.operator_id
            address = reverse(f"admin:cards_{self.opts.model_name}_revert", args=[owner, change.pk])
        return Entry(change, differences(change.before, change.after), address)

    def _history_address(self, row: Operator | Plan) -> str:
        return reverse(f"admin:cards_{self.opts.model_name}_history", args=[row.pk])
