"""Forms of the walk-through. Each carries the revision of its step, so that a stale tab is noticed."""

import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cards.fields import AmountField, CurrencyField, DayField, form_field
from cards.gentle import GentleForm
from cards.models import Act, Card, Member, Person, Plan
from cards.money import check_currency, format_amount
from cards.secret_forms import SealedForm
from cards.stale import StaleCheck
from renewals.deadlines import expected_deadline
from renewals.kept_terms import WalkTerms, walk_terms
from renewals.models import Document, DocumentCheck, Renewal, RenewalStep
from renewals.papers import best_of, judge, wanted_kinds
from renewals.uploads import ACCEPT, Clean, check, drop, keep
from renewals.walkthrough import CAN_FAIL
from renewals.words import say_short_day

from .records import ActivityForm, BalanceForm, PaymentForm, ReadingForm, ValidityForm, currency_of


class RevisionForm(forms.Form):
    """The revision of the step that the member saw; a missing one counts as the first."""

    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1, required=False)


class DoneForm(GentleForm, forms.Form):
    """A step that only has to be done: the visit, the sign-in."""

    note = forms.CharField(label=_("Note"), required=False, max_length=500)


class SkipForm(forms.Form):
    reason = forms.CharField(label=_("Why is this step skipped?"), max_length=500)


