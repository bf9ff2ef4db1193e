"""A plan's rule has changed: which cards get which dates, and who is told.

Whoever changes a rule, fee or currency marks the plan in the same transaction (`Plan.recount_since`). The cards are
computed after it, in batches that are committed one by one; the mark goes when all are done. So neither a killed
process nor a household that pays meanwhile leaves a card with dates of the old rule for longer than a minute.
"""

import datetime
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from django.db import transaction
from django.db.models import Q

from cards.models import Card, Plan

from .deadlines import Moved, moved_cards, recompute_cards, rules_of
from .lifecycle import Rule, Standing
from .models import Reminder, Renewal, RuleChange

logger = logging.getLogger(__name__)

Dates = tuple[datetime.date | None, datetime.date | None]


@dataclass
class Preview:
    """What a changed rule does, counted, so that it stays small for any number of cards.

    moves: how many cards go from which deadline and day of loss to which; None is not known.
    """

    cards: int = 0
    households: set[int] = field(default_factory=set)
    moves: Counter[tuple[Dates, Dates]] = field(default_factory=Counter)

    def add(self, moved: Moved) -> None:
        self.cards += 1
        self.households.add(moved.card.household_id)
        self.moves[_dates(moved.before), _dates(moved.after)] += 1


def rules_by_plan(plans: Iterable[int]) -> dict[int, list[Rule]]:
    """Return the rules of these plans (ids) as the transaction that asks for them has them."""
    rows = Plan.objects.filter(pk__in=list(plans)).prefetch_related("rules__steps")
    return {plan.pk: rules_of(plan) for plan in rows}


def preview_of(plans: Mapping[int, list[Rule]]) -> Preview:
    """Return what these rules, by their plan's id, would change on cards; writes nothing and locks nothing.

    Given the rules of a save that was rolled back, it is the preview of that save.
    """
    preview = Preview()
    for moved in moved_cards(Card.objects.counted_by(plans), plans):
        preview.add(moved)
    return preview


def mark_for_recount(plan: Plan, now: datetime.datetime) -> None:
    """Note, in the transaction that changes its rule, that the plan's cards have to be computed anew."""
    Plan.objects.filter(pk=plan.pk).update(recount_since=now)
    plan.recount_since = now


def count_pending() -> int:
    """Return how many cards the marked plans have, some of them counted once for each of their plans."""
    marked = Plan.objects.exclude(recount_since=None).values_list("pk", flat=True)
    return sum(Card.objects.counted_by([plan]).count() for plan in marked)


def recount_pending(now: datetime.datetime, *, report: Callable[[int], object] | None = None) -> int:
    """Compute anew the cards of every plan that is marked; return how many got other dates.

    `report` is called after each batch with the number of cards in it. A fault in one plan keeps its mark
    and stops no other; it is raised at the end.
    """
    moved = 0
    fault: Exception | None = None
    for plan, since in Plan.objects.exclude(recount_since=None).order_by("pk").values_list("pk", "recount_since"):
        try:
            # What was open then counts by the terms it was begun under, also if it has ended by now.
            was_open = Q(opened_at__lt=since) & (Q(finished_at=None) | Q(finished_at__gt=since))
            begun = Renewal.objects.filter(was_open, card__in=Card.objects.counted_by([plan]))
            begun.filter(keeps_terms=False).update(keeps_terms=True)
            tell = partial(_tell, plan=plan, now=now)
            moved += recompute_cards(Card.objects.counted_by([plan]), told=tell, report=report)
        except Exception as error:
            logger.exception("The cards of plan %s could not be computed; the next run tries again.", plan)
            fault = error
            continue
        # Marked again meanwhile: the next run does it again.
        Plan.objects.filter(pk=plan, recount_since=since).update(recount_since=None)
    if fault:
        raise fault
    return moved


@transaction.atomic
def _tell(moved: list[Moved], plan: int, now: datetime.datetime) -> None:
    """Keep for the next digest what moved. Of several changes of one day the first dates and the last ones count.

    What a mail has said of the day is said again as it is now; also that all is as it was before.
    """
    day = now.date()
    cards = {each.card.pk: each for each in moved if _dates(each.before) != _dates(each.after)}
    said = Reminder.objects.filter(kind=Reminder.Kind.RULE, card__in=cards, moment_on=day)
    told = set(said.values_list("card_id", flat=True))
    said.delete()
    for row in RuleChange.objects.filter(card__in=cards, changed_on=day):
        after = cards.pop(row.card_id).after
        was = row.new_deadline, row.new_lost_on
        row.new_deadline, row.new_lost_on = after.deadline, after.lost_on
        if (row.old_deadline, row.old_lost_on) != (row.new_deadline, row.new_lost_on):
            row.save(update_fields=["new_deadline", "new_lost_on"])
        elif row.card_id in told:
            row.old_deadline, row.old_lost_on = was
            row.save(update_fields=["old_deadline", "old_lost_on", "new_deadline", "new_lost_on"])
        else:
            row.delete()
    RuleChange.objects.bulk_create(
        RuleChange(
            household_id=each.card.household_id,
            card=each.card,
            plan_id=plan,
            changed_on=day,
            old_deadline=each.before.deadline,
            new_deadline=each.after.deadline,
            old_lost_on=each.before.lost_on,
            new_lost_on=each.after.lost_on,
        )
        for each in cards.values()
    )


def _dates(standing: Standing) -> Dates:
    return standing.deadline, standing.lost_on
