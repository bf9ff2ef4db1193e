"""The mail server, given the time that the protocol asks for, and listened to.

RFC 5321, section 4.5.3.2.6: a client waits ten minutes for the answer to the final dot. Who hangs up earlier, while the
server is still writing the message down, gets it delivered twice.
"""

import smtplib
from typing import Any

from django.conf import settings
from django.core.mail.backends import smtp


class _Patient:
    """Waits longer for the answer to the final dot than for any other, and keeps that answer."""

    answer = ""
    sock: Any
    timeout: Any

    def send(self, data: Any) -> None:
        super().send(data)  # type: ignore[misc]
        if isinstance(data, bytes) and data.endswith(b"\r\n.\r\n") and self.sock:
            self.sock.settimeout(settings.EMAIL_FINAL_TIMEOUT)

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

    @property
    def answer(self) -> str:
        """What the server said when it took the last message; empty when it has taken none."""
        return getattr(self.connection, "answer", "")
