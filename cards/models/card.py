"""The card: one number on one SIM or eSIM, on one plan."""

from collections.abc import Iterable
from typing import Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.encryption import SealedField

from .catalogue import Plan
from .household import Household, HouseholdQuerySet, Level, Member, Person, check_days_before


class CardQuerySet(HouseholdQuerySet):
    def open(self) -> Self:
        return self.filter(closed_on=None)

    def counted_by(self, plans: Iterable[int]) -> Self:
        """Those whose dates depend on any of these plans (ids): it is theirs, was theirs, or will be."""
        ids = list(plans)
        moved = PlanChange.objects.filter(Q(plan_before__in=ids) | Q(plan_after__in=ids))
        return self.filter(Q(plan__in=ids) | Q(pk__in=moved.values("card")))


class Card(models.Model):
    """One number. Its dates (`deadline` and those after it) are answers that `renewals` keeps for fast lists.

    `revision` counts the times they moved or the card was closed or opened again, the last time at `changed_at`:
    calendars want to know. `quiet_since`: when “I am doing it” last began to spare the other members their reminders.
    """

    class Form(models.TextChoices):
        SIM = "sim", _("SIM")
        ESIM = "esim", _("eSIM")

    household = models.ForeignKey(Household, models.CASCADE, related_name="cards", verbose_name=_("household"))
    person = models.ForeignKey(
        Person,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="cards",
        verbose_name=_("registered holder"),
        help_text=_("In whose name the line stands; the operator asks for this person's papers"),
    )
    name = models.CharField(_("name"), max_length=60, help_text=_("What the family calls this card"))
    number = models.CharField(_("number"), max_length=16, help_text=_("With the country code, such as +53 5 234 5678"))
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="cards", verbose_name=_("plan"))
    responsible = models.ForeignKey(
        Member,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="responsible_for",
        verbose_name=_("responsible"),
        help_text=_("Gets the first reminders; without one, everybody gets them"),
    )
    deputy = models.ForeignKey(
        Member,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="deputy_for",
        verbose_name=_("deputy"),
        help_text=_("Gets reminders in the last week, or when the responsible member is away"),
    )
    reminder_level = models.CharField(
        _("reminders"),
        max_length=10,
        choices=Level,
        blank=True,
        help_text=_("Empty: each member gets as many as they chose in their settings"),
    )
    reminder_days = models.JSONField(
        _("more days before"),
        default=list,
        blank=True,
        validators=[check_days_before],
        help_text=_("Days before the deadline, such as 90, 45: added to the reminders above"),
    )
    is_private = models.BooleanField(
        _("private"), default=False, help_text=_("Only the members chosen below see this card and hear of it")
    )
    seen_by = models.ManyToManyField(Member, blank=True, related_name="+", verbose_name=_("seen by"))
    form = models.CharField(_("form"), max_length=4, choices=Form, default=Form.SIM)
    location = models.CharField(
        _("where the SIM is"),
        max_length=120,
        blank=True,
        help_text=_("Such as: blue phone, at grandmother's"),
    )
    account_username = models.CharField(
        _("account name"),
        max_length=120,
        blank=True,
        help_text=_("Your user name at the operator. Never the password"),
    )
    iccid = SealedField("ICCID", blank=True)
    pin = SealedField("PIN", blank=True)
    puk = SealedField("PUK", blank=True)
    activated_on = models.DateField(_("activated on"), null=True, blank=True)
    notes = models.TextField(_("notes"), blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    created_at = models.DateTimeField(_("added at"), default=timezone.now, editable=False)

    deadline = models.DateField(_("deadline"), null=True, editable=False)
    due_on = models.DateField(_("time to renew from"), null=True, editable=False)
    safe_on = models.DateField(_("safe date"), null=True, editable=False)
    grace_ends_on = models.DateField(_("grace ends"), null=True, editable=False)
    lost_on = models.DateField(_("lost on"), null=True, editable=False)
    deadline_source = models.JSONField(default=dict, editable=False)
    is_incomplete = models.BooleanField(default=False, editable=False)
    revision = models.PositiveIntegerField(default=0, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    quiet_since = models.DateTimeField(null=True, editable=False)

    objects = CardQuerySet.as_manager()

    class Meta:
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "number"],
                condition=Q(closed_on=None),
                name="card_number_once",
                violation_error_message=_("Your household already has a card with this number."),
            )
        ]
        indexes = [
            # dashboard and reminders: the open cards of a household by deadline
            models.Index(fields=["household", "deadline"], condition=Q(closed_on=None), name="card_open_by_deadline"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.closed_on is None and self.number and self.household_id:
            twins = Card.objects.filter(household=self.household_id, number=self.number, closed_on=None)
            if twins.exclude(pk=self.pk).exists():
                raise ValidationError(
                    {"number": ValidationError(_("Your household already has a card with this number."), code="twin")}
                )


class PlanChange(models.Model):
    """A card's move to another plan of its operator, or of another one, from a day on.

    The card's own `plan` is the one that holds now; `applied_at` of None is a change that is still to come. Its acts
    before `starts_on` count by the plan before, those from that day on by the plan after.
    """

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    card = models.ForeignKey(Card, models.CASCADE, related_name="plan_changes", verbose_name=_("card"))
    plan_before = models.ForeignKey(Plan, models.PROTECT, related_name="+", verbose_name=_("plan before"))
    plan_after = models.ForeignKey(Plan, models.PROTECT, related_name="+", verbose_name=_("plan after"))
    starts_on = models.DateField(_("from"), help_text=_("The first day on which the other plan holds"))
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("recorded by"))
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now, editable=False)
    applied_at = models.DateTimeField(null=True, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("change of plan")
        verbose_name_plural = _("changes of plan")
        ordering = ["starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["card", "starts_on"],
                name="plan_change_once_a_day",
                violation_error_message=_("This card already changes its plan on this day."),
            ),
            models.CheckConstraint(
                name="plan_change_of_two_plans",
                condition=~Q(plan_before=F("plan_after")),
                violation_error_message=_("The card is on this plan already."),
            ),
        ]
        indexes = [
            # send_reminders: changes whose day has come
            models.Index(fields=["starts_on"], condition=Q(applied_at=None), name="plan_change_to_come"),
        ]

    def __str__(self) -> str:
        return f"{self.card}: {self.plan_after} {self.starts_on}"


class LinkedAccount(models.Model):
    """What dies with the number."""

    class Kind(models.TextChoices):
        BANK = "bank", _("bank")
        MESSENGER = "messenger", _("messenger")
        SHOP = "shop", _("shop")
        STATE = "state", _("authority")
        OTHER = "other", _("other")

    class Importance(models.TextChoices):
        HIGH = "high", _("must not be lost")
        NORMAL = "normal", _("would be a nuisance")

    household = models.ForeignKey(Household, models.CASCADE, verbose_name=_("household"))
    card = models.ForeignKey(Card, models.CASCADE, related_name="linked_accounts", verbose_name=_("card"))
    name = models.CharField(_("name"), max_length=100, help_text=_("Such as: WeChat, Banco Metropolitano"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.OTHER)
    importance = models.CharField(_("importance"), max_length=10, choices=Importance, default=Importance.HIGH)
    moved_on = models.DateField(_("moved to another number on"), null=True, blank=True)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("linked account")
        verbose_name_plural = _("linked accounts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
