"""The renewal: one walk through preparation and renewal, with its outcome."""

import datetime
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.encryption import SealedField
from cards.models import Act, Card, Household, HouseholdQuerySet, KeepRule, Member, Person, Plan

CLAIM_LASTS = datetime.timedelta(days=1)


class RenewalQuerySet(HouseholdQuerySet):
    def open(self) -> Self:
        return self.filter(state__in=Renewal.OPEN_STATES)


class Renewal(models.Model):
    """A walk-through of one card. `plan_terms` is a copy: an edited plan never rewrites history.

    `keeps_terms`: the rule was changed while this renewal was open, so its acts count by the copy. `revision` counts
    the changes of its state and of the day of its review, the last of them at `changed_at`: calendars want to know.
    """

    class State(models.TextChoices):
        PREPARING = "preparing", _("preparing")
        RENEWING = "renewing", _("renewing")
        AWAITING = "awaiting", _("awaiting review")
        RENEWED = "renewed", _("renewed")
        REJECTED = "rejected", _("rejected")
        ABANDONED = "abandoned", _("abandoned")

    OPEN_STATES = (State.PREPARING, State.RENEWING, State.AWAITING)

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    card = models.ForeignKey(Card, models.CASCADE, related_name="renewals", verbose_name=_("card"))
    rule = models.ForeignKey(KeepRule, models.SET_NULL, null=True, related_name="+", verbose_name=_("keep rule"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PREPARING)
    deadline_before = models.DateField(_("deadline before"), null=True)
    deadline_after = models.DateField(_("deadline after"), null=True)
    opened_at = models.DateTimeField(_("opened at"), default=timezone.now)
    opened_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("opened by"))
    taken_by = models.ForeignKey(
        Member, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("taken by")
    )
    taken_at = models.DateTimeField(_("taken at"), null=True, blank=True)
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    follow_up_at = models.DateTimeField(_("follow up at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    finished_by = models.ForeignKey(
        Member, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("finished by")
    )
    plan_terms = models.JSONField(_("terms of the plan"), default=dict)
    keeps_terms = models.BooleanField(default=False, editable=False)
    plan = models.ForeignKey(
        Plan, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("what is bought")
    )
    act = models.CharField(_("kind"), max_length=15, choices=Act, blank=True)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    failed_step = models.CharField(max_length=12, blank=True, editable=False)
    retry_of = models.OneToOneField("self", models.SET_NULL, null=True, blank=True, related_name="retry")
    revision = models.PositiveIntegerField(default=0, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RenewalQuerySet.as_manager()

    class Meta:
        verbose_name = _("renewal")
        verbose_name_plural = _("renewals")
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["card"],
                condition=Q(state__in=["preparing", "renewing", "awaiting"]),
                name="renewal_one_open",
                violation_error_message=_("This card already has an open renewal."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.card} {timezone.localdate(self.opened_at)}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN_STATES

    def holder(self, now: datetime.datetime) -> Member | None:
        """Return the member who said “I am doing it” within the last day; None when nobody, or not any more."""
        if self.taken_at is None or self.taken_at + CLAIM_LASTS <= now:
            return None
        return self.taken_by

    @property
    def current_key(self) -> str:
        """The key of the first step that is not done; after all of them, the last one's."""
        step = self.steps.filter(done_at=None).first() or self.steps.last()
        return step.key if step else RenewalStep.Key.CONFIRM

    def record_of(self, key: str) -> Any:
        """Return the reading, payment or use that a step has recorded and nobody has corrected; None when nothing."""
        if key in {RenewalStep.Key.BALANCE, RenewalStep.Key.VALIDITY, RenewalStep.Key.CONFIRM}:
            return self.readings.valid().filter(step=key).select_related("by").first()
        if key == RenewalStep.Key.PAY:
            return self.payments.valid().select_related("by").first()
        if key == RenewalStep.Key.ACT:
            return self.activities.valid().select_related("by").first()
        return None


class RenewalStep(models.Model):
    """One step of a renewal: who did it and when, or why it was skipped.

    `revision` counts the times it was saved, so that a stale second tab is noticed.
    """

    class Key(models.TextChoices):
        BALANCE = "balance", _("Check the balance")
        VALIDITY = "validity", _("Check the validity")
        DOCUMENTS = "documents", _("Get the papers ready")
        VISIT = "visit", _("Go to the operator")
        SIGN_IN = "sign_in", _("Sign in")
        CHOOSE = "choose", _("Choose and check the order")
        PAY = "pay", _("Pay")
        ACT = "act", _("Use the line once")
        CONFIRM = "confirm", _("Await review and confirm")

    PREPARE = (Key.BALANCE, Key.VALIDITY, Key.DOCUMENTS)

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    renewal = models.ForeignKey(Renewal, models.CASCADE, related_name="steps", verbose_name=_("renewal"))
    key = models.CharField(_("step"), max_length=12, choices=Key)
    position = models.PositiveSmallIntegerField(_("position"))
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)
    done_by = models.ForeignKey(
        Member, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("done by")
    )
    is_skipped = models.BooleanField(_("skipped"), default=False)
    note = models.CharField(_("note"), max_length=500, blank=True)
    revision = models.PositiveIntegerField(default=0, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["renewal", "key"], name="step_key_once")]

    def __str__(self) -> str:
        return self.get_key_display()


