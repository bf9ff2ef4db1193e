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


class Confidence(models.TextChoices):
    HIGH = "high", _("high")
    MEDIUM = "medium", _("medium")
    LOW = "low", _("low")
    OWN = "own", _("entered by the household")


class SharedQuerySet(HouseholdQuerySet):
    """Operators and plans: the shared catalogue, and what a household entered for itself."""

    def for_member(self, member: Member) -> Self:
        return self.filter(Q(household=None) | Q(household=member.household_id))

    def current(self) -> Self:
        """Those still to be chosen; a retired one stays with the cards that have it."""
        return self.filter(retired_on=None)


class Operator(models.Model):
    """A company that gives out numbers. Without a household it is part of the shared catalogue."""

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
    """What the operator sells. Without a household it is part of the shared catalogue."""

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
    extras = models.TextField(_("extras"), blank=True)
    receives_abroad = models.BooleanField(
        _("receives SMS abroad"), null=True, blank=True, help_text=_("Unknown means that nobody has found out yet")
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
    edited_at = models.DateTimeField(_("edited at"), null=True, blank=True, editable=False)

    objects = SharedQuerySet.as_manager()

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ["operator__name", "name"]
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

    plan = models.ForeignKey(Plan, models.CASCADE, related_name="rules", verbose_name=_("plan"))
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
    """What a step of the walk-through says for one operator or one plan, in one language."""

    operator = models.ForeignKey(
        Operator, models.CASCADE, null=True, blank=True, related_name="guides", verbose_name=_("operator")
    )
    plan = models.ForeignKey(Plan, models.CASCADE, null=True, blank=True, related_name="guides", verbose_name=_("plan"))
    step = models.CharField(_("step"), max_length=12)
    language = models.CharField(_("language"), max_length=10, choices=Member.Language)
    text = models.TextField(_("text"))
    url = models.URLField(_("address"), blank=True)

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
