"""The forms of the catalogue's pages: what they refuse, in words beside the field."""

from typing import Any

from django import forms
from django.forms import BaseInlineFormSet
from django.utils.translation import gettext_lazy as _

from cards.admin import CatalogueForm, SharedForm
from cards.models import Operator


class OperatorForm(SharedForm):
    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"].upper()
        if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
            raise forms.ValidationError(_("Write the country's ISO code in two capital letters."), code="country")
        return country

    def clean_belongs_to(self) -> Operator | None:
        parent: Operator | None = self.cleaned_data["belongs_to"]
        above, seen = parent, set()
        while above is not None and above.pk not in seen:
            if above.pk == self.instance.pk:
                raise forms.ValidationError(_("An operator cannot belong to itself."), code="circle")
            seen.add(above.pk)
            above = above.belongs_to
        return parent

    def clean_service_rating(self) -> int | None:
        rating: int | None = self.cleaned_data["service_rating"]
        if rating is not None and not 1 <= rating <= 5:
            raise forms.ValidationError(_("A rating is a number from 1 to 5."), code="rating")
        return rating


class PlanForm(SharedForm):
    def clean(self) -> None:
        super().clean()
        values = self.cleaned_data
        if values.get("fee") is not None and values.get("currency") == "":
            self.add_error("currency", _("A fee needs its currency."))
        if values.get("period_value") == 0:
            self.add_error("period_value", _("A period is at least one day; empty means not known."))
        elif {"period_value", "period_unit"} <= set(values) and (
            (values["period_value"] is None) != (values["period_unit"] == "")
        ):
            self.add_error("period_unit", _("A period is a number and a unit, or neither."))


class RuleForm(CatalogueForm):
    about = {"value": "value", "lead": "lead_days", "acts": "qualifying_acts", "no_acts": "qualifying_acts"}

    class Meta:
        error_messages = {
            "value": {"min_value": _("A rule keeps a number for at least one day.")},
            "grace_value": {"min_value": _("Grace cannot end before the deadline.")},
            "recovery_value": {"min_value": _("Recovery cannot end before grace.")},
        }

    def clean(self) -> None:
        super().clean()
        for name in ("stack_limit_days", "life_limit_days"):
            if self.cleaned_data.get(name) == 0:
                self.add_error(name, _("A limit is at least one day; empty means that there is none."))


class RuleFormSet(BaseInlineFormSet):
    default_error_messages = {"too_few_forms": _("A plan needs a keep rule.")}


class StepForm(CatalogueForm):
    class Meta:
        error_messages = {"value": {"min_value": _("A step keeps a number for at least one day.")}}


class StepFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        """Name the second of two equal steps; an amount that is not known equals another that is not."""
        seen = set()
        for form in self.forms:
            values: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
            if not values or values.get("DELETE"):
                continue
            step = (values["minimum_amount"], values["currency"], values["channel"])
            if step in seen:
                form.add_error("minimum_amount", _("The ladder has two equal steps."))
            seen.add(step)


class GuideForm(CatalogueForm):
    about = {"owner": "operator"}
