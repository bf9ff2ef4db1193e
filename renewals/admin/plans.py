"""The pages of plans with their keep rules, and from their list the pages about all of the catalogue."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from cards.admin import LastingAdmin, OperatorFilter, OperatorsCountryFilter, RetiredFilter
from cards.models import Confidence, Feature, KeepRule, Plan

from .decisions import WaitingFilter, count_waiting, decide_one, decisions
from .forms import PlanForm
from .history import HistoryAdmin
from .imports import export_as_csv, export_as_yaml, import_catalogue
from .operators import IN_USE
from .rules import RuleInline
from .saving import DatesAdmin
from .worklist import check_off, worklist


@admin.register(Plan)
class PlanAdmin(HistoryAdmin, DatesAdmin, LastingAdmin):
    form = PlanForm
    inlines = [RuleInline]
    ticked = {"features": Feature.choices}
    withheld = {"confidence": Confidence.OWN.value}
    fieldsets = [
        (None, {"fields": ["operator", "name", "slug", "type"]}),
        (_("Price"), {"fields": [("fee", "currency"), ("period_value", "period_unit")]}),
        (
            _("Contents"),
            {"fields": ["data_mb", "voice_minutes", "sms_count", "features", "extras", "receives_abroad"]},
        ),
        (_("After the end"), {"fields": ["port_out_days", "refund_days"]}),
        (
            _("Evidence"),
            {"fields": ["confidence", "confidence_reason", "source_url", "checked_on", "all_sources"]},
        ),
        (_("In use"), {"description": IN_USE, "fields": ["used_by", "retired_on", "edited_at"]}),
    ]
    readonly_fields = ["all_sources", "used_by", "edited_at"]
    list_display = ["name", "operator", "type", "confidence", "used_by", "checked_on", "retired_on"]
    list_select_related = ["operator"]
    list_filter = [
        OperatorsCountryFilter,
        ("operator", OperatorFilter),
        "type",
        "rules__kind",
        "confidence",
        RetiredFilter,
        WaitingFilter,
    ]
    search_fields = ["name", "slug", "operator__name"]
    ordering = ["operator__name", "name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        return super().get_queryset(request).annotate(cards_count=Count("cards", distinct=True))

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path("decisions/", decisions, name="cards_plan_decisions"),
            path("decisions/<slug:kind>/<int:pk>/", decide_one, name="cards_plan_decide"),
            path("facts/", worklist, name="cards_plan_worklist"),
            path("facts/<int:pk>/", check_off, name="cards_plan_check_off"),
            path("import/", import_catalogue, name="cards_plan_import"),
            path("export/yaml/", export_as_yaml, name="cards_plan_export_yaml"),
            path("export/csv/", export_as_csv, name="cards_plan_export_csv"),
        ]
        for each in pages:
            each.callback = self.admin_site.admin_view(each.callback)
        return [*pages, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list with, above it, how many decisions wait for those who may make them."""
        waiting = count_waiting() if self.has_change_permission(request) else None
        return super().changelist_view(request, {"waiting": waiting, **(extra_context or {})})

    def get_deleted_objects(self, objs: object, request: HttpRequest) -> tuple:
        """A plan takes its rules with it, though nobody may delete a rule on the rule's own page."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, missing - {KeepRule._meta.verbose_name}, protected

    @admin.display(description=_("used by (cards)"), ordering="cards_count")
    def used_by(self, plan: Plan) -> int:
        return getattr(plan, "cards_count", 0)

    @admin.display(description=_("all sources"))
    def all_sources(self, plan: Plan) -> SafeString:
        return format_html_join("", "{}<br>", ([source["url"]] for source in plan.sources))
