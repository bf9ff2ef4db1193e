"""What somebody wants of a plan, as the address of the page says it."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.utils.translation import gettext_lazy as _

from cards.models import KeepRule, Plan
from renewals.choosing import Sort
from renewals.plan_words import say_country
from renewals.verdicts import ANYWHERE, Answers, Need, Often, Papers

QUESTIONS = ("need", "where", "papers", "often")
FILTERS = ("q", "country", "operator", "type", "rule", "sort")
LONGEST_SLUG = 80
OPEN = ("", _("no answer"))
ALL = ("", _("all"))
# What is not in the list is not shown again: it was not typed by a person.
UNKNOWN_CHOICE = {"invalid_choice": _("This is none of the choices.")}


def _choice(label: Any, choices: Sequence[tuple[Any, Any]] = ()) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, required=False, error_messages=UNKNOWN_CHOICE)


class ChooseForm(forms.Form):
    """The four questions and the filters. What is wrong in the address is said beside its field and decides nothing."""

    fields: dict[str, Any]
    need = _choice(_("What do you need?"), [OPEN, *Need.choices])
    where = _choice(_("Where is the phone?"))
    papers = _choice(_("Which papers?"), [OPEN, *Papers.choices])
    often = _choice(_("How often to act?"), [OPEN, *Often.choices])
    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    country = _choice(_("Country"))
    operator = _choice(_("Operator"))
    type = _choice(_("Type"), [ALL, *Plan.Type.choices])
    rule = _choice(_("What keeps the number"), [ALL, *KeepRule.Kind.choices])
    sort = _choice(_("Order"), Sort.choices)

    def __init__(self, *args: Any, plans: Iterable[Plan], **kwargs: Any) -> None:
        """`plans` are all that can be chosen, with their operators; countries and operators are theirs."""
        super().__init__(*args, **kwargs)
        operators = [plan.operator for plan in plans]
        codes = {operator.country for operator in operators if operator.country}
        countries = sorted(((code, say_country(code)) for code in codes), key=lambda pair: pair[1])
        names = sorted({operator.slug: operator.name for operator in operators}.items(), key=lambda pair: pair[1])
        self.fields["where"].choices = [OPEN, (ANYWHERE, _("anywhere, it travels")), *countries]
        self.fields["country"].choices = [ALL, *countries]
        self.fields["operator"].choices = [ALL, *names]
        self.full_clean()

    @property
    def questions(self) -> list[forms.BoundField]:
        return [self[name] for name in QUESTIONS]

    @property
    def filters(self) -> list[forms.BoundField]:
        return [self[name] for name in FILTERS]

    @property
    def has_filters(self) -> bool:
        """Whether a filter is set, or was set in vain, so that it has to be seen."""
        return any(self._said(name) or name in self.errors for name in FILTERS)

    @property
    def answers(self) -> Answers:
        """What was answered; a value that is none of the choices is no answer."""
        return Answers(**{name: self._said(name) for name in QUESTIONS})

    @property
    def order(self) -> str:
        return self._said("sort")

    def lets_through(self, plan: Plan) -> bool:
        """Whether the filters leave the plan in the list; it comes with its operator and rules."""
        sought, country, operator, kind, rule, _sort = (self._said(name) for name in FILTERS)
        text = f"{plan} {say_country(plan.operator.country)}".casefold()
        return (
            all(word in text for word in sought.casefold().split())
            and country in {"", plan.operator.country}
            and operator in {"", plan.operator.slug}
            and kind in {"", plan.type}
            and (not rule or any(each.kind == rule for each in plan.rules.all()))
        )

    def _said(self, name: str) -> str:
        return str(self.cleaned_data.get(name, ""))


def slugs_of(given: Iterable[str]) -> list[str]:
    """Return what can be the short name of a plan, each once, in the order given; the rest was not made by a page."""
    return [slug for slug in dict.fromkeys(given) if len(slug) <= LONGEST_SLUG and _is_slug(slug)]


def _is_slug(text: str) -> bool:
    try:
        validate_slug(text)
    except ValidationError:
        return False
    return True
