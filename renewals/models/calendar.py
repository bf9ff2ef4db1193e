"""What stands in the family's calendar beside the cards: the feed that hands it out, and flights."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.models import Household, HouseholdQuerySet, Member


class CalendarFeed(models.Model):
    """A member's private calendar address. Only the hash of its token is kept: it is shown once, when it is made."""

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    member = models.OneToOneField(Member, models.CASCADE, related_name="calendar_feed", verbose_name=_("member"))
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("made at"), default=timezone.now, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("calendar feed")
        verbose_name_plural = _("calendar feeds")

    def __str__(self) -> str:
        return str(self.member)


class Trip(models.Model):
    """A flight of the family: what can only be done, or done cheaper, on one side is said before it leaves."""

    household = models.ForeignKey(Household, models.CASCADE, related_name="trips", verbose_name=_("household"))
    leaves_on = models.DateField(_("day of the flight"))
    from_country = models.CharField(_("from the country"), max_length=2)
    to_country = models.CharField(_("to the country"), max_length=2)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("written down by"))
    created_at = models.DateTimeField(_("written down at"), default=timezone.now, editable=False)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("flight")
        verbose_name_plural = _("flights")
        ordering = ["leaves_on", "pk"]
        constraints = [
            models.CheckConstraint(
                name="trip_of_two_countries",
                condition=~Q(from_country=F("to_country")),
                violation_error_message=_("Choose two different countries."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_country} → {self.to_country} {self.leaves_on}"

    def clean(self) -> None:
        if self.from_country and self.from_country == self.to_country:
            raise ValidationError(_("Choose two different countries."), code="same_country")