class FollowUpForm(forms.Form):
    """When to ask again about a review."""

    follow_up_on = DayField(label=_("Ask again on"))

    def __init__(self, *args: Any, today: datetime.date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_follow_up_on(self) -> datetime.date:
        day: datetime.date = self.cleaned_data["follow_up_on"]
        if day <= self.today:
            raise ValidationError(_("Choose a day from tomorrow on."), code="past")
        return day


class DocumentsForm(forms.Form):
    """One choice for each kind of paper the operator takes; one that is ready is enough."""

    fields: dict[str, Any]

    def __init__(
        self,
        *args: Any,
        card: Card,
        member: Member,
        today: datetime.date,
        needed_until: datetime.date | None,
        **kwargs: Any,
    ) -> None:
        """`needed_until` is the new deadline as expected, None when not known."""
        super().__init__(*args, **kwargs)
        self.card, self.today, self.needed_until = card, today, needed_until
        self.kinds = wanted_kinds(card.plan.operator)
        owned = (
            Document.objects.for_member(member).kept().filter(person=card.person)
            if card.person
            else Document.objects.none()
        )
        self.documents = {str(document.pk): document for document in owned}
        for kind in self.kinds:
            best = best_of(self.documents.values(), kind)
            choices: list[tuple[str, Any]] = [("", _("none")), ("not_required", _("not needed this time"))]
            choices += [(key, self._label(row)) for key, row in self.documents.items() if row.kind == kind]
            self.fields[kind] = forms.ChoiceField(
                label=Document.Kind(kind).label,
                choices=choices,
                required=False,
                initial=str(best.pk) if best else "",
            )

    def checks(self) -> list[DocumentCheck]:
        """Return one check per paper, not yet saved. An operator that wants none gets one that says so."""
        if not self.kinds:
            return [DocumentCheck(kind=Document.Kind.IDENTITY_CARD, result=DocumentCheck.Result.NOT_REQUIRED)]
        return [self._check(kind, self.cleaned_data[kind]) for kind in self.kinds]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.kinds and not self.errors:
            good = {DocumentCheck.Result.READY, DocumentCheck.Result.NOT_REQUIRED}
            if not any(self._check(kind, cleaned[kind]).result in good for kind in self.kinds):
                raise ValidationError(
                    _("No paper is ready. Add one, or go on without by skipping this step with a reason."),
                    code="none",
                )
        return cleaned

    def _check(self, kind: str, chosen: str) -> DocumentCheck:
        if chosen == "not_required":
            return DocumentCheck(kind=kind, result=DocumentCheck.Result.NOT_REQUIRED)
        document = self.documents.get(chosen)
        return DocumentCheck(kind=kind, document=document, result=judge(document, self.today, self.needed_until))

    def _label(self, document: Document) -> str:
        result = DocumentCheck.Result(judge(document, self.today, self.needed_until)).label
        until = say_short_day(document.expires_on) if document.expires_on else "∞"
        return f"{document.issued_by or document.get_kind_display()} · {until} · {result}"


class ChooseForm(forms.Form):
    """What is bought: a rung of the ladder, a package of the operator, or another amount."""

    fields: dict[str, Any]
    option = forms.ChoiceField(label=_("What to buy"), widget=forms.RadioSelect)
    amount = AmountField(
        label=_("Other amount"), required=False, min_value=Decimal("0.01"), max_digits=12, decimal_places=2
    )
    currency = CurrencyField(label=_("Currency"), required=False, max_length=3, validators=[check_currency])

    def __init__(self, *args: Any, card: Card, member: Member, renewal: Renewal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card = card
        self.options = self._options(card, member, walk_terms(renewal))
        self.fields["option"].choices = [(key, label) for key, (label, *_rest) in self.options.items()]
        self.fields["option"].initial = next(iter(self.options))
        self.fields["currency"].initial = renewal.currency or currency_of(card)
        if renewal.amount is not None:
            wanted = (renewal.plan_id, renewal.act, renewal.amount, renewal.currency)
            same = [
                key
                for key, (_l, plan, act, amount, cur) in self.options.items()
                if (plan.pk, act, amount, cur) == wanted
            ]
            self.fields["option"].initial = same[0] if same else "other"
            self.fields["amount"].initial = None if same else renewal.amount

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("option") == "other" and "amount" not in self.errors:
            if cleaned.get("amount") is None:
                self.add_error("amount", _("Write the amount, or choose one of the offers."))
            elif not cleaned.get("currency") and "currency" not in self.errors:
                self.add_error("currency", _("Say in which currency, such as CUP, CNY or EUR."))
        return cleaned

    def order(self) -> dict[str, Any]:
        """Return what was chosen, as the fields of a renewal."""
        _label, plan, act, amount, currency = self.options[self.cleaned_data["option"]]
        if self.cleaned_data["option"] == "other":
            amount, currency = self.cleaned_data["amount"], self.cleaned_data["currency"]
        return {"plan": plan, "act": act, "amount": amount, "currency": currency}

    @staticmethod
    def _options(card: Card, member: Member, terms: WalkTerms) -> dict[str, tuple[str, Plan, str, Decimal | None, str]]:
        options: dict[str, tuple[str, Plan, str, Decimal | None, str]] = {}
        own_act = Act.TOP_UP.value
        for rule in terms.rules:
            own_act = next((act for act in ("top_up", "fee", "plan_purchase") if act in rule.qualifying_acts), own_act)
            for step in rule.ladder:
                if step.minimum_amount is not None:
                    label = f"{format_amount(step.minimum_amount, step.currency)} · {step.get_channel_display()}"
                    options[f"{step.minimum_amount.normalize():f} {step.currency} {step.channel}"] = (
                        label,
                        card.plan,
                        own_act,
                        step.minimum_amount,
                        step.currency,
                    )
        if terms.plan.fee is not None:
            label = f"{terms.plan.name} · {format_amount(terms.plan.fee, terms.plan.currency)}"
            options["fee"] = (label, card.plan, own_act, terms.plan.fee, terms.plan.currency)
        packages = (
            Plan.objects.for_member(member)
            .current()
            .filter(operator=card.plan.operator, type=Plan.Type.PACKAGE, fee__gt=0)
        )
        for plan in packages.exclude(pk=card.plan_id):
            label = f"{plan.name} · {format_amount(plan.fee or Decimal(0), plan.currency)}"
            options[f"plan{plan.pk}"] = (label, plan, Act.PLAN_PURCHASE.value, plan.fee, plan.currency)
        options["other"] = (str(_("Another amount")), card.plan, own_act, None, "")
        return options


def step_form(step: RenewalStep, member: Member, today: datetime.date, data: Any, files: Any) -> forms.BaseForm:
    """Return the form of a step. Unbound (`data` None) it shows what was recorded, so that going back corrects it."""
    renewal, key = step.renewal, step.key
    about: dict[str, Any] = {"card": renewal.card, "member": member, "today": today}
    if key == RenewalStep.Key.DOCUMENTS:
        needed_until = expected_deadline(renewal.card, today)
        return DocumentsForm(data, initial=_chosen_papers(renewal), needed_until=needed_until, **about)
    if key == RenewalStep.Key.CHOOSE:
        return ChooseForm(data, card=renewal.card, member=member, renewal=renewal)
    if key not in _RECORD_FORMS:
        return DoneForm(data, initial={"note": step.note})
    old = renewal.record_of(key)
    form = _RECORD_FORMS[key](data, files, initial=_initial(renewal, key, old), **about)
    form.instance.renewal = renewal
    if key != RenewalStep.Key.PAY and key != RenewalStep.Key.ACT:
        form.instance.step = key
    if old and key != RenewalStep.Key.CONFIRM:
        form.instance.corrects = old
        if key == RenewalStep.Key.PAY:
            form.instance.receipt, form.instance.receipt_type = old.receipt.name, old.receipt_type
    return form


_RECORD_FORMS: dict[str, Any] = {
    RenewalStep.Key.BALANCE: BalanceForm,
    RenewalStep.Key.VALIDITY: ValidityForm,
    RenewalStep.Key.PAY: PaymentForm,
    RenewalStep.Key.ACT: ActivityForm,
    RenewalStep.Key.CONFIRM: ReadingForm,
}


def _initial(renewal: Renewal, key: str, old: Any) -> dict[str, Any]:
    """Return what the form shows: the recorded row, else what earlier steps already tell."""
    if old:
        return {name: getattr(old, name) for name in _RECORD_FORMS[key].base_fields if name != "receipt"}
    if key == RenewalStep.Key.PAY:
        order = {"kind": renewal.act, "amount": renewal.amount, "currency": renewal.currency}
        return {name: value for name, value in order.items() if value}
    if key == RenewalStep.Key.VALIDITY:
        seen = renewal.record_of(RenewalStep.Key.BALANCE)
        return {"valid_until": seen.valid_until if seen and seen.valid_until else renewal.card.deadline}
    return {}


def _chosen_papers(renewal: Renewal) -> dict[str, Any]:
    """Return what the documents step has recorded, as its form names it."""
    not_required = DocumentCheck.Result.NOT_REQUIRED
    return {
        check.kind: not_required if check.result == not_required else str(check.document_id or "")
        for check in renewal.document_checks.all()
    }


class RejectForm(forms.Form):
    """The operator refused: why, and which step has to be done again."""

    reason = forms.CharField(label=_("What did the operator say?"), max_length=500)
    failed_step = forms.ChoiceField(label=_("Which step has to be done again?"))

    fields: dict[str, Any]

    def __init__(self, *args: Any, renewal: Renewal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = {step.key for step in renewal.steps.all()}
        self.fields["failed_step"].choices = [(key, RenewalStep.Key(key).label) for key in CAN_FAIL if key in keys]


class AbandonForm(forms.Form):
    reason = forms.CharField(label=_("Why do you stop?"), max_length=500)


class DocumentForm(StaleCheck, SealedForm, forms.ModelForm):
    """A paper of a person. Its number is sealed, so a form never shows the one that is kept."""

    sealed = ("number",)
    field_order = ["person", "kind", "number"]
    number = forms.CharField(
        label=_("Number"), required=False, max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    scan = forms.FileField(
        label=_("Scan or photo"),
        required=False,
        help_text=_("PDF, JPEG, PNG or WebP, at most 10 MB. Kept encrypted, without the place and time of the photo"),
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
    )

    class Meta:
        model = Document
        fields = ["person", "kind", "issued_by", "expires_on"]
        formfield_callback = form_field

    fields: dict[str, Any]

    def __init__(self, *args: Any, member: Member, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.member = member
        self.instance.household_id = member.household_id
        self.fields["person"].queryset = Person.objects.for_member(member)
        self.offer_removal(self.instance)
        if self.instance.scan:
            self.fields["scan"].label = _("Another scan or photo")
            self.fields["remove_scan"] = forms.BooleanField(label=_("Remove the scan that is kept"), required=False)

    def clean_scan(self) -> Clean | None:
        upload = self.cleaned_data["scan"]
        return check(upload, self.member.household, self.instance.scan.name) if upload else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.check_sealed(self.member.household)
        return cleaned

    @transaction.atomic
    def save(self, commit: bool = True) -> Document:
        """Save the document; one that was changed is of the next revision, as calendars want to know.

        Its number and scan stand in no calendar.
        """
        if self.instance.pk and {*self.changed_data} & {*self.Meta.fields}:
            self.instance.revision += 1
            self.instance.changed_at = timezone.now()
        if scan := self.cleaned_data["scan"]:
            keep(self.instance, "scan", *scan)
        elif self.cleaned_data.get("remove_scan"):
            drop(self.instance, "scan")
        document: Document = super().save(commit)
        if changed := self.write_sealed(document):
            document.save(update_fields=changed)
        return document
