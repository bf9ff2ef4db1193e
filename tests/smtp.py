"""A real SMTP server on this machine that collects what it gets and misbehaves when told to."""

import asyncio
import email.policy
import socket
from email import message_from_bytes

from aiosmtpd.controller import Controller

DROP = "drop the connection"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SmtpServer:
    """Set `answer` to a function of (command, argument) to misbehave; None from it means that all is well.

    It is asked at EHLO (the client's name), MAIL and RCPT (the address), DATA (the message, not kept yet) and KEPT
    (the message, kept: the client does not know it yet). It may return a reply such as "550 No such user" or DROP,
    and it may block. `messages` holds the parsed mails, each with its envelope's `recipients`.
    """

    def __init__(self):
        self.messages = []
        self.answer = lambda command, argument: None
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"

    def start(self):
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self):
        """End the server; a connection to its port is refused until it is started again."""
        self._controller.stop(no_assert=True)

    async def _ask(self, server, command, argument):
        reply = await asyncio.to_thread(self.answer, command, argument)
        if reply == DROP:
            server.transport.abort()
            return "421 Dropped"
        return reply

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        session.host_name = hostname
        reply = await self._ask(server, "EHLO", hostname)
        return [reply] if reply else responses

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if reply := await self._ask(server, "MAIL", address):
            return reply
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if reply := await self._ask(server, "RCPT", address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        message = message_from_bytes(envelope.original_content, policy=email.policy.default)
        message.recipients = list(envelope.rcpt_tos)
        if reply := await self._ask(server, "DATA", message):
            return reply
        self.messages.append(message)
        return await self._ask(server, "KEPT", message) or "250 Kept"