class DocumentQuerySet(HouseholdQuerySet):
    def kept(self) -> Self:
        """Those that are not in the bin."""
        return self.filter(deleted_at=None)


class Document(models.Model):
    """An identity document of a person.

    `number` and `scan` are sealed. `deleted_at` of None is one that is not in the bin. `revision` counts its changes,
    the last one at `changed_at`.
    """

    class Kind(models.TextChoices):
        IDENTITY_CARD = "identity_card", _("identity card")
        PASSPORT = "passport", _("passport")
        RESIDENCE_PERMIT = "residence_permit", _("residence permit")
        TRAVEL_PERMIT = "travel_permit", _("travel permit")
        OTHER = "other", _("other paper")

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    person = models.ForeignKey(Person, models.CASCADE, related_name="documents", verbose_name=_("person"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    number = SealedField(_("number"), blank=True)
    issued_by = models.CharField(_("issued by"), max_length=100, blank=True)
    expires_on = models.DateField(
        _("expires on"), null=True, blank=True, help_text=_("Empty for a document that does not expire")
    )
    scan = models.FileField(_("scan"), upload_to="scans", max_length=80, blank=True)
    scan_type = models.CharField(max_length=20, blank=True, editable=False)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, editable=False)
    deleted_by = models.ForeignKey(
        Member, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("deleted by")
    )
    revision = models.PositiveIntegerField(default=0, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["person__name", "expires_on"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.person}"


class DocumentCheck(models.Model):
    """Whether one paper was ready for one renewal."""

    class Result(models.TextChoices):
        READY = "ready", _("ready")
        MISSING = "missing", _("missing")
        EXPIRED = "expired", _("expired")
        EXPIRES_TOO_SOON = "expires_too_soon", _("expires before the new deadline")
        NOT_REQUIRED = "not_required", _("not required")

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    renewal = models.ForeignKey(Renewal, models.CASCADE, related_name="document_checks", verbose_name=_("renewal"))
    kind = models.CharField(_("kind"), max_length=20, choices=Document.Kind)
    document = models.ForeignKey(
        Document, models.SET_NULL, null=True, blank=True, related_name="checks", verbose_name=_("document")
    )
    result = models.CharField(_("result"), max_length=20, choices=Result)
    checked_at = models.DateTimeField(_("checked at"), default=timezone.now)
    checked_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("checked by"))

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("document check")
        verbose_name_plural = _("document checks")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_result_display()}"


def plan_terms(plan: Plan) -> dict[str, Any]:
    """Return the plan as it stands today, in plain values, to be kept with a renewal."""
    fields = ("id", "kind", "value", "unit", "counts_from", "stack_limit_days", "qualifying_acts", "grace_value",
              "grace_unit", "grace_acts", "recovery_value", "recovery_unit", "life_limit_days", "lead_days",
              "buffer_days")  # fmt: skip
    return {
        "plan": plan.name,
        "operator": plan.operator.name,
        "fee": None if plan.fee is None else str(plan.fee),
        "currency": plan.currency,
        "rules": [
            {name: getattr(rule, name) for name in fields}
            | {
                "steps": [
                    {
                        "minimum_amount": None if step.minimum_amount is None else str(step.minimum_amount),
                        "currency": step.currency,
                        "channel": step.channel,
                        "value": step.value,
                        "unit": step.unit,
                    }
                    for step in rule.ladder
                ]
            }
            for rule in plan.rules.all()
        ],
    }
