"""Forms for what is kept sealed: what is there is never shown in a field, only kept, replaced or removed."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from .gentle import passes_luhn
from .models import Card
from .secrets import KeyLost, has_secret, opens, write_secret


class SealedForm(forms.BaseForm):
    """A form with fields, named in `sealed`, that are written by `cards.secrets`.

    An empty one keeps what is there; a box beside it removes it.
    """

    sealed: tuple[str, ...] = ()

    def offer_removal(self, row: Any) -> None:
        """Put a box after each field of which something is kept already."""
        for name in [name for name in self.sealed if row.pk and has_secret(row, name)]:
            label = _("Remove: %(field)s") % {"field": self.fields[name].label}
            self.fields[_box(name)] = forms.BooleanField(label=label, required=False)
            self.fields[name].help_text = _("One is kept. Leave this empty to keep it; what you write replaces it.")
        order = list(self.fields)
        for name in [name for name in self.sealed if _box(name) in self.fields]:
            order.remove(_box(name))
            order.insert(order.index(name) + 1, _box(name))
        self.order_fields(order)

    def check_sealed(self, household: Any) -> None:
        """Refuse what cannot be done: sealing without the key, or removing and replacing at once."""
        typed = [name for name in self.sealed if self.cleaned_data.get(name)]
        for name in typed:
            if self.cleaned_data.get(_box(name)):
                self.add_error(name, _("Write another one, or tick the box to remove it, not both."))
        if typed and not opens(household):
            self.add_error(typed[0], ValidationError(KeyLost.default, code="key"))

    def write_sealed(self, row: Any) -> list[str]:
        """Put what was typed, sealed, onto a row that has a pk; return the names of the fields that are to be saved."""
        changed = []
        for name in self.sealed:
            text = self.cleaned_data.get(name) or ""
            if text or self.cleaned_data.get(_box(name)):
                write_secret(row, name, text)
                changed.append(name)
        return changed


class CardSecretsForm(SealedForm, forms.Form):
    """ICCID, PIN and PUK of a card; each may be left out."""

    sealed = ("iccid", "pin", "puk")

    iccid = forms.CharField(
        label=Card._meta.get_field("iccid").verbose_name,
        required=False,
        max_length=40,
        help_text=_("The SIM's own number, printed on it: 18 to 22 digits. The operator asks for it to replace a SIM"),
    )
    pin = forms.CharField(
        label=Card._meta.get_field("pin").verbose_name,
        required=False,
        max_length=20,
        help_text=_("4 to 8 digits. A phone asks for it when it is turned on"),
    )
    puk = forms.CharField(
        label=Card._meta.get_field("puk").verbose_name,
        required=False,
        max_length=20,
        help_text=_("8 digits. Opens the SIM after three wrong PINs; after ten wrong PUKs the SIM is lost"),
    )

    def __init__(self, *args: Any, card: Card, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card = card
        for name in self.sealed:
            self.fields[name].widget.attrs.update(
                {"autocomplete": "off", "inputmode": "numeric", "spellcheck": "false"}
            )
        self.offer_removal(card)

    def clean_iccid(self) -> str:
        typed = re.sub(r"[\s-]", "", self.cleaned_data["iccid"]).upper()
        if typed and not re.fullmatch(r"[0-9A-F]{18,22}", typed):
            raise ValidationError(
                _("An ICCID has 18 to 22 digits and mostly begins with 89. Read it off the SIM once more.")
            )
        return typed

    def clean_pin(self) -> str:
        return self._digits("pin", 4, 8, _("A PIN has 4 to 8 digits and nothing else."))

    def clean_puk(self) -> str:
        return self._digits("puk", 8, 8, _("A PUK has exactly 8 digits and nothing else."))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.check_sealed(self.card.household)
        return cleaned

    def save(self) -> list[str]:
        """Seal what was typed and save it; return the names of the fields that changed."""
        changed = self.write_sealed(self.card)
        if changed:
            self.card.save(update_fields=changed)
        return changed

    def has_doubtful_iccid(self) -> bool:
        """Whether the ICCID's check digit does not fit. Some operators use none, so it is only worth a second look."""
        typed = self.cleaned_data["iccid"]
        return typed.isdigit() and not passes_luhn(typed)

    def _digits(self, name: str, least: int, most: int, words: Any) -> str:
        typed = re.sub(r"[\s-]", "", self.cleaned_data[name])
        if typed and not re.fullmatch(rf"[0-9]{{{least},{most}}}", typed):
            raise ValidationError(words, code="digits")
        return typed


def _box(name: str) -> str:
    return f"remove_{name}"
