"""Keep rules: on the page of their plan, and each on a page of its own with the ladder."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from cards.admin import FieldsAsElsewhere, SharedAdmin
from cards.models import Act, KeepRule, Plan, TopUpStep
from cards.money import format_amount

from .forms import RuleForm, RuleFormSet, StepForm, StepFormSet
from .saving import DatesAdmin

RULE_FIELDS: list[Any] = [
    "kind",
    ("value", "unit"),
    "qualifying_acts",
    "ladder",
    "counts_from",
    "stack_limit_days",
]
AFTER_THE_ACT: list[Any] = [
    (
        _("After the deadline"),
        {
            "fields": [
                ("grace_value", "grace_unit"),
                "grace_acts",
                "grace_receives",
                ("recovery_value", "recovery_unit"),
                "life_limit_days",
            ]
        },
    ),
    (_("Reminders"), {"fields": [("lead_days", "buffer_days")]}),
]


class RuleFields(FieldsAsElsewhere):
    """What a keep rule looks like on the plan's page and on its own."""

    form: type[forms.ModelForm] = RuleForm
    fieldsets = [(None, {"fields": RULE_FIELDS}), *AFTER_THE_ACT]
    ticked = {"qualifying_acts": Act.choices, "grace_acts": Act.choices}
    readonly_fields = ["ladder"]

    @admin.display(description=_("ladder"))
    def ladder(self, rule: KeepRule) -> str | SafeString:
        if rule.pk is None:
            return str(_("Save the plan, then its ladder can be edited."))
        steps = format_html_join("", "<li>{}</li>", ([describe_step(step)] for step in rule.steps.all()))
        address = reverse("admin:cards_keeprule_change", args=[rule.pk])
        return format_html('<ul>{}</ul><a href="{}">{}</a>', steps, address, _("Edit the ladder"))


class RuleInline(RuleFields, admin.StackedInline):
    model = KeepRule
    formset = RuleFormSet
    min_num = 1
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Plan | None = None, **kwargs: object) -> type[BaseInlineFormSet]:
        return super().get_formset(request, obj, validate_min=True, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeepRule]:
        return super().get_queryset(request).prefetch_related("steps")


class StepInline(FieldsAsElsewhere, admin.TabularInline):
    model = TopUpStep
    form = StepForm
    formset = StepFormSet
    extra = 1


@admin.register(KeepRule)
class KeepRuleAdmin(RuleFields, DatesAdmin, SharedAdmin):
    """A keep rule with its ladder. It is made and removed on the plan's page, from which one comes here."""

    owners = ("plan__household",)
    inlines = [StepInline]
    fieldsets = [
        (None, {"fields": ["plan_page", *(field for field in RULE_FIELDS if field != "ladder")]}),
        *AFTER_THE_ACT,
    ]
    readonly_fields = ["plan_page"]
    list_display = ["plan", "kind", "value", "unit"]
    list_select_related = ["plan__operator"]
    list_filter = ["kind"]
    search_fields = ["plan__name", "plan__slug", "plan__operator__name"]

    def noted(self, row: Any) -> Plan:
        plan: Plan = row.plan
        return plan

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    @admin.display(description=_("plan"))
    def plan_page(self, rule: KeepRule) -> SafeString:
        return format_html('<a href="{}">{}</a>', _address(rule, "change"), rule.plan)

    def response_post_save_change(self, request: HttpRequest, obj: KeepRule) -> HttpResponseRedirect:
        return redirect(_address(obj, "change"))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A rule changes with its plan, and has its history there."""
        rule = self.get_object(request, object_id)
        if rule is None or not self.has_view_or_change_permission(request, rule):
            return super().history_view(request, object_id, extra_context)
        return redirect(_address(rule, "history"))


def describe_step(step: TopUpStep) -> str:
    """Say a rung of the ladder in words; an amount of None is not known."""
    if step.minimum_amount is None:
        amount = _("amount not known (%(currency)s)") % {"currency": step.currency}
    else:
        amount = format_amount(step.minimum_amount, step.currency)
    return f"{amount} · {step.get_channel_display()} → {step.value} {step.get_unit_display()}"


def _address(rule: KeepRule, page: str) -> str:
    return reverse(f"admin:cards_plan_{page}", args=[rule.plan_id])
