import datetime
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection, models
from django.db.utils import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from cards.access import member_of
from cards.household import is_empty
from cards.models import Card, Member
from renewals import words
from renewals.deadlines import kept_dates, stage_of, today_for
from renewals.delivery_words import without_addresses
from renewals.lifecycle import Stage
from renewals.lifeline import Lifeline, lifeline, shared_scale
from renewals.models import Delivery, Renewal
from renewals.reminders.health import UNTOLD_PERIOD, Health, Pulse, reminder_health
from renewals.reminders.ladder import next_day
from renewals.reminders.watch import open_renewal_of, part_of, wishes_of
from renewals.tasks import open_tasks

URGENCY = [Stage.GRACE, Stage.URGENT, Stage.RECOVERY, Stage.UNKNOWN, Stage.DUE, Stage.LOST, Stage.ACTIVE]
NEEDS_SOMEBODY = URGENCY[:5]
SOON = datetime.timedelta(days=30)
# So many small things are listed; the others stand on the pages of their cards.
MOST_TODOS = 5
# A mail that has not left for so long is not just on its way.
HELD_UP = datetime.timedelta(hours=1)


@dataclass
class Row:
    """A card as the dashboard shows it on a day."""

    card: Card
    stage: Stage
    today: datetime.date
    renewal: Renewal | None
    line: Lifeline | None = None

    @property
    def needs_somebody(self) -> bool:
        return self.stage in NEEDS_SOMEBODY

    @property
    def stage_words(self) -> str:
        return words.say_stage(self.stage)

    @property
    def days(self) -> int | None:
        return (self.card.deadline - self.today).days if self.card.deadline else None

    @property
    def countdown(self) -> tuple[str, str]:
        return words.say_countdown(self.card, self.stage, self.today)

    @property
    def days_left(self) -> str:
        return words.say_days_left(self.card.deadline, self.today) if self.card.deadline else ""

    @property
    def now(self) -> str:
        return words.say_now(self.card, self.stage)

    @property
    def otherwise(self) -> str:
        return words.say_otherwise(self.card)

    @property
    def accounts(self) -> list[str]:
        return [account.name for account in self.card.linked_accounts.all() if account.moved_on is None]

    @property
    def is_use(self) -> bool:
        """Whether one use of the line keeps it, so that logging it is quicker than a walk-through."""
        rule = words.rule_of(self.card)
        return rule is not None and rule.kind == "activity"

    @property
    def holder(self) -> Member | None:
        return self.renewal.holder(timezone.now()) if self.renewal else None


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """The most urgent card with the one thing to do, then all cards by urgency, then whether reminders work."""
    member, now = member_of(request), timezone.now()
    everything = (
        Card.objects.for_member(member)
        .select_related("plan__operator", "responsible", "deputy")
        .prefetch_related(
            "plan__rules__steps",
            "linked_accounts",
            models.Prefetch("renewals", Renewal.objects.open().select_related("taken_by")),
        )
    )
    rows = []
    for card in everything:
        today = today_for(member, card.plan.operator.country, now)
        rows.append(Row(card, stage_of(card, today), today, open_renewal_of(card)))
    closed = [row.card for row in rows if row.stage is Stage.CLOSED]
    rows = sorted((row for row in rows if row.stage is not Stage.CLOSED), key=_by_urgency)
    local = now.astimezone(member.zone).date()
    scale = shared_scale([kept_dates(row.card) for row in rows], local)
    for row in rows:
        row.line = lifeline(kept_dates(row.card), row.today, scale)
    todos = open_tasks(member, everything, local)
    return render(
        request,
        "renewals/dashboard.html",
        {
            "rows": rows,
            "closed": closed,
            "todos": todos[:MOST_TODOS],
            "more_todos": len(todos) - MOST_TODOS,
            "todo_count": len(todos),
            "waiting": sum(row.needs_somebody for row in rows),
            "first": rows[0] if rows else None,
            "today": local,
            "scale": scale,
            "months": scale.months(),
            "due_sums": _due_sums(rows),
            "next_mail": None if member.mail_stopped_at else _next_mail(member, rows, now),
            **_watchfulness(member, now),
            "has_mail_server": bool(settings.EMAIL_URL),
        },
    )


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer “ok” when the database answers and reminders run; else 503 and what is wrong."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not is_empty() and (pulse := reminder_health(timezone.now()).pulse) is not Pulse.WORKING:
            return HttpResponse(f"reminders: {pulse}\n", status=503, content_type="text/plain")
    except DatabaseError:
        return HttpResponse("database\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


def _by_urgency(row: Row) -> tuple[int, datetime.date, str]:
    return URGENCY.index(row.stage), row.card.deadline or datetime.date.max, row.card.name


def _due_sums(rows: list[Row]) -> list[tuple[Decimal, str]]:
    """Return what the cards due in the next month cost at least, one sum per currency; unknown amounts are left out."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row.card.deadline is None or row.card.deadline > row.today + SOON or row.stage is Stage.LOST:
            continue
        for rule in row.card.plan.rules.all():
            step = next((step for step in rule.steps.all() if step.minimum_amount), None)
            plan = row.card.plan
            amount, currency = (step.minimum_amount, step.currency) if step else (plan.fee, plan.currency)
            if amount:
                sums[currency] = sums.get(currency, Decimal(0)) + amount
    return [(amount, currency) for currency, amount in sorted(sums.items())]


def _next_mail(member: Member, rows: list[Row], now: datetime.datetime) -> tuple[datetime.date, Card] | None:
    """Return the day of the next mail that speaks of a deadline, and the card; None when there is none."""
    snoozes = {snooze.card_id: snooze for snooze in member.snoozes.all()}
    ahead = []
    for row in rows:
        part = part_of(member, row.card, row.today, now)
        wishes = wishes_of(member, row.card, part, snoozes.get(row.card.pk))
        if day := next_day(kept_dates(row.card), row.today, wishes):
            ahead.append((day, row.card.pk, row.card))
    return (min(ahead)[0], min(ahead)[2]) if ahead else None


def _watchfulness(member: Member, now: datetime.datetime) -> dict[str, object]:
    """Return whether reminders work, and whom no mail reaches."""
    health = reminder_health(now)
    alarm = _alarm(health, member, now)
    held = (
        Delivery.objects.for_member(member)
        .filter(state__in=Delivery.OPEN_STATES, created_at__lt=now - HELD_UP)
        .exclude(kind=Delivery.Kind.TEST)
    )
    out_of_reach = Member.objects.for_member(member).present().exclude(unreachable_since=None, mail_stopped_at=None)
    return {
        "health": health,
        "is_working": health.pulse is Pulse.WORKING and not alarm,
        "alarm": alarm,
        "problem": without_addresses(health.problem),
        # What holds up everything is said once.
        "held": []
        if alarm
        else [
            (mail, without_addresses(mail.last_error))
            for mail in held.select_related("member").order_by("created_at")[:3]
        ],
        "out_of_reach": [(other, without_addresses(other.unreachable_reason)) for other in out_of_reach.order_by("pk")],
    }


def _alarm(health: Health, member: Member, now: datetime.datetime) -> str:
    """Return what keeps all mails from leaving; empty when nothing does, or a new installation has only just begun."""
    if health.problem:
        return "problem"
    if health.pulse is Pulse.STUCK:
        return "unfinished" if health.unfinished_since else "waiting"
    if health.pulse is Pulse.NEVER:
        return "never" if now - member.household.created_at > UNTOLD_PERIOD else ""
    return "late" if health.pulse is Pulse.LATE else ""
