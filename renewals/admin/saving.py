"""What a press on Save does beyond the form: it is kept in the history, and shown first when it moves cards' dates."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone

from cards.catalogue import note_change, snapshot
from cards.catalogue.applying import MOVING
from cards.models import CatalogueChange, Operator, Plan
from renewals.rule_changes import preview_of

from .pages import staff_of
from .previews import BACK, CONFIRMED, NotAgreed, finish_recount, preview_page, require_agreement


class NotedAdmin(admin.ModelAdmin):
    """Pages whose every save is kept in the history of the catalogue."""

    def noted(self, row: Any) -> Operator | Plan:
        """Return the operator or plan in whose history a change of the row belongs."""
        return row

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        form.before = self._locked_terms(obj) if change else None
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Sequence[BaseInlineFormSet], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if not is_changed(form, formsets):
            return
        row = self.noted(form.instance)
        type(row)._default_manager.filter(pk=row.pk).update(edited_at=timezone.now())
        note_change(row, CatalogueChange.How.EDIT, staff_of(request), form.before)

    def _locked_terms(self, obj: Any) -> dict[str, Any]:
        """Return what the database says before the save; of two at once, the second sees what the first saved."""
        row = self.noted(obj)
        locked = type(row)._default_manager.select_for_update(of=("self",)).get(pk=row.pk)
        return snapshot(locked)


class DatesAdmin(NotedAdmin):
    """Pages whose Save can move the dates of cards. It shows first how many would move, and saves when that is agreed.

    The preview is of the very save: it is done, its rules are taken, it is rolled back, and they are applied.
    """

    def noted(self, row: Any) -> Plan:
        """Return the plan whose cards depend on the row."""
        plan: Plan = row
        return plan

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            answer = super().changeform_view(request, object_id, form_url, extra_context)
        except NotAgreed as save:
            preview = preview_of(save.plans)
            if preview.cards:
                row = self.get_object(request, unquote(object_id or ""))
                return preview_page(request, preview, opts=self.opts, original=row)
            agreed = request.POST.copy()
            agreed[CONFIRMED] = "1"
            request.POST = QueryDict(agreed.urlencode())
            answer = super().changeform_view(request, object_id, form_url, extra_context)
        if request.method == "POST":
            finish_recount(request)
        return answer

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (_ShownAgain, form), {}) if BACK in request.POST else form

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Sequence[BaseInlineFormSet], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if change and moves_dates(form, formsets):
            require_agreement(request, self.noted(form.instance))


class _ShownAgain(forms.ModelForm):
    """A form that came back from the preview: nothing is wrong with it, but it is not to be saved yet."""

    def is_valid(self) -> bool:
        super().is_valid()
        return False


def is_changed(form: forms.ModelForm, formsets: Sequence[BaseInlineFormSet]) -> bool:
    """Whether anything was typed; a mere press on Save must not cut a row off from the catalogue's files."""
    return form.has_changed() or any(formset.has_changed() for formset in formsets)


def moves_dates(form: forms.ModelForm, formsets: Sequence[BaseInlineFormSet]) -> bool:
    """Whether what was typed can move dates: a rule, a ladder, or what the fee of a plan is."""
    columns = MOVING if isinstance(form.instance, Plan) else set(form.changed_data)
    return bool(columns & set(form.changed_data)) or any(formset.has_changed() for formset in formsets)
