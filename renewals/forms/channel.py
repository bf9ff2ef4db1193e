"""The form for the channel to which a member's reminders go."""

from django import forms
from django.utils.translation import gettext_lazy as _

from renewals.channels import service_of


class ChannelForm(forms.Form):
    """The address of a channel, checked without asking anybody; `service` is what it belongs to."""

    url = forms.CharField(
        label=_("Address of the channel"),
        help_text=_("It has keys in it: it is kept encrypted and never shown again."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    service = ""

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        self.service = service_of(url)
        return url
