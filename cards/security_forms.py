"""What is typed on the pages about the sign-in."""

from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext_lazy as _

from .models import Household
from .sign_in import has_second_factor


class NewEmailForm(forms.Form):
    email = forms.EmailField(
        label=_("New email address"),
        max_length=254,
        help_text=_("You will sign in with it, and reminders will come there"),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class SecondFactorForm(forms.ModelForm):
    """Whether a household asks everybody for a second factor; only who has one may turn it on."""

    class Meta:
        model = Household
        fields = ["requires_second_factor"]

    def __init__(self, *args: Any, user: AbstractBaseUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_requires_second_factor(self) -> bool:
        wanted: bool = self.cleaned_data["requires_second_factor"]
        if wanted and not has_second_factor(self.user):
            raise forms.ValidationError(_("First set up a second factor for yourself."))
        return wanted
