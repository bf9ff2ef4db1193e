"""Which addresses of channels are taken, and what a member is told of the others."""

import sys

import pytest
from django.core.exceptions import ValidationError

from renewals.channels import SERVICES, ChannelError, is_available, send, service_of
from renewals.channels.addresses import read_address

TAKEN = {
    "ntfys://my-topic": "ntfy",
    "ntfy://my_topic/": "ntfy",
    "NTFYS://my-topic": "ntfy",
    "ntfys://ntfy.example.org/topic": "ntfy",
    "ntfys://anna:p%40ss@ntfy.example.org:8443/topic?priority=high": "ntfy",
    "ntfys://tk_AbC123@ntfy.example.org/topic": "ntfy",
    "tgram://123456789:AAE-abc_DEF/987654321": "Telegram",
    "tgram://bot123456789:AAE-abc_DEF/-100987654321:7/": "Telegram",
    "tgram://123456789:AAE-abc_DEF/@family_chen": "Telegram",
    "wecombot://693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa": "WeCom",
    "barks://api.day.app/KeyKeyKeyKey": "Bark",
    "bark://anna:secret@bark.example.org:8080/KeyKey?sound=bell.caf&level=active&group=cards": "Bark",
    "schan://SCT12345Tabcdef": "ServerChan",
    "gotifys://gotify.example.org/AyfsR.z_1-x": "Gotify",
    "gotify://gotify.example.org:8080/some/path/token?priority=high": "Gotify",
    "matrixs://syt_YW5uYQ_abc@matrix.example.org/!room:example.org": "Matrix",
    "matrixs://syt_YW5uYQ_abc@matrix.example.org/%23family:example.org": "Matrix",
    "matrixs://syt_YW5uYQ_abc@matrix.example.org/family": "Matrix",
    "jsons://example.org": "webhook",
    "jsons://anna:secret@example.org:8443/a/b%20c/@d:e?+X-Key=abc&+Authorization=Bearer%20abc": "webhook",
    "json://93.184.216.34/path/": "webhook",
}

OTHER_SERVICES = [
    "mailto://anna:secret@example.org",
    "file:///etc/passwd",
    "exec://id",
    "dbus://",
    "syslog://localhost",
    "windows://",
    "macosx://",
    "form://example.org/?attach=/etc/passwd",
    "forms://example.org",
    "xml://example.org",
    "apprise://example.org/token",
    "apprises://example.org/token",
    "wecombots://key",
    "tgrams://123:abc/1",
    "python://os",
    "ntfy+unix://topic",
    "memory://x",
    "rsyslog://example.org",
    "smtp://example.org",
    "gnome://",
]

# All of them lead, or once led, to this machine, its network or the inside of a cloud.
PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "127.0.0.1:8080", "0.0.0.0", "10.0.0.1", "172.16.0.1"),  # noqa: S104
    *("172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "198.18.0.1", "203.0.113.7", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("localhost", "LOCALHOST", "localhost:8080", "router", "nas.local", "db.internal", "router.lan"),
    *("app.localhost", "fritz.home", "1.0.0.127.in-addr.arpa"),
]
# The server is what follows the @, whatever stands before it looks like.
PRIVATE_WITH_LOGIN = [
    *("public.example@127.0.0.1", "user:public.example@10.0.0.1", "93.184.216.34@127.0.0.1"),
    *("example.org:80@127.0.0.1", "example.org%2f@127.0.0.1", "example.org%3A80%2F%3F@127.0.0.1"),
]
# The many other ways to write the same: not names, so they are refused even where private networks are allowed.
NO_NAMES = [
    *("2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.0.0.1", "0x7F.1", "127.1", "127.0.1", "1", "0"),
    *("127.0.0.1.", "localhost.", "127.000.000.001", "127.0.0.0x1", "127.0.0.256", "999.1.1.1", "1.2.3.4.5"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "::1"),
    *("[fe80::1%25eth0]", "a@b@127.0.0.1", "example.org\\@127.0.0.1", "example.org%00.evil", "exa%6dple.org"),
    *("127。0。0。1", "１２７.0.0.1", "ⓛocalhost", "例子.中国", "-example.org", "example-.org", "example..org", "."),
    *("-", "a.b.", "x" * 64 + ".org", "under_score.org", "example.org:0", "example.org:65536", "example.org:8x"),
    *("example.org:", "example.org:80:80", "[example.org]", "example.org#@127.0.0.1", "example.org?@127.0.0.1"),
]


def message_of(url):
    with pytest.raises(ValidationError) as refused:
        service_of(url)
    (message,) = refused.value.messages
    return message


