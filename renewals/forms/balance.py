"""The day that a balance is to reach."""

import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from cards.fields import DayField


class ReachForm(forms.Form):
    """Until when the balance is to last."""

    until = DayField(label=_("It is to last until"), help_text=_("For example the end of the next visit"))

    def __init__(self, *args: Any, today: datetime.date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["until"].widget.attrs["min"] = today.isoformat()

    def clean_until(self) -> datetime.date:
        day: datetime.date = self.cleaned_data["until"]
        if day < self.today:
            raise ValidationError(_("Choose today or a later day."), code="past")
        return day
