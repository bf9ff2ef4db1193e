"""The only way out for what Apprise sends. It is loaded for the first message, as Apprise is an optional part.

Apprise calls `requests` by itself, so while a message is sent both are replaced underneath it: how a request is made,
and how a connection is opened. One message at a time, as that holds for the whole process.
"""

import contextlib
import functools
import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
import urllib3.exceptions
from django.utils.translation import gettext as _
from urllib3.util import connection

from . import networks
from .answers import judge
from .errors import ChannelError
from .services import Service

CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
# A server that sends a letter every few seconds keeps within the two above for ever.
TOTAL_SECONDS = 60.0
MOST_BYTES = 64 * 1024
# They write whole addresses, keys included, into the log.
_TALKATIVE = {"apprise", "requests", "urllib3"}

_one_at_a_time = threading.Lock()


class Wire:
    """What one message goes through: its connections, its end in time, the last `status` and the first `fault`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.status = 0
        self.fault = ""
        self._end = time.monotonic() + TOTAL_SECONDS
        self._sockets: list[socket.socket] = []
        self._watch = threading.Timer(TOTAL_SECONDS, self._cut)
        self._watch.daemon = True
        self._watch.start()

    def seconds_left(self) -> float:
        """Return how long the message may still take. Raises ChannelError when that is over."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise ChannelError(networks.late())
        return seconds

    def connect(
        self,
        address: tuple[str, int],
        timeout: Any = None,
        source_address: Any = None,
        socket_options: list | None = None,
    ) -> socket.socket:
        """Stand in for urllib3's own: look the server up once, check it, and connect to what was checked."""
        places = networks.look_up(*address, min(CONNECT_SECONDS, self.seconds_left()))
        sock = networks.connect(places, min(CONNECT_SECONDS, self.seconds_left()), socket_options)
        # TLS takes the socket over; its double still reaches the connection.
        self._sockets.append(sock.dup())
        try:
            self.seconds_left()
        except ChannelError:
            sock.close()
            raise
        return sock

    def hang_up(self) -> None:
        """Forget the connections; whoever opened them has closed them."""
        self._watch.cancel()
        self._watch.join()
        for sock in self._sockets:
            sock.close()

    def _cut(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Session(requests.Session):
    """A session that goes nowhere by itself: no redirects, no proxies or passwords of the machine, no long answers."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.trust_env = False
        self.wire = wire
        # What is not packed cannot be a bomb.
        self.headers["Accept-Encoding"] = "identity"

    def request(self, method: Any, url: Any, **more: Any) -> requests.Response:  # type: ignore[override]
        """Make one request; return an answer that says yes. Raises ChannelError for any other."""
        try:
            return self._request(method, url, more)
        except ChannelError as error:
            self.wire.fault = self.wire.fault or str(error)
            raise

    def _request(self, method: Any, url: Any, more: dict[str, Any]) -> requests.Response:
        more |= {"timeout": (CONNECT_SECONDS, READ_SECONDS), "allow_redirects": False, "stream": True, "verify": True}
        fault = ""
        try:
            with super().request(method, url, **more) as response:
                body = _read(response)
        except ChannelError:
            raise
        except Exception as error:
            fault = _describe(error)
        # A cut connection may look like the end of an answer.
        self.wire.seconds_left()
        if not fault and len(body) > MOST_BYTES:
            fault = _("The server answered with far more than was asked for.")
        if fault:
            raise ChannelError(fault)
        self.wire.status = response.status_code
        judge(self.wire.service, response.status_code, body)
        response.raw = io.BytesIO(body)
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none: where one is, the answer would be read to its end, however long it is."""


@contextlib.contextmanager
def guarded(service: Service) -> Iterator[Wire]:
    """Let what is sent inside go through a Wire only. Raises ChannelError when others hold it for too long."""
    if not _one_at_a_time.acquire(timeout=TOTAL_SECONDS):
        raise ChannelError(_("Too many messages wait to be sent."))
    wire = None
    before = requests.sessions.Session, connection.create_connection
    silenced = [logger for logger in map(logging.getLogger, _talkative_names()) if not logger.disabled]
    try:
        wire = Wire(service)
        for logger in silenced:
            logger.disabled = True
        requests.sessions.Session = functools.partial(Session, wire)  # type: ignore[assignment, misc]
        connection.create_connection = wire.connect
        yield wire
    finally:
        requests.sessions.Session, connection.create_connection = before  # type: ignore[misc]
        for logger in silenced:
            logger.disabled = False
        if wire:
            wire.hang_up()
        _one_at_a_time.release()


def _read(response: requests.Response) -> bytes:
    """Return the text of an answer, or a little more than the most that is read. One that breaks off is an error."""
    body = b""
    while len(body) <= MOST_BYTES and (part := response.raw.read(MOST_BYTES, decode_content=False)):
        body += part
    return body


def _talkative_names() -> set[str]:
    return _TALKATIVE | {name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _TALKATIVE}


def _describe(error: Exception) -> str:
    """Say in words what went wrong; the text of the error itself has the whole address in it."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return networks.late()
    if isinstance(error, requests.exceptions.SSLError):
        return _("The server's certificate is not valid.")
    return _("The connection to the server broke off.")
