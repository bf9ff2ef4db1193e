"""What a household types about itself and its cards."""

import datetime
from decimal import Decimal
from itertools import chain, count, groupby
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from .fields import AmountField, CurrencyField, ZoneField, form_field
from .gentle import GentleForm
from .models import (
    Act,
    Card,
    Confidence,
    Household,
    Invitation,
    KeepRule,
    LinkedAccount,
    Member,
    Operator,
    Person,
    Plan,
    TopUpStep,
    Unit,
    User,
)
from .models.household import check_time_zone
from .money import check_currency
from .numbers import country_of, format_number, likely_operator, parse_number
from .stale import StaleCheck


class SetupForm(forms.Form):
    """The first page of an empty installation: the household and its owner."""

    household = forms.CharField(label=_("Name of the household"), max_length=100, help_text=_("Such as: Chen family"))
    name = forms.CharField(label=_("Your name"), max_length=100, help_text=_("What the family calls you"))
    email = forms.EmailField(
        label=_("Your email address"),
        max_length=254,
        help_text=_("You sign in with it, and reminders come here"),
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=_("At least 12 characters; a sentence is fine"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=True),
    )
    language = forms.ChoiceField(label=_("Language"), choices=Member.Language)
    time_zone = ZoneField(
        label=_("Time zone"),
        validators=[check_time_zone],
        help_text=_("Of the place where you live, such as America/Havana or Asia/Shanghai"),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "password" in cleaned and "email" in cleaned:
            try:
                validate_password(cleaned["password"], User(email=cleaned["email"]))
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class FoundForm(forms.Form):
    """A further household of a login."""

    household = SetupForm.base_fields["household"]
    name = SetupForm.base_fields["name"]


class HouseholdForm(StaleCheck, forms.ModelForm):
    class Meta:
        model = Household
        fields = ["name", "currency", "checks_signal", "backs_up_papers"]
        formfield_callback = form_field


class PersonForm(forms.ModelForm):
    class Meta:
        model = Person
        fields = ["name"]


# The roles that are given; the owner's is handed over.
GIVEN_ROLES = [choice for choice in Member.Role.choices if choice[0] != Member.Role.OWNER]


class InvitationForm(forms.ModelForm):
    """Who is asked to join; they choose password and time zone themselves."""

    fields: dict[str, Any]

    class Meta:
        model = Invitation
        fields = ["name", "email", "role", "language"]
        formfield_callback = form_field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = GIVEN_ROLES

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=GIVEN_ROLES)


class JoinForm(forms.Form):
    """What somebody who has a login already says when they join."""

    time_zone = SetupForm.base_fields["time_zone"]


class NewLoginForm(JoinForm):
    """What somebody says who joins and has no login yet."""

    password = SetupForm.base_fields["password"]
    field_order = ["password", "time_zone"]

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, User(email=self.email))
        return password


class SettingsForm(StaleCheck, forms.ModelForm):
    class Meta:
        model = Member
        fields = [
            "name",
            "language",
            "time_zone",
            "remind_at",
            "reminder_level",
            "reminder_days",
            "away_from",
            "away_until",
        ]
        formfield_callback = form_field


class NumberForm(forms.Form):
    """The first thing asked of a new card; country and operator are guessed from it."""

    number = forms.CharField(
        label=_("Phone number"),
        max_length=30,
        help_text=_("With the country code, such as +53 5 234 5678"),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )

    def clean_number(self) -> str:
        return parse_number(self.cleaned_data["number"])


