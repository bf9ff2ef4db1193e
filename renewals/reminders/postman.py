"""One run's way out for its mails: a connection to the mail server, or a member's own channel."""

import logging
import smtplib

from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMultiAlternatives

from renewals import channels
from renewals.models import Channel

logger = logging.getLogger(__name__)


class SignInRefused(Exception):
    """The mail server does not accept our user name and password: no mail can leave until that is mended."""


class ServerAway(Exception):
    """The mail server cannot be reached now, or takes nothing from us; whatever else is queued would fare the same."""


class Postman:
    """One run's connection to the mail server, opened when the first mail needs it and used for all."""

    def __init__(self) -> None:
        self._connection: BaseEmailBackend | None = None

    def send(self, message: EmailMultiAlternatives) -> str:
        """Send one mail to its one recipient; return what the server said to it.

        Raises SignInRefused, ServerAway, smtplib.SMTPException and OSError as the server and the network have it.
        """
        connection = self._connect()
        try:
            connection.send_messages([message])
        except (smtplib.SMTPException, OSError) as error:
            # Without a word about the recipient it is the server that fails, and would with the next mail.
            if getattr(connection, "has_recipient", True):
                raise
            raise ServerAway(describe(error)) from error
        return getattr(connection, "answer", "")

    def push(self, channel: Channel, message: EmailMultiAlternatives) -> str:
        """Send one message through a member's channel; return what its server said. Raises ChannelError."""
        return channels.send(channel.url, str(message.subject), str(message.body))

    def hang_up(self) -> None:
        """Close the connection; one that is already broken is simply dropped."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (smtplib.SMTPException, OSError):
                logger.info("The mail server had closed the connection already.")

    def _connect(self) -> BaseEmailBackend:
        if self._connection is None:
            self._connection = get_connection()
            try:
                self._connection.open()
            except smtplib.SMTPAuthenticationError as error:
                # 4xx is a passing fault of the server; only 5xx says that the password is wrong.
                raise (SignInRefused if error.smtp_code >= 500 else ServerAway)(describe(error)) from error
            except Exception as error:
                raise ServerAway(describe(error)) from error
        return self._connection


def describe(error: Exception) -> str:
    """Return what a server answered, or the fault by its name."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return f"{type(error).__name__}: {error}"
