"""How a member is reached, and what they answered to a mail."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.encryption import EncryptedTextField
from cards.models import Card, Household, HouseholdQuerySet, Member

from .reminder import Delivery


class Channel(models.Model):
    """Where a member's reminders go instead of email, such as Telegram or ntfy; email remains the way out.

    `url` holds what is secret about it, so it is sealed, and no log and no page shows it.
    """

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    member = models.OneToOneField(Member, models.CASCADE, related_name="channel", verbose_name=_("member"))
    url = EncryptedTextField(_("address of the channel"))
    service = models.CharField(_("service"), max_length=30)
    created_at = models.DateTimeField(_("added at"), default=timezone.now, editable=False)
    failed_at = models.DateTimeField(_("failed at"), null=True, editable=False)
    last_error = models.CharField(_("last error"), max_length=300, blank=True, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")

    def __str__(self) -> str:
        return self.service


class Snooze(models.Model):
    """A member does not want to hear of a card's deadline (`about_on`) before `until_on`; pages still show it."""

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    member = models.ForeignKey(Member, models.CASCADE, related_name="snoozes", verbose_name=_("member"))
    card = models.ForeignKey(Card, models.CASCADE, related_name="snoozes", verbose_name=_("card"))
    about_on = models.DateField(_("deadline"))
    until_on = models.DateField(_("until"))
    made_at = models.DateTimeField(_("made at"), default=timezone.now, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("snooze")
        verbose_name_plural = _("snoozes")
        constraints = [models.UniqueConstraint(fields=["member", "card"], name="snooze_once")]

    def __str__(self) -> str:
        return f"{self.card} {self.until_on}"


class LinkUse(models.Model):
    """A link of a mail that was used to act without a sign-in; none is used twice."""

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="+", verbose_name=_("delivery"))
    card = models.ForeignKey(Card, models.CASCADE, related_name="+", verbose_name=_("card"))
    action = models.CharField(_("action"), max_length=10)
    used_at = models.DateTimeField(_("used at"), default=timezone.now, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("used link")
        verbose_name_plural = _("used links")
        constraints = [models.UniqueConstraint(fields=["delivery", "card", "action"], name="link_once")]

    def __str__(self) -> str:
        return f"{self.card} {self.action}"