class CardForm(GentleForm, StaleCheck, forms.ModelForm):
    """A card of one household. A plan that is not listed can be entered by hand with OwnPlanForm beside it."""

    fields: dict[str, Any]
    number = NumberForm.base_fields["number"]
    new_person = forms.CharField(
        label=_("or a new holder"),
        max_length=100,
        required=False,
        help_text=_("Full name as in the identity document"),
    )
    field_order = [
        "number",
        "name",
        "plan",
        "person",
        "new_person",
        "responsible",
        "deputy",
        "reminder_level",
        "reminder_days",
        "is_private",
        "seen_by",
        "form",
        "location",
    ]

    class Meta:
        model = Card
        fields = ["name", "number", "plan", "person", "responsible", "deputy", "reminder_level", "reminder_days",
                  "is_private", "seen_by", "form", "location", "account_username", "activated_on", "notes"]  # fmt: skip
        formfield_callback = form_field
        widgets = {"notes": forms.Textarea(attrs={"rows": 3}), "seen_by": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, member: Member, has_own_plan: bool = False, **kwargs: Any) -> None:
        """`has_own_plan`: the plan is typed by hand on the same page, so none need be chosen."""
        super().__init__(*args, **kwargs)
        self.member = member
        self.instance.household = member.household
        if self.instance.pk and not self.is_bound:
            self.initial["number"] = format_number(self.instance.number)
        for name, rows in {
            "person": Person.objects.for_member(member),
            "responsible": Member.objects.for_member(member).present(),
            "deputy": Member.objects.for_member(member).present(),
            "seen_by": Member.objects.for_member(member).present().order_by("name", "pk"),
        }.items():
            self.fields[name].queryset = rows
        plans = Plan.objects.for_member(member).select_related("operator")
        self.fields["plan"].queryset = plans if self.instance.pk else plans.current()
        self.fields["plan"].required = not has_own_plan
        self.fields["plan"].choices = self._plan_choices()
        self.fields["form"].required = False

    def clean_number(self) -> str:
        return parse_number(self.cleaned_data["number"])

    def clean_form(self) -> str:
        return self.cleaned_data["form"] or Card.Form.SIM

    def clean_activated_on(self) -> datetime.date | None:
        day = self.cleaned_data["activated_on"]
        if day and day > datetime.datetime.now(self.member.zone).date():
            raise ValidationError(_("This day is still to come."), code="future")
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name = cleaned.get("new_person")
        if name and cleaned.get("person"):
            self.add_error("new_person", _("Choose a holder or type a new one, not both."))
        responsible, deputy = cleaned.get("responsible"), cleaned.get("deputy")
        if responsible and responsible == deputy:
            self.add_error("deputy", _("The deputy is somebody else than the responsible member."))
        if cleaned.get("is_private"):
            self._check_seen(cleaned)
        elif "seen_by" in cleaned:
            cleaned["seen_by"] = Member.objects.none()
        return cleaned

    def _check_seen(self, cleaned: dict[str, Any]) -> None:
        """Let who acts see the private card whatever is ticked, and refuse that others keep what they do not see."""
        seeing = {*cleaned.get("seen_by", []), self.member}
        cleaned["seen_by"] = sorted(seeing, key=lambda member: member.pk)
        for name in ("responsible", "deputy"):
            if cleaned.get(name) and cleaned[name] not in seeing:
                self.add_error(name, _("This card is private, and they may not see it: tick them below as well."))

    def save(self, commit: bool = True) -> Card:
        """Save the card and, if one was typed, its new holder."""
        if name := self.cleaned_data.get("new_person"):
            self.instance.person, _made = Person.objects.get_or_create(household=self.member.household, name=name)
        return super().save(commit)

    def _plan_choices(self) -> list[tuple[Any, Any]]:
        """Plans under their operators: the likely operator first, then the number's country, then the rest."""
        number, likely = self._typed_number(), None
        country = country_of(number) if number else ""
        plans = list(self.fields["plan"].queryset.order_by("operator__name", "operator", "type", "name"))
        if number:
            likely = likely_operator(number, dict.fromkeys(plan.operator for plan in plans))
        groups = [(operator, list(rows)) for operator, rows in groupby(plans, key=lambda plan: plan.operator)]
        groups.sort(key=lambda group: (group[0] != likely, group[0].country != country or not country))
        if likely and not self.is_bound and not self.instance.pk:
            self.initial.setdefault("plan", groups[0][1][0].pk)
        return [("", "---------")] + [
            (f"{operator.name} ({operator.country})" if operator.country else operator.name,
             [(plan.pk, f"{operator.name} · {plan.name}") for plan in rows])
            for operator, rows in groups
        ]  # fmt: skip

    def _typed_number(self) -> str:
        try:
            return parse_number(str(self["number"].value() or ""))
        except ValidationError:
            return ""


