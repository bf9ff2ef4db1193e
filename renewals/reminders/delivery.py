"""Sending what is queued: claimed before any connection is opened, recorded after the server's answer.

No process holds a mail for ever: a claim is a lease, and it is longer than all time-outs of one SMTP conversation.
The ten rules it keeps are in docs/reminders.md, under “Delivery”.
"""

import datetime
import logging
import random
import smtplib
import uuid
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from tqdm import tqdm

from cards.models import Member
from renewals.channels import ChannelError
from renewals.erasing import erase_due
from renewals.forgetting import forget_old
from renewals.models import Channel, Delivery, ReminderRun
from renewals.plan_changes import apply_due_changes
from renewals.rule_changes import recount_pending

from .health import Pulse, reminder_health
from .mail import Letter, forget_unsaid, render
from .monitor import tell_monitor
from .planning import members_due, plan_member, queue_alerts
from .postman import Postman, ServerAway, SignInRefused, describe

logger = logging.getLogger(__name__)

# Connect, greet, STARTTLS, greet, sign in (three lines), sender, recipient, data, reset, quit: twelve answers and the
# final dot, then as long again for a machine that was asleep.
ANSWERS = 12
LEASE = datetime.timedelta(seconds=ANSWERS * settings.EMAIL_TIMEOUT + settings.EMAIL_FINAL_TIMEOUT) * 1.5
BACK_OFF = (1, 5, 15, 60, 120)
# No try is put off for longer than this: one that is was written by a wrong clock.
FARTHEST_TRY = datetime.timedelta(hours=3)
TEST_LASTS = datetime.timedelta(days=1)
RUNS_KEPT = datetime.timedelta(days=30)
BACK_AT_MOST = datetime.timedelta(minutes=5)
AHEAD_AT_MOST = datetime.timedelta(days=7)


def run_once(period: int | None, clock: Callable[[], datetime.datetime] = timezone.now) -> ReminderRun:
    """Plan and send what is due, and write down that it was done.

    `period` is the seconds between two runs of a loop, None when something else calls. When the mail server takes
    nothing, or the clock has jumped, the run says so in `problem`; in both cases nothing is lost. Raises SignInRefused
    after the claimed mail was put back; then the run has no `finished_at`.
    """
    previous = ReminderRun.objects.order_by("-pk").first()
    run = ReminderRun.objects.create(started_at=clock(), period=period)
    if fault := clock_fault(previous.started_at if previous else None, run.started_at):
        logger.warning("%s The next run goes on.", fault)
        _note(run, fault)
        return run
    postman = Postman()
    try:
        _bring_up_to_date(clock(), previous)
        _plan(run, clock)
        _send(run, postman, clock)
    except ServerAway as error:
        logger.warning("The mail server cannot be reached (%s); all that is queued is tried again.", error)
        _note(run, str(error))
    except SignInRefused as error:
        _note(run, str(error))
        raise
    finally:
        postman.hang_up()
        run.save(update_fields=["due", "sent", "failed"])
    run.finished_at = clock()
    run.save(update_fields=["finished_at"])
    ReminderRun.objects.filter(started_at__lt=run.started_at - RUNS_KEPT).delete()
    if not run.problem and reminder_health(clock()).pulse is Pulse.WORKING:
        tell_monitor()
    return run


def clock_fault(previous: datetime.datetime | None, now: datetime.datetime) -> str:
    """Return what is odd about a run at `now` after one that began at `previous`; empty when nothing is.

    A wrong clock would tell families of deadlines that are not there, or keep silent of those that are. One run waits:
    if the next one finds the same time, it is right, and the machine was merely off.
    """
    if previous is None or previous - BACK_AT_MOST <= now <= previous + AHEAD_AT_MOST:
        return ""
    return f"The clock says {now:%Y-%m-%d %H:%M} UTC, and said {previous:%Y-%m-%d %H:%M} at the last run."


def claim_next(now: datetime.datetime) -> Delivery | None:
    """Claim one mail that is due, or whose claim has run out; None when there is none.

    Of several processes at once exactly one changes the row as it was read.
    """
    is_due = Q(next_try_at__lte=now) | Q(next_try_at__gt=now + FARTHEST_TRY)
    due = Delivery.objects.filter(is_due, state__in=Delivery.OPEN_STATES)
    for seen in due.order_by("next_try_at", "pk").select_related("member__user", "member__household", "channel")[:20]:
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
        letter = render(delivery, now)
        if letter is None:
            _record(delivery, state=Delivery.State.WITHDRAWN, last_error="")
            return Delivery.State.WITHDRAWN
        answer = postman.push(delivery.channel, letter) if delivery.channel else postman.send(letter)
        return _finish(delivery, Delivery.State.SENT, answer, letter)
    except (SignInRefused, ServerAway) as error:
        _put_back(delivery, now, str(error))
        _pause(delivery, now)
        raise
    except ChannelError as error:
        return _fall_back(delivery, now, str(error))
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _refused(delivery, postman, now, code, text)
    except smtplib.SMTPDataError as error:
        return _refused(delivery, postman, now, error.smtp_code, error.smtp_error)
    except (smtplib.SMTPException, OSError) as error:
        postman.hang_up()
        return _put_back(delivery, now, describe(error))
    except Exception as error:
        logger.exception("Delivery %s failed; it will be tried again.", delivery.pk)
        return _put_back(delivery, now, type(error).__name__)


