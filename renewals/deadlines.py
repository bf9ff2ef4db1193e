"""From rows to dates and back: the one place where the arithmetic of `lifecycle` meets the database."""

import dataclasses
import datetime
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from babel.core import get_global
from django.db import transaction
from django.db.models import F, Prefetch, QuerySet
from django.utils import timezone

from cards.models import Card, CardQuerySet, KeepRule, Member, Plan, PlanChange

from . import lifecycle
from .kept_terms import rules_kept
from .lifecycle import Because, Event, Forecast, Period, Reason, Rule, Stage, Standing, Step, Terms
from .models import Activity, Payment, Reading, Renewal

_DATES = ["deadline", "due_on", "safe_on", "grace_ends_on", "lost_on"]
_ANSWERS = [*_DATES, "deadline_source", "is_incomplete"]
_REVISION = ["revision", "changed_at"]
_BATCH = 500


@dataclass(frozen=True)
class Moved:
    """A card whose dates change, from the ones kept on its row to those that follow now."""

    card: Card
    before: Standing
    after: Standing


def recompute_card(card: Card) -> Standing:
    """Compute the card's dates from its history as it is now recorded, keep them on its row, and return them.

    The row is locked first, so that of two members who record at once the second sees what the first wrote.
    """
    with transaction.atomic():
        Card.objects.select_for_update().get(pk=card.pk)
        fresh = with_history(Card.objects.filter(pk=card.pk)).get()
        dates = standing_of(fresh)
        _write_answers(card, dates)
        if has_moved := _dates_of(card) != _dates_of(fresh):
            card.revision, card.changed_at = fresh.revision + 1, timezone.now()
        card.save(update_fields=[*_ANSWERS, *(_REVISION if has_moved else [])])
    return dates


def recompute_cards(
    cards: QuerySet[Card],
    *,
    told: Callable[[list[Moved]], None] | None = None,
    report: Callable[[int], object] | None = None,
) -> int:
    """Compute the dates of many cards anew, in batches of constant memory; return how many open ones moved.

    Each batch is locked while it is computed, so that a payment recorded meanwhile is not overwritten. `told` gets
    the open cards of a batch whose dates moved, in the same transaction; `report` how many were computed, after it.
    """
    moved = 0
    for batch in _batches(cards):
        moved += _recompute_batch(batch, told)
        if report:
            report(len(batch))
    return moved


def moved_cards(cards: CardQuerySet, plans: Mapping[int, list[Rule]] | None = None) -> Iterator[Moved]:
    """Yield the open ones of these cards whose dates would move if they were computed now; writes nothing.

    `plans` has the rules of some plans by the plan's id; the rules of all others are as the database has them.
    """
    for batch in _batches(cards.open()):
        rules = _RulesOf(plans or {})
        for card in with_history(Card.objects.filter(pk__in=batch)):
            moved = Moved(card, kept_dates(card), _plain(standing_of(card, rules=rules)))
            if moved.before != moved.after:
                yield moved


