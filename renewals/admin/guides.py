"""The texts of the steps, for an operator or a plan, in each language."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from cards.admin import OperatorFilter, SharedAdmin
from cards.catalogue.guides import write_guide
from cards.models import StepGuide
from renewals.models import RenewalStep

from .decisions import WaitingFilter
from .forms import GuideForm

STEPS = [*RenewalStep.Key.choices, ("let_go", _("Let the number go"))]


@admin.register(StepGuide)
class StepGuideAdmin(SharedAdmin):
    form = GuideForm
    owners = ("operator__household", "plan__household")
    chosen = {"step": STEPS}
    fields = [("operator", "plan"), ("step", "language"), "text", "url", "all_sources", "whose_words"]
    readonly_fields = ["all_sources", "whose_words"]
    list_display = ["whose", "step_name", "language", "whose_words"]
    list_select_related = ["operator", "plan__operator"]
    list_filter = [("operator", OperatorFilter), "step", "language", WaitingFilter]
    search_fields = ["text", "operator__name", "plan__name", "plan__operator__name"]

    @admin.display(description=_("for"))
    def whose(self, guide: StepGuide) -> str:
        return str(guide.operator or guide.plan)

    @admin.display(description=_("step"), ordering="step")
    def step_name(self, guide: StepGuide) -> str:
        return str(dict(STEPS).get(guide.step, guide.step))

    @admin.display(description=_("all sources"))
    def all_sources(self, guide: StepGuide) -> SafeString:
        return format_html_join("", "{}<br>", ([source] for source in guide.sources))

    @admin.display(description=_("whose words"))
    def whose_words(self, guide: StepGuide) -> str:
        """Say whether the text is the last release's; who changes it here makes it theirs by that alone."""
        if guide.shipped is None:
            return str(_("written here"))
        return str(_("the release's") if guide.shipped == write_guide(guide) else _("edited here"))
