"""A mail server on bare sockets, for what a decent one cannot be made to do."""

import email.policy
import socketserver
import threading
from contextlib import suppress
from email.parser import BytesHeaderParser

from tests.smtp import DROP

STALL = "say nothing any more"
GARBAGE = b"\x00\xff\xfe garbage \x80\r\n\r\n"
TOO_LONG = b"250 " + b"x" * 10_000 + b"\r\n"


class ScriptedServer:
    """Says what it is told to, as far as that goes, and else what a healthy server says.

    `answer` is asked as that of SmtpServer, at BANNER, EHLO, STARTTLS, AUTH, MAIL and RCPT (the address), DATA (the
    bare command), DOT (the message, not kept yet), KEPT (the message), RSET and QUIT. It returns None where all is
    well, else a line, bytes to be sent as they are, STALL or DROP. `offers` are the extensions it names; `tls` is the
    context for STARTTLS, or, with `is_tls`, for the whole conversation. After `mails_each` mails of one connection it
    hangs up. `heard` holds every line that came, `messages` the headers of what was kept, `connections` their number.
    """

    def __init__(self, *, offers=(), tls=None, is_tls=False, mails_each=None):
        self.offers, self.tls, self.is_tls, self.mails_each = offers, tls, is_tls, mails_each
        self.messages, self.heard, self.connections = [], [], 0
        self.well = threading.Event()
        self.answer = lambda command, argument: None
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Conversation)
        self._server.owner, self._server.daemon_threads = self, False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def heal(self):
        """Let all be well from now on, and let go who hangs."""
        self.answer = lambda command, argument: None
        self.well.set()

    def stop(self):
        self.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Conversation(socketserver.BaseRequestHandler):
    """One connection. A method for each command that has more to it than its answer."""

    def handle(self):
        self.owner, self.socket, self.lines, self.mails = self.server.owner, self.request, None, 0
        self.owner.connections += 1
        with suppress(OSError):
            if self.owner.is_tls:
                self.socket = self.owner.tls.wrap_socket(self.socket, server_side=True)
            self.lines = self.socket.makefile("rb")
            self.say("BANNER", "", "220 Welcome")
            while line := self.lines.readline():
                self.owner.heard.append(line)
                command, _, argument = line.decode(errors="replace").strip().partition(" ")
                act = getattr(self, f"on_{command.upper()}", None)
                act(argument) if act else self.say(command.upper(), argument, "250 OK")
        for each in filter(None, (self.lines, self.socket)):
            each.close()

    def on_EHLO(self, argument):  # noqa: N802
        lines = ["Hello", *self.owner.offers, "SIZE 1000000"]
        last = len(lines) - 1
        text = [f"250{' ' if number == last else '-'}{line}" for number, line in enumerate(lines)]
        self.say("EHLO", argument, "\r\n".join(text))

    def on_HELO(self, argument):  # noqa: N802
        self.say("EHLO", argument, "250 Hello")

    def on_STARTTLS(self, argument):  # noqa: N802
        if self.say("STARTTLS", argument, "220 Go ahead"):
            self.socket = self.owner.tls.wrap_socket(self.socket, server_side=True)
            self.lines = self.socket.makefile("rb")

    def on_AUTH(self, argument):  # noqa: N802
        self.say("AUTH", argument, "235 Welcome")

    def on_RCPT(self, argument):  # noqa: N802
        self.recipient = argument.partition("<")[2].partition(">")[0]
        self.say("RCPT", self.recipient, "250 OK")

    def on_DATA(self, argument):  # noqa: N802
        if not self.say("DATA", argument, "354 Go ahead"):
            return
        content = []
        while (line := self.lines.readline()) != b".\r\n":
            if not line:
                raise ConnectionAbortedError
            content.append(line)
        message = BytesHeaderParser(policy=email.policy.default).parsebytes(b"".join(content))
        message.recipients = [self.recipient]
        if not self.say("DOT", message, ""):
            return
        self.owner.messages.append(message)
        self.say("KEPT", message, "250 Kept")
        self.mails += 1
        if self.mails == self.owner.mails_each:
            raise ConnectionAbortedError

    def on_QUIT(self, argument):  # noqa: N802
        self.say("QUIT", argument, "221 Bye")
        raise ConnectionAbortedError

    def say(self, command, argument, healthy):
        """Answer a command; return whether that was the healthy answer. Raises OSError to end the conversation."""
        reply = self.owner.answer(command, argument)
        if reply == STALL:
            self.owner.well.wait()
        if reply in (DROP, STALL):
            raise ConnectionAbortedError
        line = healthy if reply is None else reply
        if line:
            self.socket.sendall(line if isinstance(line, bytes) else f"{line}\r\n".encode())
        return reply is None
