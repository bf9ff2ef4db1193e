"""Forms for what happened to a card: a reading, a payment, a use of the line, a signal check."""

import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from cards.fields import form_field
from cards.gentle import GentleForm
from cards.models import Act, Card, KeepRule, Member, PaidFrom, TopUpChannel
from renewals.bin import save_correction
from renewals.models import Activity, Payment, Reading, SignalCheck
from renewals.uploads import ACCEPT, Clean, check, keep


class RecordForm(forms.ModelForm):
    """A dated row about one card. No date may lie ahead; back-dating is welcome."""

    fields: dict[str, Any]
    day_field: str

    def __init__(self, *args: Any, card: Card, member: Member, today: datetime.date, **kwargs: Any) -> None:
        """`today` is the last day that is not in the future for this card; it also fills in an empty form."""
        super().__init__(*args, **kwargs)
        self.card, self.member, self.today = card, member, today
        self.instance.card, self.instance.by = card, member
        self.instance.household_id = card.household_id
        self.fields[self.day_field].initial = today
        self.fields[self.day_field].widget.attrs["max"] = today.isoformat()
        if "currency" in self.fields:
            self.fields["currency"].initial = currency_of(card)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        day = cleaned.get(self.day_field)
        if day and day > self.today:
            self.add_error(self.day_field, ValidationError(_("This day is still to come."), code="future"))
        return cleaned

    def save(self, commit: bool = True) -> Any:
        """Save the record, which may correct an earlier one."""
        if commit:
            save_correction(self.instance)
        return self.instance

    def needs_currency(self, amount_field: str, currency_field: str = "currency") -> None:
        """Ask for the currency when an amount was typed without one."""
        typed = self.cleaned_data
        has_currency = typed.get(currency_field) or currency_field in self.errors
        if typed.get(amount_field) is not None and not has_currency:
            self.add_error(currency_field, _("Say in which currency, such as CUP, CNY or EUR."))


class ReadingForm(RecordForm):
    day_field = "read_on"

    class Meta:
        model = Reading
        fields = ["balance", "currency", "valid_until", "read_on", "how"]
        formfield_callback = form_field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        operator = self.card.plan.operator
        self.fields["how"].initial = operator.validity_code or operator.balance_code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.needs_currency("balance")
        return cleaned


class BalanceForm(ReadingForm):
    """The first step: the balance, and the date too where one code shows both."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["balance"].required = True
        self.fields["how"].initial = self.card.plan.operator.balance_code


class ValidityForm(ReadingForm):
    """The second step: until when the operator says the line is valid."""

    class Meta(ReadingForm.Meta):
        fields = ["valid_until", "read_on", "how"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["valid_until"].required = True


class ActivityForm(RecordForm):
    day_field = "done_on"

    class Meta:
        model = Activity
        fields = ["kind", "done_on", "cost", "currency"]
        formfield_callback = form_field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        counting = acts_of(self.card) & set(Activity.Kind.values)
        if counting:
            self.fields["kind"].choices = [choice for choice in Activity.Kind.choices if choice[0] in counting]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.needs_currency("cost")
        return cleaned


class PaymentForm(RecordForm):
    """A payment, with what the operator's rule needs to know and a receipt if there is one."""

    day_field = "paid_on"
    receipt = forms.FileField(
        label=_("Receipt"),
        required=False,
        help_text=_("PDF, JPEG, PNG or WebP, at most 10 MB. A screenshot is fine"),
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
    )

    class Meta:
        model = Payment
        fields = ["kind", "amount", "currency", "channel", "method", "via", "paid_on", "covers_until",
                  "charged_amount", "charged_currency", "reference"]  # fmt: skip
        formfield_callback = form_field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = list(self.card.plan.rules.all())
        steps = [step for rule in rules for step in rule.steps.all()]
        if not any(step.channel != PaidFrom.ANYWHERE for step in steps):
            del self.fields["channel"]
        if not any(rule.counts_from == "plan_end" or rule.kind == KeepRule.Kind.FEE_PAID for rule in rules):
            del self.fields["covers_until"]
        self.fields["via"].queryset = TopUpChannel.objects.filter(operator=self.card.plan.operator)
        if not self.fields["via"].queryset:
            del self.fields["via"]
        counting = acts_of(self.card) & set(Payment.Kind.values)
        self.fields["kind"].initial = next((kind for kind in Payment.Kind.values if kind in counting), Act.TOP_UP)

    def clean_receipt(self) -> Clean | None:
        upload = self.cleaned_data["receipt"]
        return check(upload, self.member.household) if upload else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.needs_currency("charged_amount", "charged_currency")
        return cleaned

    def save(self, commit: bool = True) -> Payment:
        """Save the payment; a new receipt is sealed first, so that no row names a file that is not there."""
        if receipt := self.cleaned_data["receipt"]:
            keep(self.instance, "receipt", *receipt)
        super().save(commit)
        return self.instance


