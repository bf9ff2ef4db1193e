"""The promise of mail: what is to be said to whom, each mail, each run."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.models import Card, Household, HouseholdQuerySet, Member


class ReminderRun(models.Model):
    """One pass of `send_reminders`: the evidence that somebody watches. `period` is in seconds, None outside a loop.

    `problem` says why no mail can leave at all, or why the run held; empty when all is well.
    """

    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    period = models.PositiveIntegerField(null=True)
    due = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("reminder run")
        verbose_name_plural = _("reminder runs")
        indexes = [
            # dashboard and /healthz: the last finished run
            models.Index(fields=["-finished_at"], name="run_last_finished"),
        ]

    def __str__(self) -> str:
        return str(self.started_at)


class Delivery(models.Model):
    """One message to one member: the digest of a day of theirs, a test, or that another member is out of reach.

    It goes by email, or, where the member has one, through their `channel`. `about` is the member an alert is about.
    `answer` is what the server said when it took the message.
    """

    class Kind(models.TextChoices):
        DIGEST = "digest", _("digest")
        TEST = "test", _("test")
        ALERT = "alert", _("somebody is out of reach")

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting to be sent")
        CLAIMED = "claimed", _("being sent")
        SENT = "sent", _("sent")
        RETRY = "retry", _("to be tried again")
        FAILED = "failed", _("failed")
        WITHDRAWN = "withdrawn", _("nothing left to say")

    OPEN_STATES = (State.QUEUED, State.CLAIMED, State.RETRY)

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    member = models.ForeignKey(Member, models.CASCADE, related_name="deliveries", verbose_name=_("member"))
    kind = models.CharField(_("kind"), max_length=6, choices=Kind, default=Kind.DIGEST)
    channel = models.ForeignKey(
        "Channel", models.SET_NULL, null=True, related_name="deliveries", verbose_name=_("channel")
    )
    about = models.ForeignKey(Member, models.CASCADE, null=True, related_name="+", verbose_name=_("about"))
    local_date = models.DateField(_("day"))
    message_id = models.CharField(max_length=100, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_try_at = models.DateTimeField(_("next try at"), default=timezone.now)
    lease = models.UUIDField(null=True, editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    last_error = models.CharField(_("last error"), max_length=300, blank=True)
    answer = models.CharField(_("answer of the server"), max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            # one digest a member and day, whatever runs at once
            models.UniqueConstraint(
                fields=["member", "local_date"], condition=Q(kind="digest"), name="delivery_once_a_day"
            ),
            # one alert to a member about another and day, whoever noticed
            models.UniqueConstraint(
                fields=["member", "about", "local_date"], condition=Q(kind="alert"), name="alert_once_a_day"
            ),
        ]
        indexes = [
            # send_reminders: what is to be sent now
            models.Index(fields=["state", "next_try_at"], name="delivery_due"),
            # dashboard: the last mails of the household
            models.Index(fields=["household", "-created_at"], name="delivery_of_household"),
        ]

    def __str__(self) -> str:
        return f"{self.member} {self.local_date}"


def new_message_id(host: str) -> str:
    """Return a Message-ID that stays with a delivery through all its tries."""
    return f"<{uuid.uuid4()}@{host}>"


class Reminder(models.Model):
    """One line of one mail: about one subject, of one kind, for one moment. See docs/reminders.md.

    `subject` names what it is about by kind and id, such as card:5 or document:3; `card` is it, where it is a card.
    """

    class Kind(models.TextChoices):
        """Worst first, as in a mail."""

        GRACE = "grace", _("grace")
        RECOVERY = "recovery", _("recovery")
        LOST = "lost", _("lost")
        DEADLINE = "deadline", _("deadline")
        BALANCE = "balance", _("balance too low")
        UNREACHABLE = "unreachable", _("a member is out of reach")
        ACCOUNTS = "accounts", _("accounts to be moved")
        RULE = "rule", _("rule of the plan changed")
        REVIEW = "review", _("review overdue")
        TRIP = "trip", _("before a flight")
        UNKNOWN = "unknown", _("nothing known")
        PAPERS = "papers", _("document expires before the renewal")
        DOCUMENT = "document", _("document expires")
        DETAILS = "details", _("new details to be told")
        READING = "reading", _("old reading")
        SIGNAL = "signal", _("signal check")
        COPY = "copy", _("copy of the papers")
        PROMOTION = "promotion", _("promotion")
        WATCHING = "watching", _("still watching")

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    member = models.ForeignKey(Member, models.CASCADE, related_name="+", verbose_name=_("member"))
    subject = models.CharField(_("subject"), max_length=40)
    card = models.ForeignKey(Card, models.CASCADE, null=True, related_name="reminders", verbose_name=_("card"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    about_on = models.DateField(_("about"), help_text=_("The deadline, or the other date, that it speaks of"))
    moment_on = models.DateField(_("moment"))
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="reminders", verbose_name=_("delivery"))

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("reminder")
        verbose_name_plural = _("reminders")
        constraints = [
            models.UniqueConstraint(fields=["member", "subject", "kind", "about_on", "moment_on"], name="reminder_once")
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.kind} {self.moment_on}"
