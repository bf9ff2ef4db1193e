"""Filters every template has: dates, numbers and amounts as the reader's language writes them."""

import datetime
from decimal import Decimal

from babel.dates import format_date, format_time, format_timedelta
from django import template
from django.utils import timezone

from cards.money import babel_locale, format_amount
from cards.numbers import format_number

register = template.Library()


@register.filter
def day(value: datetime.date) -> str:
    """Write a day with its weekday and the month as a word."""
    return format_date(value, "full", locale=babel_locale())


@register.filter
def short_day(value: datetime.date) -> str:
    """Write a day with the month as a word."""
    return format_date(value, "medium", locale=babel_locale())


@register.filter
def moment(value: datetime.datetime) -> str:
    """Write a moment in the reader's time zone."""
    local, locale = timezone.localtime(value), babel_locale()
    return f"{format_date(local, 'medium', locale=locale)} {format_time(local, 'short', locale=locale)}"


@register.filter
def ago(value: datetime.datetime) -> str:
    """Write how long ago a moment was, or how far ahead it is: “4 minutes ago”."""
    return format_timedelta(value - timezone.now(), add_direction=True, locale=babel_locale())


@register.filter
def phone(value: str) -> str:
    """Write an E.164 number grouped as its country does."""
    return format_number(value)


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """Write an amount with its currency."""
    return format_amount(amount, currency)


@register.filter
def unlocal(value: float) -> str:
    """Write a coordinate as SVG wants it, with a point in every language."""
    return f"{value:g}"


@register.filter
def tel(code: str) -> str:
    """Write a code such as *222# as a tel: link takes it."""
    return code.replace("#", "%23")
