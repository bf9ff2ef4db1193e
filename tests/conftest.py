import pytest
from django.conf import settings

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


@pytest.fixture
def smtp_server(settings):
    """A running SmtpServer, to which Django sends in this test."""
    server = SmtpServer()
    server.start()
    settings.EMAIL_BACKEND = "config.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.stop()
