"""Phone numbers as people type them, kept in E.164, shown grouped."""

from collections.abc import Iterable

import phonenumbers
from babel.core import get_global
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from .models import Operator


def parse_number(text: str) -> str:
    """Return the number in E.164, such as +5352345678.

    Numbers that merely could exist are taken: an operator opens new ranges before a library hears of them.
    Raises ValidationError, saying what to type, for anything else.
    """
    typed = text.strip()
    if any(character.isalpha() for character in typed):
        raise ValidationError(_("A number has digits only, no letters. Type it like +53 5 234 5678."), code="letters")
    if typed.startswith("00"):
        typed = "+" + typed[2:]
    if not typed.startswith("+"):
        raise ValidationError(
            _("Start with + and the country code, such as +53 for Cuba or +86 for China."), code="country"
        )
    try:
        number = phonenumbers.parse(typed)
    except phonenumbers.NumberParseException as error:
        raise ValidationError(_("This is not a phone number. Type it like +53 5 234 5678."), code="number") from error
    # A number without its area code can be dialled at home only, so it is as good as too short.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise ValidationError(_("This number is too short or too long for its country."), code="length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def format_number(number: str) -> str:
    """Return an E.164 number grouped as its country does: +53 5 2345678."""
    return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def country_of(number: str) -> str:
    """Return the ISO code of the number's country; empty when it is shared or not known."""
    parsed = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(parsed)
    if region is None:
        region = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return region if region in get_global("territory_currencies") else ""


def likely_operator(number: str, operators: Iterable[Operator]) -> Operator | None:
    """Return the operator this range of numbers was given to; None when it is not known or not in `operators`.

    A number may have moved since, so this only orders a list and decides nothing.
    """
    from phonenumbers import carrier  # 10 MB of names, needed on one form only

    name = carrier.name_for_number(phonenumbers.parse(number), "en").casefold()
    here = [operator for operator in operators if operator.country == country_of(number)]
    if not name:
        return here[0] if len(here) == 1 else None
    named = [operator for operator in here if operator.name.casefold().startswith(name)]
    brands = [operator for operator in here if named and operator.belongs_to_id == named[0].pk]
    return next(iter(brands or named), None)
