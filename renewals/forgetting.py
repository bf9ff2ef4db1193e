"""What is kept for some time only, and goes by itself when that is over."""

import datetime
import logging
from collections.abc import Callable
from pathlib import Path

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session

from cards.journal import forget_log
from cards.models import Invitation

from .bin import empty_bin
from .erasing import flush_journal
from .models import Delivery, LinkUse
from .uploads import sweep_orphans

LOG_KEPT = datetime.timedelta(days=2 * 365)
INVITATIONS_KEPT = datetime.timedelta(days=90)
OUTBOX_KEPT = datetime.timedelta(days=30)
# A link of a mail is dead after sixty days, so that its use need not be remembered longer than the mail.
LINKS_KEPT = datetime.timedelta(days=90)
# What a mail server said; that a mail was sent, to whom and about what, stays.
ANSWERS_KEPT = datetime.timedelta(days=90)

logger = logging.getLogger(__name__)


def forget_old(now: datetime.datetime) -> None:
    """Delete for good what is older than it may become. A fault in one part leaves the others to be done."""
    acts: list[Callable[[datetime.datetime], object]] = [
        empty_bin,
        sweep_orphans,
        _forget_log,
        _forget_sessions,
        _forget_invitations,
        _forget_links,
        _forget_answers,
        _forget_outbox,
    ]
    for act in acts:
        try:
            act(now)
        except Exception:
            logger.exception("%s failed; the next day tries again.", act.__name__)
    flush_journal()


def _forget_log(now: datetime.datetime) -> None:
    forget_log(now - LOG_KEPT)


def _forget_sessions(now: datetime.datetime) -> None:
    Session.objects.filter(expire_date__lt=now).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()


def _forget_invitations(now: datetime.datetime) -> None:
    Invitation.objects.filter(made_at__lt=now - INVITATIONS_KEPT).delete()


def _forget_links(now: datetime.datetime) -> None:
    LinkUse.objects.filter(used_at__lt=now - LINKS_KEPT).delete()


def _forget_answers(now: datetime.datetime) -> None:
    old = Delivery.objects.exclude(state__in=Delivery.OPEN_STATES).filter(created_at__lt=now - ANSWERS_KEPT)
    old.exclude(answer="", last_error="").update(answer="", last_error="")


def _forget_outbox(now: datetime.datetime) -> None:
    """Delete mails that never left, as no mail server was set."""
    for path in Path(settings.OUTBOX_DIR).glob("*"):
        if path.stat().st_mtime < (now - OUTBOX_KEPT).timestamp():
            path.unlink(missing_ok=True)
