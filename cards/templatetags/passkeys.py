"""What a page hands to passkey.js."""

import json

from django import template

register = template.Library()


@register.filter
def as_json(value: object) -> str:
    """Return a value as JSON for an attribute, whose quotes the template escapes."""
    return json.dumps(value)
