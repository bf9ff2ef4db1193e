import pytest
from django.conf import settings

from tests.reliability.fleet import Fleet
from tests.reliability.scale import SOAK
from tests.reliability.scripted import ScriptedServer
from tests.reliability.servers import CountingServer

# What no database has a part in is tried on one; what is the same code on both, on the other in the long form only.
if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
    collect_ignore = ["test_faults.py", "test_hours.py", "test_silence.py", "test_ten_rules.py", "test_tls.py"]
    if not SOAK:
        collect_ignore += ["test_clock.py", "test_outages.py"]


@pytest.fixture(scope="session")
def fleet(django_db_setup, tmp_path_factory):
    """Where runs of the reminders are started as processes of their own."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    yield fleet
    fleet.stop()


@pytest.fixture
def figure(request):
    """Print a line of figures in the long form, as soon as it is known; in the short form nobody reads them."""
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(bar, text):
        if SOAK:
            with capture.global_and_fixture_disabled():
                reporter.write_line(f"{bar:<4} {text}")

    return say


@pytest.fixture
def counting_server(settings):
    """A running CountingServer, to which Django sends in this test."""
    server = CountingServer()
    server.start()
    settings.EMAIL_BACKEND = "config.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.stop()


@pytest.fixture
def server_with(settings):
    """Start a ScriptedServer with these options, to which Django sends; all are ended with the test."""
    servers = []
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "config.smtp.EmailBackend", "127.0.0.1"

    def start(**options):
        servers.append(ScriptedServer(**options))
        settings.EMAIL_PORT = servers[-1].port
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def impatient(settings):
    """Wait for no answer of a mail server longer than half a second; calling it brings the patience back."""
    usual = settings.EMAIL_TIMEOUT, settings.EMAIL_FINAL_TIMEOUT
    settings.EMAIL_TIMEOUT = settings.EMAIL_FINAL_TIMEOUT = 0.5

    def be_patient():
        settings.EMAIL_TIMEOUT, settings.EMAIL_FINAL_TIMEOUT = usual

    return be_patient