@pytest.mark.parametrize(("url", "name"), TAKEN.items())
def test_address_of_a_service_is_taken(url, name):
    assert service_of(url) == name


def test_every_service_has_an_example_of_its_own_form():
    assert {service.name for service in SERVICES} == set(TAKEN.values())
    for service in SERVICES:
        filled = service.example.replace("server", "example.org").replace("bot-token", "1:AAE").replace("chat-id", "1")
        assert service_of(filled) == service.name


@pytest.mark.parametrize("url", OTHER_SERVICES)
def test_other_services_are_refused(url):
    assert message_of(url).startswith("This service is not known here. Known are: ntfys://, tgram://, wecombot://")


@pytest.mark.parametrize("url", ["https://ntfy.sh/topic", "HTTP://example.org", "my-topic", "example.org/x", "ntfys:x"])
def test_address_of_a_page_is_told_how_to_begin(url):
    assert message_of(url).startswith("The address has to begin with the name of the service: ntfys://")


@pytest.mark.parametrize(
    "url",
    [
        *(f"{form}{host}/x" for host in PRIVATE for form in ("json://", "ntfys://", "bark://", "gotify://")),
        *(f"matrixs://token@{host}/x" for host in PRIVATE),
        *(f"{form}{host}/x" for host in PRIVATE_WITH_LOGIN for form in ("json://", "ntfys://", "bark://")),
    ],
)
def test_private_server_is_refused_where_the_administrator_has_not_allowed_it(settings, url):
    assert message_of(url) == "The server is in a private network. Only the administrator can allow that."
    settings.PUSH_ALLOW_PRIVATE = True
    assert service_of(url)


@pytest.mark.parametrize("host", NO_NAMES)
@pytest.mark.parametrize("form", ["json://{}/x", "ntfys://{}/topic", "matrixs://token@{}/room"])
def test_what_is_no_plain_name_is_refused_even_where_private_servers_are_allowed(settings, host, form):
    settings.PUSH_ALLOW_PRIVATE = True
    assert message_of(form.format(host)).isprintable()


@pytest.mark.parametrize(
    "port", [1, 21, 22, 23, 25, 53, 81, 110, 143, 389, 465, 587, 993, 1023, 3306, 5432, 6379, 11211]
)
def test_port_of_another_kind_of_server_is_refused(port):
    assert message_of(f"json://example.org:{port}/") == "The port is not one of a web server."


@pytest.mark.parametrize("port", [80, 443, 1024, 2586, 8008, 8443, 65535])
def test_port_of_a_web_server_is_taken(port):
    assert service_of(f"json://example.org:{port}/") == "webhook"


@pytest.mark.parametrize(
    "url",
    [
        "ntfys://one,ntfys://two",
        "ntfys://one;ntfys://two",
        "ntfys://one,two",
        "ntfys://one?to=ntfys://two",
        "ntfys://example.org/one,two",
    ],
)
def test_several_addresses_are_refused(url):
    assert message_of(url) == "One address only, please."


@pytest.mark.parametrize(
    "url",
    [
        "ntfys://one two",
        "ntfys://one\nntfys://two",
        "ntfys://tópico",
        "ntfys：//topic",
        "json://example.org/%0d%0aX-Evil:1",
        "json://example.org/%250a",
        "json://example.org/?+X-A=%00",
        "json://example.org/%7f",
        "\ufeffntfys://topic",
    ],
)
def test_letters_that_belong_in_no_address_are_refused(url):
    assert message_of(url) == "The address has letters, signs or spaces that do not belong in one."


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("jsons://example.org/?verify=no", "verify"),
        ("jsons://example.org/?Verify=no", "…"),
        ("jsons://example.org/?redirect=yes", "redirect"),
        ("jsons://example.org/?method=DELETE", "method"),
        ("jsons://example.org/?rto=9999999", "rto"),
        ("jsons://example.org/?cto=9999999", "cto"),
        ("jsons://example.org/?:message=x", "…"),
        ("jsons://example.org/?-a=b", "…"),
        ("jsons://example.org/?+Host=127.0.0.1", "…"),
        ("jsons://example.org/?+Transfer-Encoding=chunked", "…"),
        ("jsons://example.org/?port=22", "port"),
        ("jsons://example.org/?user=x", "user"),
        ("jsons://example.org/?password=x", "password"),
        ("jsons://example.org/?store=yes", "store"),
        ("jsons://example.org/?optional=yes", "optional"),
        ("jsons://example.org/?retry=9", "retry"),
        ("jsons://example.org/?wait=9", "wait"),
        ("jsons://example.org/?format=markdown", "format"),
        ("jsons://example.org/?overflow=split", "overflow"),
        ("jsons://example.org/?", "…"),
        ("ntfys://topic?attach=/etc/passwd", "attach"),
        ("ntfys://topic?avatar_url=x", "avatar_url"),
        ("ntfys://topic?email=anna@example.org", "email"),
        ("ntfys://topic?mode=private", "mode"),
        ("ntfys://topic?to=other", "to"),
        ("ntfys://topic?priority=high&verify=no", "verify"),
        ("ntfys://topic?priority=a%20b", "priority"),
        ("tgram://123:abc/1?template=/etc/passwd", "template"),
        ("tgram://123:abc/1?image=yes", "image"),
        ("barks://example.org/key?icon=x", "icon"),
        ("barks://example.org/key?key=0123456789abcdef", "key"),
        ("matrixs://token@example.org/room?mode=t2bot", "mode"),
        ("matrixs://token@example.org/room?path=/x", "path"),
        ("matrixs://token@example.org/room?e2ee=yes", "…"),
        ("wecombot://key?key=other", "key"),
        ("schan://key?SECRETTOKEN", "…"),
    ],
)
def test_options_that_could_do_harm_are_refused_by_name(url, name):
    assert message_of(url) == f"Leave out what follows the question mark, or this part of it: {name}"


