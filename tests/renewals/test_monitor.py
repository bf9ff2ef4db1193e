"""The monitor outside is asked for at its address, and nothing it does or is harms a run."""

import logging
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from renewals.reminders import monitor
from tests.app import ROOT, app_environment
from tests.smtp import free_port

SECRET = "b6a1c2d3-0f5e"


class Monitor(ThreadingHTTPServer):
    """A real HTTP server that writes down what is asked of it; `answers` says what it does at a path."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked, self.answers = [], {}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers["User-Agent"]))
        status, headers = self.server.answers.get(self.path, (200, {}))
        if status is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing on the terminal."""


@pytest.fixture
def server():
    server = Monitor()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def warnings(caplog):
    """Return what was logged while the monitor was told."""

    def tell(url, settings):
        caplog.clear()
        settings.MONITOR_URL = url
        assert monitor.tell_monitor() is None
        assert {record.levelno for record in caplog.records} <= {logging.WARNING}
        return [record.getMessage() for record in caplog.records]

    return tell


def test_monitor_is_asked_for_once(server, settings, warnings):
    assert warnings(f"{server.url}/{SECRET}?from=home", settings) == []
    assert server.asked == [("GET", f"/{SECRET}?from=home", "Keepnumber")]


def test_without_an_address_nothing_is_asked(server, settings, warnings):
    assert warnings("", settings) == []
    assert server.asked == []


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_answer_that_is_an_error_is_one_warning(server, settings, warnings, status):
    server.answers[f"/{SECRET}"] = (status, {})
    assert warnings(f"{server.url}/{SECRET}", settings) == [
        f"The monitor answered {status}; it does not know of this run."
    ]


def test_redirect_is_followed_within_its_scheme_only(server, settings, warnings):
    server.answers["/here"] = (302, {"Location": "/there"})
    assert warnings(f"{server.url}/here", settings) == []
    assert [path for _method, path, _agent in server.asked] == ["/here", "/there"]
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/x", f"https://127.0.0.1:{server.server_address[1]}/x"):
        server.answers["/here"] = (302, {"Location": place})
        assert warnings(f"{server.url}/here", settings) == ["The monitor answered 302; it does not know of this run."]


def test_redirect_in_a_circle_ends(server, settings, warnings):
    server.answers["/here"] = (302, {"Location": "/here"})
    assert len(warnings(f"{server.url}/here", settings)) == 1


def test_server_that_hangs_up_is_one_warning(server, settings, warnings):
    server.answers[f"/{SECRET}"] = (None, {})
    assert warnings(f"{server.url}/{SECRET}", settings) == [
        "The monitor could not be told of this run: RemoteDisconnected."
    ]


def test_server_that_says_nothing_is_given_up(settings, warnings, monkeypatch):
    monkeypatch.setattr(monitor, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"
        assert warnings(url, settings) == ["The monitor could not be told of this run: TimeoutError."]


def test_server_that_is_not_there_is_one_warning(settings, warnings):
    [warning] = warnings(f"http://127.0.0.1:{free_port()}/{SECRET}", settings)
    assert warning == "The monitor could not be told of this run: ConnectionRefusedError."


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:port/{SECRET}",
        f"http:///{SECRET}",
        f"http://[::1/{SECRET}",
        f"http://127.0.0.1:9/{SECRET} with a space",
        f"http://{'x' * 70}.example/{SECRET}",
        f"{SECRET}",
        f"other://127.0.0.1/{SECRET}",
    ],
)
def test_address_that_cannot_be_asked_for_is_one_warning_without_it(settings, warnings, url):
    [warning] = warnings(url, settings)
    assert warning.startswith("The monitor could not be told of this run: ")
    assert SECRET not in warning


@pytest.mark.parametrize("url", ["ftp://example.org/x", "file:///etc/passwd", "hc-ping.com/x", "//example.org/x"])
def test_address_of_another_kind_keeps_everything_from_starting(url, tmp_path):
    environment = app_environment(tmp_path, free_port(), MONITOR_URL=url)
    command = [sys.executable, "-m", "config.start"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert ended.stderr.strip() == "Keepnumber cannot start: MONITOR_URL must begin with https:// or http://."