class SignalForm(GentleForm, RecordForm):
    day_field = "checked_on"

    class Meta:
        model = SignalCheck
        fields = ["bars", "checked_on", "note"]
        formfield_callback = form_field

    def clean_bars(self) -> int:
        bars: int = self.cleaned_data["bars"]
        if bars > 4:
            raise ValidationError(_("Bars are counted from 0 to 4."), code="bars")
        return bars


def _checked(column: models.Field) -> forms.Field | None:
    """Return the form field of a column with the column's own checks, which only a ModelForm makes by itself."""
    field = form_field(column)
    if field:
        field.validators += [check for check in column.validators if check not in field.validators]
    return field


class SeenAfterwards(forms.Form):
    """What was seen at the operator after the act: it is this that makes a renewal, not the payment."""

    valid_until = _checked(Reading._meta.get_field("valid_until"))
    balance = _checked(Reading._meta.get_field("balance"))
    balance_currency = _checked(Reading._meta.get_field("currency"))

    def __init__(self, *args: Any, card: Card, is_use: bool = False, **kwargs: Any) -> None:
        """`is_use`: the act was a use of the line, for which it is enough to have seen that it was charged."""
        super().__init__(*args, **kwargs)
        self.fields["valid_until"].label = _("Valid until, as the operator shows it now")
        self.fields["balance"].label = _("Balance afterwards")
        self.fields["balance"].help_text = ""
        self.fields["balance_currency"].initial = currency_of(card)
        if is_use:
            self.fields["is_charged"] = forms.BooleanField(
                label=_("I have seen that it was charged"),
                required=False,
                help_text=_("Free or incoming use does not count"),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        has_currency = cleaned.get("balance_currency") or "balance_currency" in self.errors
        if cleaned.get("balance") is not None and not has_currency:
            self.add_error("balance_currency", _("Say in which currency, such as CUP, CNY or EUR."))
        return cleaned

    def reading(self, card: Card, member: Member, today: datetime.date) -> Reading | None:
        """Return what was seen, not yet saved; None when nothing was typed."""
        typed = self.cleaned_data
        if typed.get("valid_until") is None and typed.get("balance") is None:
            return None
        return Reading(
            household_id=card.household_id,
            card=card,
            by=member,
            read_on=today,
            valid_until=typed.get("valid_until"),
            balance=typed.get("balance"),
            currency=typed.get("balance_currency") or "" if typed.get("balance") is not None else "",
        )


class FirstForm(forms.Form):
    """The one thing that makes a new card live: what you last saw or did."""

    valid_until = _checked(Reading._meta.get_field("valid_until"))
    acted_on = _checked(Payment._meta.get_field("paid_on"))
    amount = _checked(Payment._meta.get_field("amount"))
    balance = _checked(Reading._meta.get_field("balance"))
    currency = _checked(Reading._meta.get_field("currency"))
    channel = forms.ChoiceField(label=_("paid"), choices=Payment.Channel, required=False)

    def __init__(self, *args: Any, card: Card, member: Member, today: datetime.date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card, self.member, self.today = card, member, today
        for field in self.fields.values():
            field.required = False
        kinds: set[str] = {rule.kind for rule in card.plan.rules.all()}
        steps = [step for rule in card.plan.rules.all() for step in rule.steps.all()]
        self.fields["valid_until"].label = _("Valid until, as the operator shows it")
        self.fields["acted_on"].widget.attrs["max"] = today.isoformat()
        self.fields["acted_on"].label = _("Day of the last top-up")
        if kinds == {KeepRule.Kind.ACTIVITY.value}:
            self.fields["acted_on"].label = _("Day of the last SMS, call or other use")
        elif kinds == {KeepRule.Kind.FEE_PAID.value}:
            self.fields["acted_on"].label = _("Day of the last fee paid")
        self.fields["amount"].help_text = ""
        self.fields["currency"].initial = currency_of(card)
        if KeepRule.Kind.FEE_FROM_BALANCE in kinds:
            del self.fields["acted_on"]
        else:
            del self.fields["balance"]
        if kinds == {KeepRule.Kind.ACTIVITY.value} or "acted_on" not in self.fields:
            del self.fields["amount"]
        if "amount" not in self.fields and "balance" not in self.fields:
            del self.fields["currency"]
        if "amount" not in self.fields or not any(step.channel != PaidFrom.ANYWHERE for step in steps):
            del self.fields["channel"]

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        if not self.errors and not any(typed.get(name) is not None for name in ("valid_until", "acted_on", "balance")):
            raise ValidationError(
                _("Fill in the one you know. Nobody can watch over a number of which nothing is known."),
                code="empty",
            )
        if typed.get("acted_on") and typed["acted_on"] > self.today:
            self.add_error("acted_on", ValidationError(_("This day is still to come."), code="future"))
        if "amount" in self.fields and not {"amount", "acted_on"} & set(self.errors):
            if typed.get("acted_on") and not typed.get("amount"):
                self.add_error("amount", _("How much was it? The amount decides how long the number is kept."))
            elif typed.get("amount") and not typed.get("acted_on"):
                self.add_error("acted_on", _("On which day was it?"))
        money = typed.get("amount") if "amount" in self.fields else typed.get("balance")
        if money is not None and not typed.get("currency") and "currency" not in self.errors:
            self.add_error("currency", _("Say in which currency, such as CUP, CNY or EUR."))
        return typed

    def rows(self) -> list[Reading | Payment | Activity]:
        """Return the rows to save: the last act, taken as confirmed, and the reading of today."""
        typed = self.cleaned_data
        rows: list[Reading | Payment | Activity] = []
        common = {"household_id": self.card.household_id, "card": self.card, "by": self.member}
        acts = acts_of(self.card)
        if day := typed.get("acted_on"):
            if "amount" in self.fields:
                kind = next((each for each in Payment.Kind.values if each in acts), Payment.Kind.TOP_UP)
                rows.append(
                    Payment(
                        kind=kind,
                        amount=typed["amount"],
                        currency=typed["currency"],
                        channel=typed.get("channel") or Payment.Channel.INSIDE,
                        paid_on=day,
                        confirmed_on=day,
                        **common,
                    )
                )
            else:
                kind = next((each for each in Activity.Kind.values if each in acts), Activity.Kind.SMS)
                rows.append(Activity(kind=kind, done_on=day, confirmed_on=day, **common))
        balance: Decimal | None = typed.get("balance")
        if typed.get("valid_until") or balance is not None:
            rows.append(
                Reading(
                    read_on=self.today,
                    valid_until=typed.get("valid_until"),
                    balance=balance,
                    currency=typed["currency"] if balance is not None else "",
                    **common,
                )
            )
        return rows


def acts_of(card: Card) -> set[str]:
    """Return the acts that any rule of the card's plan accepts."""
    return {act for rule in card.plan.rules.all() for act in rule.qualifying_acts}


def currency_of(card: Card) -> str:
    """Return the currency the operator reckons in; empty when that is not known."""
    steps = [step.currency for rule in card.plan.rules.all() for step in rule.steps.all()]
    return card.plan.currency or next(iter(steps), "")
