"""What a change of a rule would do to the cards, shown before it is done: counted, and nothing of any household."""

import datetime
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cards.models import Card, Plan
from renewals.lifecycle import Rule
from renewals.rule_changes import Preview, mark_for_recount, preview_of, recount_pending, rules_by_plan

from .pages import page

# The names of the buttons under a preview.
CONFIRMED, BACK = "_confirmed", "_back"
MOST_GROUPS = 20
# So many cards are computed while somebody waits for the page: some seconds.
MOST_AT_ONCE = 10_000
Day = datetime.date | None

log = logging.getLogger(__name__)


class NotAgreed(Exception):
    """A rule was saved and nobody has agreed yet to what it does; it goes up through the transaction of the save.

    `plans` are the rules as they were saved, by the plan's id.
    """

    def __init__(self, plans: dict[int, list[Rule]]) -> None:
        super().__init__()
        self.plans = plans


@dataclass(frozen=True)
class Group:
    """Cards that go from the same days to the same days. A day of None is not known."""

    count: int
    deadline_before: Day
    deadline_after: Day
    lost_before: Day
    lost_after: Day

    @property
    def has_other_deadline(self) -> bool:
        return self.deadline_before != self.deadline_after

    @property
    def has_other_loss(self) -> bool:
        return self.lost_before != self.lost_after


def require_agreement(request: HttpRequest, plan: Plan) -> None:
    """Mark the plan, whose rules were just saved, to be recounted. To be called in the transaction that saves them.

    Raises NotAgreed when there are cards that could move, and the person at the browser has not agreed to it.
    """
    if CONFIRMED not in request.POST and Card.objects.counted_by([plan.pk]).open().exists():
        raise NotAgreed(rules_by_plan([plan.pk]))
    mark_for_recount(plan, timezone.now())


def rehearse(act: Callable[[], object]) -> Preview:
    """Return what an act that marks the plans it changes does to their cards; the act is undone.

    The cards are computed after it was undone: for as long as that takes, nobody has to wait to write.
    """
    with transaction.atomic():
        act()
        plans = rules_by_plan(Plan.objects.exclude(recount_since=None).values_list("pk", flat=True))
        transaction.set_rollback(True)
    return preview_of(plans)


def finish_recount(request: HttpRequest) -> None:
    """Compute the cards of every plan that is marked, and say how many have new dates.

    To be called after the change is committed. What would take too long, or goes wrong, leaves the marks: within a
    minute the reminders take it up.
    """
    marked = list(Plan.objects.exclude(recount_since=None).values_list("pk", flat=True))
    if not marked:
        return
    later = _("It is saved. The dates will be computed in the background.")
    if Card.objects.counted_by(marked).count() > MOST_AT_ONCE:
        messages.info(request, later)
        return
    try:
        cards = recount_pending(timezone.now())
    except Exception:
        log.exception("The dates could not be computed")
        messages.warning(request, later)
        return
    said = ngettext("%(count)d card has new dates.", "%(count)d cards have new dates.", cards) % {"count": cards}
    messages.info(request, said)


def preview_page(request: HttpRequest, preview: Preview, *, back: str = "", **context: object) -> TemplateResponse:
    """Show the preview above the two buttons; all that was typed goes along in hidden fields.

    `back` is the address that the second button leads to; without one it posts what was typed to the same page.
    """
    hidden = {"csrfmiddlewaretoken", CONFIRMED, BACK}
    typed = [(name, value) for name, values in request.POST.lists() if name not in hidden for value in values]
    return page(
        request,
        "admin/cards/preview.html",
        _("Cards with other dates"),
        moves=moves(preview),
        typed=typed,
        back=back,
        **context,
    )


def moves(preview: Preview) -> dict[str, object]:
    """Return what the pages show of a preview."""
    groups = [
        Group(count, before[0], after[0], before[1], after[1]) for (before, after), count in preview.moves.most_common()
    ]
    more = sum(group.count for group in groups[MOST_GROUPS:])
    return {
        "cards": preview.cards,
        "said": say_moves(preview),
        "directions": say_directions(groups),
        "groups": groups[:MOST_GROUPS],
        "more": ngettext("and %(count)d more card", "and %(count)d more cards", more) % {"count": more} if more else "",
    }


def say_moves(preview: Preview) -> str:
    """Return how many cards in how many households get other dates."""
    households = len(preview.households)
    if households > 1:
        return _("%(cards)d cards in %(households)d households get other dates.") % {
            "cards": preview.cards,
            "households": households,
        }
    return ngettext(
        "%(cards)d card in one household gets other dates.",
        "%(cards)d cards in one household get other dates.",
        preview.cards,
    ) % {"cards": preview.cards}


def say_directions(groups: Iterable[Group]) -> list[str]:
    """Return a sentence for each way in which deadlines move, with how many do."""
    counts: Counter[str] = Counter()
    for group in groups:
        counts[_direction(group.deadline_before, group.deadline_after)] += group.count
    sentences = {
        "earlier": ngettext(
            "%(count)d card gets an earlier deadline.",
            "%(count)d cards get an earlier deadline.",
            counts["earlier"],
        ),
        "later": ngettext(
            "%(count)d card gets a later deadline.", "%(count)d cards get a later deadline.", counts["later"]
        ),
        "unknown": ngettext(
            "The deadline of %(count)d card is not known any more.",
            "The deadlines of %(count)d cards are not known any more.",
            counts["unknown"],
        ),
        "known": ngettext(
            "The deadline of %(count)d card was not known and is now.",
            "The deadlines of %(count)d cards were not known and are now.",
            counts["known"],
        ),
        "same": ngettext(
            "%(count)d card keeps its deadline; the days before or after it move.",
            "%(count)d cards keep their deadline; the days before or after it move.",
            counts["same"],
        ),
    }
    return [sentence % {"count": counts[name]} for name, sentence in sentences.items() if counts[name]]


def _direction(before: Day, after: Day) -> str:
    if before == after:
        return "same"
    if before is None:
        return "known"
    if after is None:
        return "unknown"
    return "earlier" if after < before else "later"
