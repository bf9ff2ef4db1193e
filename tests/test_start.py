import errno
import os
import signal
import socket
from datetime import UTC, datetime

import pytest
from honcho.printer import Message

from config.start import collect_static, prepare, refuse_taken_port
from config.supervisor import TerminalPrinter

NAME = "css/page.css"


@pytest.fixture
def installation(settings, tmp_path, monkeypatch):
    """A data folder without anything, and a static folder with one file, in place of the real ones."""
    monkeypatch.setenv("TMPDIR", "")
    monkeypatch.setenv("DATA_DIR", "")
    source = tmp_path / "source" / NAME
    source.parent.mkdir(parents=True)
    source.write_text("body { color: teal }")
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.STATIC_ROOT = settings.DATA_DIR / "static"
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    return source


@pytest.fixture
def collected(installation, settings):
    collect_static()
    return settings.STATIC_ROOT / NAME


def test_static_files_are_collected_once(installation, collected):
    collected.write_text("as the last start left it")
    collect_static()
    assert collected.read_text() == "as the last start left it"


def test_changed_static_file_is_collected_again(installation, collected):
    installation.write_text("body { color: black }")
    collect_static()
    assert collected.read_text() == "body { color: black }"


def test_static_files_are_collected_again_after_an_interruption(installation, collected, settings):
    collected.write_text("half a fi")
    (settings.DATA_DIR / "static.stamp").unlink()
    collect_static()
    assert collected.read_text() == installation.read_text()


@pytest.mark.django_db
def test_prepare_empties_the_scratch_folder_and_sends_uploads_there(installation, settings):
    scratch = settings.DATA_DIR / "tmp"
    scratch.mkdir()
    (scratch / "left-by-a-crash").write_text("half a scan")
    prepare()
    assert list(scratch.iterdir()) == []
    assert scratch.stat().st_mode & 0o777 == 0o700
    assert os.environ["TMPDIR"] == str(scratch)


def test_taken_port_is_refused_in_words_and_a_free_one_is_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port} is not free"):
            refuse_taken_port("127.0.0.1", port)
    refuse_taken_port("127.0.0.1", port)


class ClosedTerminal:
    def write(self, text):
        raise OSError(errno.EIO, "Input/output error")

    flush = write


def test_closed_terminal_ends_the_supervisor_once_and_in_silence():
    received = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: received.append(signum))
    try:
        printer = TerminalPrinter(ClosedTerminal())
        for _ in range(2):
            printer.write(Message("line", "a line", datetime(2027, 1, 31, tzinfo=UTC), "web", None))
    finally:
        printer.output.close()
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
