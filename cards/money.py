"""Currencies and amounts, named and written as each language does."""

from decimal import Decimal

from babel import Locale
from babel.core import get_global
from babel.numbers import format_currency, get_currency_name
from django.core.exceptions import ValidationError
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext_lazy as _


def current_currencies() -> list[str]:
    """Return the ISO 4217 codes that are legal tender somewhere today, sorted."""
    codes = {
        code
        for history in get_global("territory_currencies").values()
        for code, _start, end, is_tender in history
        if end is None and is_tender
    }
    return sorted(codes)


def check_currency(code: str) -> None:
    """Raise ValidationError unless `code` is a currency of today, in capital letters."""
    if code not in current_currencies():
        raise ValidationError(
            _("“%(code)s” is not a currency. Use three letters, such as CUP, CNY or EUR."),
            params={"code": code},
        )


def babel_locale() -> Locale:
    """Return babel's locale for the language that is active now."""
    return Locale.parse(to_locale(get_language() or "en"))


def currency_label(code: str) -> str:
    """Return the code and its name in the active language: “CUP · Cuban Peso”."""
    return f"{code} · {get_currency_name(code, locale=babel_locale())}"


def format_amount(amount: Decimal, currency: str) -> str:
    """Write an amount with its currency code, without needless cents: “100 CUP”, “0.10 GBP”."""
    digits = "#,##0" if amount == amount.to_integral_value() else "#,##0.00"
    return format_currency(amount, currency, f"{digits} ¤¤", locale=babel_locale(), currency_digits=False)
