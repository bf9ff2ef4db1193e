"""Where a message may go: addresses of the public internet, looked up once and connected to as they were looked up.

Members type the address of a channel, so without this they could have the server talk to its own network for them.
"""

import socket
import threading
import time
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.utils.translation import gettext as _

from .errors import ChannelError

# Not one of these is a server on the internet (IANA special-purpose registry, RFC 6890), although some are routable:
# 192.88.99.0/24 leads into 6to4, 168.63.129.16 is the inside of a cloud.
_NOT_PUBLIC = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# Of IPv6 only this is handed out to servers: mapped, compatible and translated IPv4, NAT64 (64:ff9b::), site-local,
# unique local, link-local and multicast addresses all lie outside of it.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Teredo and other protocols, documentation, 6to4, documentation again.
_NOT_PUBLIC_6 = [IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]

# Below 1024 the web lives on 80 and 443 only; above, these are well-known services that take commands.
_WEB_PORTS = {80, 443}
_NOT_WEB_PORTS = {1433, 1521, 2049, 2375, 3306, 3389, 5432, 5900, 6379, 11211, 27017}


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is one of a server on the internet."""
    if isinstance(address, IPv6Address):
        return address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_PUBLIC_6)
    return not any(address in network for network in _NOT_PUBLIC)


def is_web_port(port: int) -> bool:
    """Return whether a web server may listen there; mail servers and databases may not be spoken to."""
    return port in _WEB_PORTS or (1024 <= port <= 65535 and port not in _NOT_WEB_PORTS)


def is_own(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is this machine's: then the way there begins where it ends. Sends nothing."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 443))
        except OSError:
            return False
        return ip_address(probe.getsockname()[0]) == address


def look_up(host: str, port: int, seconds: float) -> list[tuple[int, tuple]]:
    """Return the families and socket addresses of a server, each of them checked.

    The system is asked once, and for `seconds` at most. Raises ChannelError where the name is not known or takes too
    long, and where a single one of its addresses is not public.
    """
    if not is_web_port(port):
        raise ChannelError(_("The port in the address is not one of a web server."))
    found: list[list] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            found.append([])

    # The system's resolver has no time-out of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if not found:
        raise ChannelError(_("The name of the server could not be looked up in time."))
    if not found[0]:
        raise ChannelError(_("The name of the server is not known. Is the address right?"))
    places = [(family, place) for family, _kind, _protocol, _name, place in found[0]]
    if not settings.PUSH_ALLOW_PRIVATE and not all(_may_be_reached(place[0]) for _family, place in places):
        raise ChannelError(_("The address leads into a private network, where nothing is sent to."))
    return places


def connect(places: list[tuple[int, tuple]], seconds: float, options: list | None = None) -> socket.socket:
    """Return a connection to the first of the checked places that answers, within `seconds` for all of them.

    `options` are set on the socket before. Raises ChannelError when none answers.
    """
    end = time.monotonic() + seconds
    is_late = False
    for family, place in places:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in options or []:
                sock.setsockopt(*option)
            sock.settimeout(max(end - time.monotonic(), 0.001))
            sock.connect(place)
            return sock
        except OSError as error:
            is_late = isinstance(error, TimeoutError)
            sock.close()
    raise ChannelError(late() if is_late else _("The server could not be reached."))


def late() -> str:
    """Return what is said of a server that takes too long."""
    return _("The server did not answer in time.")


def _may_be_reached(text: str) -> bool:
    address = ip_address(text.partition("%")[0])
    return is_public(address) and not is_own(address)
