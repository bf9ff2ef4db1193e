"""Who: the household, its members (with a login) and its people (in whose name lines stand)."""

import datetime
import zoneinfo
from typing import Any, ClassVar, Self

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.encryption import KeyField
from cards.money import check_currency
from cards.rights import RIGHTS, Right


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a login. `email` is kept in lower case; a password of None cannot be signed in with."""
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A login: an email address and a password. What belongs to a household hangs on Member."""

    email = models.EmailField(_("email address"), unique=True)
    is_staff = models.BooleanField(_("administrator"), default=False, help_text=_("May edit operators and plans"))
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("login")
        verbose_name_plural = _("logins")

    def __str__(self) -> str:
        return self.email


class HouseholdQuerySet(models.QuerySet):
    """Rows that belong to a household. This is the one place where they are filtered by it."""

    def for_member(self, member: "Member") -> Self:
        """Only what the member's household owns and they may see; everything else does not exist for them.

        What hangs on a private card is seen by those whom its owner chose.
        """
        rows = self.filter(household=member.household_id)
        if path := self._path_to_card():
            cards = apps.get_model("cards", "Card")._base_manager
            hidden = cards.filter(household=member.household_id, is_private=True).exclude(seen_by=member)
            rows = rows.exclude(**{f"{path}__in": hidden.values("pk")})
        return rows

    def _path_to_card(self) -> str:
        """Return how these rows hang on a card; empty when they hang on none."""
        fields = {field.name for field in self.model._meta.get_fields()}
        if self.model._meta.label == "cards.Card":
            return "pk"
        return "card" if "card" in fields else "renewal__card" if "renewal" in fields else ""


class MemberQuerySet(HouseholdQuerySet):
    def present(self) -> Self:
        """Those who can sign in and have not left the household."""
        return self.filter(left_at=None, user__is_active=True)


