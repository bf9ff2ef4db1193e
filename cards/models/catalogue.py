"""What operators sell, and what they want for a number to stay alive."""

import datetime
from decimal import Decimal
from typing import Self

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cards.money import check_currency

from .household import Household, HouseholdQuerySet, Member
from .keep_rule import Unit


class Confidence(models.TextChoices):
    HIGH = "high", _("high")
    MEDIUM = "medium", _("medium")
    LOW = "low", _("low")
    OWN = "own", _("entered by the household")


class Feature(models.TextChoices):
    """What a plan offers beyond calls, SMS and data."""

    VOICEMAIL = "voicemail", _("voicemail")
    WIFI_CALLING = "wifi_calling", _("calls over Wi-Fi")
    VIDEO_MEETINGS = "video_meetings", _("video meetings")
    COMPANY_MAIL = "company_mail", _("company mail")


class SharedQuerySet(HouseholdQuerySet):
    """Operators and plans: the shared catalogue, and what a household entered for itself."""

    def for_member(self, member: Member) -> Self:
        return self.filter(Q(household=None) | Q(household=member.household_id))

    def current(self) -> Self:
        """Those still to be chosen; a retired one stays with the cards that have it."""
        return self.filter(retired_on=None)


class Operator(models.Model):
    """A company that gives out numbers. Without a household it is part of the shared catalogue.

    `shipped` are its terms as the last release had them, None for one that no release names; `offered` those of a
    release that wait for an administrator's decision, because the operator was edited here. See `cards.catalogue`.
    """

    household = models.ForeignKey(Household, models.CASCADE, null=True, blank=True, verbose_name=_("household"))
    slug = models.SlugField(_("short name"), max_length=60)
    name = models.CharField(_("name"), max_length=100)
    belongs_to = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="brands", verbose_name=_("belongs to")
    )
    country = models.CharField(
        _("country"), max_length=2, blank=True, help_text=_("ISO code of two letters; empty for any country")
    )
    website = models.URLField(_("website"), blank=True)
    account_url = models.URLField(_("account page"), blank=True)
    password_reset_url = models.URLField(_("password reset page"), blank=True)
    app_url = models.URLField(_("app page"), blank=True)
    app_name = models.CharField(_("app"), max_length=100, blank=True)
    balance_code = models.CharField(_("balance code"), max_length=30, blank=True, help_text=_("Dialled, such as *222#"))
    validity_code = models.CharField(
        _("validity code"),
        max_length=30,
        blank=True,
        help_text=_("Dialled, shows until when the line is valid"),
    )
    support = models.CharField(_("support"), max_length=200, blank=True)
    requires_document = models.BooleanField(
        _("asks for papers"), null=True, blank=True, help_text=_("Unknown means that nobody has found out yet")
    )
    document_kinds = models.JSONField(
        _("accepted papers"), default=list, blank=True, help_text=_("Any one of these is enough")
    )
    review_hours = models.PositiveSmallIntegerField(
        _("review hours"),
        null=True,
        blank=True,
        help_text=_("How long a payment or registration usually takes"),
    )
    service_rating = models.PositiveSmallIntegerField(_("service rating"), null=True, blank=True)
    source_url = models.CharField(_("source"), max_length=400, blank=True)
    checked_on = models.DateField(_("checked on"), null=True, blank=True)
    retired_on = models.DateField(_("retired on"), null=True, blank=True)
    shipped = models.JSONField(null=True, editable=False)
    offered = models.JSONField(null=True, editable=False)
    edited_at = models.DateTimeField(_("edited at"), null=True, blank=True, editable=False)

    objects = SharedQuerySet.as_manager()

    class Meta:
        verbose_name = _("operator")
        verbose_name_plural = _("operators")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["slug"],
                condition=Q(household=None),
                name="operator_slug_once_shared",
                violation_error_message=_("There is already an operator of this name."),
            ),
            models.UniqueConstraint(
                fields=["household", "slug"],
                name="operator_slug_once",
                violation_error_message=_("There is already an operator of this name."),
            ),
            models.CheckConstraint(
                name="operator_rating_of_five",
                condition=Q(service_rating__isnull=True) | Q(service_rating__range=(1, 5)),
                violation_error_message=_("A rating is a number from 1 to 5."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TopUpChannel(models.Model):
    """A way by which money reaches a line of this operator."""

    class Kind(models.TextChoices):
        APP = "app", _("app")
        WEBSITE = "website", _("website")
        THIRD_PARTY = "third_party", _("third-party payment")
        OUTLET = "outlet", _("outlet")
        CODE = "code", _("code")
        RESELLER = "reseller", _("reseller")

    operator = models.ForeignKey(Operator, models.CASCADE, related_name="channels", verbose_name=_("operator"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    name = models.CharField(_("name"), max_length=100)
    url = models.URLField(_("address"), blank=True)

    class Meta:
        verbose_name = _("top-up channel")
        verbose_name_plural = _("top-up channels")
        constraints = [models.UniqueConstraint(fields=["operator", "name"], name="channel_name_once")]

    def __str__(self) -> str:
        return self.name


class Plan(models.Model):
    """What the operator sells. Without a household it is part of the shared catalogue.

    `shipped` and `offered` are as with the operator. `recount_since` is set as long as a change of the rules may not
    have reached all cards yet.
    """

    class Type(models.TextChoices):
        BASIC = "basic", _("basic")
        PACKAGE = "package", _("package")
        SPECIAL = "special", _("special")

    household = models.ForeignKey(Household, models.CASCADE, null=True, blank=True, verbose_name=_("household"))
    operator = models.ForeignKey(Operator, models.PROTECT, related_name="plans", verbose_name=_("operator"))
    slug = models.SlugField(_("short name"), max_length=80)
    name = models.CharField(_("name"), max_length=150)
    type = models.CharField(_("type"), max_length=10, choices=Type, default=Type.BASIC)
    fee = models.DecimalField(
        _("fee"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("Per period; empty means not known, never zero"),
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, validators=[check_currency])
    period_value = models.PositiveSmallIntegerField(_("period"), null=True, blank=True)
    period_unit = models.CharField(_("period unit"), max_length=6, choices=Unit, blank=True)
    data_mb = models.PositiveIntegerField(_("data (MB)"), null=True, blank=True)
    voice_minutes = models.PositiveIntegerField(_("minutes"), null=True, blank=True)
    sms_count = models.PositiveIntegerField(_("SMS"), null=True, blank=True)
    features = models.JSONField(_("features"), default=list, blank=True, help_text=_("Empty means not known"))
    extras = models.TextField(_("extras"), blank=True)
    receives_abroad = models.BooleanField(
        _("receives SMS abroad"), null=True, blank=True, help_text=_("Unknown means that nobody has found out yet")
    )
    port_out_days = models.PositiveSmallIntegerField(
        _("port-out window (days)"),
        null=True,
        blank=True,
        help_text=_("How long after its end the number can still be taken to another operator; empty means not known"),
    )
    refund_days = models.PositiveSmallIntegerField(
        _("refund window (days)"),
        null=True,
        blank=True,
        help_text=_("How long after the end the balance is paid out on request; empty means not known, 0 means never"),
    )
    confidence = models.CharField(_("confidence"), max_length=6, choices=Confidence, default=Confidence.MEDIUM)
    confidence_reason = models.TextField(_("reason of the confidence"), blank=True)
    source_url = models.CharField(_("source"), max_length=400, blank=True)
    sources = models.JSONField(_("all sources"), default=list, blank=True)
    checked_on = models.DateField(_("checked on"), null=True, blank=True)
    retired_on = models.DateField(
        _("retired on"),
        null=True,
        blank=True,
        help_text=_("From this day nobody can choose it; cards on it keep it"),
    )
    recount_since = models.DateTimeField(null=True, editable=False)
    shipped = models.JSONField(null=True, editable=False)
    offered = models.JSONField(null=True, editable=False)
    edited_at = models.DateTimeField(_("edited at"), null=True, blank=True, editable=False)

    objects = SharedQuerySet.as_manager()

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ["operator__name", "name"]
        indexes = [
            # send_reminders: plans whose cards may still have old dates
            models.Index(
                fields=["recount_since"], condition=Q(recount_since__isnull=False), name="plan_to_be_recounted"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["slug"],
                condition=Q(household=None),
                name="plan_slug_once_shared",
                violation_error_message=_("There is already a plan of this name."),
            ),
            models.UniqueConstraint(
                fields=["household", "slug"],
                name="plan_slug_once",
                violation_error_message=_("There is already a plan of this name."),
            ),
            models.CheckConstraint(
                name="plan_fee_not_negative",
                condition=Q(fee__isnull=True) | Q(fee__gte=0),
                violation_error_message=_("A fee cannot be negative."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operator.name} · {self.name}"


class Promotion(models.Model):
    """An offer of an operator for a while."""

    operator = models.ForeignKey(Operator, models.CASCADE, related_name="promotions", verbose_name=_("operator"))
    plan = models.ForeignKey(
        Plan, models.CASCADE, null=True, blank=True, related_name="promotions", verbose_name=_("plan")
    )
    title = models.CharField(_("title"), max_length=200)
    starts_on = models.DateField(_("starts on"))
    ends_on = models.DateField(_("ends on"))
    url = models.URLField(_("address"), blank=True)

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ["starts_on"]
        constraints = [
            models.CheckConstraint(
                name="promotion_range",
                condition=Q(starts_on__lte=models.F("ends_on")),
                violation_error_message=_("A promotion cannot end before it starts."),
            )
        ]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        if self.starts_on and self.ends_on and self.starts_on > self.ends_on:
            raise ValidationError(_("A promotion cannot end before it starts."), code="range")

    def is_running(self, day: datetime.date) -> bool:
        return self.starts_on <= day <= self.ends_on


class StepGuide(models.Model):
    """What a step of the walk-through says for one operator or one plan, in one language.

    The step `let_go` is about giving a number up. `shipped` and `offered` are as with the operator.
    """

    operator = models.ForeignKey(
        Operator, models.CASCADE, null=True, blank=True, related_name="guides", verbose_name=_("operator")
    )
    plan = models.ForeignKey(Plan, models.CASCADE, null=True, blank=True, related_name="guides", verbose_name=_("plan"))
    step = models.CharField(_("step"), max_length=12)
    language = models.CharField(_("language"), max_length=10, choices=Member.Language)
    text = models.TextField(_("text"))
    url = models.URLField(_("address"), blank=True)
    sources = models.JSONField(_("all sources"), default=list, blank=True)
    shipped = models.JSONField(null=True, editable=False)
    offered = models.JSONField(null=True, editable=False)

    class Meta:
        verbose_name = _("step guide")
        verbose_name_plural = _("step guides")
        constraints = [
            models.CheckConstraint(
                name="guide_of_operator_or_plan",
                condition=Q(operator__isnull=True) ^ Q(plan__isnull=True),
                violation_error_message=_("A guide is either for an operator or for a plan."),
            ),
            models.UniqueConstraint(
                fields=["operator", "step", "language"],
                name="guide_once_per_operator",
                violation_error_message=_("There is already a guide for this step and language."),
            ),
            models.UniqueConstraint(
                fields=["plan", "step", "language"],
                name="guide_once_per_plan",
                violation_error_message=_("There is already a guide for this step and language."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operator or self.plan} · {self.step} · {self.language}"

    def clean(self) -> None:
        if (self.operator is None) == (self.plan is None):
            raise ValidationError(_("A guide is either for an operator or for a plan."), code="owner")
