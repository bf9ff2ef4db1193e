"""One form per kind of row of the catalogue's files: each says what it takes and what it refuses.

The fields come from the models, only stricter than in a web form, and a key that no field has is a mistake.
"""

import re
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.forms.models import fields_for_model
from django.utils.translation import gettext_lazy as _

from cards.fields import AmountField
from cards.models import Act, Confidence, Feature, KeepRule, Operator, Plan, StepGuide, TopUpChannel, TopUpStep

from .fields import ListField, SourceDateField, StrictDayField, StrictText, YesNoField
from .reading import Problem, Row

DOCUMENT_KINDS = ("identity_card", "passport", "residence_permit", "travel_permit", "other")
GUIDED_STEPS = (
    "balance", "validity", "documents", "visit", "sign_in", "choose", "pay", "act", "confirm", "let_go",
)  # fmt: skip
SOURCE_KINDS = (
    "carrier", "regulator", "press", "reseller", "community", "secondary", "dataset", "code", "shop",
    "template",
)  # fmt: skip


def _strict_field(column: models.Field, **kwargs: Any) -> forms.Field | None:
    """Return the form field of a model's column, of the strict kind."""
    if isinstance(column, models.BooleanField):
        return YesNoField(required=False)
    if isinstance(column, models.DateField):
        return StrictDayField(required=not column.blank)
    if isinstance(column, models.DecimalField):
        return column.formfield(form_class=AmountField, **kwargs)
    if isinstance(column, models.CharField | models.TextField) and not column.choices:
        web = [URLValidator(["http", "https"])] if isinstance(column, models.URLField) else []
        return StrictText(required=not column.blank, max_length=column.max_length, validators=web)
    return column.formfield(**kwargs)


class RowForm(forms.Form):
    """A row of a file, bound to a Row. Asks the database nothing.

    Its fields are the `columns`, in the order of the files: those of the model, except where one is written out.
    `spelled` gives the key in the file where that is not the column's name, `wanted` the columns that the model
    leaves optional and a release does not, `defaulted` those that a file may leave out for the model's default,
    `nested` the keys that hold further rows, `about` which column an error of the model's clean() is about, by the
    error's code, and `said` what is said of a column instead of Django's words, by the error's code.
    """

    model: ClassVar[type[models.Model] | None] = None
    columns: ClassVar[tuple[str, ...]] = ()
    spelled: ClassVar[dict[str, str]] = {}
    wanted: ClassVar[tuple[str, ...]] = ()
    defaulted: ClassVar[tuple[str, ...]] = ()
    nested: ClassVar[tuple[str, ...]] = ()
    about: ClassVar[dict[str, str]] = {}
    said: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init__(self, row: Row, *, is_shipped: bool = False, is_partial: bool = False) -> None:
        """`is_shipped` is for a release, which leaves no source out; `is_partial` leaves missing columns alone."""
        self.row = row
        data = {name: row.get(self.key(name)) for name in self.columns}
        if self.model is not None:
            for name in self.defaulted:
                if data[name] is None:
                    data[name] = getattr(self.model(), name)
        super().__init__(data)
        if self.model is not None:
            own = [name for name in self.columns if name not in self.base_fields]
            fields = fields_for_model(self.model, own, formfield_callback=_strict_field, error_messages=self.said)
            self.fields.update(fields)
        for name in self.columns:
            if is_shipped and name in self.wanted:
                self.fields[name].required = True
            if is_partial and self.key(name) not in row:
                del self.fields[name]

    @classmethod
    def key(cls, name: str) -> str:
        """Return the key that stands for a column in the files."""
        return cls.spelled.get(name, name)

    def clean(self) -> dict[str, Any]:
        """Ask the model's own rules too. Its constraints say the same, for a query a row."""
        for name, field in self.fields.items():
            is_many = isinstance(self.data[name], list | dict) and not isinstance(field, ListField)
            if is_many and name not in self.errors:
                self.add_error(name, _("Write one value here."))
        if self.model is not None:
            instance = self.model(**self.cleaned_data)
            given = {name for name, value in self.cleaned_data.items() if value is not None}
            instance.clean_fields(exclude={column.name for column in self.model._meta.fields} - given)
            if not self.errors:
                instance.clean()
        return self.cleaned_data

    def problems(self) -> list[Problem]:
        """Return all that is wrong with the row; what is nested in it is not looked at."""
        known = {self.key(name) for name in self.columns} | set(self.nested)
        unknown = [key for key in self.row if key not in known]
        found = [self.row.problem(key, str(_("There is no such field."))) for key in unknown]
        for name, errors in self.errors.as_data().items():
            for error in errors:
                column = self.about.get(error.code or "", "") if name == NON_FIELD_ERRORS else name
                found += [self.row.problem(self.key(column), message) for message in error.messages]
        return found