def back_off(attempts: int) -> datetime.timedelta:
    """Return how long to wait after so many tries: 1, 5, 15, 60 minutes, then two hours, give or take a fifth."""
    minutes = BACK_OFF[min(attempts, len(BACK_OFF)) - 1]
    return datetime.timedelta(minutes=minutes) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, no secret


def _bring_up_to_date(now: datetime.datetime, previous: ReminderRun | None) -> None:
    """Let the cards follow what was changed around them, before anything is said about them.

    A household whose week is over is erased; a plan whose day has come holds from today; dates that a changed rule has
    not reached yet, as its computation was cut off, are computed. The first run of a day deletes what is too old. A
    fault here stops no mail: the next run tries again.
    """
    is_new_day = previous is None or previous.started_at.date() != now.date()
    for act in (erase_due, apply_due_changes, recount_pending, *([forget_old] if is_new_day else [])):
        try:
            act(now)
        except Exception:
            logger.exception("%s failed; the next run tries again.", act.__name__)


def _plan(run: ReminderRun, clock: Callable[[], datetime.datetime]) -> None:
    for member in list(members_due(clock())):
        try:
            plan_member(member, clock())
        except Exception:
            logger.exception("Planning the day of member %s failed; the next run tries again.", member.pk)
            run.failed += 1


def _send(run: ReminderRun, postman: Postman, clock: Callable[[], datetime.datetime]) -> None:
    with tqdm(unit="mail", disable=None) as progress:
        while delivery := claim_next(clock()):
            run.due += 1
            progress.update()
            state = deliver(delivery, postman, clock())
            run.sent += state == Delivery.State.SENT
            run.failed += state == Delivery.State.FAILED


def _note(run: ReminderRun, problem: str) -> None:
    run.problem = problem[:300]
    run.save(update_fields=["problem"])


def _finish(delivery: Delivery, state: Delivery.State, answer: str = "", letter: Letter | None = None) -> str:
    """What the server has taken is sent, also if the lease ran out meanwhile; its reader can be reached again."""
    sent_at = timezone.now() if state == Delivery.State.SENT else None
    with transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(
            state=state, sent_at=sent_at, lease=None, last_error="", answer=answer[:300]
        )
        if letter:
            forget_unsaid(delivery, letter)
        if sent_at and (channel := delivery.channel):
            _same_channel(channel).update(failed_at=None, last_error="")
        if sent_at and delivery.member.unreachable_since:
            Member.objects.filter(pk=delivery.member_id).update(unreachable_since=None, unreachable_reason="")
    return state


def _refused(delivery: Delivery, postman: Postman, now: datetime.datetime, code: int, text: bytes | str) -> str:
    """The server answered for this mail: 5xx is final, anything else is tried again.

    Of a member whom no mail reaches the others of the household are told, once until one reaches them again.
    """
    reason = f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    if not 500 <= code < 600:
        postman.hang_up()
        return _put_back(delivery, now, reason)
    with transaction.atomic():
        _record(delivery, state=Delivery.State.FAILED, last_error=reason)
        is_news = Member.objects.filter(pk=delivery.member_id, unreachable_since=None).update(
            unreachable_since=now, unreachable_reason=reason[:300]
        )
        if is_news:
            queue_alerts(delivery.member, now)
    return Delivery.State.FAILED


def _put_back(delivery: Delivery, now: datetime.datetime, reason: str) -> str:
    """Try again later. A digest is tried for as long as it has something to say, a test for a day."""
    if delivery.kind == Delivery.Kind.TEST and delivery.created_at + TEST_LASTS <= now:
        _record(delivery, state=Delivery.State.FAILED, last_error=reason)
        return Delivery.State.FAILED
    _record(delivery, state=Delivery.State.RETRY, last_error=reason, next_try_at=now + back_off(delivery.attempts))
    return Delivery.State.RETRY


def _fall_back(delivery: Delivery, now: datetime.datetime, reason: str) -> str:
    """The channel did not take it: the same message goes out by email at once, and the channel's owner can see why."""
    with transaction.atomic():
        if delivery.channel:
            _same_channel(delivery.channel).update(failed_at=now, last_error=reason[:300])
        _record(delivery, state=Delivery.State.RETRY, last_error=reason, next_try_at=now, channel=None)
    return Delivery.State.RETRY


def _same_channel(channel: Channel) -> QuerySet[Channel]:
    """Return the channel as it was used: its owner may have given it another address since."""
    return Channel.objects.filter(pk=channel.pk, created_at=channel.created_at)


def _pause(delivery: Delivery, now: datetime.datetime) -> None:
    """Whatever else waits for this mail server waits as long: it is not asked once for each mail."""
    waiting = Delivery.objects.filter(
        channel=None, state__in=[Delivery.State.QUEUED, Delivery.State.RETRY], next_try_at__lte=now
    )
    waiting.update(next_try_at=now + back_off(delivery.attempts))


def _record(delivery: Delivery, **fields: object) -> None:
    """Write the outcome of a try, unless another process has taken the mail over since."""
    fields["last_error"] = str(fields["last_error"])[:300]
    mine = Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease, state=Delivery.State.CLAIMED)
    mine.update(lease=None, **fields)
