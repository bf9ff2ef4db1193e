"""Form fields that take what people type and refuse what could be read in two ways."""

import datetime
import re
import zoneinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

# A year outside is a slip of the finger: there were no SIM cards before, and no operator promises more.
EARLIEST, LATEST = datetime.date(1990, 1, 1), datetime.date(2100, 12, 31)


class DayField(forms.DateField):
    """A day, as YYYY-MM-DD. 03/04/2027 is refused: it is March in one country and April in another."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["input_formats"] = ["%Y-%m-%d"]
        kwargs["widget"] = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        super().__init__(**kwargs)
        self.error_messages["invalid"] = _("Write the day as year-month-day, such as 2027-03-04.")

    def clean(self, value: Any) -> datetime.date | None:
        day: datetime.date | None = super().clean(value)
        if day is not None and not EARLIEST <= day <= LATEST:
            raise ValidationError(_("This year cannot be right."), code="year")
        return day


class AmountField(forms.DecimalField):
    """An amount of money, with a point or a comma before the cents."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["widget"] = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(**kwargs)
        self.error_messages["invalid"] = _("Write an amount in digits, such as 100 or 0.10.")

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.count(",") == 1 and "." not in value:
            value = value.replace(",", ".")
        return super().to_python(value)


class CurrencyField(forms.CharField):
    """Three letters, in capitals or not."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widget.attrs.update({"size": 3, "autocapitalize": "characters", "autocomplete": "off"})

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").upper()


class ZoneField(forms.CharField):
    """An IANA time zone, chosen from a list that the browser completes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widget.attrs.update({"list": "zones", "autocomplete": "off", "data-zone": ""})


class DaysField(forms.CharField):
    """Whole numbers of days, such as “90, 45”; kept as a list, the largest first. Nothing typed is an empty list."""

    empty_values = [None, "", []]

    def __init__(self, *, encoder: object = None, decoder: object = None, **kwargs: Any) -> None:
        """`encoder` and `decoder` are what the JSON column says of itself; a list of numbers needs neither."""
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        words = [word for word in re.split(r"[\s,;，、；]+", super().to_python(value) or "") if word]
        if not all(re.fullmatch(r"[0-9]{1,4}", word) for word in words):
            raise ValidationError(_("Write whole days from 0 to 3650, such as 90, 45."), code="days")
        return sorted({int(word) for word in words}, reverse=True)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


def common_zones() -> list[str]:
    """Return the names that people look for, such as America/Havana, sorted."""
    areas = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return ["UTC", *sorted(name for name in zoneinfo.available_timezones() if name.startswith(areas))]


def form_field(column: models.Field, **kwargs: Any) -> forms.Field | None:
    """Return the form field of a model's column; every ModelForm of the project builds its fields by this."""
    if isinstance(column, models.DateField) and not isinstance(column, models.DateTimeField):
        return column.formfield(form_class=DayField, **kwargs)
    if isinstance(column, models.DecimalField):
        return column.formfield(form_class=AmountField, **kwargs)
    if column.name in {"currency", "charged_currency"}:
        return column.formfield(form_class=CurrencyField, **kwargs)
    if column.name == "reminder_days":
        return column.formfield(form_class=DaysField, **kwargs)
    if column.name == "time_zone":
        return column.formfield(form_class=ZoneField, **kwargs)
    if isinstance(column, models.TimeField):
        kwargs["widget"] = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    return column.formfield(**kwargs)