@pytest.mark.parametrize(
    ("url", "example"),
    [
        ("tgram://123456789:AAE", "tgram://bot-token/chat-id"),
        ("tgram://AAE/1", "tgram://bot-token/chat-id"),
        ("wecombot://a/b", "wecombot://key"),
        ("wecombot://", "wecombot://key"),
        ("schan://a-b", "schan://SendKey"),
        ("barks://example.org", "barks://api.day.app/device-key"),
        ("barks://example.org/a/b", "barks://api.day.app/device-key"),
        ("gotifys://example.org", "gotifys://server/token"),
        ("gotifys://example.org/a/*/b", "gotifys://server/token"),
        ("matrixs://example.org/!room:example.org", "matrixs://access-token@server/!room:server"),
        ("matrixs://anna:secret@example.org/!room:example.org", "matrixs://access-token@server/!room:server"),
        ("matrixs://token@example.org", "matrixs://access-token@server/!room:server"),
        ("ntfys://example.org/a/b", "ntfys://topic"),
        ("ntfys://", "ntfys://topic"),
        ("jsons://", "jsons://server/path"),
        ("jsons:///path", "jsons://server/path"),
    ],
)
def test_address_of_another_form_is_shown_its_own(url, example):
    (name,) = (service.name for service in SERVICES if service.example == example)
    assert message_of(url) == f"Write the address of {name} like this: {example}"


def test_sign_of_a_room_is_left_out():
    """Apprise would take what stands before it for something else, and send it elsewhere."""
    assert message_of("matrixs://token@example.org/#room:example.org") == "Leave out the # of the address."


def test_long_address_is_refused_at_once():
    assert service_of("jsons://example.org/" + "a" * 480) == "webhook"
    assert message_of("jsons://example.org/" + "a" * 481) == "The address is too long."
    # Of the right length, but a shape that a careless expression takes for ever to refuse.
    assert message_of("jsons://example.org/" + "a" * 460 + "<").startswith("Write the address of webhook")


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("ntfys://topic", {"secure": True, "mode": "cloud", "targets": "topic", "include_image": False}),
        ("ntfy://tk_a1@example.org:81/t", None),
        (
            "ntfy://tk_a1@example.org:8081/t",
            {
                "secure": False,
                "mode": "private",
                "auth": "token",
                "token": "tk_a1",
                "host": "example.org",
                "port": "8081",
            },
        ),
        ("matrixs://tok%2Fen@example.org/%23room", {"password": "tok%2Fen", "targets": "room", "e2ee": False}),
        ("gotify://example.org/a/b/tok", {"fullpath": "/a/b/", "token": "tok"}),
        ("jsons://example.org?+X-Key=a%20b", {"headers": {"X-Key": "a b"}}),
        ("tgram://bot12:abc/34", {"bot_token": "12:abc", "targets": "34", "detect_owner": False}),
    ],
)
def test_only_the_parts_of_the_form_are_handed_over(url, arguments):
    if arguments is None:
        assert message_of(url) == "The port is not one of a web server."
    else:
        assert arguments.items() <= read_address(url).arguments.items()


def test_nothing_of_apprise_is_needed_to_check_an_address(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert service_of("ntfys://topic") == "ntfy"
    assert not is_available()
    with pytest.raises(ChannelError, match="is not installed on this site"):
        send("ntfys://topic", "Title", "Body")
