"""Messages through real servers on this machine: what arrives, and what becomes of answers that are none."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs

import pytest
import requests
from django.conf import settings as installation
from urllib3.util import connection

from renewals.channels import SERVICES, ChannelError, send, transport
from renewals.channels.answers import judge
from renewals.channels.sending import fit
from tests.renewals.push_server import CONTENT, PushServer, write_certificate

SECRET = "S3cretS3cretS3cret"
BY_NAME = {service.name: service for service in SERVICES}
# {} is a server of this machine; the services with a fixed address are told apart by having none.
ADDRESSES = {
    "ntfy": f"ntfy://anna:{SECRET}@{{}}/topic{SECRET}?priority=high",
    "ntfy by token": f"ntfy://tk_{SECRET}@{{}}/topic",
    "Bark": f"bark://{{}}/{SECRET}?group=cards",
    "Gotify": f"gotify://{{}}/some/path/{SECRET}",
    "Matrix": f"matrix://{SECRET}@{{}}/!room{SECRET}:home",
    "webhook": f"json://anna:{SECRET}@{{}}/hooks/{SECRET}?+X-Key={SECRET}",
}
FIXED = {
    "Telegram": (f"tgram://123456789:{SECRET}/987654321", "api.telegram.org"),
    "WeCom": (f"wecombot://{SECRET}", "qyapi.weixin.qq.com"),
    "ServerChan": (f"schan://{SECRET}", "sctapi.ftqq.com"),
    "ntfy": (f"ntfys://{SECRET}", "ntfy.sh"),
}
TITLE, BODY = "Mamá: 3 días", "Dial *222# & <wait>\n\n中文: *111*1#"


@pytest.fixture(autouse=True)
def private(settings):
    settings.PUSH_ALLOW_PRIVATE = True


@pytest.fixture
def server():
    server = PushServer()
    yield server
    server.stop()


@pytest.fixture
def tls_server(tmp_path, monkeypatch):
    """A server with a certificate that is trusted here, to which the fixed services' names lead."""
    names = [name for _url, name in FIXED.values()]
    certificate = write_certificate(tmp_path / "certificate.pem", *names)
    server = PushServer(certificate)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    real = socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port, **more: real("127.0.0.1", server.port, **more))
    yield server
    server.stop()


@pytest.fixture
def impatient(monkeypatch):
    """A server has a third of a second for each answer, and a message has one second."""
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(transport, "READ_SECONDS", 0.3)
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 1.0)


def fault_of(url, title=TITLE, body=BODY):
    """Return why sending failed, once it is sure that no secret is in it, nor in an error it drags along."""
    with pytest.raises(ChannelError) as failed:
        send(url, title, body)
    assert (failed.value.__cause__, failed.value.__context__) == (None, None)
    assert SECRET.lower() not in str(failed.value).lower()
    assert "127.0.0.1" not in str(failed.value)
    return str(failed.value)


def content_of(request):
    return json.loads(request.text)


def answer_with(**changes):
    """Return the body of an answer with which every service is content, but for what is changed; None takes it out."""
    return json.dumps({key: value for key, value in (CONTENT | changes).items() if value is not None}).encode()


def content_for(name):
    return answer_with(code=200) if name == "Bark" else answer_with()


# What arrives


