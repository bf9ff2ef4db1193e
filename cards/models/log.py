"""The log of a household: who saw a secret, changed, deleted, invited, signed in. Rows are added, never changed."""

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .household import Household, HouseholdQuerySet, Member


class LogIsAppendOnly(Exception):
    """Somebody tried to change or delete a line of the log."""


class LogQuerySet(HouseholdQuerySet):
    def update(self, **fields: Any) -> int:
        raise LogIsAppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise LogIsAppendOnly

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise LogIsAppendOnly

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Refused as well: it can be told to update the rows that are there."""
        raise LogIsAppendOnly


class LogEntry(models.Model):
    """One line: who did what to what. It holds no secret and no number; `subject` is such as card:5 or member:2.

    `name` is what the family called the subject then. `member` of None: the login was not known, or acted outside of
    any household's page. `changed` holds {field: [before, after]}, and [] where the values are not for the log.
    """

    class Kind(models.TextChoices):
        SIGNED_IN = "signed_in", _("signed in")
        SIGN_IN_FAILED = "sign_in_failed", _("sign-in failed")
        SIGNED_OUT = "signed_out", _("signed out")
        ACCOUNT = "account", _("changed the sign-in")
        DENIED = "denied", _("was refused")
        REVEALED = "revealed", _("looked at a secret")
        DOWNLOADED = "downloaded", _("downloaded")
        ADDED = "added", _("added")
        CHANGED = "changed", _("changed")
        DELETED = "deleted", _("deleted")
        RESTORED = "restored", _("restored")
        INVITED = "invited", _("invited")
        JOINED = "joined", _("joined")
        LEFT = "left", _("left")
        REMOVED = "removed", _("removed a member")
        ROLE = "role", _("changed a role")

    household = models.ForeignKey(Household, models.CASCADE, related_name="log", verbose_name=_("household"))
    member = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("who"))
    kind = models.CharField(_("what"), max_length=15, choices=Kind)
    subject = models.CharField(_("what it was about"), max_length=40, blank=True)
    name = models.CharField(_("its name"), max_length=200, blank=True)
    changed = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(_("from the address"), null=True)
    at = models.DateTimeField(_("when"), default=timezone.now, editable=False)

    objects = LogQuerySet.as_manager()

    class Meta:
        verbose_name = _("line of the log")
        verbose_name_plural = _("log")
        ordering = ["-at", "-pk"]
        indexes = [
            # the page of the log, newest first
            models.Index(fields=["household", "-at"], name="log_of_household"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise LogIsAppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise LogIsAppendOnly
