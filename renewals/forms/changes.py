"""Forms for what changes around a card: its plan, its end, and the person in whose name it stands."""

import datetime
from itertools import groupby
from typing import Any

from babel.lists import format_list
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from cards.fields import DayField
from cards.gentle import GentleForm
from cards.models import Card, LinkedAccount, Member, Person, Plan
from cards.money import babel_locale
from cards.stale import StaleCheck
from renewals import words
from renewals.models import LetGo
from renewals.tasks import DETAILS


class PlanChangeForm(forms.Form):
    """Another plan for a card: from a day on, or because the plan was entered wrong."""

    FROM_DAY, ALL_ALONG = "from_day", "all_along"

    fields: dict[str, Any]
    plan = forms.ModelChoiceField(label=_("New plan"), queryset=Plan.objects.none())
    kind = forms.ChoiceField(
        label=_("Why"),
        choices=[
            (FROM_DAY, _("The plan changes on a day")),
            (ALL_ALONG, _("The plan was entered wrong, it has been this one all along")),
        ],
        widget=forms.RadioSelect,
    )
    starts_on = DayField(
        label=_("From"),
        required=False,
        help_text=_("The first day on which the other plan holds; it may lie ahead"),
    )

    def __init__(self, *args: Any, card: Card, member: Member, today: datetime.date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card = card
        plans = Plan.objects.for_member(member).current().select_related("operator")
        self.fields["plan"].queryset = plans
        self.fields["plan"].choices = _plan_choices(list(plans), card)
        self.fields["kind"].initial = self.FROM_DAY
        self.fields["starts_on"].initial = today

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.is_correction:
            if cleaned.get("plan") == self.card.plan:
                self.add_error("plan", _("The card is on this plan already."))
        elif not cleaned.get("starts_on") and "starts_on" not in self.errors:
            self.add_error("starts_on", _("On which day does the other plan begin?"))
        return cleaned

    @property
    def is_correction(self) -> bool:
        """Whether the card has been on the other plan all along."""
        return self.cleaned_data.get("kind") == self.ALL_ALONG

    @property
    def starts_on_day(self) -> datetime.date | None:
        """The first day of the other plan; None for a correction, which has none."""
        return None if self.is_correction else self.cleaned_data["starts_on"]

    @property
    def mark(self) -> str:
        """What tells this choice from others: the page that asks “are you sure?” carries it."""
        return f"{self.cleaned_data['plan'].pk}-{self.starts_on_day or self.ALL_ALONG}"


class LetGoForm(GentleForm, forms.Form):
    """How and when a number ends. What still hangs on it is either moved or given up knowingly."""

    fields: dict[str, Any]
    moved = forms.TypedMultipleChoiceField(
        label=_("Moved to another number"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Tick what does not need this number any more"),
    )
    knows_losses = forms.BooleanField(
        label=_("I know that these will be lost"),
        required=False,
        help_text=_("For all that is not ticked above: without the number, nobody may be able to sign in there"),
    )
    how = forms.ChoiceField(label=_("How does it end?"), choices=LetGo.How, widget=forms.RadioSelect)
    ends_on = DayField(
        label=_("Its last day"), help_text=_("The last day on which the number is yours; it may lie ahead")
    )
    note = forms.CharField(label=_("Note"), max_length=500, required=False)

    def __init__(self, *args: Any, card: Card, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card = card
        accounts = list(card.linked_accounts.all())
        self.staying = {account.pk: account for account in accounts if account.moved_on is None}
        # One that was moved meanwhile may be ticked, it is only not asked for any more.
        self.fields["moved"].choices = [(account.pk, account.name) for account in accounts]
        self.fields["moved"].widget.choices = [(pk, _account_label(account)) for pk, account in self.staying.items()]
        if not self.staying:
            del self.fields["moved"], self.fields["knows_losses"]

    def clean_ends_on(self) -> datetime.date:
        day: datetime.date = self.cleaned_data["ends_on"]
        begun = self.card.activated_on
        if begun and day < begun:
            raise ValidationError(
                _("The number cannot end before it began, on %(day)s."),
                code="before_activation",
                params={"day": words.say_short_day(begun)},
            )
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        ticked = set(cleaned.get("moved", []))
        left = [account for pk, account in self.staying.items() if pk not in ticked]
        seen = self.data.get("listed", self.listed).split(",")
        unseen = [account for account in left if str(account.pk) not in seen]
        if unseen:
            self._refuse(_("Written down since this page was opened: %(accounts)s. Please look again."), unseen)
        elif left and not cleaned.get("knows_losses"):
            self._refuse(
                _("Still on this number: %(accounts)s. Move each of them, or say below that they will be lost."), left
            )
        return cleaned

    @property
    def listed(self) -> str:
        """The accounts that the form asks about: it carries them, so that it notices what was written down after it."""
        return ",".join(str(pk) for pk in self.staying)

    def moved_accounts(self) -> list[LinkedAccount]:
        """Return those that are ticked and have not been noted as moved before."""
        return [self.staying[pk] for pk in self.cleaned_data.get("moved", []) if pk in self.staying]

    def _refuse(self, message: Any, accounts: list[LinkedAccount]) -> None:
        names = format_list([account.name for account in accounts], locale=babel_locale())
        self.add_error("moved", ValidationError(message, code="left", params={"accounts": names}))


class PersonDetailsForm(StaleCheck, forms.ModelForm):
    """What operators know of a person."""

    class Meta:
        model = Person
        fields = DETAILS
        widgets = {"address": forms.Textarea(attrs={"rows": 3})}


def _plan_choices(plans: list[Plan], card: Card) -> list[tuple[Any, Any]]:
    """Return the plans under their operators: the card's own operator first, then those of its country, the rest."""
    own = card.plan.operator
    plans.sort(key=lambda plan: (plan.operator.name, plan.operator_id, plan.type, plan.name))
    groups = [(operator, list(rows)) for operator, rows in groupby(plans, key=lambda plan: plan.operator)]
    groups.sort(key=lambda group: (group[0] != own, group[0].country != own.country))
    return [("", "---------")] + [
        (f"{operator.name} ({operator.country})" if operator.country else operator.name,
         [(plan.pk, f"{operator.name} · {plan.name}") for plan in rows])
        for operator, rows in groups
    ]  # fmt: skip


def _account_label(account: LinkedAccount) -> str:
    return f"{account.name} · {account.get_kind_display()} · {account.get_importance_display()}"