@pytest.mark.parametrize("name", ADDRESSES)
def test_message_arrives(server, name):
    server.body = content_for(name)
    assert send(ADDRESSES[name].format(server.place), TITLE, BODY) == f"{name.split()[0]}: 200"
    *_before, last = server.requests
    assert {request.headers["User-Agent"] for request in server.requests} == {"Keepnumber"}
    assert {"X-Icon", "Cookie"} & set(last.headers) == set()
    content = content_of(last)
    if name == "Matrix":
        assert [(request.method, request.path.rpartition("/")[0]) for request in server.requests] == [
            ("GET", "/_matrix/client/v3/account"),
            ("POST", "/_matrix/client/v3/join"),
            ("PUT", "/_matrix/client/v3/rooms/%21r%3Ahome/send/m.room.message"),
        ]
        assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {SECRET}"}
        assert content == {"msgtype": "m.text", "body": f"# {TITLE}\r\n{BODY}"}
        return
    assert len(server.requests) == 1
    expected = {
        "ntfy": ("/", {"topic": f"topic{SECRET}", "title": TITLE, "message": BODY}),
        "ntfy by token": ("/", {"topic": "topic", "title": TITLE, "message": BODY}),
        "Bark": ("/push", {"device_key": SECRET, "title": TITLE, "body": BODY, "group": "cards"}),
        "Gotify": ("/some/path/message", {"priority": 5, "title": TITLE, "message": BODY}),
        "webhook": (
            f"/hooks/{SECRET}",
            {"version": "1.0", "title": TITLE, "message": BODY, "attachments": [], "type": "info"},
        ),
    }
    assert (last.path, content) == expected[name]
    key = {"ntfy": "X-Priority", "ntfy by token": "Authorization", "Gotify": "X-Gotify-Key", "webhook": "X-Key"}
    values = {"ntfy": "high", "ntfy by token": f"Bearer tk_{SECRET}", "Gotify": SECRET, "webhook": SECRET}
    assert last.headers[key.get(name, "None")] == values.get(name)


@pytest.mark.parametrize("name", FIXED)
def test_message_arrives_at_a_fixed_service_over_tls(tls_server, name):
    tls_server.body = answer_with(code=0 if name == "ServerChan" else None)
    assert send(FIXED[name][0], TITLE, BODY) == f"{name}: 200"
    (request,) = tls_server.requests
    assert request.headers["Host"] == FIXED[name][1]
    if name == "ServerChan":
        assert request.path == f"/{SECRET}.send"
        # Markdown, in which stars would vanish and lines run together.
        (text,) = parse_qs(request.text)["desp"]
        assert text == "Dial \\*222# & \\<wait>\n\n\n\n中文: \\*111\\*1#"
    elif name == "Telegram":
        assert request.path == f"/bot123456789:{SECRET}/sendMessage"
        content = content_of(request)
        assert (content["chat_id"], content["parse_mode"]) == (987654321, "HTML")
        lines = [f"<b>{TITLE}</b>", "Dial *222# &amp; &lt;wait&gt;", "\u200b", "中文: *111*1#"]
        assert content["text"].split("\r\n") == lines
    elif name == "WeCom":
        assert request.path == f"/cgi-bin/webhook/send?key={SECRET}"
        assert content_of(request) == {"msgtype": "text", "text": {"content": f"{TITLE}\r\n{BODY}"}}
    else:
        assert content_of(request) == {"topic": SECRET, "title": TITLE, "message": BODY}


def test_title_is_one_line(server):
    send(f"json://{server.place}/", "  One\r\n  two ", "Body")
    assert content_of(server.requests[0])["title"] == "One two"


def test_message_without_a_text_says_its_title(server):
    send(f"json://{server.place}/", "Title", "")
    assert content_of(server.requests[0])["message"] == "Title"
    assert fault_of(f"json://{server.place}/", "", "") == "The message could not be sent."


def test_nothing_waits_between_the_requests_of_one_message(server, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"slept for {seconds} s"))
    send(ADDRESSES["Matrix"].format(server.place), TITLE, BODY)
    assert len(server.requests) == 3


# How long


@pytest.mark.parametrize("letter", ["a", "é", "中", "😀", "<", "\\", '"'])
@pytest.mark.parametrize("name", BY_NAME)
def test_long_text_is_cut_at_the_end_of_a_line(letter, name):
    service = BY_NAME[name]
    text = "\n".join(letter * 40 for _line in range(200))
    cut = fit(text, service)
    *lines, last = cut.split("\n")
    assert last == "…"
    assert set(lines) == {letter * 40}
    longer = "\n".join([letter * 40, cut])
    for each, is_short in ((cut, True), (longer, False)):
        assert (len(each) <= 3500 and (service.room is None or service.size(each) <= service.room)) == is_short


def test_text_that_fits_is_left_alone():
    service = BY_NAME["Gotify"]
    assert fit("a" * 3500, service) == "a" * 3500
    assert fit("  a\nb \n", service) == "a\nb"
    assert fit("", service) == ""


def test_single_line_that_is_too_long_is_cut_within():
    cut = fit("a" * 3501 + "\nb", BY_NAME["Gotify"])
    line, last = cut.split("\n")
    assert (set(line), last) == ({"a"}, "…")
    assert 3100 < len(cut) <= 3500


