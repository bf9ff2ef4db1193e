"""One form per kind of row of the catalogue's files: each says what it takes and what it refuses.

The fields come from the models, only stricter than in a web form: a text must be a text, a yes or no must be
true or false, and a key that no field has is a mistake.
"""

import datetime
import re
from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.forms.models import fields_for_model
from django.utils.translation import gettext_lazy as _

from cards.fields import DayField
from cards.models import Act, Confidence, KeepRule, Operator, Plan, TopUpChannel, TopUpStep

from .reading import Problem, Row

DOCUMENT_KINDS = ("identity_card", "passport", "residence_permit", "travel_permit", "other")
SOURCE_KINDS = (
    "carrier", "regulator", "press", "reseller", "community", "secondary", "dataset", "code", "shop",
    "template",
)  # fmt: skip


class StrictText(forms.CharField):
    """A text; a number or a yes/no is refused, because YAML has already changed what was written."""

    def to_python(self, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            raise ValidationError(_("Write this text in quotes."), code="not_text")
        return super().to_python(value)


class StrictDayField(DayField):
    """A day, or a text that spells one."""

    def to_python(self, value: Any) -> datetime.date | None:
        if value is not None and not isinstance(value, str | datetime.date):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class YesNoField(forms.Field):
    """True, false, or None for not known."""

    def to_python(self, value: Any) -> bool | None:
        if value is not None and not isinstance(value, bool):
            raise ValidationError(_("Write true, false, or null for not known."), code="not_yes_or_no")
        return value

    def validate(self, value: Any) -> None:
        if self.required and value is None:
            raise ValidationError(self.error_messages["required"], code="required")


class ListField(forms.Field):
    """A list of known names."""

    def __init__(self, known: Iterable[str], **kwargs: Any) -> None:
        self.known = tuple(known)
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise ValidationError(_("Write a list in square brackets."), code="not_list")
        unknown = [str(name) for name in value if name not in self.known]
        if unknown:
            raise ValidationError(
                _("Not known: %(unknown)s. Use %(known)s."),
                code="unknown",
                params={"unknown": ", ".join(unknown), "known": ", ".join(self.known)},
            )
        return value


class SourceDateField(forms.CharField):
    """The date of a fact, as exactly as it is known: a year, a month or a day, kept as text."""

    def to_python(self, value: Any) -> str | None:
        if value is None:
            return None
        text = value.isoformat() if isinstance(value, datetime.date) else str(value)
        if not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", text):
            raise ValidationError(_("Write a year, a month or a day, such as 2026, 2026-09 or 2026-09-16."))
        try:
            datetime.date.fromisoformat((text + "-01-01")[:10])
        except ValueError:
            raise ValidationError(_("There is no such day.")) from None
        return text


def _strict_field(column: models.Field, **kwargs: Any) -> forms.Field | None:
    """Return the form field of a model's column, of the strict kind."""
    if isinstance(column, models.BooleanField):
        return YesNoField(required=False)
    if isinstance(column, models.DateField):
        return StrictDayField(required=not column.blank)
    if isinstance(column, models.CharField | models.TextField) and not column.choices:
        web = [URLValidator(["http", "https"])] if isinstance(column, models.URLField) else []
        return StrictText(required=not column.blank, max_length=column.max_length, validators=web)
    return column.formfield(**kwargs)


class RowForm(forms.Form):
    """A row of a file, bound to a Row. Asks the database nothing.

    Its fields are the model's `columns` and those written out. `spelled` gives the key in the file where that
    is not the column's name, `wanted` the columns that the model leaves optional and the catalogue does not,
    `defaulted` those that a file may leave out for the model's default, `nested` the keys that hold further
    rows, and `about` which column an error of the model's clean() is about, by the error's code.
    """

    model: ClassVar[type[models.Model] | None] = None
    columns: ClassVar[tuple[str, ...]] = ()
    spelled: ClassVar[dict[str, str]] = {}
    wanted: ClassVar[tuple[str, ...]] = ()
    defaulted: ClassVar[tuple[str, ...]] = ()
    nested: ClassVar[tuple[str, ...]] = ()
    about: ClassVar[dict[str, str]] = {}

    def __init__(self, row: Row) -> None:
        self.row = row
        data = {name: row.get(self.key(name)) for name in (*self.columns, *self.base_fields)}
        if self.model is not None:
            for name in self.defaulted:
                if data[name] is None:
                    data[name] = getattr(self.model(), name)
        super().__init__(data)
        if self.model is not None:
            self.fields.update(fields_for_model(self.model, self.columns, formfield_callback=_strict_field))
        for name in self.wanted:
            self.fields[name].required = True

    def key(self, name: str) -> str:
        """Return the key that stands for a column in the files."""
        return self.spelled.get(name, name)

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
        known = {self.key(name) for name in self.fields} | set(self.nested)
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
        "balance_code", "validity_code", "support", "requires_document", "review_hours", "source_url",
        "checked_on",
    )  # fmt: skip
    wanted = ("source_url", "checked_on")
    nested = ("belongs_to", "channels", "plans")

    document_kinds = ListField(DOCUMENT_KINDS, required=False)

    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"]
        if country and not re.fullmatch(r"[A-Z]{2}", country):
            raise ValidationError(_("Write the country's ISO code in two capital letters."), code="country")
        return country


class ChannelForm(RowForm):
    model = TopUpChannel
    columns = ("kind", "name", "url")


class PlanForm(RowForm):
    model = Plan
    columns = (
        "slug", "name", "type", "fee", "currency", "period_value", "period_unit", "data_mb", "voice_minutes",
        "sms_count", "extras", "receives_abroad", "confidence_reason", "source_url", "checked_on",
    )  # fmt: skip
    spelled = {"source_url": "source", "checked_on": "checked"}
    wanted = ("source_url", "checked_on")
    nested = ("sources", "rules")

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
    url = StrictText(max_length=400)
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in SOURCE_KINDS])
    date = SourceDateField(required=False)
    read = YesNoField()


class RuleForm(RowForm):
    model = KeepRule
    columns = (
        "kind", "value", "unit", "counts_from", "stack_limit_days", "grace_value", "grace_unit",
        "grace_receives", "recovery_value", "recovery_unit", "life_limit_days", "lead_days", "buffer_days",
    )  # fmt: skip
    defaulted = ("grace_unit", "recovery_unit", "lead_days", "buffer_days")
    nested = ("steps",)
    about = {"lead": "lead_days"}

    qualifying_acts = ListField(Act.values, error_messages={"required": _("Say which acts count.")})
    grace_acts = ListField(Act.values, required=False)

    def clean(self) -> dict[str, Any]:
        for name in ("stack_limit_days", "life_limit_days"):
            if self.cleaned_data.get(name) == 0:
                self.add_error(name, _("A limit is at least one day; null means not known."))
        return super().clean()


class StepForm(RowForm):
    model = TopUpStep
    columns = ("minimum_amount", "currency", "channel", "value", "unit")
