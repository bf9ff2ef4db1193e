"""Runs of the reminders in processes of their own, on the database of the tests: see driver.py for their side."""

import fcntl
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from tests.app import ROOT, app_environment, wait_until


def database_url():
    """Return the DATABASE_URL of the test database."""
    name, host = connection.settings_dict["NAME"], connection.settings_dict["HOST"]
    return f"sqlite:///{name}" if connection.vendor == "sqlite" else f"postgres://postgres@/{host}/{name}"


def environment(folder, **changes):
    """Return what a process needs to be the installation whose database is that of the tests."""
    keys = {"SECRET_KEY": settings.SECRET_KEY, "ENCRYPTION_KEY": ",".join(settings.ENCRYPTION_KEYS)}
    return app_environment(folder, 8000, DATABASE_URL=database_url(), **keys, **changes)


class Worker:
    """One child of the driver: `reports` is what it told, `log` what it printed."""

    def __init__(self, fleet, job):
        self._fleet, self._job = fleet, job
        self._status, self._lock = None, threading.Lock()
        self.pid = fleet.ask(job)["pid"]

    @property
    def reports(self):
        if not os.path.exists(self._job["report"]):
            return []
        with open(self._job["report"]) as file:
            return [json.loads(line) for line in file]

    @property
    def log(self):
        with open(self._job["log"]) as file:
            return file.read()

    def wait(self):
        """Return its exit status once it has ended: 0 when all went well, -9 when it was killed."""
        with self._lock:
            if self._status is None:
                self._status = self._fleet.ask({"wait": self.pid})["status"]
            return self._status

    def told(self):
        """Wait for a run that is to end well, and return what it told at its end."""
        assert self.wait() == 0, self.log
        assert "Traceback" not in self.log, self.log
        return self.reports[-1]

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def end(self):
        os.kill(self.pid, signal.SIGTERM)


class Fleet:
    def __init__(self, folder):
        self._folder, self._numbers, self._lock = folder, itertools.count(), threading.Lock()
        self._driver = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.driver"],
            cwd=ROOT,
            env=environment(folder, DJANGO_SETTINGS_MODULE="config.settings"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def ask(self, order):
        with self._lock:
            self._driver.stdin.write(json.dumps(order) + "\n")
            self._driver.stdin.flush()
            return self._read()

    def _read(self):
        line = self._driver.stdout.readline()
        assert line, "The driver has ended; see above."
        return json.loads(line)

    def start(self, now, port=0, *, act="run", kill=None, lease=None, gate=None, tells_claims=False):
        """Begin a run at `now` that sends to `port`, and return it as a Worker.

        `kill` is a step and the how-manieth time it is reached (see `driver.watch`; "any" counts all steps): there the
        process kills itself. `lease` is in seconds, None as in the code. `gate` is a file that holds it before it
        begins; see `together`. With `tells_claims` it reports whose mail it claims when, by the machine's own clock.
        """
        number = next(self._numbers)
        job = {"act": act, "now": now.isoformat(), "port": port, "kill": kill, "lease": lease, "gate": gate}
        job["tells_claims"] = tells_claims
        return Worker(self, job | {name: str(self._folder / f"{number}.{name}") for name in ("report", "log")})

    @contextmanager
    def together(self):
        """Give a gate: who was started with it begins at the end of the block, all at the same moment."""
        path = self._folder / f"{next(self._numbers)}.gate"
        with open(path, "w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield str(path)

    def run_together(self, count, now, port):
        """Run so many runs at once, and return what each told at its end."""
        with self.together() as gate:
            workers = [self.start(now, port, gate=gate) for _ in range(count)]
            for worker in workers:
                wait_until(lambda worker=worker: worker.reports, "a run at the gate")
        return [worker.told() for worker in workers]

    def stop(self):
        self._driver.stdin.close()
        self._driver.stdout.close()
        self._driver.wait()
