"""Who watches the watcher: whether reminders have run as they should, and whether what is due has left."""

import datetime
import enum
from dataclasses import dataclass

from django.db.models import Max, Min, Q

from cards.models import Member
from renewals.models import Delivery, ReminderRun

# What is called by cron or a timer is expected at least daily.
UNTOLD_PERIOD = datetime.timedelta(days=1)
AT_LEAST = datetime.timedelta(minutes=5)
# One pass with many mails, or a slow server, may take so long.
RUN_LASTS = datetime.timedelta(hours=1)
PROBLEM_LASTS = datetime.timedelta(hours=1)
WAIT_LASTS = datetime.timedelta(hours=2)
# More different answers of mail servers than these are not looked through.
MOST_ANSWERS = 100


class Pulse(enum.StrEnum):
    """LATE: no run ends any more. STUCK: they run, and yet what is due does not leave."""

    WORKING = "working"
    LATE = "late"
    STUCK = "stuck"
    NEVER = "never"


@dataclass(frozen=True)
class Health:
    """What the rows say of the reminders at `now`.

    `last` is the last run that ended well. `problem` says why no mail can leave, since `problem_since`. `begun_at` is
    when the first run after `last` began that neither ended nor said why. `waiting_since` is since when something is
    due that runs have passed over. None where there is no such thing.
    """

    now: datetime.datetime
    last: ReminderRun | None = None
    problem: str = ""
    problem_since: datetime.datetime | None = None
    begun_at: datetime.datetime | None = None
    waiting_since: datetime.datetime | None = None

    @property
    def last_at(self) -> datetime.datetime | None:
        return self.last.finished_at if self.last else None

    @property
    def unfinished_since(self) -> datetime.datetime | None:
        """When a run began that should have ended by now; None while one may still be at work."""
        return self.begun_at if self.begun_at and self.now - self.begun_at > RUN_LASTS else None

    @property
    def pulse(self) -> Pulse:
        if self.problem_since and self.now - self.problem_since > PROBLEM_LASTS:
            return Pulse.STUCK
        if self.last is None or self.last.finished_at is None:
            return Pulse.NEVER
        period = datetime.timedelta(seconds=self.last.period) if self.last.period else UNTOLD_PERIOD
        is_at_work = self.begun_at is not None and self.unfinished_since is None
        if not is_at_work and not self.problem and self.now - self.last.finished_at > max(2 * period, AT_LEAST):
            return Pulse.LATE
        return Pulse.STUCK if self.unfinished_since or self.waiting_since else Pulse.WORKING


@dataclass(frozen=True)
class _Answer:
    """What a server last said of mails that still wait: since when they do, and when the next is due."""

    words: str
    since: datetime.datetime
    due_at: datetime.datetime


def reminder_health(now: datetime.datetime) -> Health:
    """Return how the reminders are, in four queries where all is well.

    A run whose clock was ahead of `now` counts for nothing: it would say that all is well until the clock gets there.
    """
    last = ReminderRun.objects.filter(problem="", finished_at__lte=now).order_by("-finished_at").first()
    later = ReminderRun.objects.filter(pk__gt=last.pk if last else 0, started_at__lte=now).aggregate(
        begun_at=Min("started_at", filter=Q(problem="", finished_at=None)),
        troubled=Max("pk", filter=~Q(problem="")),
        troubled_at=Min("started_at", filter=~Q(problem="")),
    )
    queue = _queue()
    problem, problem_since = _problem(later["troubled"], later["troubled_at"], queue)
    return Health(
        now=now,
        last=last,
        problem=problem,
        problem_since=problem_since,
        begun_at=later["begun_at"],
        waiting_since=_waiting_since(last, queue, now) if last else None,
    )


def _queue() -> list[_Answer]:
    """Return what mail servers said of the mails that are still to leave; what has been due for longest comes first."""
    mails = Delivery.objects.filter(state__in=Delivery.OPEN_STATES).values("last_error")
    dated = mails.annotate(since=Min("created_at"), due_at=Min("next_try_at")).order_by("due_at")
    return [_Answer(*each) for each in dated.values_list("last_error", "since", "due_at")[:MOST_ANSWERS]]


def _problem(
    troubled: int | None, troubled_at: datetime.datetime | None, queue: list[_Answer]
) -> tuple[str, datetime.datetime | None]:
    """Return why no mail can leave, and since when. `troubled` is the last run with a problem after the last good one.

    A problem stands until a run has ended well and no mail is held up by it any more: between two tries of a server
    that is away, the runs have nothing to do, and end well.
    """
    # The run that wrote a mail began before it.
    held = {answer.words: answer.since - RUN_LASTS for answer in queue if answer.words}
    if not held and troubled is None:
        return "", None
    runs = ReminderRun.objects.exclude(problem="").order_by("pk")
    stands = Q(pk=troubled)
    if held:
        stands |= Q(problem__in=held, started_at__gte=min(held.values()))
    newest = runs.filter(stands).last()
    if newest is None:
        return "", None
    if newest.problem in held:
        first = runs.filter(started_at__gte=held[newest.problem]).first()
        troubled_at = (first or newest).started_at
    return newest.problem, troubled_at


def _waiting_since(last: ReminderRun, queue: list[_Answer], now: datetime.datetime) -> datetime.datetime | None:
    """Return since when a mail, or a member's day, is due that a run which began later has passed over."""
    bound = min(now - WAIT_LASTS, last.started_at)
    days = Member.objects.present().filter(next_plan_at__lt=bound, mail_stopped_at=None)
    due = [days.aggregate(since=Min("next_plan_at"))["since"], *(answer.due_at for answer in queue)]
    return min((at for at in due if at and at < bound), default=None)
