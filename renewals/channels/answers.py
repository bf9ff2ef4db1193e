"""What a server's answer means. Several services answer 200 to what they refuse, and say so only in the text."""

import json
from typing import Any

from django.utils.translation import gettext as _

from .errors import ChannelError
from .services import Service

_FAILED = {"error", "fail", "failed", "failure"}
_NOTHING: tuple[object, ...] = (None, False, 0, "", "0", [], {})


def judge(service: Service, status: int, body: bytes) -> None:
    """Raise ChannelError unless the service has taken what was sent. The text of the answer is not repeated."""
    if 300 <= status < 400:
        raise ChannelError(_("The server answered with a redirect, which is not followed."))
    if not 200 <= status < 300:
        raise ChannelError(_describe(status))
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        if _says_no(answer) or not service.takes(answer):
            raise ChannelError(
                _("%(service)s answered, but did not take the message%(number)s.")
                % {"service": service.name, "number": _number_of(answer)}
            )
    elif not service.is_webhook:
        raise ChannelError(
            _("The server did not answer as %(service)s does. Is the address right?") % {"service": service.name}
        )


def _says_no(answer: dict[str, Any]) -> bool:
    return (
        any(answer.get(key) not in _NOTHING for key in ("error", "errors", "errcode", "errno"))
        or any(answer.get(key) is False for key in ("ok", "success"))
        or str(answer.get("status")).lower() in _FAILED
        or any(_to_number(answer.get(key)) >= 400 for key in ("code", "status"))
    )


def _number_of(answer: dict[str, Any]) -> str:
    """Return the service's own number of the fault, which its documentation explains; nothing that could be a key."""
    numbers = (_to_number(answer.get(key)) for key in ("errcode", "error_code", "code"))
    number = next((number for number in numbers if 0 < number < 1_000_000), None)
    return f" ({number})" if number else ""


def _to_number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _describe(status: int) -> str:
    if status in {401, 403}:
        return _("The server refused the key or the password in the address (%(status)s).") % {"status": status}
    if status == 404:
        return _("The server does not know this address (%(status)s).") % {"status": status}
    if status == 413:
        return _("The message was too long for the server (%(status)s).") % {"status": status}
    if status == 429:
        return _("The server takes no more messages for now (%(status)s).") % {"status": status}
    if status >= 500:
        return _("The server has a fault of its own (%(status)s).") % {"status": status}
    return _("The server refused the message (%(status)s).") % {"status": status}
