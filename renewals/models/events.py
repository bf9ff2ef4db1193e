"""What happened to a card, as rows: payments, activities, readings, signal checks. Nothing is overwritten."""

from decimal import Decimal
from typing import Self

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.models import Act, Card, Household, HouseholdQuerySet, Member, PaidFrom, TopUpChannel
from cards.money import check_currency


class RecordQuerySet(HouseholdQuerySet):
    def kept(self) -> Self:
        """Those that are not in the bin."""
        return self.filter(deleted_at=None)

    def valid(self) -> Self:
        """Those that are not in the bin and that no later row outside of it corrects."""
        return self.kept().exclude(corrected_by__isnull=False, corrected_by__deleted_at=None)


class Record(models.Model):
    """A dated row of a card's history. A wrong one is corrected by a new row that names it in `corrects`.

    `deleted_at` of None is one that is not in the bin.
    """

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("recorded by"))
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now, editable=False)
    corrects = models.OneToOneField(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="corrected_by",
        verbose_name=_("corrects"),
    )
    deleted_at = models.DateTimeField(_("deleted at"), null=True, editable=False)
    deleted_by = models.ForeignKey(
        Member, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("deleted by")
    )

    objects = RecordQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def is_corrected(self) -> bool:
        """Whether a later row outside of the bin corrects this one."""
        correction: Record | None = getattr(self, "corrected_by", None)
        return correction is not None and correction.deleted_at is None


class Reading(Record):
    """What a member saw at the operator on a day: the balance, or until when the line is valid, or both."""

    card = models.ForeignKey(Card, models.CASCADE, related_name="readings", verbose_name=_("card"))
    renewal = models.ForeignKey(
        "Renewal", models.SET_NULL, null=True, blank=True, related_name="readings", verbose_name=_("renewal")
    )
    step = models.CharField(_("step"), max_length=12, blank=True, editable=False)
    read_on = models.DateField(_("seen on"))
    balance = models.DecimalField(
        _("balance"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, validators=[check_currency])
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    how = models.CharField(_("how"), max_length=60, blank=True, help_text=_("Such as: *222#, app, website"))

    class Meta:
        verbose_name = _("reading")
        verbose_name_plural = _("readings")
        ordering = ["-read_on", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="reading_says_something",
                condition=Q(balance__isnull=False) | Q(valid_until__isnull=False),
                violation_error_message=_("Give the balance or the valid-until date, or both."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.card} {self.read_on}"

    def clean(self) -> None:
        if self.balance is None and self.valid_until is None:
            raise ValidationError(_("Give the balance or the valid-until date, or both."), code="empty")


class Activity(Record):
    """A use of the line that the operator may count. It counts once it is known to have been charged."""

    class Kind(models.TextChoices):
        SMS = Act.SMS.value, Act.SMS.label
        CALL = Act.CALL.value, Act.CALL.label
        DATA = Act.DATA.value, Act.DATA.label
        SIGN_IN = Act.SIGN_IN.value, Act.SIGN_IN.label

    card = models.ForeignKey(Card, models.CASCADE, related_name="activities", verbose_name=_("card"))
    renewal = models.ForeignKey(
        "Renewal",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="activities",
        verbose_name=_("renewal"),
    )
    kind = models.CharField(_("what was done"), max_length=10, choices=Kind)
    done_on = models.DateField(_("done on"))
    cost = models.DecimalField(
        _("cost"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, validators=[check_currency])
    confirmed_on = models.DateField(_("confirmed on"), null=True, blank=True)

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        ordering = ["-done_on", "-pk"]

    def __str__(self) -> str:
        return f"{self.card} {self.get_kind_display()} {self.done_on}"


class Payment(Record):
    """Money that went to the operator. It counts once the operator has been seen to have it."""

    class Kind(models.TextChoices):
        TOP_UP = Act.TOP_UP.value, Act.TOP_UP.label
        PLAN_PURCHASE = Act.PLAN_PURCHASE.value, Act.PLAN_PURCHASE.label
        FEE = Act.FEE.value, Act.FEE.label

    class Method(models.TextChoices):
        CREDIT_CARD = "credit_card", _("credit card")
        DEBIT_CARD = "debit_card", _("debit card")
        E_WALLET = "e_wallet", _("e-wallet")
        CASH_DEPOSIT = "cash_deposit", _("cash deposit")
        BALANCE = "balance", _("from the balance")

    class Channel(models.TextChoices):
        INSIDE = PaidFrom.INSIDE.value, PaidFrom.INSIDE.label
        ABROAD = PaidFrom.ABROAD.value, PaidFrom.ABROAD.label

    card = models.ForeignKey(Card, models.CASCADE, related_name="payments", verbose_name=_("card"))
    renewal = models.ForeignKey(
        "Renewal", models.SET_NULL, null=True, blank=True, related_name="payments", verbose_name=_("renewal")
    )
    kind = models.CharField(_("what was paid"), max_length=15, choices=Kind, default=Kind.TOP_UP)
    amount = models.DecimalField(
        _("amount"),
        max_digits=12,
        decimal_places=2,
        validators=[MinValueValidator(Decimal("0.01"), _("An amount is more than zero."))],
        help_text=_("What reached the line, in the operator's currency"),
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[check_currency])
    charged_amount = models.DecimalField(
        _("really charged"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"), _("An amount is more than zero."))],
        help_text=_("If your bank or a reseller took another amount"),
    )
    charged_currency = models.CharField(_("currency charged"), max_length=3, blank=True, validators=[check_currency])
    method = models.CharField(_("paid with"), max_length=15, choices=Method, blank=True)
    channel = models.CharField(_("paid"), max_length=10, choices=Channel, default=Channel.INSIDE)
    via = models.ForeignKey(TopUpChannel, models.SET_NULL, null=True, blank=True, verbose_name=_("paid through"))
    paid_on = models.DateField(_("paid on"))
    covers_until = models.DateField(
        _("covers until"),
        null=True,
        blank=True,
        help_text=_("If the operator says when the bought plan ends"),
    )
    reference = models.CharField(_("reference"), max_length=100, blank=True)
    receipt = models.FileField(_("receipt"), upload_to="receipts", max_length=80, blank=True)
    receipt_type = models.CharField(max_length=20, blank=True, editable=False)
    confirmed_on = models.DateField(_("confirmed on"), null=True, blank=True)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ["-paid_on", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="payment_amount_positive",
                condition=Q(amount__gt=0),
                violation_error_message=_("An amount is more than zero."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.card} {self.amount} {self.currency} {self.paid_on}"


class SignalCheck(Record):
    """Whether the SIM still finds its network."""

    card = models.ForeignKey(Card, models.CASCADE, related_name="signal_checks", verbose_name=_("card"))
    checked_on = models.DateField(_("checked on"))
    bars = models.PositiveSmallIntegerField(_("bars"), help_text=_("From 0, no network, to 4"))
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("signal check")
        verbose_name_plural = _("signal checks")
        ordering = ["-checked_on", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="signal_bars_of_four",
                condition=Q(bars__range=(0, 4)),
                violation_error_message=_("Bars are counted from 0 to 4."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.card} {self.checked_on}"
