"""A plan's rule has changed: which cards get which dates, and who is told.

Whoever changes a rule, fee or currency marks the plan in the same transaction (`Plan.recount_since`). The cards are
computed after it, in batches that are committed one by one; the mark goes when all are done. So neither a killed
process nor a household that pays meanwhile leaves a card with dates of the old rule for longer than a minute.
"""

import datetime
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from django.db import transaction

from cards.models import Card, Plan

from .deadlines import Moved, moved_cards, recompute_cards
from .models import Renewal, RuleChange

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
        before, after = moved.before, moved.after
        self.cards += 1
        self.households.add(moved.card.household_id)
        self.moves[(before.deadline, before.lost_on), (after.deadline, after.lost_on)] += 1


def preview_of(plans: Iterable[int]) -> Preview:
    """Return what the rules of these plans (ids), as the database has them now, would change on cards; writes nothing.

    Called inside the transaction that saves a rule, and before it is rolled back, it is the preview of that save.
    """
    preview = Preview()
    for moved in moved_cards(Card.objects.counted_by(plans)):
        preview.add(moved)
    return preview


def mark_for_recount(plan: Plan, now: datetime.datetime) -> None:
    """Note, in the transaction that changes its rule, that the plan's cards have to be computed anew."""
    Plan.objects.filter(pk=plan.pk).update(recount_since=now)
    plan.recount_since = now


def recount_pending(now: datetime.datetime, *, report: Callable[[int], object] | None = None) -> int:
    """Compute anew the cards of every plan that is marked; return how many got other dates.

    `report` is called after each batch with the number of cards in it that moved.
    """
    moved = 0
    for plan, since in Plan.objects.exclude(recount_since=None).order_by("pk").values_list("pk", "recount_since"):
        # What was begun before the change is finished by the terms it was begun under.
        begun = Renewal.objects.open().filter(card__in=Card.objects.counted_by([plan]), opened_at__lt=since)
        begun.filter(keeps_terms=False).update(keeps_terms=True)
        for count in recompute_cards(Card.objects.counted_by([plan]), partial(_tell, plan=plan, now=now)):
            moved += count
            if report:
                report(count)
        # Marked again meanwhile: the next run does it again.
        Plan.objects.filter(pk=plan, recount_since=since).update(recount_since=None)
    return moved


@transaction.atomic
def _tell(moved: list[Moved], plan: int, now: datetime.datetime) -> None:
    """Keep for the next digest what moved. Of several changes of one day the first dates and the last ones count."""
    day = now.date()
    cards = {each.card.pk: each for each in moved}
    for row in RuleChange.objects.filter(card__in=cards, changed_on=day):
        after = cards.pop(row.card_id).after
        row.new_deadline, row.new_lost_on = after.deadline, after.lost_on
        if (row.old_deadline, row.old_lost_on) == (row.new_deadline, row.new_lost_on):
            row.delete()
        else:
            row.save(update_fields=["new_deadline", "new_lost_on"])
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
        if (each.before.deadline, each.before.lost_on) != (each.after.deadline, each.after.lost_on)
    )
