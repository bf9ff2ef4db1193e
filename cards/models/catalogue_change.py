"""Who changed what in the shared catalogue, and when: whole terms before and after, so that each can come back."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .catalogue import Operator, Plan


class CatalogueChange(models.Model):
    """One change of an operator or a plan. Terms are those of the catalogue's files; `before` of None: it was new."""

    class How(models.TextChoices):
        EDIT = "edit", _("edited here")
        IMPORT = "import", _("imported")
        RELEASE = "release", _("by a release of the catalogue")
        DECISION = "decision", _("decided between two values")
        REVERT = "revert", _("taken back")

    operator = models.ForeignKey(
        Operator, models.CASCADE, null=True, related_name="changes", verbose_name=_("operator")
    )
    plan = models.ForeignKey(Plan, models.CASCADE, null=True, related_name="changes", verbose_name=_("plan"))
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now, editable=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("changed by")
    )
    how = models.CharField(_("how it came"), max_length=10, choices=How)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("after"))

    class Meta:
        verbose_name = _("change of the catalogue")
        verbose_name_plural = _("changes of the catalogue")
        ordering = ["-changed_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="change_of_operator_or_plan", condition=Q(operator__isnull=True) ^ Q(plan__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.operator or self.plan} · {self.get_how_display()}"
