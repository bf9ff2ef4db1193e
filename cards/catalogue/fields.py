"""The kinds of values in the catalogue's files, stricter than in a web form: a text must be a text, a yes or no true or
false, a list a list.
"""

import datetime
import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from cards.fields import DayField


def plain_text(text: str) -> str:
    """Return a text with the line ends of the files, and nothing blank around it."""
    return "\n".join(re.split("\r\n|\r|\n", text)).strip()


class StrictText(forms.CharField):
    """A text; a number or a yes/no is refused, because YAML has already changed what was written.

    Its lines end as in the files, whatever a browser or a spreadsheet put there.
    """

    def to_python(self, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            raise ValidationError(_("Write this text in quotes."), code="not_text")
        return super().to_python(plain_text(value) if value else value)


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
