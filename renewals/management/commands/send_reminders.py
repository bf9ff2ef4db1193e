"""Send what is due now, once, by email; with --loop, keep doing so."""

import datetime
import logging
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from tqdm import tqdm

from cards.models import Member
from renewals.models import ReminderRun
from renewals.reminders.delivery import run_once
from renewals.reminders.hours import first_instant
from renewals.reminders.planning import new_lines
from renewals.reminders.postman import SignInRefused

logger = logging.getLogger(__name__)

SECOND_LOOK = 60


class Command(BaseCommand):
    help = (
        "Send the reminders that are due. Exit status 1 if a mail failed for good, the mail server refused us or the "
        "clock jumped; 3 if the database is not up to date."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", type=int, metavar="SECONDS", help="keep going, with this pause between two runs")
        parser.add_argument("--dry-run", action="store_true", help="say what would be sent and write nothing")
        parser.add_argument(
            "--today",
            type=datetime.date.fromisoformat,
            metavar="DATE",
            help="rehearse this day; with --dry-run only",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["today"] and not options["dry_run"]:
            raise CommandError("--today rehearses only: add --dry-run.")
        if options["loop"] is not None and options["loop"] < 1:
            raise CommandError("--loop wants a number of seconds, at least 1.")
        if is_behind():
            raise CommandError("The database is not up to date: run manage.py migrate. Nothing was sent.", returncode=3)
        if options["dry_run"]:
            self.rehearse(options["today"])
        elif options["loop"]:
            self.loop(options["loop"])
        else:
            self.run_alone()

    def run(self, period: int | None) -> ReminderRun:
        """One pass and its summary line. Raises CommandError when a mail failed for good, or none can leave."""
        try:
            run = run_once(period)
        except SignInRefused as error:
            raise CommandError(
                f"The mail server refused the sign-in ({error}). Check EMAIL_URL; nothing is lost."
            ) from error
        summary = f"{run.due} due, {run.sent} sent, {run.failed} failed"
        if run.failed:
            raise CommandError(summary)
        if run.due or period is None:
            self.stdout.write(summary)
        return run

    def run_alone(self) -> None:
        """One pass for who calls it from a timer. After a jump of the clock it looks a second time itself."""
        if self.run(None).finished_at is None:
            self.stderr.write("The clock has jumped since the last run. Looking again in a minute.")
            time.sleep(SECOND_LOOK)
            if self.run(None).finished_at is None:
                raise CommandError("The clock jumps about; nothing was sent.")

    def loop(self, period: int) -> None:
        """Run for ever. A run that goes wrong is logged, and the next one comes at its time.

        What stays wrong is said once, not every minute; the dashboard goes on showing it.
        """
        said = ""
        while True:
            started = time.monotonic()
            close_old_connections()
            fault = ""
            try:
                self.run(period)
            except CommandError as error:
                fault = str(error)
                if fault != said:
                    self.stderr.write(fault)
            except Exception:
                logger.exception("A run of the reminders went wrong; the next one comes at its time.")
            said = fault
            time.sleep(max(0.0, period - (time.monotonic() - started)))

    def rehearse(self, today: datetime.date | None) -> None:
        """Print what each member would be told at their mail hour of `today`; None means now."""
        members = Member.objects.select_related("household", "user").present()
        total = 0
        for member in tqdm(members, disable=not sys.stderr.isatty(), unit="member"):
            now = first_instant(member.zone, today, member.remind_at) if today else timezone.now()
            for line in new_lines(member, now):
                total += 1
                self.stdout.write(f"{member.pk}\t{line.moment.on}\t{line.moment.kind}\t{line.subject}")
        self.stdout.write(f"{total} lines would be sent; nothing was written.")


def is_behind() -> bool:
    """Whether a migration of this release has not been applied: rows would be read and written wrongly."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
