"""What every page of the administration has in common.

Staff edit the shared catalogue here. What a household owns is not registered and never shown: neither its cards
and papers nor the operators and plans it entered for itself. The pages on which a saved rule moves deadlines are in
`renewals.admin`.
"""

import datetime
from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

import allauth.account.admin
import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.models import Group
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import ForeignObjectRel, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cards.catalogue import note_change, snapshot
from cards.fields import AmountField, CurrencyField, DayField
from cards.models import CatalogueChange, Operator, Plan, User
from cards.money import babel_locale

Choices = Sequence[tuple[str, Any]]

admin.site.site_header = _("Keepnumber · operators and plans")
admin.site.site_title = "Keepnumber"
admin.site.index_title = _("Shared by all households")
for private in (Authenticator, EmailAddress, Group, UserSession):
    admin.site.unregister(private)


class CatalogueForm(forms.ModelForm):
    """A form that says what is wrong beside the field it is about.

    `about` gives the field for an error of the model's clean(), by the error's code.
    """

    about: dict[str, str] = {}

    def add_error(self, field: str | None, error: Any) -> None:
        """Add what is said of the whole row to the field it is about, and say nothing twice."""
        if field is not None or not isinstance(error, ValidationError):
            super().add_error(field, error)
            return
        named = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
        for name, errors in named.items():
            for each in errors:
                place = self.about.get(each.code or "", name) if name == NON_FIELD_ERRORS else name
                is_placed = place in self.fields
                said: Any = [self.errors.get(place, [])] if is_placed else self.errors.values()
                if not set(each.messages) <= set(chain.from_iterable(said)):
                    super().add_error(place if is_placed else None, each)


class SharedForm(CatalogueForm):
    """A form of an operator or a plan. It leaves the household out, and with it the model's own look for twins."""

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        twins = type(self.instance)._default_manager.filter(household=None, slug=slug)
        if twins.exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("This short name is already taken."), code="twin")
        return slug

    def clean_checked_on(self) -> datetime.date | None:
        """Refuse a day to come: until then the facts would never grow old."""
        day: datetime.date | None = self.cleaned_data["checked_on"]
        if day is not None and day > timezone.localdate():
            raise ValidationError(_("This day is still to come."), code="future")
        return day


class FieldsAsElsewhere(BaseModelAdmin):
    """Days, amounts, currencies and lists are entered as on the other pages, in a page or in an inline.

    `ticked` gives the known names of the columns that hold a list of them, `chosen` those of the columns that hold
    one and whose model leaves it open; `withheld` takes a name out of the model's own choices.
    """

    formfield_overrides = {
        models.DateField: {"form_class": DayField},
        models.DecimalField: {"form_class": AmountField},
        models.URLField: {"assume_scheme": "https"},
    }
    ticked: dict[str, Choices] = {}
    chosen: dict[str, Choices] = {}
    withheld: dict[str, str] = {}

    def formfield_for_dbfield(self, db_field: models.Field, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        name, label, is_required = db_field.name, capfirst(str(db_field.verbose_name)), not db_field.blank
        if name in self.ticked:
            return forms.MultipleChoiceField(
                choices=self.ticked[name],
                widget=forms.CheckboxSelectMultiple,
                # Of a list that must not be empty, the model says how to spell its names: here they are ticked.
                help_text=db_field.help_text if db_field.blank else "",
                error_messages={"required": _("Say which acts count.")},
                label=label,
                required=is_required,
            )
        if name in self.chosen:
            choices = [("", "---------"), *self.chosen[name]]
            return forms.ChoiceField(choices=choices, label=label, required=is_required)
        if name in {"currency", "target"}:
            return db_field.formfield(form_class=CurrencyField)
        if name in self.withheld:
            known: Any = db_field.get_choices(include_blank=False)
            kwargs["choices"] = [choice for choice in known if choice[0] != self.withheld[name]]
        field: forms.Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, forms.ModelChoiceField):
            _offer_shared_rows(field)
        return field


def _offer_shared_rows(field: forms.ModelChoiceField) -> None:
    """Leave the households' own operators and plans out of a choice, and the way to delete what is chosen."""
    if field.queryset is not None and field.queryset.model is Operator:
        field.queryset = field.queryset.filter(household=None)
    if field.queryset is not None and field.queryset.model is Plan:
        field.queryset = field.queryset.filter(household=None).select_related("operator")
    if isinstance(field.widget, RelatedFieldWidgetWrapper):
        field.widget.can_delete_related = False


