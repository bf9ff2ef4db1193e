"""From rows to dates and back: the one place where the arithmetic of `lifecycle` meets the database."""

import dataclasses
import datetime
import itertools
import zoneinfo
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from babel.core import get_global
from django.db import transaction
from django.db.models import Prefetch, QuerySet

from cards.models import Card, KeepRule, Member, Plan

from . import lifecycle
from .lifecycle import Because, Event, Period, Reason, Rule, Stage, Standing, Step
from .models import Activity, Payment, Reading

_ANSWERS = ["deadline", "due_on", "safe_on", "grace_ends_on", "lost_on", "deadline_source", "is_incomplete"]
_BATCH = 500


def recompute_card(card: Card) -> Standing:
    """Compute the card's dates from its history as it is now recorded, keep them on its row, and return them.

    The row is locked first, so that of two members who record at once the second sees what the first wrote.
    """
    with transaction.atomic():
        Card.objects.select_for_update().get(pk=card.pk)
        fresh = with_history(Card.objects.filter(pk=card.pk)).get()
        dates = standing_of(fresh)
        _write_answers(card, dates)
        card.save(update_fields=_ANSWERS)
    return dates


def recompute_cards(cards: QuerySet[Card]) -> int:
    """Compute the dates of many cards anew, in batches of constant memory; return how many changed.

    Each batch is locked while it is computed, so that a payment recorded meanwhile is not overwritten.
    """
    changed = 0
    numbers = cards.order_by("pk").values_list("pk", flat=True).iterator()
    while batch := list(itertools.islice(numbers, _BATCH)):
        changed += _recompute_batch(batch)
    return changed


@transaction.atomic
def _recompute_batch(numbers: list[int]) -> int:
    batch = Card.objects.filter(pk__in=numbers)
    list(batch.order_by("pk").select_for_update().values_list("pk"))
    rows = []
    for card in with_history(batch):
        before = [getattr(card, name) for name in _ANSWERS]
        _write_answers(card, standing_of(card))
        if before != [getattr(card, name) for name in _ANSWERS]:
            rows.append(card)
    Card.objects.bulk_update(rows, _ANSWERS)
    return len(rows)


def with_history(cards: QuerySet[Card]) -> QuerySet[Card]:
    """Fetch with each card all that its dates depend on, in a fixed number of queries."""
    return cards.select_related("plan__operator").prefetch_related(
        "plan__rules__steps",
        Prefetch("payments", Payment.objects.valid(), to_attr="valid_payments"),
        Prefetch("activities", Activity.objects.valid(), to_attr="valid_activities"),
        Prefetch("readings", Reading.objects.valid(), to_attr="valid_readings"),
    )


def standing_of(card: Card, extra: Iterable[Event] = ()) -> Standing:
    """Return the dates of a card after its recorded history, and after `extra` events that are not recorded."""
    return lifecycle.standing(rules_of(card.plan), [*events_of(card), *extra], activated_on=card.activated_on)


def expected_deadline(card: Card, today: datetime.date) -> datetime.date | None:
    """Return the deadline an act of today would bring, at the least it takes; None when that cannot be told."""
    rules = rules_of(card.plan)
    if not rules:
        return None
    rule = rules[0]
    act = min(rule.qualifying_acts, default="")
    step = rule.steps[0] if rule.steps else None
    event = Event(
        on=today,
        act=act,
        amount=step.minimum if step else rule.fee,
        currency=step.currency if step else rule.currency,
        channel=step.channel if step else "inside",
    )
    return standing_of(card, [event]).deadline


def rules_of(plan: Plan) -> list[Rule]:
    """Return the plan's keep rules as the arithmetic takes them."""
    return [_rule(rule, plan) for rule in plan.rules.all()]


def events_of(card: Card) -> list[Event]:
    """Return the card's history as the arithmetic takes it; corrected rows are left out."""
    history: Any = card
    if not hasattr(card, "valid_payments"):
        history = with_history(Card.objects.filter(pk=card.pk)).get()
    events = [payment_event(row) for row in history.valid_payments]
    events += [activity_event(row) for row in history.valid_activities]
    return events + [reading_event(row) for row in history.valid_readings]


