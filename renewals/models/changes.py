"""What happened around a card: a rule that moved its dates, its end, and the small tasks it asks for."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.models import Card, Household, HouseholdQuerySet, Member, Person, Plan


class RuleChange(models.Model):
    """A plan's rule was changed and moved a card's dates: told to the household in its next digest.

    Several changes of one day are one: from the dates before the first to those after the last. None is not known.
    """

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    card = models.ForeignKey(Card, models.CASCADE, related_name="rule_changes", verbose_name=_("card"))
    plan = models.ForeignKey(Plan, models.SET_NULL, null=True, related_name="+", verbose_name=_("plan"))
    changed_on = models.DateField(_("changed on"))
    old_deadline = models.DateField(_("deadline before"), null=True)
    new_deadline = models.DateField(_("deadline after"), null=True)
    old_lost_on = models.DateField(_("lost on, before"), null=True)
    new_lost_on = models.DateField(_("lost on, after"), null=True)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("change of a rule")
        verbose_name_plural = _("changes of rules")
        ordering = ["-changed_on", "-pk"]
        constraints = [models.UniqueConstraint(fields=["card", "changed_on"], name="rule_change_once_a_day")]

    def __str__(self) -> str:
        return f"{self.card} {self.changed_on}"


class LetGo(models.Model):
    """The family lets a number go: until when it lives, how it ends, and what still hung on it."""

    class How(models.TextChoices):
        PORTED = "ported", _("taken to another operator")
        CANCELLED = "cancelled", _("cancelled at the operator")
        LAPSED = "lapsed", _("no longer kept, it ends by itself")

    household = models.ForeignKey(Household, models.CASCADE, related_name="+", verbose_name=_("household"))
    card = models.ForeignKey(Card, models.CASCADE, related_name="departures", verbose_name=_("card"))
    decided_on = models.DateField(_("decided on"))
    ends_on = models.DateField(_("ends on"), help_text=_("The last day on which the number is yours"))
    how = models.CharField(_("how it ends"), max_length=10, choices=How)
    accounts_left = models.JSONField(_("accounts still on it"), default=list)
    note = models.CharField(_("note"), max_length=500, blank=True)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("recorded by"))
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now, editable=False)

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("number let go")
        verbose_name_plural = _("numbers let go")
        ordering = ["-decided_on", "-pk"]

    def __str__(self) -> str:
        return f"{self.card} {self.ends_on}"


class TaskQuerySet(HouseholdQuerySet):
    def open(self) -> Self:
        return self.filter(state=Task.State.OPEN)


class Task(models.Model):
    """A small thing to do for a card, or, without one, for the household.

    A task that comes again by itself (signal check, copy of the papers) has rows only for what was done or dismissed:
    when it is due follows from the last of them. See `renewals.tasks`.
    """

    class Kind(models.TextChoices):
        UPDATE_DETAILS = "update_details", _("tell the operator the new details")
        MOVE_ACCOUNTS = "move_accounts", _("move the accounts off this number")
        SIGNAL_CHECK = "signal_check", _("see whether the SIM still finds its network")
        COPY_PAPERS = "copy_papers", _("make a safe copy of the important papers")

    class State(models.TextChoices):
        OPEN = "open", _("to do")
        DONE = "done", _("done")
        DISMISSED = "dismissed", _("dismissed")

    household = models.ForeignKey(Household, models.CASCADE, related_name="tasks", verbose_name=_("household"))
    card = models.ForeignKey(Card, models.CASCADE, null=True, related_name="tasks", verbose_name=_("card"))
    person = models.ForeignKey(Person, models.SET_NULL, null=True, related_name="+", verbose_name=_("person"))
    kind = models.CharField(_("kind"), max_length=15, choices=Kind)
    details = models.JSONField(_("what changed"), default=list, help_text=_("Names of the person's fields"))
    due_on = models.DateField(_("due on"), null=True)
    opened_at = models.DateTimeField(_("opened at"), default=timezone.now)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    closed_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("closed by"))

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["due_on", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["card", "kind"], condition=Q(state="open"), name="task_open_once")
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
