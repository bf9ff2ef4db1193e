"""A gentle word where a secret is typed into a note, which everybody in the household reads and no key seals."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

_PASSWORD = re.compile(
    r"(?:\b(?:password|passcode|passwd|contraseña|clave)|密码|密碼|口令)"
    r"\s*(?:[:：=]\s*\S|(?:is\b|es\b|是|为|為)?\s*[^\s:：=]*\d)",
    re.IGNORECASE,
)
_CODE = re.compile(r"\b(?:puk|pin)\d?\b\D{0,15}\d{4,8}(?!\d)", re.IGNORECASE)
_CARD = re.compile(r"(?<![\d+])\d(?:[ -]?\d){12,18}(?!\d)")


def looks_secret(text: str) -> str | None:
    """Return what a text seems to hold that does not belong in a note; None when it looks harmless."""
    if _CODE.search(text):
        return str(_("a PIN or PUK"))
    if _PASSWORD.search(text):
        return str(_("a password"))
    if any(passes_luhn(re.sub(r"\D", "", found[0])) for found in _CARD.finditer(text)):
        return str(_("the number of a bank card or of a SIM"))
    return None


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it, as on bank cards and most SIMs (ISO/IEC 7812)."""
    doubled = "0246813579"
    return sum(int(doubled[int(digit)] if at % 2 else digit) for at, digit in enumerate(reversed(digits))) % 10 == 0


class GentleForm(forms.BaseForm):
    """A form that asks once before it keeps a secret in one of its `notes`; sent again as it is, it saves."""

    data: Any
    notes: tuple[str, ...] = ("note", "notes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["anyway"] = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.cleaned_data.get("anyway"):
            return cleaned
        for name in [name for name in self.notes if name in self.changed_data]:
            if found := looks_secret(self.cleaned_data.get(name) or ""):
                self.add_error(
                    name,
                    _(
                        "This looks like %(found)s, and everybody in the household can read notes. PIN, PUK and ICCID "
                        "have a place of their own, kept encrypted: “Codes of the SIM” on the card's page. A password "
                        "is best not kept here at all. If it is something else, save once more."
                    )
                    % {"found": found},
                )
                self.data = self.data.copy()
                self.data[self.add_prefix("anyway")] = "on"
        return cleaned
