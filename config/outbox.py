"""Mail that cannot leave: one .eml file a message, so that nothing is lost while no mail server is set."""

import os
import re
import time
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class EmailBackend(BaseEmailBackend):
    """Write each message to the outbox folder; any mail program opens the files."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the messages and return how many were written. Raises OSError when the disk refuses."""
        settings.OUTBOX_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            content = message.message()
            name = re.sub(r"[^A-Za-z0-9-]", "", content["Message-ID"].split("@")[0])
            path = settings.OUTBOX_DIR / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}.eml"
            draft = path.with_suffix(".part")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content.as_bytes())
            draft.rename(path)
        return len(email_messages)
