"""The administration of promotions."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cards.models import Promotion

from .shared import CatalogueForm, OperatorFilter, OperatorsCountryFilter, SharedAdmin


class PromotionForm(CatalogueForm):
    about = {"range": "ends_on"}

    def clean(self) -> None:
        super().clean()
        operator, plan = self.cleaned_data.get("operator"), self.cleaned_data.get("plan")
        if operator and plan and plan.operator_id != operator.pk:
            self.add_error("plan", _("This plan is of another operator."))


@admin.register(Promotion)
class PromotionAdmin(SharedAdmin):
    form = PromotionForm
    owners = ("operator__household", "plan__household")
    list_display = ["title", "operator", "plan", "starts_on", "ends_on"]
    list_select_related = ["operator", "plan__operator"]
    list_filter = [OperatorsCountryFilter, ("operator", OperatorFilter)]
    search_fields = ["title", "operator__name", "plan__name"]
