"""Which payments of the ledger are wanted, as its address says it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from renewals.models import Payment
from renewals.models.events import RecordQuerySet

# Of a choice, for the payments of which it was not written down.
UNKNOWN = "-"


class LedgerForm(forms.Form):
    """Filters of the ledger. What is wrong is said beside its field and filters nothing."""

    fields: dict[str, Any]
    # It is the address of a page: nothing needs to be filled in.
    use_required_attribute = False

    card = forms.TypedChoiceField(label=_("Card"), required=False, coerce=int, empty_value=None)
    year = forms.TypedChoiceField(label=_("Year"), required=False, coerce=int, empty_value=None)
    currency = forms.ChoiceField(label=_("Currency"), required=False, help_text=_("The one that was really charged"))
    method = forms.ChoiceField(
        label=_("Paid with"),
        required=False,
        choices=[("", _("any")), *Payment.Method.choices, (UNKNOWN, _("not written down"))],
    )
    channel = forms.ChoiceField(
        label=_("Paid"), required=False, choices=[("", _("anywhere")), *Payment.Channel.choices]
    )
    confirmed = forms.ChoiceField(
        label=_("Confirmed"),
        required=False,
        choices=[("", _("confirmed or not")), ("yes", _("confirmed")), ("no", _("not confirmed"))],
    )

    def __init__(
        self,
        *args: Any,
        cards: Iterable[tuple[int, str]],
        years: Iterable[int],
        currencies: Iterable[str],
        **kwargs: Any,
    ) -> None:
        """`cards` are the keys and names to choose from."""
        super().__init__(*args, **kwargs)
        self.fields["card"].choices = [("", _("all")), *cards]
        self.fields["year"].choices = [("", _("all")), *((year, str(year)) for year in years)]
        self.fields["currency"].choices = [("", _("any")), *((code, code) for code in currencies)]

    @property
    def is_narrow(self) -> bool:
        """Whether anything was chosen, or typed into the address in vain."""
        return bool(self.errors) or any(value not in {"", None} for value in self.cleaned_data.values())

    def narrow(self, rows: RecordQuerySet) -> RecordQuerySet:
        """Return those of the payments that were asked for, once the form has been checked."""
        wanted = self.cleaned_data
        if wanted.get("card"):
            rows = rows.filter(card=wanted["card"])
        if wanted.get("year"):
            rows = rows.filter(paid_on__year=wanted["year"])
        if wanted.get("currency"):
            rows = rows.filter(counted_currency=wanted["currency"])
        if wanted.get("method"):
            rows = rows.filter(method="" if wanted["method"] == UNKNOWN else wanted["method"])
        if wanted.get("channel"):
            rows = rows.filter(channel=wanted["channel"])
        if wanted.get("confirmed"):
            rows = rows.filter(confirmed_on__isnull=wanted["confirmed"] == "no")
        return rows
