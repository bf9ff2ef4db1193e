import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.app import ROOT, answers, app_environment, end_processes, wait_until
from tests.smtp import free_port

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CANDIDATES = (os.environ.get("CHROMIUM"), "/usr/bin/chromium", "chromium", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, filter(None, CANDIDATES))), None)
MISSING = "browser tests need Chromium: apt-get install chromium, or set CHROMIUM to the one you have"


def pytest_runtest_setup(item):
    # Skipped from one place, all tests fold into one line of the summary.
    if item.get_closest_marker("browser") and not CHROMIUM:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(f"REQUIRE_BROWSER=1: {MISSING}", pytrace=False)
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def prepared_data(tmp_path_factory):
    """A data folder as the first start leaves it. Compressing the static files takes seconds: once is enough."""
    folder = tmp_path_factory.mktemp("prepared")
    code = "import django; django.setup(); from config.start import prepare; prepare()"
    environment = app_environment(folder, 1, DJANGO_SETTINGS_MODULE="config.settings")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    return folder


@pytest.fixture(scope="session")
def make_server(prepared_data, tmp_path_factory):
    """Return a function that starts the app with its own data: `server.url`, `.data_dir`, `.manage("command")`."""

    def start(stack, **changes):
        port, marker = free_port(), f"KEEPNUMBER_TEST={uuid4()}"
        data_dir = tmp_path_factory.mktemp("data")
        shutil.copytree(prepared_data, data_dir, dirs_exist_ok=True)
        environment = app_environment(data_dir, port, **changes) | dict([marker.split("=")])

        def manage(*arguments, **more):
            command = [sys.executable, "manage.py", *arguments]
            result = subprocess.run(command, cwd=ROOT, env=environment | more, capture_output=True, text=True)
            assert result.returncode == 0, result.stdout + result.stderr
            return result.stdout

        log = stack.enter_context(open(data_dir / "server.log", "wb"))  # noqa: SIM115
        stack.callback(end_processes, marker)
        command = [sys.executable, "-m", "config.start", "web"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        url = f"http://127.0.0.1:{port}"

        def has_started():
            assert process.poll() is None, (data_dir / "server.log").read_text()
            return answers(url)

        wait_until(has_started, f"an answer from {url}")
        return SimpleNamespace(url=url, data_dir=data_dir, manage=manage, log=data_dir / "server.log")

    return start


@pytest.fixture(scope="session")
def server(make_server):
    """The app, shared by the tests of a worker: take `start_server` where others' data would be in the way."""
    with ExitStack() as stack:
        yield make_server(stack)


@pytest.fixture(scope="module")
def start_server(make_server):
    """Start an app with nothing in it: `start_server(EMAIL_URL=…)`. It ends with the module."""
    with ExitStack() as stack:
        yield lambda **changes: make_server(stack, **changes)


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    # Playwright leaves an event loop running in this thread, and Django refuses the database under one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page_at(browser):
    """Return a function that opens an empty page in a context of its own.

    The test fails if a page asked another host than this machine for anything, or did what the policy forbids.
    """
    complaints, contexts = [], []

    def note_request(request):
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "about") and address.hostname not in (
            "127.0.0.1",
            "localhost",
        ):
            complaints.append(f"{request.url} asked for by {request.frame.url}")

    def note_console(message):
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    def open_page(width, color_scheme="light", javascript=True, locale="en", height=800):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=color_scheme,
            java_script_enabled=javascript,
            locale=locale,
        )
        contexts.append(context)
        context.on("request", note_request)
        context.on("console", note_console)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
