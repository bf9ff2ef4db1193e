"""The administration of operators, plans, keep rules and guides.

It is here and not in `cards`, whose models these are, because saving a plan moves the deadlines of the cards on it,
and deadlines are the business of `renewals`; so are the kinds of papers an operator asks for and the steps that a
guide explains.

Django has no inlines within inlines: the plan's page has its keep rules, and each of them leads to a page of its own
with the ladder. Whatever is changed here is marked as edited, and `load_catalogue` then leaves it alone.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cards.admin import (
    CatalogueForm,
    CountryFilter,
    FieldsAsElsewhere,
    LastingAdmin,
    OperatorFilter,
    OperatorsCountryFilter,
    RetiredFilter,
    SharedAdmin,
    SharedForm,
)
from cards.models import Act, Card, Confidence, KeepRule, Operator, Plan, StepGuide, TopUpChannel, TopUpStep
from cards.money import format_amount

from .deadlines import recompute_cards
from .models import Document, RenewalStep

IN_USE = _(
    "What is in use cannot be deleted, only retired. Once edited here, it is no longer brought up to date by the "
    "catalogue that comes with Keepnumber."
)
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


class OperatorForm(SharedForm):
    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"].upper()
        if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
            raise forms.ValidationError(_("Write the country's ISO code in two capital letters."), code="country")
        return country

    def clean_belongs_to(self) -> Operator | None:
        parent: Operator | None = self.cleaned_data["belongs_to"]
        above, seen = parent, set()
        while above is not None and above.pk not in seen:
            if above.pk == self.instance.pk:
                raise forms.ValidationError(_("An operator cannot belong to itself."), code="circle")
            seen.add(above.pk)
            above = above.belongs_to
        return parent

    def clean_service_rating(self) -> int | None:
        rating: int | None = self.cleaned_data["service_rating"]
        if rating is not None and not 1 <= rating <= 5:
            raise forms.ValidationError(_("A rating is a number from 1 to 5."), code="rating")
        return rating


class PlanForm(SharedForm):
    def clean(self) -> None:
        super().clean()
        values = self.cleaned_data
        if values.get("fee") is not None and values.get("currency") == "":
            self.add_error("currency", _("A fee needs its currency."))
        if values.get("period_value") == 0:
            self.add_error("period_value", _("A period is at least one day; empty means not known."))
        elif {"period_value", "period_unit"} <= set(values) and (
            (values["period_value"] is None) != (values["period_unit"] == "")
        ):
            self.add_error("period_unit", _("A period is a number and a unit, or neither."))


class RuleForm(CatalogueForm):
    about = {"value": "value", "lead": "lead_days", "acts": "qualifying_acts", "no_acts": "qualifying_acts"}

    class Meta:
        error_messages = {"value": {"min_value": _("A rule keeps a number for at least one day.")}}

    def clean(self) -> None:
        super().clean()
        for name in ("stack_limit_days", "life_limit_days"):
            if self.cleaned_data.get(name) == 0:
                self.add_error(name, _("A limit is at least one day; empty means that there is none."))


class RuleFormSet(BaseInlineFormSet):
    default_error_messages = {"too_few_forms": _("A plan needs a keep rule.")}


class StepForm(CatalogueForm):
    class Meta:
        error_messages = {"value": {"min_value": _("A step keeps a number for at least one day.")}}


class StepFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        """Name the second of two equal steps; an amount that is not known equals another that is not."""
        seen = set()
        for form in self.forms:
            values = form.cleaned_data if form.is_valid() else {}
            if not values or values.get("DELETE"):
                continue
            step = (values["minimum_amount"], values["currency"], values["channel"])
            if step in seen:
                form.add_error("minimum_amount", _("The ladder has two equal steps."))
            seen.add(step)


class GuideForm(CatalogueForm):
    about = {"owner": "operator"}


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


class ChannelInline(FieldsAsElsewhere, admin.TabularInline):
    model = TopUpChannel
    extra = 0


@admin.register(Operator)
class OperatorAdmin(LastingAdmin):
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
    list_filter = [CountryFilter, "requires_document", RetiredFilter]
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

    def save_related(
        self, request: HttpRequest, form: forms.ModelForm, formsets: list[BaseInlineFormSet], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if is_changed(form, formsets):
            Operator.objects.filter(pk=form.instance.pk).update(edited_at=timezone.now())


@admin.register(Plan)
class PlanAdmin(LastingAdmin):
    form = PlanForm
    inlines = [RuleInline]
    withheld = {"confidence": Confidence.OWN.value}
    fieldsets = [
        (None, {"fields": ["operator", "name", "slug", "type"]}),
        (_("Price"), {"fields": [("fee", "currency"), ("period_value", "period_unit")]}),
        (_("Contents"), {"fields": ["data_mb", "voice_minutes", "sms_count", "extras", "receives_abroad"]}),
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
    ]
    search_fields = ["name", "slug", "operator__name"]
    ordering = ["operator__name", "name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        return super().get_queryset(request).annotate(cards_count=Count("cards", distinct=True))

    def get_deleted_objects(self, objs: object, request: HttpRequest) -> tuple:
        """A plan takes its rules with it, though nobody may delete a rule on the rule's own page."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, missing - {KeepRule._meta.verbose_name}, protected

    def save_related(
        self, request: HttpRequest, form: forms.ModelForm, formsets: list[BaseInlineFormSet], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if is_changed(form, formsets):
            note_edit(request, form.instance)

    @admin.display(description=_("used by (cards)"), ordering="cards_count")
    def used_by(self, plan: Plan) -> int:
        return getattr(plan, "cards_count", 0)

    @admin.display(description=_("all sources"))
    def all_sources(self, plan: Plan) -> SafeString:
        return format_html_join("", "{}<br>", ([source["url"]] for source in plan.sources))


@admin.register(KeepRule)
class KeepRuleAdmin(RuleFields, SharedAdmin):
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

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    @admin.display(description=_("plan"))
    def plan_page(self, rule: KeepRule) -> SafeString:
        return format_html('<a href="{}">{}</a>', _plan_address(rule), rule.plan)

    def save_related(
        self, request: HttpRequest, form: forms.ModelForm, formsets: list[BaseInlineFormSet], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if is_changed(form, formsets):
            note_edit(request, form.instance.plan)

    def response_post_save_change(self, request: HttpRequest, obj: KeepRule) -> HttpResponseRedirect:
        return redirect(_plan_address(obj))


@admin.register(StepGuide)
class StepGuideAdmin(SharedAdmin):
    form = GuideForm
    owners = ("operator__household", "plan__household")
    chosen = {"step": RenewalStep.Key.choices}
    fields = [("operator", "plan"), ("step", "language"), "text", "url"]
    list_display = ["whose", "step_name", "language"]
    list_select_related = ["operator", "plan__operator"]
    list_filter = [("operator", OperatorFilter), "step", "language"]
    search_fields = ["text", "operator__name", "plan__name", "plan__operator__name"]

    @admin.display(description=_("for"))
    def whose(self, guide: StepGuide) -> str:
        return str(guide.operator or guide.plan)

    @admin.display(description=_("step"), ordering="step")
    def step_name(self, guide: StepGuide) -> str:
        return str(dict(RenewalStep.Key.choices).get(guide.step, guide.step))


def is_changed(form: forms.ModelForm, formsets: Sequence[BaseInlineFormSet]) -> bool:
    """Whether anything was typed; a mere press on Save must not cut a row off from the catalogue's files."""
    return form.has_changed() or any(formset.has_changed() for formset in formsets)


def note_edit(request: HttpRequest, plan: Plan) -> None:
    """Keep the catalogue's files off the plan, compute its cards anew, and say how many have new dates."""
    Plan.objects.filter(pk=plan.pk).update(edited_at=timezone.now())
    # Locked, so that a payment recorded meanwhile is either read here or computed after this.
    cards = recompute_cards(Card.objects.filter(plan=plan))
    said = ngettext("%(count)d card has new dates.", "%(count)d cards have new dates.", cards) % {"count": cards}
    messages.info(request, said)


def describe_step(step: TopUpStep) -> str:
    """Say a rung of the ladder in words; an amount of None is not known."""
    if step.minimum_amount is None:
        amount = _("amount not known (%(currency)s)") % {"currency": step.currency}
    else:
        amount = format_amount(step.minimum_amount, step.currency)
    return f"{amount} · {step.get_channel_display()} → {step.value} {step.get_unit_display()}"


def _plan_address(rule: KeepRule) -> str:
    return reverse("admin:cards_plan_change", args=[rule.plan_id])
