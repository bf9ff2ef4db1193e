"""The pages of operators, with the ways by which money reaches their lines."""

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cards.admin import CountryFilter, FieldsAsElsewhere, LastingAdmin, RetiredFilter
from cards.models import Operator, TopUpChannel
from renewals.models import Document

from .decisions import WaitingFilter
from .forms import OperatorForm
from .history import HistoryAdmin

IN_USE = _(
    "What is in use cannot be deleted, only retired. Once edited here, a new release of the catalogue changes it no "
    "more by itself: where the two differ, you are asked which to keep."
)


class ChannelInline(FieldsAsElsewhere, admin.TabularInline):
    model = TopUpChannel
    extra = 0


@admin.register(Operator)
class OperatorAdmin(HistoryAdmin, LastingAdmin):
    form = OperatorForm
    inlines = [ChannelInline]
    ticked = {"document_kinds": Document.Kind.choices}
    fieldsets = [
        (None, {"fields": ["name", "slug", "country", "belongs_to"]}),
        (_("On the web"), {"fields": ["website", "account_url", "password_reset_url", ("app_name", "app_url")]}),
        (_("On the phone"), {"fields": [("balance_code", "validity_code"), "support"]}),
        (_("Papers and review"), {"fields": ["requires_document", "document_kinds", "review_hours"]}),
        (_("Evidence"), {"fields": ["service_rating", "source_url", "checked_on"]}),
        (_("In use"), {"description": IN_USE, "fields": ["plans_count", "used_by", "retired_on", "edited_at"]}),
    ]
    readonly_fields = ["plans_count", "used_by", "edited_at"]
    list_display = ["name", "country", "plans_count", "used_by", "checked_on", "retired_on"]
    list_filter = [CountryFilter, "requires_document", RetiredFilter, WaitingFilter]
    search_fields = ["name", "slug", "belongs_to__name"]
    ordering = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operator]:
        shared = Count("plans", filter=Q(plans__household=None), distinct=True)
        return super().get_queryset(request).annotate(shared_plans=shared, cards=Count("plans__cards", distinct=True))

    @admin.display(description=_("plans"), ordering="shared_plans")
    def plans_count(self, operator: Operator) -> int:
        return getattr(operator, "shared_plans", 0)

    @admin.display(description=_("used by (cards)"), ordering="cards")
    def used_by(self, operator: Operator) -> int:
        return getattr(operator, "cards", 0)