class OperatorForm(RowForm):
    model = Operator
    columns = (
        "slug", "name", "country", "website", "account_url", "password_reset_url", "app_url", "app_name",
        "balance_code", "validity_code", "support", "requires_document", "document_kinds", "review_hours",
        "service_rating", "source_url", "checked_on",
    )  # fmt: skip
    wanted = ("source_url", "checked_on")
    nested = ("belongs_to", "channels", "plans")

    document_kinds = ListField(DOCUMENT_KINDS, required=False)

    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"]
        if country and not re.fullmatch(r"[A-Z]{2}", country):
            raise ValidationError(_("Write the country's ISO code in two capital letters."), code="country")
        return country

    def clean_service_rating(self) -> int | None:
        rating: int | None = self.cleaned_data["service_rating"]
        if rating is not None and not 1 <= rating <= 5:
            raise ValidationError(_("A rating is a number from 1 to 5."), code="rating")
        return rating


class ChannelForm(RowForm):
    model = TopUpChannel
    columns = ("kind", "name", "url")


class PlanForm(RowForm):
    model = Plan
    columns = (
        "slug", "name", "type", "fee", "currency", "period_value", "period_unit", "data_mb", "voice_minutes",
        "sms_count", "features", "extras", "receives_abroad", "port_out_days", "refund_days", "confidence",
        "confidence_reason", "source_url", "checked_on",
    )  # fmt: skip
    spelled = {"source_url": "source", "checked_on": "checked"}
    wanted = ("source_url", "checked_on")
    nested = ("sources", "rules")

    features = ListField(Feature.values, required=False)
    confidence = forms.ChoiceField(choices=[pair for pair in Confidence.choices if pair[0] != Confidence.OWN])

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values.get("fee") is not None and values.get("currency") == "":
            self.add_error("currency", _("A fee needs its currency."))
        if values.get("period_value") == 0:
            self.add_error("period_value", _("A period is at least one day; null means not known."))
        elif {"period_value", "period_unit"} <= set(values) and (
            (values["period_value"] is None) != (values["period_unit"] == "")
        ):
            self.add_error("period_unit", _("A period is a number and a unit, or neither."))
        return super().clean()


class SourceForm(RowForm):
    columns = ("url", "kind", "date", "read")

    url = StrictText(max_length=400)
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in SOURCE_KINDS])
    date = SourceDateField(required=False)
    read = YesNoField()


class RuleForm(RowForm):
    model = KeepRule
    columns = (
        "kind", "value", "unit", "counts_from", "stack_limit_days", "qualifying_acts", "grace_value", "grace_unit",
        "grace_acts", "grace_receives", "recovery_value", "recovery_unit", "life_limit_days", "lead_days",
        "buffer_days",
    )  # fmt: skip
    defaulted = ("grace_unit", "recovery_unit", "lead_days", "buffer_days")
    nested = ("steps",)
    about = {"lead": "lead_days"}
    said = {"grace_value": {"min_value": _("Grace cannot end before the deadline.")}}

    qualifying_acts = ListField(Act.values, error_messages={"required": _("Say which acts count.")})
    grace_acts = ListField(Act.values, required=False)

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("value") == 0:
            self.add_error("value", _("A rule keeps a number for at least one day."))
        for name in ("stack_limit_days", "life_limit_days"):
            if self.cleaned_data.get(name) == 0:
                self.add_error(name, _("A limit is at least one day; null means not known."))
        return super().clean()


class StepForm(RowForm):
    model = TopUpStep
    columns = ("minimum_amount", "currency", "channel", "value", "unit")

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("value") == 0:
            self.add_error("value", _("A step keeps a number for at least one day."))
        return super().clean()


class GuideForm(RowForm):
    model = StepGuide
    columns = ("step", "url")
    nested = ("operator", "plan", "text", "sources")

    step = forms.ChoiceField(choices=[(step, step) for step in GUIDED_STEPS])

    def clean(self) -> dict[str, Any]:
        """Ask no rule of the model: whose guide it is stands beside these columns."""
        return self.cleaned_data
