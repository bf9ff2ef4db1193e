"""What `make run` and `make demo` start: bring the data folder up to date, then hand over to the supervisor."""

import argparse
import hashlib
import io
import os
import shutil
import socket
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config.start", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="fill an empty installation with a demo household")
    parser.add_argument("processes", nargs="*", help="names from the Procfile; without any, all of them")
    options = parser.parse_args()
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        django.setup()
        # Only now has .env been read: it comes after the environment and before these defaults.
        host = os.environ.setdefault("HOST", "127.0.0.1")
        port = os.environ.setdefault("PORT", "8000")
        refuse_taken_port(host, int(port))
        # The server would start with settings that are wrong, and the reminders would not.
        call_command("check", stdout=io.StringIO())
        prepare()
        prepare_keys()
        if options.demo:
            call_command("demo_household")
    except (CommandError, DatabaseError, ImproperlyConfigured, OSError, ValueError) as error:
        sys.exit(f"Keepnumber cannot start: {error}")
    connections.close_all()
    print(f"Keepnumber: {settings.SITE_URL} (data in {settings.DATA_DIR}; Ctrl-C ends it)", flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "config.supervisor", *options.processes])  # noqa: S606


def refuse_taken_port(host: str, port: int) -> None:
    """Raise OSError when something else listens there: better before the data folder is touched than after."""
    family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise OSError(f"{host}:{port} is not free ({error.strerror}). Set PORT to another one.") from error


def prepare() -> None:
    """Bring database, catalogue and static files up to date. On data that is up to date it changes nothing."""
    # Uploads on their way to disk stay out of the machine's shared /tmp; a crash may have left some here.
    scratch = settings.DATA_DIR / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    os.environ["TMPDIR"] = str(scratch)
    os.environ["DATA_DIR"] = str(settings.DATA_DIR)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("load_catalogue", verbosity=0)
    collect_static()


def prepare_keys() -> None:
    """Make the key of a new installation; where one is missing, say so and go on: all that is not sealed is there."""
    # The apps are loaded only by now.
    from cards.encryption import make_first_key
    from cards.secrets import count_lost

    make_first_key()
    if lost := count_lost():
        print(
            f"The secrets of {lost} households cannot be opened: the key they were sealed with is missing. Put back "
            f"ENCRYPTION_KEY, or the file {settings.ENCRYPTION_KEY_FILE}. Everything else works.",
            file=sys.stderr,
            flush=True,
        )


def collect_static() -> None:
    """Copy and compress the static files if any of them changed: compressing takes seconds, comparing does not."""
    seen = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = os.stat(storage.path(path))
            seen.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    stamp = settings.DATA_DIR / "static.stamp"
    is_complete = Path(settings.STATIC_ROOT, "staticfiles.json").exists() and stamp.exists()
    if is_complete and stamp.read_text() == seen.hexdigest():
        return
    # Cleared first: a copy that was cut off half-way would count as up to date. The stamp goes before, comes last.
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(seen.hexdigest())


if __name__ == "__main__":
    main()
