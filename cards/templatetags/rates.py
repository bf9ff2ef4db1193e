"""What a page has to say of an amount that was converted."""

import datetime

from django import template

from cards.rates import Converted

register = template.Library()


@register.filter
def is_old(worth: Converted, today: datetime.date) -> bool:
    """Whether a rate behind the amount is older than 90 days."""
    return worth.is_old(today)
