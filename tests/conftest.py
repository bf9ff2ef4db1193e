import ipaddress
import logging
import socket

import pytest
from django.conf import settings

from cards import background
from tests.logs import Canaries
from tests.smtp import SmtpServer


def pytest_addoption(parser):
    parser.addoption(
        "--database",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="postgres runs the suite on a PostgreSQL 18 of its own (as TEST_DATABASE=postgres does)",
    )


def pytest_report_header():
    return f"database: {settings.DATABASES['default']['ENGINE'].rpartition('.')[2]}"


@pytest.fixture(autouse=True)
def no_secret_is_logged():
    """Fail a test whose log, as an installation would write it, holds a number, address or password of the fixtures."""
    canaries = Canaries()
    logging.getLogger().addHandler(canaries)
    yield
    logging.getLogger().removeHandler(canaries)
    assert canaries.found == []


@pytest.fixture(scope="session", autouse=True)
def attempts_to_leave():
    """Refuse each connection that would leave this machine, in every thread, and list where it would have gone."""
    attempts = []

    def guarded(connect):
        def connect_here(sock, place):
            # A datagram socket that connects sends nothing; it asks which way packets would go.
            is_stream = sock.family != socket.AF_UNIX and sock.type == socket.SOCK_STREAM
            if is_stream and not is_this_machine(place[0]):
                attempts.append(place)
                raise ConnectionRefusedError(f"a test must not connect to {place}")
            return connect(sock, place)

        return connect_here

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield attempts


def is_this_machine(host):
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"localhost", ""}


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(attempts_to_leave):
    """Fail a test that tried, even where the app took the refusal in its stride."""
    yield
    found, attempts_to_leave[:] = list(attempts_to_leave), []
    assert found == []


@pytest.fixture
def smtp_server(settings):
    """A running SmtpServer, to which Django sends in this test."""
    server = SmtpServer()
    server.start()
    settings.EMAIL_BACKEND = "config.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def mails_leave_at_once(monkeypatch):
    """Mails about a sign-in leave in the background; a test wants to read them."""
    monkeypatch.setattr(background.senders, "submit", lambda act, *arguments: act(*arguments))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Spell out half characters, which nonsense leaves in a captured log: no other process can be told of them."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report
