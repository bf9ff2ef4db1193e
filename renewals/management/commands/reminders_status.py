"""Say whether reminders work: the last runs, what waits, whom no mail reaches, and what comes next."""

import datetime
import unicodedata
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import models
from django.utils import timezone
from tqdm import tqdm

from cards.household import is_empty
from cards.models import Member
from renewals.delivery_words import without_addresses
from renewals.models import Delivery, ReminderRun
from renewals.reminders.health import Health, Pulse, reminder_health
from renewals.reminders.planning import next_mails

MOST_RUNS = 10
MOST_ROWS = 20


class Command(BaseCommand):
    help = "Say whether reminders work; exit status 1 when they do not. Names are printed, addresses and numbers not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help=f"print all rows, not the first {MOST_ROWS} of each kind"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        most, now = None if options["all"] else MOST_ROWS, timezone.now()
        health = reminder_health(now)
        self.say_health(health)
        self.table(
            "Last runs",
            ("BEGAN", "TOOK", "DUE", "SENT", "FAILED", "PROBLEM"),
            ReminderRun.objects.order_by("-pk")[:MOST_RUNS],
            _run_row,
            None,
        )
        self.table(
            "Waiting mails",
            ("MAIL", "MEMBER", "KIND", "STATE", "TRIES", "NEXT TRY", "LAST ERROR"),
            Delivery.objects.filter(state__in=Delivery.OPEN_STATES).order_by("next_try_at", "pk"),
            _mail_row,
            most,
        )
        members = Member.objects.present()
        self.table(
            "Members out of reach",
            ("MEMBER", "SINCE", "NAME", "WHY"),
            members.exclude(unreachable_since=None, mail_stopped_at=None).order_by("pk"),
            _silent_row,
            most,
        )
        self.table(
            "Next mails",
            ("MEMBER", "AT THEIR CLOCK", "NAME", "ABOUT"),
            members.filter(mail_stopped_at=None).order_by("next_plan_at", "pk"),
            partial(_next_row, now=now),
            most,
        )
        if health.pulse is not Pulse.WORKING and not is_empty():
            raise CommandError(f"Reminders do not work as they should: {health.pulse}.")

    def say_health(self, health: Health) -> None:
        self.stdout.write(f"Reminders: {health.pulse}")
        self.stdout.write(f"Last good run: {_utc(health.last_at)}")
        for words, since in (
            (f"Problem: {without_addresses(health.problem)}", health.problem_since),
            ("A run has not finished", health.unfinished_since),
            ("Something is due that runs pass over", health.waiting_since),
        ):
            if since:
                self.stdout.write(f"{_plain(words)}, since {_utc(since)}")

    def table(
        self,
        title: str,
        head: tuple[str, ...],
        rows: models.QuerySet[Any],
        say: Callable[[Any], tuple[str, ...]],
        most: int | None,
    ) -> None:
        """Print what `say` makes of the first rows, in columns; with `most` of None, of all of them."""
        chosen = tqdm(rows[:most], disable=None, leave=False, unit="row", desc=title)
        lines = [head, *(tuple(map(_plain, say(row))) for row in chosen)]
        widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
        self.stdout.write(f"\n{title}")
        if len(lines) == 1:
            self.stdout.write("none")
            return
        for line in lines:
            cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
        if (more := rows.count() - len(lines) + 1) > 0:
            self.stdout.write(f"and {more} more: --all prints them.")


def _run_row(run: ReminderRun) -> tuple[str, ...]:
    took = f"{(run.finished_at - run.started_at).total_seconds():.1f} s" if run.finished_at else "not finished"
    figures = map(str, (run.due, run.sent, run.failed))
    return (_utc(run.started_at), took, *figures, without_addresses(run.problem))


def _mail_row(mail: Delivery) -> tuple[str, ...]:
    error = without_addresses(mail.last_error)
    return (str(mail.pk), str(mail.member_id), mail.kind, mail.state, str(mail.attempts), _utc(mail.next_try_at), error)


def _silent_row(member: Member) -> tuple[str, ...]:
    why = "stopped their mails" if member.mail_stopped_at else without_addresses(member.unreachable_reason)
    return str(member.pk), _utc(member.out_of_reach_since), member.name, why


def _next_row(member: Member, now: datetime.datetime) -> tuple[str, ...]:
    coming = next(iter(next_mails(member, now, 1)), None)
    if coming is None:
        return str(member.pk), "none", member.name, ""
    kinds = Counter(line.moment.kind for line in coming.lines)
    about = ", ".join(f"{kind} x{count}" if count > 1 else kind for kind, count in kinds.items())
    local = f"{coming.at.astimezone(member.zone):%Y-%m-%d %H:%M} {member.time_zone}"
    return str(member.pk), local, member.name, about


def _utc(at: datetime.datetime | None) -> str:
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "never"


def _plain(text: str) -> str:
    """Return the text as one line without anything that a terminal would act on."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _width(text: str) -> int:
    """Return how many columns of a terminal the text takes: Chinese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
