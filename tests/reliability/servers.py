"""The mail server of the tests, where thousands of mails come and their connections are counted."""

import email.policy
from email.parser import BytesHeaderParser

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.app import wait_until
from tests.smtp import SmtpServer


class CountingServer(SmtpServer):
    """Keeps of each mail its headers only, and knows how many connections it has."""

    def __init__(self):
        super().__init__()
        self.open = 0

    def start(self):
        owner = self

        class Session(SMTP):
            def connection_made(self, transport):
                owner.open += 1
                super().connection_made(transport)

            def connection_lost(self, error):
                super().connection_lost(error)
                owner.open -= 1

        class Counting(Controller):
            def factory(self):
                return Session(owner, **self.SMTP_kwargs)

        self._controller = Counting(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def wait_until_alone(self):
        """Wait until nobody is connected: what has not been kept by then will not be."""
        wait_until(lambda: self.open == 0, "the end of the connections")

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        message = BytesHeaderParser(policy=email.policy.default).parsebytes(envelope.original_content)
        message.recipients = list(envelope.rcpt_tos)
        if reply := await self._ask(server, "DATA", message):
            return reply
        self.messages.append(message)
        return await self._ask(server, "KEPT", message) or "250 Kept"
