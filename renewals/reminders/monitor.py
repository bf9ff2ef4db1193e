"""The outside watcher: it is told of each good run, and raises the alarm when it hears nothing."""

import logging
import urllib.error
import urllib.request
from http.client import HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from django.conf import settings

logger = logging.getLogger(__name__)

TIMEOUT = 10


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only where it stays with http or with https; any other is the error it came as."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme.lower() != req.type:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def tell_monitor() -> None:
    """Ask for MONITOR_URL, if there is one. Raises nothing: a monitor that is away stops no reminder.

    The address is a secret, as whoever knows it can say that all is well: what is logged names the fault alone.
    """
    if not settings.MONITOR_URL:
        return
    try:
        request = urllib.request.Request(settings.MONITOR_URL, headers={"User-Agent": "Keepnumber"})  # noqa: S310
        urllib.request.build_opener(_SameScheme).open(request, timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        error.close()
        logger.warning("The monitor answered %s; it does not know of this run.", error.code)
    except Exception as error:
        reason = getattr(error, "reason", error)
        fault = reason if isinstance(reason, Exception) else error
        logger.warning("The monitor could not be told of this run: %s.", type(fault).__name__)
