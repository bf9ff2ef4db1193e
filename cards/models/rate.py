"""What a currency was worth in another one on a day."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cards.money import check_currency


class ExchangeRate(models.Model):
    """A rate as somebody wrote it down. Nothing is fetched; how rates are used is in `cards.rates`."""

    currency = models.CharField(_("currency"), max_length=3, validators=[check_currency])
    target = models.CharField(_("in currency"), max_length=3, validators=[check_currency])
    rate = models.DecimalField(
        _("rate"),
        max_digits=18,
        decimal_places=8,
        validators=[MinValueValidator(Decimal("0.00000001"), _("A rate is more than zero."))],
        help_text=_("What one unit of the first currency is worth in the second"),
    )
    dated_on = models.DateField(_("of"), help_text=_("The day of this rate"))
    source = models.CharField(_("source"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        ordering = ["currency", "target", "-dated_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["currency", "target", "dated_on"],
                name="rate_once_a_day",
                violation_error_message=_("There is already a rate of these currencies for this day."),
            ),
            models.CheckConstraint(
                name="rate_positive", condition=Q(rate__gt=0), violation_error_message=_("A rate is more than zero.")
            ),
            models.CheckConstraint(
                name="rate_of_two_currencies",
                condition=~Q(currency=F("target")),
                violation_error_message=_("A rate is between two currencies."),
            ),
        ]

    def __str__(self) -> str:
        return f"1 {self.currency} = {self.rate.normalize():f} {self.target}"

    def clean(self) -> None:
        if self.currency and self.currency == self.target:
            raise ValidationError(_("A rate is between two currencies."), code="same")