def test_longest_text_of_ntfy_stays_a_message(server):
    """ntfy makes a file of more than 4096 bytes of text or 8192 of JSON, in which a Chinese letter takes six."""
    for letter in "a中😀":
        server.requests.clear()
        send(ADDRESSES["ntfy"].format(server.place), letter * 300, "\n".join([letter * 20] * 400))
        (request,) = server.requests
        assert content_of(request)["message"].endswith("\n…")
        assert len(content_of(request)["message"].encode()) <= 4096
        assert len(request.text) <= 8000


@pytest.mark.parametrize("letter", ["a", "中", "😀"])
def test_longest_text_of_wecom_and_bark_is_within_what_they_take(tls_server, letter):
    body = "\n".join([letter * 20] * 400)
    send(FIXED["WeCom"][0], letter * 300, body)
    tls_server.body = answer_with(code=200)
    send("barks://api.telegram.org/key", letter * 300, body)
    text, pushed = map(content_of, tls_server.requests)
    assert len(text["text"]["content"].encode()) <= 2048
    # Of the 4096 bytes that Apple takes, some are the server's own.
    assert len(json.dumps(pushed, ensure_ascii=False).encode()) <= 3500


def test_title_of_serverchan_has_32_letters_at_most(tls_server):
    tls_server.body = answer_with(code=0)
    send(FIXED["ServerChan"][0], "T" * 300, BODY)
    assert "title=" + "T" * 32 + "&" in tls_server.requests[0].text


# What is not taken