class SharedAdmin(FieldsAsElsewhere, admin.ModelAdmin):
    """Pages of rows that belong to no household. `owners` are the lookups by which one could belong to some."""

    owners: tuple[str, ...] = ()
    list_per_page = 50

    class Media:
        css = {"all": ["admin_form.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(**dict.fromkeys(self.owners))


class LastingAdmin(SharedAdmin):
    """Pages of operators and plans: what is in use is retired, never deleted."""

    form = SharedForm
    owners = ("household",)
    actions = ("retire", "take_back")

    def get_actions(self, request: HttpRequest) -> dict:
        actions: dict = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        """The catalogue's files find their rows by the short name: once given, it stays."""
        return [*super().get_readonly_fields(request, obj), *(["slug"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: models.Model | None = None) -> dict:
        return {} if obj else {"slug": ["name"]}

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj is not None and is_in_use(obj))

    def get_deleted_objects(self, objs: object, request: HttpRequest) -> tuple:
        """Return what goes with the rows. Raises ProtectedError where Django would list who uses them."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)  # type: ignore[arg-type]
        if protected:
            raise ProtectedError("in use", set())
        return deleted, counts, missing, protected

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict | None = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except (ProtectedError, IntegrityError):  # Taken into use between the question and the deletion.
            self.message_user(request, _("This is in use by now. It can only be retired."), messages.ERROR)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", object_id)

    @admin.action(description=_("Retire the chosen %(verbose_name_plural)s"), permissions=["change"])
    def retire(self, request: HttpRequest, rows: QuerySet) -> None:
        """From today nobody can choose them; no release of the catalogue takes them back by itself."""
        count = self._set_retired(request, rows.filter(retired_on=None), timezone.localdate())
        self.message_user(
            request, ngettext("%(count)d retired.", "%(count)d retired.", count) % {"count": count}, messages.SUCCESS
        )

    @admin.action(description=_("Take the chosen %(verbose_name_plural)s back"), permissions=["change"])
    def take_back(self, request: HttpRequest, rows: QuerySet) -> None:
        """They can be chosen again."""
        count = self._set_retired(request, rows.exclude(retired_on=None), None)
        self.message_user(
            request,
            ngettext("%(count)d taken back.", "%(count)d taken back.", count) % {"count": count},
            messages.SUCCESS,
        )

    @transaction.atomic
    def _set_retired(self, request: HttpRequest, rows: QuerySet, retired_on: datetime.date | None) -> int:
        """Write the day to each row, note it in the history, and return how many there were."""
        chosen = self.model._default_manager.filter(pk__in=list(rows.values_list("pk", flat=True)))
        locked, staff = list(chosen.order_by("pk").select_for_update()), cast(User, request.user)
        for row in locked:
            before = snapshot(row)
            row.retired_on = retired_on
            row.save(update_fields=["retired_on"])
            note_change(row, CatalogueChange.How.EDIT, staff, before)
            self.log_change(request, row, [{"changed": {"fields": [str(_("retired on"))]}}])
        return len(locked)


def is_in_use(row: models.Model) -> bool:
    """Whether something refers to the row that must not lose it, such as a card to its plan."""
    relations = [field for field in row._meta.get_fields(include_hidden=True) if isinstance(field, ForeignObjectRel)]
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: row}).exists()
        for relation in relations
        if relation.on_delete is models.PROTECT
    )


class CountryFilter(admin.SimpleListFilter):
    """Of operators, by the countries of the shared ones; `path` leads to the operator's country."""

    title = _("country")
    parameter_name = "country"
    path = "country"
    ANY = "-"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        codes = Operator.objects.filter(household=None).order_by().values_list("country", flat=True).distinct()
        names = babel_locale().territories
        named = [(code, names.get(code, code)) for code in codes if code]
        return [*sorted(named, key=lambda pair: pair[1]), (self.ANY, str(_("any country")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        code = self.value()
        return queryset.filter(**{self.path: "" if code == self.ANY else code}) if code else queryset


class OperatorsCountryFilter(CountryFilter):
    path = "operator__country"


class OperatorFilter(admin.RelatedFieldListFilter):
    """By the shared operators: Django's own filter would name those of the households too."""

    def field_choices(self, field: models.Field, request: HttpRequest, model_admin: admin.ModelAdmin) -> Any:
        return field.get_choices(include_blank=False, limit_choices_to={"household": None})


class RetiredFilter(admin.SimpleListFilter):
    title = _("retired")
    parameter_name = "retired"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("no", str(_("No"))), ("yes", str(_("Yes")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(retired_on__isnull=self.value() == "no")
