"""Mails that leave after the answer, so that nobody learns from its time whether one was sent."""

import logging
from concurrent.futures import ThreadPoolExecutor

from django.core.mail import EmailMessage

logger = logging.getLogger(__name__)
# Few threads: a mail server that hangs holds up further mails, and never a page.
senders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="mail")


def send_in_background(message: EmailMessage) -> None:
    """Send a mail that is written already. A failure is logged, and the person asks for it again."""
    senders.submit(_send, message)


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except Exception:
        logger.exception("a mail about a sign-in could not be sent")
