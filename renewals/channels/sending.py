"""One message to one channel."""

import re
from importlib import import_module
from importlib.util import find_spec

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from .addresses import Address, read_address
from .errors import ChannelError
from .services import Service

# What people read on a telephone; the site has the rest.
MOST_CHARACTERS = 3500
CUT = "…"


def is_available() -> bool:
    """Return whether Apprise, an optional part, is installed. Does not load it."""
    return find_spec("apprise") is not None


def send(url: str, title: str, body: str) -> str:
    """Send a message through the channel at `url`; return a short answer for the record, with nothing secret in it.

    It ends within about a minute. Raises ChannelError, and nothing else, for whatever goes wrong.
    """
    fault = ""
    try:
        return _send(url, title, body)
    except ChannelError as error:
        fault = str(error)
    except ValidationError as error:
        fault = " ".join(error.messages)
    except Exception:
        fault = _("The message could not be sent.")
    # Raised out here, it drags along no other error, in whose text a log would find the address.
    raise ChannelError(fault)


def fit(text: str, service: Service) -> str:
    """Cut a text at the end of a line to 3,500 characters, and to what the service has room for.

    A cut text ends with a line “…”.
    """
    text = text.strip()
    if _fits(text, service):
        return text
    lines = text.split("\n")
    while len(lines) > 1 and not _fits("\n".join([*lines, CUT]), service):
        lines.pop()
    while not _fits("\n".join([*lines, CUT]), service):
        lines = [lines[0][: len(lines[0]) * 9 // 10]]
    return "\n".join([*lines, CUT])


def _send(url: str, title: str, body: str) -> str:
    if not is_available():
        raise ChannelError(_("What sends to other channels is not installed on this site."))
    address = read_address(url)
    # Loaded here, for it takes Apprise along: most installations never need it.
    transport = import_module("renewals.channels.transport")
    with transport.guarded(address.service) as wire:
        is_sent = _hand_over(address, title, body)
    # Apprise keeps to itself what was raised underneath it.
    if wire.fault or not is_sent:
        raise ChannelError(wire.fault or _("The message could not be sent."))
    return f"{address.service.name}: {wire.status}"


def _hand_over(address: Address, title: str, body: str) -> bool:
    """Have Apprise word the requests of this service and make them; return whether it is content."""
    apprise = import_module("apprise")
    service = address.service
    plugin_class = getattr(import_module(f"apprise.plugins.{service.module}"), service.plugin)
    # In memory, for the keys of members are not to lie about in files; without Apprise's own limit in time, after which
    # it would go on in the background.
    asset = apprise.AppriseAsset(
        app_id="Keepnumber", app_desc="Keepnumber", async_mode=False, storage_mode="memory", service_timeout=0
    )
    plugin = plugin_class(**address.arguments, asset=asset)
    # One message has nothing to wait for.
    plugin.request_rate_per_sec = 0
    sender = apprise.Apprise(plugin, asset=asset)
    return bool(
        sender.notify(
            title=" ".join(title.split())[: service.title_characters],
            body=_word(service, body or title),
            body_format=apprise.NotifyFormat.TEXT,
        )
    )


def _word(service: Service, body: str) -> str:
    text = re.sub(r"\n(?=\n)", f"\n{service.blank_line}", fit(body, service))
    if not service.is_markdown:
        return text
    # A code such as *111*1# is to be read as it is, and a line to stay a line.
    return re.sub(r"([\\*`<])", r"\\\1", text).replace("\n", "\n\n")


def _fits(text: str, service: Service) -> bool:
    return len(text) <= MOST_CHARACTERS and (service.room is None or service.size(text) <= service.room)