def why_not_counted(card: Card, row: Payment | Activity) -> Reason | None:
    """Return why a recorded payment or use will not move the deadline even when confirmed; None when it will."""
    event = payment_event(row) if isinstance(row, Payment) else activity_event(row)
    return lifecycle.why_unchanged(
        rules_of(card.plan),
        dataclasses.replace(event, is_confirmed=True),
        events_of(card),
        activated_on=card.activated_on,
    )


def payment_event(row: Payment) -> Event:
    return Event(
        on=row.paid_on,
        act=row.kind,
        amount=row.amount,
        currency=row.currency,
        channel=row.channel,
        covers_until=row.covers_until,
        is_confirmed=row.confirmed_on is not None,
    )


def activity_event(row: Activity) -> Event:
    return Event(on=row.done_on, act=row.kind, is_confirmed=row.confirmed_on is not None)


def reading_event(row: Reading) -> Event:
    """A reading of the first steps of a walk-through was made before the payment of the same day."""
    return Event(
        on=row.read_on,
        valid_until=row.valid_until,
        balance=row.balance,
        currency=row.currency,
        is_before_acts=row.step in {"balance", "validity"},
        sequence=row.pk or 0,
    )


def stage_of(card: Card, today: datetime.date) -> Stage:
    """Return the stage of a card on `today` from the dates kept on its row; one closed by the family is closed."""
    return Stage.CLOSED if card.closed_on else lifecycle.stage(kept_dates(card), today)


def kept_dates(card: Card) -> Standing:
    """Return the dates kept on the card's row, without the reason behind them."""
    return Standing(
        card.deadline, card.due_on, card.safe_on, card.grace_ends_on, card.lost_on, None, card.is_incomplete
    )


def today_for(member: Member, country: str, now: datetime.datetime) -> datetime.date:
    """Return the day to count from: the member's, or the operator's where that is further on.

    Deadlines are days in the operator's country (ISO code; empty for not known). The later today gives the
    earlier answer, so nobody is told of a day that is already over where it counts.
    """
    days = [now.astimezone(member.zone).date()]
    days += [now.astimezone(zoneinfo.ZoneInfo(zone)).date() for zone in _zones_of(country)]
    return max(days)


@lru_cache(maxsize=300)
def _zones_of(country: str) -> tuple[str, ...]:
    known = zoneinfo.available_timezones()
    return tuple(zone for zone, where in get_global("zone_territories").items() if where == country and zone in known)


def _rule(row: KeepRule, plan: Plan) -> Rule:
    return Rule(
        id=row.pk,
        kind=row.kind,
        keeps=Period.of(row.value, row.unit),
        qualifying_acts=frozenset(row.qualifying_acts),
        counts_from=row.counts_from,
        stack_limit_days=row.stack_limit_days,
        steps=tuple(
            Step(step.minimum_amount, step.currency, step.channel, Period.of(step.value, step.unit))
            for step in row.steps.all()
        ),
        grace=_period(row.grace_value, row.grace_unit),
        grace_acts=frozenset(row.grace_acts),
        recovery=_period(row.recovery_value, row.recovery_unit),
        life_limit_days=row.life_limit_days,
        lead_days=row.lead_days,
        buffer_days=row.buffer_days,
        fee=plan.fee,
        currency=plan.currency,
    )


def _period(value: int | None, unit: str) -> Period | None:
    return None if value is None else Period.of(value, unit)


def _write_answers(card: Card, dates: Standing) -> None:
    card.deadline, card.due_on, card.safe_on = dates.deadline, dates.due_on, dates.safe_on
    card.grace_ends_on, card.lost_on, card.is_incomplete = (
        dates.grace_ends_on,
        dates.lost_on,
        dates.is_incomplete,
    )
    card.deadline_source = _source(dates.because)


def _source(because: Because | None) -> dict[str, Any]:
    """Return in plain values what the deadline rests on: reason, rule, and the day and act of the event."""
    if because is None:
        return {}
    event = because.event
    return {
        "reason": because.reason.value,
        "rule": because.rule.id,
        "on": event.on.isoformat() if event else None,
        "act": event.act if event else None,
    }
