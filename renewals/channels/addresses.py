"""The addresses of channels that are taken, in the form in which Apprise writes them. No network, no Apprise.

Apprise knows a hundred kinds of address, some of which read files, run programs or switch off the check of
certificates. So nothing that is typed reaches its own parsing: an address is read here, by the strict form of its
service, and only the parts named in that form are handed over.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from .networks import is_public, is_web_port
from .services import SERVICES, Service

MOST_CHARACTERS = 500
# The inside of a network is often named so; the look-up of the name is what decides.
_INSIDE = {"localhost", "local", "internal", "lan", "home", "arpa"}
_BY_SCHEME = {scheme: service for service in SERVICES for scheme in service.schemes}


@dataclass(frozen=True)
class Address:
    """What was typed, read: the service and the arguments of its Apprise class. All of it is secret but `service`."""

    service: Service
    arguments: dict[str, Any]


def service_of(url: str) -> str:
    """Return what people call the service that the address leads to. Raises ValidationError that says what to mend."""
    return read_address(url).service.name


def read_address(url: str) -> Address:
    """Take an address apart. Raises ValidationError; its message repeats nothing of what may be secret."""
    scheme, rest = _split(url)
    service = _BY_SCHEME[scheme]
    place, question, query = rest.partition("?")
    if "#" in rest:
        raise ValidationError(_("Leave out the # of the address."), code="form")
    options = _read_options(service, query) if question else {}
    found = next(filter(None, (re.fullmatch(form, place) for form in service.forms)), None)
    if found is None:
        raise ValidationError(
            _("Write the address of %(service)s like this: %(example)s"),
            code="form",
            params={"service": service.name, "example": service.example},
        )
    parts = {name: value for name, value in found.groupdict().items() if value}
    if "host" in parts:
        _check_server(parts["host"], parts.get("port"))
    arguments = {"schema": scheme, "secure": scheme.endswith("s"), **service.fixed, **parts, **options}
    if service.name == "ntfy":
        arguments["mode"] = "private" if "host" in parts else "cloud"
        arguments["auth"] = "token" if "token" in parts else "basic"
    return Address(service, arguments)


def _split(url: str) -> tuple[str, str]:
    # Apprise decodes some parts twice.
    plain = unquote(unquote(url))
    if not url.isascii() or any(letter.isspace() for letter in url) or not plain.replace(" ", "").isprintable():
        raise ValidationError(_("The address has letters, signs or spaces that do not belong in one."), code="letters")
    if len(url) > MOST_CHARACTERS:
        raise ValidationError(_("The address is too long."), code="long")
    if url.count("://") > 1 or "," in url or ";" in url:
        raise ValidationError(_("One address only, please."), code="several")
    scheme, found, rest = url.partition("://")
    scheme = scheme.lower()
    names = ", ".join(f"{service.schemes[-1]}://" for service in SERVICES)
    if not found or scheme in {"http", "https"}:
        raise ValidationError(
            _("The address has to begin with the name of the service: %(names)s"),
            code="scheme",
            params={"names": names},
        )
    if scheme not in _BY_SCHEME:
        raise ValidationError(
            _("This service is not known here. Known are: %(names)s"), code="scheme", params={"names": names}
        )
    return scheme, rest


def _read_options(service: Service, query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for option in query.split("&"):
        name, _sign, value = option.partition("=")
        if service.is_webhook and re.fullmatch(r"\+(?:authorization|x-[a-z0-9-]+)", name, re.I):
            headers[name[1:]] = unquote(value)
        elif name in service.options and re.fullmatch(r"[A-Za-z0-9._-]+", value):
            options[name] = value
        else:
            raise ValidationError(
                _("Leave out what follows the question mark, or this part of it: %(name)s"),
                code="option",
                params={"name": name if re.fullmatch(r"[a-z_]{1,20}", name) else "…"},
            )
    return options | ({"headers": headers} if headers else {})


def _check_server(host: str, port: str | None) -> None:
    """Refuse early, and with a reason, what the look-up of the name would refuse later."""
    labels = host.lower().split(".")
    is_number = re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1])
    if is_number:
        try:
            is_inside = not is_public(IPv4Address(host))
        except ValueError:
            raise ValidationError(_("The name of the server is not one."), code="server") from None
    elif not all(re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels):
        raise ValidationError(_("The name of the server is not one."), code="server")
    else:
        is_inside = len(labels) == 1 or labels[-1] in _INSIDE
    if is_inside and not settings.PUSH_ALLOW_PRIVATE:
        raise ValidationError(
            _("The server is in a private network. Only the administrator can allow that."), code="private"
        )
    if port is not None and not is_web_port(int(port)):
        raise ValidationError(_("The port is not one of a web server."), code="port")