ACCEPTED = {
    "ntfy": [{"id": "sPs71M8A2T", "time": 1, "event": "message", "topic": "t", "message": "m"}],
    "Telegram": [{"ok": True, "result": {"message_id": 1}}],
    "WeCom": [{"errcode": 0, "errmsg": "ok"}],
    "Bark": [{"code": 200, "message": "success", "timestamp": 1700000000}],
    "ServerChan": [{"code": 0, "message": "", "data": {"pushid": "1", "error": "SUCCESS", "errno": 0}}],
    "Gotify": [{"id": 25, "appid": 5, "message": "m", "title": "t", "priority": 5, "date": "2018-02-27T19:36:10Z"}],
    "Matrix": [{"event_id": "$1"}, {"room_id": "!r:home"}, {"user_id": "@anna:home"}],
    "webhook": [
        *({}, [], "ok", 1, None, {"error": None}, {"error": ""}, {"errors": []}, {"success": True}, {"status": "ok"}),
        *({"status": 200}, {"code": 0}, {"code": 200}, {"errcode": 0}, {"errcode": "0"}, {"ok": True}),
    ],
}
REFUSED = {
    "ntfy": [{"code": 40301, "http": 403, "error": "forbidden"}, {}, {"event": "message"}],
    "Telegram": [{"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}, {}, {"ok": 1}],
    "WeCom": [{"errcode": 93000, "errmsg": "invalid webhook url"}, {"errcode": 45009}, {"errmsg": "ok"}, {}],
    "Bark": [{"code": 400, "message": "device token is empty"}, {"code": 500}, {"code": 0}, {"message": "success"}],
    "ServerChan": [{"code": 40001, "message": "[AUTH]错误的Key"}, {"code": 20001}, {"message": ""}],
    "Gotify": [{"error": "Unauthorized", "errorCode": 401, "errorDescription": "no"}, {}],
    "Matrix": [{"errcode": "M_FORBIDDEN", "error": "no"}, {"errcode": "M_UNKNOWN_TOKEN"}, {}, {"event_id": None}],
    "webhook": [
        *({"error": "no"}, {"error": {"code": 7}}, {"error": True}, {"errors": ["no"]}, {"success": False}),
        *(
            {"status": "error"},
            {"status": "fail"},
            {"status": "FAILED"},
            {"status": 500},
            {"code": 404},
            {"code": "500"},
        ),
        *(
            {"code": 9499, "msg": "Bad Request"},
            {"errcode": 310000, "errmsg": "keywords not in content"},
            {"ok": False},
        ),
    ],
}
UNLIKE = [b"", b"OK", b"<html>", b"null", b"[]", b'"ok"', b"\xff\xfe", b"[" * 60000, b"1" * 60000, b'{"id": 1']


@pytest.mark.parametrize(("name", "answer"), [(name, each) for name, every in ACCEPTED.items() for each in every])
def test_answer_that_says_yes_is_one(name, answer):
    judge(BY_NAME[name], 200, json.dumps(answer).encode())


@pytest.mark.parametrize(("name", "answer"), [(name, each) for name, every in REFUSED.items() for each in every])
def test_answer_of_200_with_an_error_in_it_is_an_error(name, answer):
    with pytest.raises(ChannelError, match=f"{name} answered, but did not take the message"):
        judge(BY_NAME[name], 200, json.dumps(answer).encode())


def test_number_of_the_fault_is_told_but_nothing_else_of_the_answer():
    for answer, told in (
        ({"errcode": 93000, "errmsg": SECRET}, " (93000)"),
        ({"ok": False, "error_code": 400, "description": SECRET}, " (400)"),
        ({"code": "40001"}, " (40001)"),
        ({"code": 987654321}, ""),
        ({"code": SECRET}, ""),
    ):
        with pytest.raises(ChannelError) as refused:
            judge(BY_NAME["WeCom"], 200, json.dumps(answer).encode())
        assert str(refused.value) == f"WeCom answered, but did not take the message{told}."


@pytest.mark.parametrize("body", UNLIKE)
@pytest.mark.parametrize("name", BY_NAME)
def test_answer_unlike_the_services_own_is_an_error_but_for_a_webhook(name, body):
    if name == "webhook":
        judge(BY_NAME[name], 204, body)
    else:
        with pytest.raises(ChannelError, match=f"did not answer as {name} does"):
            judge(BY_NAME[name], 200, body)


STATUSES = {
    301: "The server answered with a redirect, which is not followed.",
    304: "The server answered with a redirect, which is not followed.",
    400: "The server refused the message (400).",
    401: "The server refused the key or the password in the address (401).",
    403: "The server refused the key or the password in the address (403).",
    404: "The server does not know this address (404).",
    413: "The message was too long for the server (413).",
    429: "The server takes no more messages for now (429).",
    500: "The server has a fault of its own (500).",
    503: "The server has a fault of its own (503).",
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", ADDRESSES)
def test_status_of_a_failure_is_told_in_words(server, name, status):
    server.status, server.headers = status, {"Location": f"http://{server.place}/{SECRET}"}
    server.body = answer_with(retry_after_ms=10**9, error={"retry_after_ms": 10**9})
    assert fault_of(ADDRESSES[name].format(server.place)) == STATUSES[status]
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ADDRESSES)
def test_error_in_the_answer_of_a_real_server_is_an_error(server, name):
    server.body = json.dumps({"code": 40001, "error": SECRET}).encode()
    assert fault_of(ADDRESSES[name].format(server.place)) == (
        f"{name.split()[0]} answered, but did not take the message (40001)."
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", FIXED)
def test_error_in_the_answer_of_a_fixed_service_is_an_error(tls_server, name):
    tls_server.body = json.dumps({"ok": False, "errcode": 93000, "code": 40001}).encode()
    assert fault_of(FIXED[name][0]) == f"{name} answered, but did not take the message (93000)."


@pytest.mark.parametrize("step", [0, 1, 2])
def test_error_in_any_step_of_matrix_is_an_error(server, step):
    def answer(handler):
        if len(server.requests) == step + 1:
            server.status, server.body = 403, b'{"errcode": "M_FORBIDDEN"}'
        server.reply(handler)

    server.answer = answer
    assert "refused the key" in fault_of(ADDRESSES["Matrix"].format(server.place))
    assert len(server.requests) == step + 1


def test_room_that_is_not_there_is_not_made(server):
    def answer(handler):
        if "/join/" in handler.path:
            server.status, server.body = 404, b'{"errcode": "M_NOT_FOUND"}'
        server.reply(handler)

    server.answer = answer
    assert "does not know this address" in fault_of(f"matrix://{SECRET}@{server.place}/room")
    assert [request.path.split("/")[4] for request in server.requests] == ["account", "join"]


# The ways of the network


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(server, status):
    inside = PushServer()
    server.status, server.headers = status, {"Location": f"http://{inside.place}/admin"}
    assert "redirect" in fault_of(ADDRESSES["webhook"].format(server.place))
    assert (len(server.requests), inside.requests) == (1, [])
    inside.stop()


@pytest.mark.parametrize("name", ADDRESSES)
def test_server_that_is_not_there_is_said_to_be_away(server, name):
    server.stop()
    assert fault_of(ADDRESSES[name].format(server.place)) == "The server could not be reached."


@pytest.mark.parametrize("name", ADDRESSES)
def test_server_that_says_nothing_is_given_up(server, name, impatient):
    server.answer = lambda handler: server.free.wait(60)
    assert fault_of(ADDRESSES[name].format(server.place)) == "The server did not answer in time."


def test_single_answer_has_a_limit_of_its_own_in_time(server, monkeypatch):
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    server.answer = lambda handler: server.free.wait(60)
    before = time.monotonic()
    assert fault_of(ADDRESSES["webhook"].format(server.place)) == "The server did not answer in time."
    # Apprise would wait for four seconds by itself.
    assert time.monotonic() - before < 3


def drip(server, beginning):
    """Answer a letter every few hundredths of a second, until the client has gone."""

    def answer(handler):
        handler.wfile.write(beginning)
        while not server.free.wait(0.05):
            handler.wfile.write(b"x")

    return answer


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 60000\r\n\r\n",
    ],
)
def test_server_that_drips_its_answer_is_cut_off(server, impatient, beginning):
    server.answer = drip(server, beginning)
    before = time.monotonic()
    assert fault_of(ADDRESSES["webhook"].format(server.place)) == "The server did not answer in time."
    assert time.monotonic() - before < 10


def test_server_that_drips_over_tls_is_cut_off(tls_server, impatient):
    tls_server.answer = drip(tls_server, b"HTTP/1.1 200 OK\r\n\r\n")
    assert fault_of(FIXED["Telegram"][0]) == "The server did not answer in time."


def test_server_that_never_begins_with_tls_is_given_up(monkeypatch, impatient):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        assert fault_of(f"jsons://127.0.0.1:{port}/") == "The server did not answer in time."


def test_certificate_that_nobody_vouches_for_is_refused(tls_server, monkeypatch):
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", requests.certs.where())
    assert fault_of(FIXED["Telegram"][0]) == "The server's certificate is not valid."
    assert tls_server.requests == []


def test_certificate_of_another_name_is_refused(tls_server):
    assert fault_of("jsons://evil.example/") == "The server's certificate is not valid."
    assert tls_server.requests == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00" * 3000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 \xff\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothex\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 70000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 200 + b"\r\n",
    ],
)
@pytest.mark.parametrize("name", ["webhook", "Matrix"])
def test_garbage_is_no_answer(server, name, garbage):
    server.answer = lambda handler: handler.wfile.write(garbage)
    assert fault_of(ADDRESSES[name].format(server.place)) == "The connection to the server broke off."


