"""What no log may hold: the numbers, addresses, passwords and tokens that tests work with."""

import logging
import re

from config.logs import Formatter
from tests.factories import PASSWORD

# Cards of the factories and families, their members' addresses, their password; a calendar's or a mail's token.
CANARIES = re.compile(
    rf"\+?535\d{{7}}|8613012345678|user\d+@example|{PASSWORD}|/(?:calendar|mail/act|mail/stop)/[\w:=-]{{20,}}"
)


class Canaries(logging.Handler):
    """Reads each line as an installation would write it; `found` are those that hold what they must not."""

    def __init__(self):
        super().__init__()
        self.setFormatter(Formatter())
        self.found = []

    def emit(self, record):
        line = self.format(record)
        if CANARIES.search(line):
            self.found.append(line)
