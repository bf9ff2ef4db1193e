"""Where a message may go. A member's address must not make this server talk to its own network."""

import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renewals.channels import ChannelError, networks, send
from renewals.channels.networks import is_own, is_public, look_up
from tests.renewals.push_server import PushServer

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"

# Every network that is not the internet, with its first and last address, and the neighbours that are.
BORDERS = [
    ("0.0.0.0", "0.255.255.255", None, "1.0.0.0"),  # noqa: S104
    ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
    ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
    ("168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"),
    ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
    ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
    ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
    ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
    ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
    ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
    ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
    ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
    ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
    ("224.0.0.0", "255.255.255.255", "223.255.255.255", None),
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, "2000::"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff::", "2001:db9::"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff:ffff:ffff::", "2003::"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff::", "3fff:1000::"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff:ffff:ffff::", None),
]
WRAPPED = {
    "mapped": "::ffff:127.0.0.1",
    "mapped public": f"::ffff:{PUBLIC}",
    "compatible": "::127.0.0.1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64 public": "64:ff9b::5db8:d822",
    "local NAT64": "64:ff9b:1::7f00:1",
    "6to4": "2002:7f00:1::",
    "Teredo": "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "loopback": "::1",
    "unspecified": "::",
    "link-local": "fe80::1",
    "link-local with its interface": "fe80::1%lo",
    "site-local": "fec0::1",
    "unique local": "fd00:ec2::254",
    "multicast": "ff02::1",
    "discard": "100::1",
}
# What the system's own look-up makes addresses of this machine or its network of.
SPELLINGS = [
    *("127.0.0.1", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.1", "127.1", "127.0.1", "0"),
    *("0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:0:0:1", "64:ff9b::7f00:1"),  # noqa: S104
    *("2002:7f00:1::", "fe80::1", "localhost", "167772161", "10.1", "192.168.257", "169.254.43518", "2852039166"),
    "0xa9fea9fe",
]


@pytest.fixture
def names(monkeypatch):
    """A dict of what names are looked up to: addresses, or a list of such lists for one look-up after the other."""
    known = {}
    real = socket.getaddrinfo
    asked = known["asked"] = []

    def look_up_here(host, port, *arguments, **more):
        asked.append(host)
        if host not in known:
            return real(host, port, *arguments, **more)
        found = known[host]
        if found and isinstance(found[0], list):
            found = found.pop(0)
        return [answer for each in found for answer in real(each, port, *arguments, **more)]

    monkeypatch.setattr("socket.getaddrinfo", look_up_here)
    return known


@pytest.fixture
def server():
    server = PushServer()
    yield server
    server.stop()


@pytest.mark.parametrize(("first", "last", "before", "after"), BORDERS)
def test_network_ends_where_it_ends(first, last, before, after):
    for address in (first, last):
        assert not is_public(ipaddress.ip_address(address))
    for address in filter(None, (before, after)):
        assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", WRAPPED.values(), ids=WRAPPED)
def test_address_in_a_wrapping_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address.partition("%")[0]))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_holds_for_private(address):
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@pytest.mark.parametrize("host", SPELLINGS)
def test_look_up_refuses_every_spelling_of_a_private_address(host):
    with pytest.raises(ChannelError, match="private network"):
        look_up(host, 443, 5)


@pytest.mark.parametrize("address", WRAPPED.values(), ids=WRAPPED)
def test_name_of_a_private_address_is_refused(names, address):
    names["127.0.0.1.nip.example"] = [address]
    with pytest.raises(ChannelError, match="private network"):
        look_up("127.0.0.1.nip.example", 443, 5)


def test_name_with_one_private_address_among_public_ones_is_refused(names):
    names["good.example"] = [PUBLIC, PUBLIC_6]
    assert look_up("good.example", 443, 5) == [
        (socket.AF_INET, (PUBLIC, 443)),
        (socket.AF_INET6, (PUBLIC_6, 443, 0, 0)),
    ]
    names["mixed.example"] = [PUBLIC, PUBLIC_6, "10.0.0.1"]
    with pytest.raises(ChannelError, match="private network"):
        look_up("mixed.example", 443, 5)


def test_own_address_of_this_machine_is_refused_even_if_public(names, monkeypatch):
    names["self.example"] = ["127.0.0.1"]
    monkeypatch.setattr(networks, "is_public", lambda address: True)
    with pytest.raises(ChannelError, match="private network"):
        look_up("self.example", 443, 5)
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address(PUBLIC))


def test_administrator_may_allow_private_addresses(settings):
    settings.PUSH_ALLOW_PRIVATE = True
    assert look_up("127.0.0.1", 8080, 5) == [(socket.AF_INET, ("127.0.0.1", 8080))]


@pytest.mark.parametrize("port", [0, 22, 25, 3306, 65536])
def test_port_of_another_kind_of_server_is_not_even_looked_up(names, port):
    with pytest.raises(ChannelError, match="The port in the address"):
        look_up("good.example", port, 5)
    assert names["asked"] == []


def test_unknown_name_is_said_to_be_unknown(names):
    names["nobody.example"] = []
    with pytest.raises(ChannelError, match="is not known"):
        look_up("nobody.example", 443, 5)
    with pytest.raises(ChannelError, match="is not known"):
        look_up("x" * 64 + ".example", 443, 5)


def test_look_up_that_hangs_is_given_up(monkeypatch):
    free = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *arguments, **more: free.wait(60))
    with pytest.raises(ChannelError, match="could not be looked up in time"):
        look_up("slow.example", 443, 0.05)
    free.set()


def test_message_to_a_name_of_this_machine_never_arrives(names, server):
    names["push.example"] = ["127.0.0.1"]
    with pytest.raises(ChannelError, match="private network"):
        send(f"json://push.example:{server.port}/", "Title", "Body")
    assert (names["asked"], server.requests) == (["push.example"], [])


def test_message_to_a_fixed_service_is_checked_as_well(names, server):
    for name in ("api.telegram.org", "qyapi.weixin.qq.com", "sctapi.ftqq.com", "ntfy.sh"):
        names[name] = ["127.0.0.1"]
    for url in ("tgram://123:abc/1", "wecombot://key", "schan://key", "ntfys://topic"):
        with pytest.raises(ChannelError, match="private network"):
            send(url, "Title", "Body")
    assert names["asked"] == ["api.telegram.org", "qyapi.weixin.qq.com", "sctapi.ftqq.com", "ntfy.sh"]


def test_name_is_looked_up_once_and_connected_to_as_it_was_checked(names, server, monkeypatch):
    """A name that changes its mind between the check and the connection gets nothing."""
    names["moving.example"] = [[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]]
    tried = []

    class Recorder(socket.socket):
        def connect(self, place):
            if self.type != socket.SOCK_STREAM:
                return super().connect(place)
            tried.append(place)
            raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr("socket.socket", Recorder)
        with pytest.raises(ChannelError, match="could not be reached"):
            send(f"json://moving.example:{server.port}/", "Title", "Body")
    assert names["asked"] == ["moving.example"]
    assert tried == [(PUBLIC, server.port)]
    assert server.requests == []


def test_next_address_of_a_server_is_tried(names, server, settings):
    settings.PUSH_ALLOW_PRIVATE = True
    names["two.example"] = ["::1", "127.0.0.1"]
    assert send(f"json://two.example:{server.port}/", "Title", "Body") == "webhook: 200"
    assert [request.headers["Host"] for request in server.requests] == [f"two.example:{server.port}"]
