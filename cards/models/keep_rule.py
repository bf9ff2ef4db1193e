"""What must happen, by when, for an operator not to take a number back."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cards.money import check_currency


class Unit(models.TextChoices):
    DAYS = "days", _("days")
    MONTHS = "months", _("months")
    YEARS = "years", _("years")


class Act(models.TextChoices):
    """What somebody can do that an operator may accept as a sign of life."""

    TOP_UP = "top_up", _("top-up")
    PLAN_PURCHASE = "plan_purchase", _("plan or package bought")
    FEE = "fee", _("fee paid")
    SMS = "sms", _("chargeable SMS")
    CALL = "call", _("chargeable call")
    DATA = "data", _("mobile data use")
    SIGN_IN = "sign_in", _("use of the account")


class PaidFrom(models.TextChoices):
    ANYWHERE = "anywhere", _("anywhere")
    INSIDE = "inside", _("inside the country")
    ABROAD = "abroad", _("from abroad")


class KeepRule(models.Model):
    """What must happen, by when, for the operator not to take the number back. See docs/keep-rules.md."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up", _("a top-up or plan purchase")
        ACTIVITY = "activity", _("one use of the line")
        FEE_PAID = "fee_paid", _("a fee somebody pays each period")
        FEE_FROM_BALANCE = "fee_from_balance", _("a fee taken from the balance")

    class CountsFrom(models.TextChoices):
        EVENT = "event", _("the act itself")
        EXPIRY = "expiry", _("the end of what is already bought")
        PLAN_END = "plan_end", _("the end of the bought plan")
        MONTH_START = "month_start", _("the first day of each month")

    plan = models.ForeignKey("Plan", models.CASCADE, related_name="rules", verbose_name=_("plan"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    value = models.PositiveSmallIntegerField(
        _("keeps for"),
        validators=[MinValueValidator(1)],
        help_text=_("How long one act or fee keeps the number"),
    )
    unit = models.CharField(_("unit"), max_length=6, choices=Unit, default=Unit.DAYS)
    counts_from = models.CharField(_("counts from"), max_length=12, choices=CountsFrom, default=CountsFrom.EVENT)
    stack_limit_days = models.PositiveIntegerField(
        _("stacking limit (days)"),
        null=True,
        blank=True,
        help_text=_("No act buys more than this many days from its own day"),
    )
    qualifying_acts = models.JSONField(
        _("acts that count"), default=list, help_text=_("Names such as top_up, plan_purchase, sms")
    )
    grace_value = models.PositiveSmallIntegerField(
        _("grace"),
        null=True,
        blank=True,
        help_text=_("How long the number can still be saved; empty means not known, 0 means none"),
    )
    grace_unit = models.CharField(_("grace unit"), max_length=6, choices=Unit, default=Unit.DAYS)
    grace_acts = models.JSONField(
        _("acts that save in grace"),
        default=list,
        blank=True,
        help_text=_("Empty: the same as before the deadline"),
    )
    grace_receives = models.BooleanField(_("still receives in grace"), null=True, blank=True)
    recovery_value = models.PositiveSmallIntegerField(
        _("recovery"),
        null=True,
        blank=True,
        help_text=_("How long the operator gives the number back on request"),
    )
    recovery_unit = models.CharField(_("recovery unit"), max_length=6, choices=Unit, default=Unit.DAYS)
    life_limit_days = models.PositiveIntegerField(
        _("life limit (days)"),
        null=True,
        blank=True,
        help_text=_("After this many days from activation the line ends, whatever is paid"),
    )
    lead_days = models.PositiveSmallIntegerField(
        _("lead (days)"), default=30, help_text=_("This many days before the deadline it is time to renew")
    )
    buffer_days = models.PositiveSmallIntegerField(
        _("buffer (days)"), default=7, help_text=_("The safe date is this many days before the deadline")
    )

    class Meta:
        verbose_name = _("keep rule")
        verbose_name_plural = _("keep rules")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="rule_value_positive",
                condition=Q(value__gte=1),
                violation_error_message=_("A rule keeps a number for at least one day."),
            ),
            models.CheckConstraint(
                name="rule_lead_covers_buffer",
                condition=Q(lead_days__gte=models.F("buffer_days")),
                violation_error_message=_("The lead cannot be shorter than the buffer."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.value} {self.get_unit_display()}"

    @property
    def ladder(self) -> list["TopUpStep"]:
        """The steps, the smallest amount first, those of an amount that is not known last."""
        return sorted(self.steps.all(), key=lambda step: (step.minimum_amount is None, step.minimum_amount or 0))

    def clean(self) -> None:
        errors = []
        if self.value is not None and self.value < 1:
            errors.append(ValidationError(_("A rule keeps a number for at least one day."), code="value"))
        if self.lead_days is not None and self.buffer_days is not None and self.lead_days < self.buffer_days:
            errors.append(ValidationError(_("The lead cannot be shorter than the buffer."), code="lead"))
        for acts in (self.qualifying_acts, self.grace_acts):
            unknown = sorted(set(acts) - set(Act.values)) if isinstance(acts, list) else [str(acts)]
            if unknown:
                errors.append(
                    ValidationError(
                        _("Not an act: %(acts)s. Use %(known)s."),
                        code="acts",
                        params={"acts": ", ".join(map(str, unknown)), "known": ", ".join(Act.values)},
                    )
                )
        if not self.qualifying_acts:
            errors.append(ValidationError(_("Say which acts count."), code="no_acts"))
        if errors:
            raise ValidationError(errors)


class TopUpStep(models.Model):
    """A rung of a ladder: the amount, and whether it was paid from abroad, decide how long it keeps."""

    rule = models.ForeignKey(KeepRule, models.CASCADE, related_name="steps", verbose_name=_("keep rule"))
    minimum_amount = models.DecimalField(
        _("minimum amount"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=_("Empty means not known, never zero"),
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[check_currency])
    channel = models.CharField(_("paid"), max_length=10, choices=PaidFrom, default=PaidFrom.ANYWHERE)
    value = models.PositiveSmallIntegerField(_("keeps for"), validators=[MinValueValidator(1)])
    unit = models.CharField(_("unit"), max_length=6, choices=Unit, default=Unit.DAYS)

    class Meta:
        verbose_name = _("top-up step")
        verbose_name_plural = _("top-up steps")
        ordering = ["minimum_amount", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "minimum_amount", "currency", "channel"],
                name="step_once",
                violation_error_message=_("The ladder has two equal steps."),
            ),
            models.UniqueConstraint(
                fields=["rule", "currency", "channel"],
                condition=Q(minimum_amount=None),
                name="step_once_unknown_amount",
                violation_error_message=_("The ladder has two equal steps."),
            ),
            models.CheckConstraint(
                name="step_value_positive",
                condition=Q(value__gte=1),
                violation_error_message=_("A step keeps a number for at least one day."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.minimum_amount} {self.currency}"