class Household(models.Model):
    """The family that owns the data.

    `data_key` opens what it keeps sealed; it is itself sealed with the installation's key, and empty before the first
    secret. `erase_at` of None: nobody asked for the household to be erased.
    """

    name = models.CharField(_("name"), max_length=100)
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        validators=[check_currency],
        help_text=_("Costs are shown in it too, where a rate is known"),
    )
    checks_signal = models.BooleanField(
        _("check the signal"),
        default=True,
        help_text=_("Every three months each card is put into a phone, to see that it still finds its network"),
    )
    backs_up_papers = models.BooleanField(
        _("copy important papers"),
        default=True,
        help_text=_("Once a year the family makes a safe copy of papers, PUKs and account names"),
    )
    requires_second_factor = models.BooleanField(
        _("require a second factor"),
        default=False,
        help_text=_("Everybody signs in with an app's code or a passkey beside the password"),
    )
    data_key = KeyField(blank=True, editable=False)
    erase_at = models.DateTimeField(_("to be erased at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("household")
        verbose_name_plural = _("households")

    def __str__(self) -> str:
        return self.name


def check_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone, such as America/Havana."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("“%(name)s” is not a time zone."), params={"name": name})


MOST_DAYS_BEFORE = 3650


def check_days_before(days: object) -> None:
    """Raise ValidationError unless `days` is a list of different whole numbers from 0 to 3,650."""
    listed = days if isinstance(days, list) else [None]
    if any(type(day) is not int or not 0 <= day <= MOST_DAYS_BEFORE for day in listed) or len({*listed}) < len(listed):
        raise ValidationError(_("Write whole days from 0 to 3650, such as 90, 45."), code="days")


class Level(models.TextChoices):
    """How many reminders come before a deadline; see docs/reminders.md."""

    CALM = "calm", _("calm")
    STANDARD = "standard", _("standard")
    INSISTENT = "insistent", _("insistent")


class Member(models.Model):
    """A login's place in one household: what they may do there, and when and how mail reaches them.

    Who leaves keeps the row, for history to name them; `left_at` of None is a member of today.
    """

    class Role(models.TextChoices):
        OWNER = "owner", _("owner")
        MANAGER = "manager", _("manager")
        VIEWER = "viewer", _("viewer")

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        CHINESE = "zh-hans", "简体中文"
        SPANISH = "es", "Español"

    household = models.ForeignKey(Household, models.CASCADE, related_name="members", verbose_name=_("household"))
    user = models.ForeignKey(User, models.CASCADE, related_name="members", verbose_name=_("login"))
    name = models.CharField(_("name"), max_length=100, help_text=_("What the family calls you"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MANAGER)
    language = models.CharField(_("language"), max_length=10, choices=Language, default=Language.ENGLISH)
    time_zone = models.CharField(_("time zone"), max_length=50, default="UTC", validators=[check_time_zone])
    remind_at = models.TimeField(
        _("mail hour"), default=datetime.time(8), help_text=_("Reminders are sent at this time of your day")
    )
    reminder_level = models.CharField(
        _("reminders"),
        max_length=10,
        choices=Level,
        default=Level.STANDARD,
        help_text=_(
            "Calm: 14, 3 and 0 days before. Standard: 30, 14, 7, 3, 1 and 0. Insistent: daily in the last week"
        ),
    )
    reminder_days = models.JSONField(
        _("more days before"),
        default=list,
        blank=True,
        validators=[check_days_before],
        help_text=_("Days before the deadline, such as 90, 45: added to the reminders above"),
    )
    away_from = models.DateField(_("away from"), null=True, blank=True)
    away_until = models.DateField(
        _("away until"),
        null=True,
        blank=True,
        help_text=_("What falls into these days is said the day before you leave, and the deputy stands in"),
    )
    next_plan_at = models.DateTimeField(null=True, editable=False)
    unreachable_since = models.DateTimeField(_("mail refused since"), null=True, editable=False)
    unreachable_reason = models.CharField(max_length=300, blank=True, editable=False)
    mail_stopped_at = models.DateTimeField(_("mails stopped at"), null=True, editable=False)
    left_at = models.DateTimeField(_("left at"), null=True, editable=False)

    objects = MemberQuerySet.as_manager()

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.CheckConstraint(
                name="member_away_range",
                condition=models.Q(away_from__isnull=True, away_until__isnull=True)
                | models.Q(away_from__lte=models.F("away_until")),
                violation_error_message=_("Give both days, the first one first."),
            ),
            models.UniqueConstraint(
                fields=["user", "household"],
                condition=models.Q(left_at=None),
                name="member_once",
                violation_error_message=_("This login is a member already."),
            ),
            models.UniqueConstraint(
                fields=["household"],
                condition=models.Q(role="owner", left_at=None),
                name="owner_once",
                violation_error_message=_("A household has one owner."),
            ),
        ]
        indexes = [
            # send_reminders: whose day is to be planned now
            models.Index(fields=["next_plan_at"], name="member_next_plan_at"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if (self.away_from is None) != (self.away_until is None) or (
            self.away_from and self.away_until and self.away_from > self.away_until
        ):
            raise ValidationError(_("Give both days, the first one first."), code="away_range")

    @property
    def rights(self) -> frozenset[str]:
        """What the member may do, by the one table of cards/rights.py."""
        return frozenset(right for right, roles in RIGHTS.items() if self.role in roles)

    @property
    def may_change(self) -> bool:
        """Whether the member may enter and change things; a viewer only looks."""
        return Right.CHANGE in self.rights

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    @property
    def out_of_reach_since(self) -> datetime.datetime | None:
        """Since when mail does not reach the member, as it was refused or stopped; None when it does."""
        return min((at for at in (self.unreachable_since, self.mail_stopped_at) if at), default=None)

    @property
    def absence(self) -> tuple[datetime.date, datetime.date] | None:
        """The first and the last day the member said to be away; None when none is written down."""
        return (self.away_from, self.away_until) if self.away_from and self.away_until else None

    def is_away(self, day: datetime.date) -> bool:
        """Whether the member said to be away on `day`; both ends count."""
        return bool(self.away_from and self.away_until and self.away_from <= day <= self.away_until)


class Person(models.Model):
    """Someone in whose name lines stand or who owns documents; may have no login."""

    household = models.ForeignKey(Household, models.CASCADE, related_name="people", verbose_name=_("household"))
    name = models.CharField(_("full name"), max_length=100, help_text=_("As written in the identity document"))
    member = models.OneToOneField(
        Member,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="person",
        verbose_name=_("member"),
        help_text=_("If this person has a login"),
    )
    address = models.TextField(
        _("postal address"),
        max_length=300,
        blank=True,
        help_text=_("As the operators have it, to be told when it changes"),
    )
    phone = models.CharField(_("phone for contact"), max_length=30, blank=True)
    email = models.EmailField(_("email for contact"), blank=True)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.UniqueConstraint(
                fields=["household", "name"],
                name="person_name_once",
                violation_error_message=_("There is already a person of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name
