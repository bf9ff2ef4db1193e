"""The log of the processes: one JSON object a line, with nothing in it that the logs must not keep."""

import datetime
import json
import logging
import re

# Whoever has such an address may use it: a private calendar, a link of a mail, an invitation, a new password.
_PATHS = r"(/(?:calendar|mail/act|mail/stop|invitations?|password/reset/key|email/confirm)/)(?!\d+/)[^\s/?\"'<>\\]+"
# What people write between the digits of a number, also as an address or a program quotes it.
_GAP = r"(?:[\s().\-/\u00a0\u202f]|%20|\\xa0|\\u202f)"
# What is hidden, and what is written in its place.
_HIDDEN = [
    (re.compile(_PATHS, re.IGNORECASE), r"\1…"),
    (re.compile(r"\b(token|key|code|password|secret|pin|puk)(=|%3D)[^&\s\"']+", re.IGNORECASE), r"\1\2…"),
    # The password in the address of a mail server or a database.
    (re.compile(r"(\w://)[^\s/@]+@"), r"\1…@"),
    (re.compile(r"[^\s@<>()\[\]\"',;:=]{1,64}(?:@|%40)[\w.-]*\w", re.IGNORECASE), "…@…"),
    # A telephone number with its country code, however it is grouped.
    (re.compile(rf"(?:\+|%2B|\b00){_GAP}?(?:\d{_GAP}{{0,2}}){{6,16}}\d"), "+…"),
    # One without, and every other long number: an ICCID, a PUK, an identity number.
    (re.compile(r"\d{8,}"), "…"),
]


def hide(text: str) -> str:
    """Return a text without addresses that are secret, email addresses, telephone numbers and other long numbers."""
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


class Formatter(logging.Formatter):
    """Writes a record as one line of JSON in ASCII: nothing a stranger sends begins a line or moves a cursor."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": hide(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = hide(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = hide(self.formatStack(record.stack_info))
        return json.dumps(line)
