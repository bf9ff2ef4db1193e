"""Erasing a household for good: asked for by its owner, told to all members, done a week later.

A backup that is older brings it back for at most a day: whoever was erased is remembered by a mark that tells nothing
of them.
"""

import datetime
import email
import hashlib
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone, translation

from cards.background import send_in_background
from cards.journal import note
from cards.models import Card, Household, LogEntry, Member, Operator, Person, Plan, User
from cards.secrets import forget_key

from .models import Delivery
from .uploads.keeping import files_of, path_of

logger = logging.getLogger(__name__)

WAIT = datetime.timedelta(days=7)


def ask_to_erase(member: Member, now: datetime.datetime, **of_request: Any) -> bool:
    """Have the household erased after WAIT and tell all its members; False when that was asked for before."""
    with transaction.atomic():
        if not _set_erase_at(member, None, now + WAIT, of_request):
            return False
        transaction.on_commit(lambda: _tell(member, "renewals/email/erase", now + WAIT))
    return True


def keep_household(member: Member, **of_request: Any) -> bool:
    """Take the wish to erase the household back and tell all its members; False when nobody had one."""
    household = Household.objects.get(pk=member.household_id)
    with transaction.atomic():
        if household.erase_at is None or not _set_erase_at(member, household.erase_at, None, of_request):
            return False
        transaction.on_commit(lambda: _tell(member, "renewals/email/keep", None))
    return True


def erase_due(now: datetime.datetime) -> int:
    """Erase the households whose time has come, and those that an old backup brought back; return how many."""
    count, marks = 0, _marks()
    for household in Household.objects.filter(Q(erase_at__lte=now) | Q(pk__in=marks)):
        is_back = marks.get(household.pk) == _mark_of(household)
        if not is_back and (household.erase_at is None or household.erase_at > now):
            continue
        try:
            erase(household)
            count += 1
        except Exception:
            logger.exception("Household %s could not be erased; the next run tries again.", household.pk)
    return count


def erase(household: Household) -> None:
    """Delete a household with all that is its own: rows, files, keys, and the logins that belong to no other one.

    Whatever cuts it off, the next run begins anew and finishes it. Administrators keep their login.
    """
    _remember(household)
    forget_key(household)
    for name in files_of(household):
        path_of(name).unlink(missing_ok=True)
    logins = User.objects.filter(members__household=household, is_staff=False)
    logins = logins.exclude(pk__in=Member.objects.exclude(household=household).values("user")).distinct()
    with transaction.atomic():
        going = list(logins)
        _forget_mails(household, [user.email for user in going])
        sessions = UserSession.objects.filter(user__in=going).values("session_key")
        Session.objects.filter(session_key__in=list(sessions.values_list("session_key", flat=True))).delete()
        # What others protect goes after them: people and own plans after the cards, operators after their plans.
        for model in (Card, Person, Plan, Operator):
            model._default_manager.filter(household=household).delete()
        Household.objects.filter(pk=household.pk).delete()
        User.objects.filter(pk__in=[user.pk for user in going]).delete()
    flush_journal()
    logger.info("Household %s was erased.", household.pk)


def flush_journal() -> None:
    """Write SQLite's journal back and empty it: until then it holds what was deleted. Others need nothing."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _set_erase_at(
    member: Member, before: datetime.datetime | None, after: datetime.datetime | None, of_request: dict[str, Any]
) -> bool:
    if not Household.objects.filter(pk=member.household_id, erase_at=before).update(erase_at=after):
        return False
    days = [at.date().isoformat() if at else None for at in (before, after)]
    changed = {"erase_at": days}
    subject = f"household:{member.household_id}"
    note(member, LogEntry.Kind.CHANGED, subject, member.household.name, changed, **of_request)
    return True


def _tell(by: Member, template: str, erase_at: datetime.datetime | None) -> None:
    """Write to every member, in their language and zone; a mail that does not leave is logged and stops nothing."""
    for member in Member.objects.for_member(by).present().select_related("user"):
        with translation.override(member.language), timezone.override(member.zone):
            about = {
                "member": member,
                "by": by,
                "household": by.household,
                "erase_at": erase_at,
                "url": settings.SITE_URL,
            }
            subject = " ".join(render_to_string(f"{template}_subject.txt", about).split())
            send_in_background(
                EmailMessage(subject, render_to_string(f"{template}.txt", about), to=[member.user.email])
            )


def _forget_mails(household: Household, addresses: Iterable[str]) -> None:
    """Delete what the outbox still holds of the household: its reminders, and other mails to logins that go."""
    sent = Delivery.objects.filter(household=household).values_list("message_id", flat=True)
    ours, gone = {_in_file_name(each) for each in sent}, set(addresses)
    for path in Path(settings.OUTBOX_DIR).glob("*.eml"):
        is_ours = path.stem.split("-", 2)[-1] in ours
        if is_ours or str(email.message_from_bytes(path.read_bytes())["To"]) in gone:
            path.unlink(missing_ok=True)


def _in_file_name(message_id: str) -> str:
    """Return a Message-ID as the outbox has it in the name of a file."""
    return re.sub(r"[^A-Za-z0-9-]", "", message_id.split("@")[0])


def _mark_of(household: Household) -> str:
    """Return what tells a household from all others and says nothing of it: of its number and its first moment."""
    return hashlib.sha256(f"{household.pk}:{household.created_at.timestamp():.6f}".encode()).hexdigest()


def _marks() -> dict[int, str]:
    """Return the marks of those that were erased, by the household's number."""
    path = _path_of_marks()
    lines = path.read_text().splitlines() if path.exists() else []
    return {int(number): mark for number, mark in (line.split() for line in lines)}


def _remember(household: Household) -> None:
    mark = _mark_of(household)
    if _marks().get(household.pk) != mark:
        with _path_of_marks().open("a") as file:
            file.write(f"{household.pk} {mark}\n")
            file.flush()
            os.fsync(file.fileno())


def _path_of_marks() -> Path:
    return Path(settings.DATA_DIR) / "erased"