@pytest.mark.parametrize("head", ["200 OK", "200 OK\r\nContent-Length: 10000000", "302 Found\r\nLocation: /x"])
def test_long_answer_is_read_no_further_than_needed(server, head):
    written = []

    def answer(handler):
        handler.wfile.write(f"HTTP/1.1 {head}\r\n\r\n".encode())
        while not server.free.is_set():
            written.append(handler.wfile.write(b"x" * 65536))

    server.answer = answer
    assert fault_of(ADDRESSES["webhook"].format(server.place)) == (
        "The server answered with far more than was asked for."
    )
    # What fits into the buffers of the system, not the whole that never ends.
    assert sum(written) < 20_000_000


def test_packed_answer_is_not_unpacked(server):
    server.headers = {"Content-Encoding": "gzip"}
    send(ADDRESSES["webhook"].format(server.place), TITLE, BODY)
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_proxies_and_passwords_of_the_machine_are_not_used(server, monkeypatch, tmp_path):
    proxy = PushServer()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{proxy.place}")
    monkeypatch.setenv("NO_PROXY", "")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password toor\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    send(f"json://{server.place}/", TITLE, BODY)
    assert (len(server.requests), proxy.requests) == (1, [])
    assert "Authorization" not in server.requests[0].headers
    proxy.stop()


