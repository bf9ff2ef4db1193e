"""The mail server, given the time that the protocol asks for, and listened to.

RFC 5321, section 4.5.3.2.6: a client waits ten minutes for the answer to the final dot. Who hangs up earlier, while the
server is still writing the message down, gets it delivered twice.
"""

import smtplib
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends import smtp


class _Patient:
    """Waits longer for the answer to the final dot than for any other, and keeps that answer.

    `has_recipient`: the conversation has come to whom the mail is for. What goes wrong before is not about this mail.
    """

    answer = ""
    has_recipient = False
    sock: Any
    timeout: Any

    def send(self, data: Any) -> None:
        super().send(data)  # type: ignore[misc]
        if isinstance(data, bytes) and data.endswith(b"\r\n.\r\n") and self.sock:
            self.sock.settimeout(settings.EMAIL_FINAL_TIMEOUT)

    def mail(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        self.has_recipient = False
        answer: tuple[int, bytes] = super().mail(*args, **kwargs)  # type: ignore[misc]
        return answer

    def rcpt(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        self.has_recipient = True
        answer: tuple[int, bytes] = super().rcpt(*args, **kwargs)  # type: ignore[misc]
        return answer

    def data(self, message: Any) -> tuple[int, bytes]:
        self.answer = ""
        try:
            code, text = super().data(message)  # type: ignore[misc]
        finally:
            if self.sock:
                self.sock.settimeout(self.timeout)
        self.answer = f"{code} {text.decode(errors='replace')}"
        return code, text


class PatientSMTP(_Patient, smtplib.SMTP):
    pass


class PatientSMTPOverTLS(_Patient, smtplib.SMTP_SSL):
    pass


class EmailBackend(smtp.EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return PatientSMTPOverTLS if self.use_ssl else PatientSMTP

    def open(self) -> bool | None:
        """Connect and greet, so that a server which does not answer is known before it is given any mail."""
        is_fresh = super().open()
        if is_fresh and self.connection:
            self.connection.ehlo_or_helo_if_needed()
        return is_fresh

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send the messages. A server may end a connection after some mails: then the next ones get a fresh one."""
        is_used = bool(self.answer)
        try:
            return super().send_messages(email_messages)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPSenderRefused) as error:
            is_over = not isinstance(error, smtplib.SMTPSenderRefused) or error.smtp_code == 421
            if not (is_used and is_over) or self.has_recipient:
                raise
        self.close()
        self.open()
        return super().send_messages(email_messages)

    @property
    def has_recipient(self) -> bool:
        """Whether the conversation had come to whom the last mail is for."""
        return getattr(self.connection, "has_recipient", False)

    @property
    def answer(self) -> str:
        """What the server said when it took the last message; empty when it has taken none."""
        return getattr(self.connection, "answer", "")