def _batches(cards: QuerySet[Card]) -> Iterator[list[int]]:
    """Yield the ids of the cards, some hundred at a time, each found from the last: no cursor stays open between."""
    last = 0
    while batch := list(cards.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        yield batch
        last = batch[-1]


@transaction.atomic
def _recompute_batch(numbers: list[int], told: Callable[[list[Moved]], None] | None) -> int:
    batch = Card.objects.filter(pk__in=numbers)
    list(batch.order_by("pk").select_for_update().values_list("pk"))
    rules, rows, redated, moved = _RulesOf(), [], [], []
    for card in with_history(batch):
        before, days, kept = [getattr(card, name) for name in _ANSWERS], _dates_of(card), kept_dates(card)
        dates = standing_of(card, rules=rules)
        _write_answers(card, dates)
        if before != [getattr(card, name) for name in _ANSWERS]:
            rows.append(card)
        if days != _dates_of(card):
            redated.append(card.pk)
        if card.closed_on is None and kept != _plain(dates):
            moved.append(Moved(card, kept, _plain(dates)))
    _save_answers(rows)
    Card.objects.filter(pk__in=redated).update(revision=F("revision") + 1, changed_at=timezone.now())
    if told:
        told(moved)
    return len(moved)


def _save_answers(cards: list[Card]) -> None:
    """Write the dates of many cards, those with the same ones together: `bulk_update` takes ten times as long."""
    alike: dict[tuple[Any, ...], list[Card]] = {}
    for card in cards:
        key = tuple(str(getattr(card, name)) for name in _ANSWERS)
        alike.setdefault(key, []).append(card)
    for group in alike.values():
        answers = {name: getattr(group[0], name) for name in _ANSWERS}
        Card.objects.filter(pk__in=[card.pk for card in group]).update(**answers)


def with_history(cards: CardQuerySet) -> CardQuerySet:
    """Fetch with each card all that its dates depend on, in a fixed number of queries."""
    return cards.select_related("plan__operator").prefetch_related(
        "plan__rules__steps",
        Prefetch("payments", Payment.objects.valid(), to_attr="valid_payments"),
        Prefetch("activities", Activity.objects.valid(), to_attr="valid_activities"),
        Prefetch("readings", Reading.objects.valid(), to_attr="valid_readings"),
        Prefetch("renewals", Renewal.objects.filter(keeps_terms=True), to_attr="renewals_with_terms"),
        Prefetch(
            "plan_changes",
            PlanChange.objects.prefetch_related("plan_before__rules__steps", "plan_after__rules__steps"),
        ),
    )


class _RulesOf(dict[int, list[Rule]]):
    """The rules of plans by the plan's id, made once for all cards of a batch."""

    def of(self, plan: Plan) -> list[Rule]:
        if plan.pk not in self:
            self[plan.pk] = rules_of(plan)
        return self[plan.pk]


def standing_of(card: Card, extra: Iterable[Event] = (), *, rules: _RulesOf | None = None) -> Standing:
    """Return the dates of a card after its recorded history, and after `extra` events that are not recorded."""
    begun, changes = terms_of(card, rules)
    return lifecycle.standing(begun, [*events_of(card), *extra], activated_on=card.activated_on, changes=changes)


def forecast_of(card: Card, today: datetime.date) -> Forecast | None:
    """Return how long the card's balance lasts; None when its plan takes no fee from it, or too little is known."""
    begun, changes = terms_of(card)
    held = [terms for terms in changes if terms.starts_on <= today]
    return lifecycle.forecast(begun, events_of(card), today, activated_on=card.activated_on, changes=held)


def terms_of(card: Card, rules: _RulesOf | None = None) -> tuple[list[Rule], list[Terms]]:
    """Return the rules the card began with, and the terms of each change of its plan since, in their order."""
    known = _RulesOf() if rules is None else rules
    changes = sorted(card.plan_changes.all(), key=lambda change: change.starts_on)
    begun = known.of(changes[0].plan_before if changes else card.plan)
    return begun, [
        Terms(
            tuple(known.of(change.plan_after)),
            change.starts_on,
            keeps_balance=change.plan_before.operator_id == change.plan_after.operator_id,
        )
        for change in changes
    ]


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
    kept = {renewal.pk: rules_kept(renewal.plan_terms) for renewal in history.renewals_with_terms}
    events = [payment_event(row, kept.get(row.renewal_id, ())) for row in history.valid_payments]
    events += [activity_event(row, kept.get(row.renewal_id, ())) for row in history.valid_activities]
    return events + [reading_event(row) for row in history.valid_readings]


def why_not_counted(card: Card, row: Payment | Activity) -> Reason | None:
    """Return why a recorded payment or use will not move the deadline even when confirmed; None when it will."""
    terms = rules_kept(row.renewal.plan_terms) if row.renewal and row.renewal.keeps_terms else ()
    event = payment_event(row, terms) if isinstance(row, Payment) else activity_event(row, terms)
    begun, changes = terms_of(card)
    return lifecycle.why_unchanged(
        begun,
        dataclasses.replace(event, is_confirmed=True),
        events_of(card),
        activated_on=card.activated_on,
        changes=changes,
    )


def payment_event(row: Payment, terms: tuple[Rule, ...] = ()) -> Event:
    """`terms` are the rules the payment was begun under, where they are not those of the card any more."""
    return Event(
        on=row.paid_on,
        act=row.kind,
        amount=row.amount,
        currency=row.currency,
        channel=row.channel,
        covers_until=row.covers_until,
        is_confirmed=row.confirmed_on is not None,
        terms=terms,
    )


def activity_event(row: Activity, terms: tuple[Rule, ...] = ()) -> Event:
    """`terms` are as with a payment."""
    return Event(on=row.done_on, act=row.kind, is_confirmed=row.confirmed_on is not None, terms=terms)


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


def _plain(dates: Standing) -> Standing:
    """Return the dates without the reason behind them, to be compared with those kept on a row."""
    return dataclasses.replace(dates, because=None)


def today_for(member: Member, country: str, now: datetime.datetime) -> datetime.date:
    """Return the day to count from: the member's, or the operator's where that is further on.

    Deadlines are days in the operator's country (ISO code; empty for not known). The later today gives the
    earlier answer, so nobody is told of a day that is already over where it counts.
    """
    return max(now.astimezone(member.zone).date(), operator_today(country, now))


def operator_today(country: str, now: datetime.datetime) -> datetime.date:
    """Return the day it is in the operator's country (ISO code), where that is furthest on; empty counts as UTC."""
    zones = _zones_of(country) or ("UTC",)
    return max(now.astimezone(zoneinfo.ZoneInfo(zone)).date() for zone in zones)


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


def _dates_of(card: Card) -> list[datetime.date | None]:
    """Return the dates that calendars show and count the changes of."""
    return [getattr(card, name) for name in _DATES]


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
