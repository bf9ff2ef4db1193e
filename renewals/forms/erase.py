"""The proof that a household is really to be erased."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class EraseForm(forms.Form):
    """Asks for the household's name, so that no slip of the finger erases it."""

    name = forms.CharField(
        label=_("Name of the household"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("Type it as it stands above, to show that you mean it"),
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = name

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        if " ".join(typed.split()) != " ".join(self.wanted.split()):
            raise ValidationError(
                _("This is not the household's name. Type: %(name)s"), code="name", params={"name": self.wanted}
            )
        return typed
