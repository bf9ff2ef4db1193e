"""Sending what is queued: claimed before any socket is opened, recorded after the server's answer.

No process holds a mail for ever: a claim is a lease, and it is longer than all time-outs of one SMTP conversation.
"""

import datetime
import logging
import random
import smtplib
import uuid
from collections.abc import Callable

from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.utils import timezone
from tqdm import tqdm

from renewals.models import Delivery, ReminderRun
from renewals.plan_changes import apply_due_changes
from renewals.rule_changes import recount_pending

from .mail import render
from .planning import members_due, plan_member

logger = logging.getLogger(__name__)

# Connect, greet, STARTTLS, greet, sign in (three lines), sender, recipient, data, final dot, quit: twelve answers.
LEASE = 12 * datetime.timedelta(seconds=60) + datetime.timedelta(minutes=3)
BACK_OFF = (1, 5, 15, 60, 120)
TEST_LASTS = datetime.timedelta(days=1)


class SignInRefused(Exception):
    """The mail server does not accept our user name and password: no mail can leave until that is mended."""


class ServerAway(Exception):
    """The mail server cannot be reached now; whatever else is queued would fare the same."""


class Postman:
    """One run's connection to the mail server, opened when the first mail needs it and used for all."""

    def __init__(self) -> None:
        self._connection: BaseEmailBackend | None = None

    def send(self, delivery: Delivery, now: datetime.datetime) -> bool:
        """Send one mail to its one recipient; return False when there is nothing left to say.

        Raises SignInRefused, ServerAway, smtplib.SMTPException and OSError as the server and the network have it.
        """
        message = render(delivery, now)
        if message is None:
            return False
        if self._connection is None:
            self._connection = get_connection()
            try:
                self._connection.open()
            except smtplib.SMTPAuthenticationError as error:
                raise SignInRefused(_describe(error)) from error
            except (smtplib.SMTPException, OSError) as error:
                raise ServerAway(_describe(error)) from error
        self._connection.send_messages([message])
        return True

    def hang_up(self) -> None:
        """Close the connection; one that is already broken is simply dropped."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (smtplib.SMTPException, OSError):
                logger.info("The mail server had closed the connection already.")


def run_once(period: int | None, clock: Callable[[], datetime.datetime] = timezone.now) -> ReminderRun:
    """Plan and send what is due, and write down that it was done.

    `period` is the seconds between two runs of a loop, None when something else calls. Raises SignInRefused after
    the claimed mail was put back; then the run has no `finished_at`, and the dashboard tells of it.
    """
    run = ReminderRun.objects.create(started_at=clock(), period=period)
    postman = Postman()
    try:
        _bring_up_to_date(clock())
        for member in list(members_due(clock())):
            try:
                plan_member(member, clock())
            except Exception:
                logger.exception("Planning the day of member %s failed; the next run tries again.", member.pk)
                run.failed += 1
        with tqdm(unit="mail", disable=None) as progress:
            while delivery := claim_next(clock()):
                run.due += 1
                progress.update()
                state = deliver(delivery, postman, clock())
                run.sent += state == Delivery.State.SENT
                run.failed += state == Delivery.State.FAILED
    except ServerAway as error:
        logger.warning("The mail server cannot be reached (%s); all that is queued is tried again.", error)
    finally:
        postman.hang_up()
        run.save(update_fields=["due", "sent", "failed"])
    run.finished_at = clock()
    run.save(update_fields=["finished_at"])
    ReminderRun.objects.filter(started_at__lt=run.started_at - datetime.timedelta(days=30)).delete()
    return run


def _bring_up_to_date(now: datetime.datetime) -> None:
    """Let the cards follow what was changed around them, before anything is said about them.

    A plan whose day has come holds from today; dates that a changed rule has not reached yet, as its computation was
    cut off, are computed. A fault here stops no mail: the next run tries again.
    """
    for act in (apply_due_changes, recount_pending):
        try:
            act(now)
        except Exception:
            logger.exception("%s failed; the next run tries again.", act.__name__)


def claim_next(now: datetime.datetime) -> Delivery | None:
    """Claim one mail that is due, or whose claim has run out; None when there is none.

    Of several processes at once exactly one changes the row as it was read.
    """
    due = Delivery.objects.filter(state__in=Delivery.OPEN_STATES, next_try_at__lte=now)
    for seen in due.order_by("next_try_at", "pk").select_related("member__user", "member__household")[:20]:
        lease = uuid.uuid4()
        won = Delivery.objects.filter(
            pk=seen.pk, state=seen.state, lease=seen.lease, next_try_at=seen.next_try_at
        ).update(state=Delivery.State.CLAIMED, lease=lease, next_try_at=now + LEASE, attempts=F("attempts") + 1)
        if won:
            seen.lease, seen.state, seen.attempts = lease, Delivery.State.CLAIMED, seen.attempts + 1
            return seen
    return None


def deliver(delivery: Delivery, postman: Postman, now: datetime.datetime) -> str:
    """Send a claimed mail and record the outcome; return the state it is in now.

    Only SignInRefused and ServerAway get out, after the mail was put back: every other fault concerns this mail alone.
    """
    try:
        sent = postman.send(delivery, now)
    except (SignInRefused, ServerAway) as error:
        _put_back(delivery, now, str(error))
        raise
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _refused(delivery, now, code, text)
    except smtplib.SMTPDataError as error:
        return _refused(delivery, now, error.smtp_code, error.smtp_error)
    except (smtplib.SMTPException, OSError) as error:
        postman.hang_up()
        return _put_back(delivery, now, _describe(error))
    except Exception as error:
        logger.exception("Delivery %s failed; it will be tried again.", delivery.pk)
        return _put_back(delivery, now, type(error).__name__)
    # What the server has taken is sent, also if the lease ran out meanwhile.
    state = Delivery.State.SENT if sent else Delivery.State.WITHDRAWN
    Delivery.objects.filter(pk=delivery.pk).update(
        state=state, sent_at=timezone.now() if sent else None, lease=None, last_error=""
    )
    return state


def back_off(attempts: int) -> datetime.timedelta:
    """Return how long to wait after so many tries: 1, 5, 15, 60 minutes, then two hours, give or take a fifth."""
    minutes = BACK_OFF[min(attempts, len(BACK_OFF)) - 1]
    return datetime.timedelta(minutes=minutes) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, no secret


def _refused(delivery: Delivery, now: datetime.datetime, code: int, text: bytes | str) -> str:
    """The server answered for this mail: 5xx is final, anything else is tried again."""
    reason = f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    if code < 500:
        return _put_back(delivery, now, reason)
    _record(delivery, state=Delivery.State.FAILED, last_error=reason)
    return Delivery.State.FAILED


def _put_back(delivery: Delivery, now: datetime.datetime, reason: str) -> str:
    """Try again later. A digest is tried for as long as it has something to say, a test for a day."""
    if delivery.kind == Delivery.Kind.TEST and delivery.created_at + TEST_LASTS <= now:
        _record(delivery, state=Delivery.State.FAILED, last_error=reason)
        return Delivery.State.FAILED
    _record(delivery, state=Delivery.State.RETRY, last_error=reason, next_try_at=now + back_off(delivery.attempts))
    return Delivery.State.RETRY


def _record(delivery: Delivery, **fields: object) -> None:
    """Write the outcome of a try, unless another process has taken the mail over since."""
    fields["last_error"] = str(fields["last_error"])[:300]
    Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease).update(lease=None, **fields)


def _describe(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return f"{type(error).__name__}: {error}"
