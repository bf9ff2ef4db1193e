"""What is written across a copy of a paper."""

import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from cards.fields import DayField
from cards.models import Card
from renewals.uploads import unwritable


class CopyForm(forms.Form):
    """For what the copy may be used, and the day it is made."""

    purpose = forms.CharField(
        label=_("What the copy is for"),
        max_length=60,
        help_text=_("It is written all over the copy, in Latin letters; accents are left out"),
    )
    made_on = DayField(label=_("Date on the copy"))

    def __init__(self, *args: Any, cards: list[Card], today: datetime.date, **kwargs: Any) -> None:
        """`cards` are those the paper is needed for; the first one's operator is suggested."""
        super().__init__(*args, **kwargs)
        operator = cards[0].plan.operator.name if cards else ""
        self.fields["purpose"].initial = _suggestion(operator)
        self.fields["made_on"].initial = today

    def clean_purpose(self) -> str:
        purpose: str = self.cleaned_data["purpose"]
        if letters := unwritable(purpose):
            raise ValidationError(
                _("These cannot be written onto a copy: %(letters)s. Use Latin letters and digits."),
                params={"letters": letters},
                code="letters",
            )
        return purpose

    def words(self) -> str:
        """Return what is to be written across the copy."""
        return f"{self.cleaned_data['purpose']} - {self.cleaned_data['made_on'].isoformat()}"


def _suggestion(operator: str) -> str:
    """Return a purpose that can be written: in the active language if it has Latin letters, else in English."""
    name = operator if operator and not unwritable(operator) else gettext("the operator")
    text = gettext("Only for %(operator)s, SIM renewal") % {"operator": name}
    if not unwritable(text):
        return text
    with override("en"):
        return _suggestion(operator)