# What stays behind


def test_everything_is_put_back_whatever_happens(server):
    server.status = 500
    fault_of(f"json://{server.place}/")
    server.status = 200
    send(f"json://{server.place}/", TITLE, BODY)
    assert requests.sessions.Session is requests.Session
    assert connection.create_connection.__module__ == "urllib3.util.connection"
    assert not logging.getLogger("apprise").disabled
    # Outside, requests goes its own way again: it follows redirects, and reads what is not JSON.
    assert requests.get(f"http://{server.place}/", timeout=5).json() == CONTENT


def test_messages_of_several_threads_do_not_disturb_each_other():
    servers = [PushServer() for _each in range(4)]
    servers[1].status = servers[3].status = 500
    outcomes = {}

    def work(number):
        try:
            outcomes[number] = send(f"json://{servers[number].place}/{number}", TITLE, BODY)
        except ChannelError as error:
            outcomes[number] = str(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    broken = "The server has a fault of its own (500)."
    assert outcomes == {0: "webhook: 200", 1: broken, 2: "webhook: 200", 3: broken}
    assert [[request.path for request in server.requests] for server in servers] == [["/0"], ["/1"], ["/2"], ["/3"]]
    assert requests.sessions.Session is requests.Session
    for server in servers:
        server.stop()


def test_message_waits_for_others_no_longer_than_one_may_take(server, monkeypatch):
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 0.05)
    with transport._one_at_a_time:
        assert fault_of(f"json://{server.place}/") == "Too many messages wait to be sent."
    assert server.requests == []


def test_no_secret_gets_into_the_log(server, tls_server, caplog):
    caplog.set_level(1)
    for name in ("apprise", "urllib3", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(1)
    for status in (200, 302, 500):
        server.status = tls_server.status = status
        for url in [url.format(server.place) for url in ADDRESSES.values()] + [url for url, _name in FIXED.values()]:
            try:
                send(url, TITLE, BODY)
            except ChannelError as error:
                logging.getLogger("renewals").exception("Failed: %s", error)
    for name in ("apprise", "urllib3", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert "Failed: " in caplog.text
    assert SECRET.lower() not in caplog.text.lower()


def test_errors_without_a_name_are_failures_of_the_channel(server, monkeypatch):
    for error in (RuntimeError(SECRET), MemoryError(), RecursionError(), ImportError(SECRET), KeyError(SECRET)):

        def fail(*arguments, error=error, **more):
            raise error

        monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.notify", fail)
        assert fault_of(f"json://{server.place}/") == "The message could not be sent."


@pytest.mark.parametrize(
    "url", ["", "mailto://a:b@example.org", f"json://{SECRET}:22/", "json://example.org/?verify=no"]
)
def test_address_that_is_not_taken_any_more_is_a_failure_of_the_channel(url):
    assert fault_of(url)


def run_python(code, home, **environment):
    """Run code in an installation of its own, and return what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "DATA_DIR": str(home.parent / "data"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONDONTWRITEBYTECODE": "1",
    } | environment
    return subprocess.run(
        [sys.executable, "-c", "import django; django.setup()\n" + code],
        cwd=installation.BASE_DIR, env=environment, check=True, capture_output=True, text=True, timeout=60,
    ).stdout.strip()  # fmt: skip


def test_apprise_is_not_loaded_before_the_first_message(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    code = """
import sys
import renewals.urls
from django.core.mail import send_mail
from renewals.channels import is_available, service_of
service_of("ntfys://topic"), is_available()
send_mail("Subject", "Text", None, ["anna@example.org"])
print(sorted({"apprise", "requests"} & set(sys.modules)))
"""
    assert run_python(code, home) == "[]"


def test_nothing_of_a_message_is_left_on_the_disk(tmp_path, server):
    home = tmp_path / "home"
    home.mkdir()
    url = ADDRESSES["Matrix"].format(server.place)
    code = f"from renewals.channels import send; print(send({url!r}, 'Title', 'Body'))"
    assert run_python(code, home, PUSH_ALLOW_PRIVATE="true") == "Matrix: 200"
    assert sorted(home.rglob("*")) == []