class OwnPlanForm(forms.Form):
    """A plan nobody listed, with its one rule, for this household alone."""

    # It stands folded beside the list of plans, where most leave it empty.
    use_required_attribute = False

    operator = forms.CharField(label=_("Operator"), max_length=100)
    plan = forms.CharField(label=_("Plan"), max_length=150, required=False)
    kind = forms.ChoiceField(label=_("What keeps the number"), choices=KeepRule.Kind)
    value = forms.IntegerField(label=_("It keeps for"), min_value=1, max_value=3650)
    unit = forms.ChoiceField(label=_("unit"), choices=Unit)
    amount = AmountField(
        label=_("Amount needed"), required=False, min_value=Decimal("0.01"), max_digits=12, decimal_places=2,
        help_text=_("The smallest top-up that counts, or the fee; leave empty if not known"),
    )  # fmt: skip
    currency = CurrencyField(label=_("Currency"), required=False, max_length=3, validators=[check_currency])
    grace = forms.IntegerField(
        label=_("Grace in days"), required=False, min_value=0, max_value=3650,
        help_text=_("How long the number can still be saved after the deadline; leave empty if not known"),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("amount") and not cleaned.get("currency") and "currency" not in self.errors:
            self.add_error("currency", _("Say in which currency, such as CUP, CNY or EUR."))
        if cleaned.get("kind") == KeepRule.Kind.FEE_FROM_BALANCE and not cleaned.get("amount"):
            self.add_error("amount", _("Without the fee nobody can tell how long the balance lasts."))
        return cleaned

    @transaction.atomic
    def save(self, household: Household, country: str) -> Plan:
        """Make the operator (if new), the plan and its rule for `household`; return the plan."""
        typed = self.cleaned_data
        own = Operator.objects.filter(household=household)
        operator = own.filter(name=typed["operator"]).first() or Operator.objects.create(
            household=household,
            slug=_free_slug(slugify(typed["operator"])[:50] or "operator", own),
            name=typed["operator"],
            country=country,
        )
        name = typed["plan"] or typed["operator"]
        is_fee = typed["kind"] in {KeepRule.Kind.FEE_PAID, KeepRule.Kind.FEE_FROM_BALANCE}
        plan = Plan.objects.create(
            household=household,
            operator=operator,
            slug=_free_slug(slugify(f"{operator.slug} {name}")[:70], Plan.objects.filter(household=household)),
            name=name,
            fee=typed["amount"] if is_fee else None,
            currency=typed["currency"],
            confidence=Confidence.OWN,
        )
        rule = KeepRule.objects.create(
            plan=plan,
            kind=typed["kind"],
            value=typed["value"],
            unit=typed["unit"],
            qualifying_acts=_ACTS_OF[typed["kind"]],
            grace_value=typed["grace"],
            **shorter_lead(typed["value"], typed["unit"]),
        )
        if typed["kind"] == KeepRule.Kind.TOP_UP and typed["amount"]:
            TopUpStep.objects.create(
                rule=rule,
                minimum_amount=typed["amount"],
                currency=typed["currency"],
                value=typed["value"],
                unit=typed["unit"],
            )
        return plan


def _free_slug(slug: str, rows: QuerySet) -> str:
    """Return the slug, with a number after it where one of the rows has it already; Chinese names leave none."""
    taken = set(rows.values_list("slug", flat=True))
    return next(each for each in chain([slug], (f"{slug}-{n}" for n in count(2))) if each not in taken)


_ACTS_OF = {
    KeepRule.Kind.TOP_UP: [Act.TOP_UP, Act.PLAN_PURCHASE],
    KeepRule.Kind.ACTIVITY: [Act.SMS, Act.CALL, Act.DATA, Act.TOP_UP, Act.PLAN_PURCHASE],
    KeepRule.Kind.FEE_PAID: [Act.FEE, Act.PLAN_PURCHASE, Act.TOP_UP],
    KeepRule.Kind.FEE_FROM_BALANCE: [Act.TOP_UP],
}


def shorter_lead(value: int, unit: str) -> dict[str, int]:
    """Return lead and buffer for a rule of this period: a month needs less warning than a year."""
    days = value * {Unit.DAYS: 1, Unit.MONTHS: 30, Unit.YEARS: 365}[Unit(unit)]
    if days <= 31:
        return {"lead_days": min(7, days), "buffer_days": min(3, days)}
    return {"lead_days": 21, "buffer_days": 5} if days <= 100 else {"lead_days": 30, "buffer_days": 7}


class LinkedAccountForm(forms.ModelForm):
    class Meta:
        model = LinkedAccount
        fields = ["name", "kind", "importance"]
