"""A flight to be written down."""

import datetime
import unicodedata
from collections.abc import Collection
from typing import Any

import phonenumbers
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from cards.fields import form_field
from cards.money import babel_locale
from renewals.models import Trip
from renewals.plan_words import say_country


class TripForm(forms.ModelForm):
    """The day of a flight, and from which country it goes to which."""

    fields: dict[str, Any]
    from_country = forms.ChoiceField(label=_("From which country"))
    to_country = forms.ChoiceField(label=_("To which country"))

    class Meta:
        model = Trip
        fields = ["leaves_on", "from_country", "to_country"]
        formfield_callback = form_field

    def __init__(self, *args: Any, countries: Collection[str], today: datetime.date, **kwargs: Any) -> None:
        """`countries` are the ISO codes of those that the household has cards of; `today` is the first possible day."""
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["leaves_on"].widget.attrs["min"] = today.isoformat()
        for name in ("from_country", "to_country"):
            self.fields[name].choices = _country_choices(countries)

    def clean_leaves_on(self) -> datetime.date:
        day: datetime.date = self.cleaned_data["leaves_on"]
        if day < self.today:
            raise ValidationError(_("Choose today or a later day."), code="past")
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("from_country") and cleaned["from_country"] == cleaned.get("to_country"):
            self.add_error("to_country", ValidationError(_("Choose two different countries."), code="same_country"))
        return cleaned


def _country_choices(own: Collection[str]) -> list[tuple[Any, Any]]:
    """Return the countries by name: first those that the household has cards of, then all others with a telephone."""
    others = phonenumbers.SUPPORTED_REGIONS - set(own)
    groups = [(_("Countries of your cards"), own), (_("All other countries"), others)]
    return [("", "---------")] + [(label, _by_name(codes)) for label, codes in groups if codes]


def _by_name(codes: Collection[str]) -> list[tuple[str, str]]:
    return sorted(((code, say_country(code)) for code in codes), key=lambda pair: _sort_key(pair[1]))


def _sort_key(name: str) -> bytes:
    """Return what puts names in the order in which people look for them."""
    if babel_locale().language == "zh":
        # GB 2312, which this contains, has its common characters in the order of their sounds.
        return name.encode("gb18030")
    return unicodedata.normalize("NFKD", name).casefold().encode("ascii", "ignore")
