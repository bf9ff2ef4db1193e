"""The reminders in processes of their own: each run is a child of this program, and can be killed at any step of it.

It knows Django already when it forks, so that a child begins at once. It is told what to do in lines of JSON on its
standard input (see fleet.py) and answers each with one line. The production code has no part in this: what a run does
is seen in its statements, its commits and what it says to the mail server.
"""

import datetime
import fcntl
import json
import os
import signal
import smtplib
import sys
import time
from contextlib import suppress

DOT = b"\r\n.\r\n"
# What makes a statement one of the steps: how it begins, and a value that it writes.
STATEMENTS = {
    "plan": ('INSERT INTO "renewals_reminder" ', None),
    "claim": ('UPDATE "renewals_delivery" SET', "claimed"),
    "mark": ('UPDATE "renewals_delivery" SET', "sent"),
}


def kind_of(sql, params):
    """Return which of the three steps a statement is; None when it is none of them."""
    for kind, (begin, value) in STATEMENTS.items():
        if sql.startswith(begin) and (value is None or value in (params or ())):
            return kind
    return None


def watch(reached):
    """Call `reached` with the name of each step of the runs in this process, before or after it happens."""
    from django.db import connection
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.signals import post_save

    from renewals.models import ReminderRun

    pending = []

    def started(created, **kwargs):
        if created:
            reached("start")

    post_save.connect(started, sender=ReminderRun, weak=False)

    def execute(call, sql, params, many, context):
        reached("statement")
        kind = kind_of(sql, params)
        if kind and connection.in_atomic_block:
            pending.append(kind)
        elif kind:  # A statement of its own is committed with its end.
            reached(f"before the {kind}")
            answer = call(sql, params, many, context)
            reached(f"after the {kind}")
            return answer
        return call(sql, params, many, context)

    connection.execute_wrappers.append(execute)

    def around(name):
        real = getattr(BaseDatabaseWrapper, name)

        def end(self):
            kinds = pending.copy()
            pending.clear()
            for kind in kinds if name == "commit" else ():
                reached(f"before the {kind}")
            real(self)
            for kind in kinds if name == "commit" else ():
                reached(f"after the {kind}")

        setattr(BaseDatabaseWrapper, name, end)

    around("commit")
    around("rollback")
    real = {name: getattr(smtplib.SMTP, name) for name in ("connect", "send", "rcpt", "data")}

    def connect(self, *args, **kwargs):
        answer = real["connect"](self, *args, **kwargs)
        reached("connected")
        return answer

    def send(self, text):
        reached("line to the server")
        real["send"](self, text)
        if isinstance(text, bytes) and text.endswith(DOT):
            reached("dot")

    def rcpt(self, *args, **kwargs):
        answer = real["rcpt"](self, *args, **kwargs)
        reached("recipient")
        return answer

    def data(self, *args, **kwargs):
        answer = real["data"](self, *args, **kwargs)
        reached("answer to the dot")
        return answer

    for patched in (connect, send, rcpt, data):
        setattr(smtplib.SMTP, patched.__name__, patched)


class Child:
    """What one child does; its methods are the acts that a job can name."""

    def __init__(self, job):
        self.job = job
        self.steps = {}

    def tell(self, **facts):
        """Write a line to the job's report, past all buffers."""
        report = os.open(self.job["report"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(report, json.dumps(facts).encode() + b"\n")
        os.close(report)

    def reached(self, name):
        """Count the step, and die of it if it is the one."""
        for each in (name, "any"):
            self.steps[each] = self.steps.get(each, 0) + 1
        at, nth = self.job["kill"]
        if at in (name, "any") and self.steps[at] == nth:
            self.tell(killed=name, steps=self.steps)
            os.kill(os.getpid(), signal.SIGKILL)

    def wait_at_gate(self):
        if self.job["gate"]:
            gate = os.open(self.job["gate"], os.O_RDWR)
            self.tell(ready=True)
            fcntl.flock(gate, fcntl.LOCK_SH)
            os.close(gate)

    def run(self):
        """One run of the reminders at the job's time."""
        from django.conf import settings

        from renewals.reminders import delivery

        settings.EMAIL_BACKEND = "config.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", self.job["port"]
        if self.job["lease"]:
            delivery.LEASE = datetime.timedelta(seconds=self.job["lease"])
        if self.job["kill"]:
            watch(self.reached)
        if self.job["tells_claims"]:
            self.tell_claims(delivery)
        self.wait_at_gate()
        now = datetime.datetime.fromisoformat(self.job["now"])
        began, cpu = time.perf_counter(), time.process_time()
        run = delivery.run_once(None, lambda: now)
        self.tell(
            due=run.due,
            sent=run.sent,
            failed=run.failed,
            problem=run.problem,
            seconds=time.perf_counter() - began,
            cpu=time.process_time() - cpu,
        )

    def tell_claims(self, delivery):
        """Tell whose mail is claimed, and at what time the claim began."""
        claim_next = delivery.claim_next

        def claim(now):
            began = time.monotonic()
            claimed = claim_next(now)
            if claimed:
                self.tell(claimed=claimed.member.user.email, at=began)
            return claimed

        delivery.claim_next = claim

    def write(self):
        """Write as a member would, about twenty times a second, until told to end; then tell how long each took."""
        from cards.models import Card
        from renewals.models import Reading
        from renewals.walkthrough import record_reading

        is_told = []
        signal.signal(signal.SIGTERM, lambda *args: is_told.append(True))
        now = datetime.datetime.fromisoformat(self.job["now"])
        took = []
        self.tell(ready=True)
        while not is_told:
            for card in Card.objects.order_by("?")[:20]:
                began = time.perf_counter()
                record_reading(
                    Reading(household_id=card.household_id, card=card, read_on=now.date(), valid_until=card.deadline)
                )
                took.append(time.perf_counter() - began)
                time.sleep(max(0, 0.05 - took[-1]))
        self.tell(took=took)


def begin(job):
    """Fork a child for the job; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for output in (1, 2):
        os.dup2(log, output)
    child, status = Child(job), 1
    try:
        getattr(child, job["act"])()
        status = 0
    except BaseException as error:
        child.tell(error=f"{type(error).__name__}: {error}")
        raise
    finally:
        sys.excepthook(*sys.exc_info()) if status else None
        os._exit(status)


def main():
    import django
    from django.conf import settings
    from django.template.loader import get_template
    from django.urls import get_resolver

    for database in settings.DATABASES.values():
        if "init_command" in database["OPTIONS"]:  # A killed process, not a power cut.
            database["OPTIONS"]["init_command"] = database["OPTIONS"]["init_command"].replace("=FULL", "=OFF")
    django.setup()
    get_resolver().reverse("dashboard")
    for path in (settings.BASE_DIR / "templates/mail").iterdir():
        get_template(f"mail/{path.name}")
    import renewals.reminders.delivery  # noqa: F401

    print(json.dumps({"ready": True}), flush=True)
    while line := sys.stdin.readline():
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = {"status": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": begin(order)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
