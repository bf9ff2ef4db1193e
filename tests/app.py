"""The real app in processes of its own, for the tests that talk to it from outside."""

import os
import signal
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent


def bare_environment():
    """Return what the tests' own processes get of ours: none of Keepnumber's settings, nor the suite's."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}


def app_environment(data_dir, port, **changes):
    """Return a whole environment. It names every setting, so that a developer's .env has nothing left to say."""
    return bare_environment() | {
        "PYTHONPYCACHEPREFIX": str(ROOT / ".venv/pycache"),
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": f"sqlite:///{data_dir}/keepnumber.sqlite3",
        "EMAIL_URL": "",
        "EMAIL_FROM": "Keepnumber <keepnumber@example.org>",
        "SECRET_KEY": "",
        "ENCRYPTION_KEY": "",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "DEBUG": "false",
        "MONITOR_URL": "",
        "PUSH_ALLOW_PRIVATE": "false",
        **{name: str(value) for name, value in changes.items()},
    }


def wait_until(is_so, what, seconds=60):
    """Ask until the answer is truthy, and return it."""
    end = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < end, f"{what}: not within {seconds} seconds"
        time.sleep(0.02)
    return answer


def answers(url):
    """Whether a server answers there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=10).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def find_processes(marker):
    """Return {process id: command line} of all processes that have the marker in their environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marker.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return {pid: line for pid, line in found.items() if line}  # A zombie has no command line any more.


def end_processes(marker):
    """Kill whatever a test left behind."""
    for pid in find_processes(marker):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
