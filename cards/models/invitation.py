"""An invitation into a household, by mail."""

import datetime
from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .household import Household, HouseholdQuerySet, Member

LASTS = datetime.timedelta(days=7)


class InvitationQuerySet(HouseholdQuerySet):
    def pending(self) -> Self:
        """Those that were neither accepted nor taken back; one that has run out can be sent again."""
        return self.filter(accepted_at=None, revoked_at=None)

    def open(self, now: datetime.datetime) -> Self:
        """Those that can still be accepted."""
        return self.pending().filter(made_at__gt=now - LASTS)


class Invitation(models.Model):
    """Somebody is asked to join. Only the hash of the link's token is kept; it works once, for seven days."""

    household = models.ForeignKey(Household, models.CASCADE, related_name="invitations", verbose_name=_("household"))
    email = models.EmailField(_("email address"), max_length=254)
    name = models.CharField(_("name"), max_length=100, help_text=_("What the family calls them"))
    role = models.CharField(_("role"), max_length=10, choices=Member.Role, default=Member.Role.MANAGER)
    language = models.CharField(_("language"), max_length=10, choices=Member.Language, default=Member.Language.ENGLISH)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("invited by"))
    made_at = models.DateTimeField(_("invited at"), default=timezone.now, editable=False)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("taken back at"), null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-made_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_once",
                violation_error_message=_("This address is invited already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def expires_at(self) -> datetime.datetime:
        return self.made_at + LASTS
