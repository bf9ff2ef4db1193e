"""What the logs must not keep."""

import logging
import re

# Whoever has such an address may use it: a private calendar, a link of a mail, a new password.
_SECRET = re.compile(r"(/(?:calendar|mail/act|mail/stop|password/reset/key)/)[^\s/?]+", re.IGNORECASE)


class Formatter(logging.Formatter):
    """Writes … for the secret part of an address, wherever in a line or a traceback it stands."""

    def format(self, record: logging.LogRecord) -> str:
        return _SECRET.sub(r"\1…", super().format(record))
