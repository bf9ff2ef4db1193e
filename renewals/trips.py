"""To which cards a flight matters: what keeps them is only possible, or cheaper, on one side of it.

Pure functions on rows that are fetched already. What is not known of a side is said, and it never counts as possible
or cheaper there. How far ahead a flight makes somebody act is told at `cards_of_trip`.
"""

import dataclasses
import datetime
import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from cards.models import Act, Card, KeepRule, PaidFrom, Plan, TopUpStep
from cards.money import format_amount

from . import lifecycle, words
from .deadlines import rules_of, stage_of
from .kept_terms import KeptPlan, KeptRule, KeptStep
from .lifecycle import DAY, Event, Period, Stage
from .models import Trip
from .plan_words import say_country

USES = frozenset({Act.SMS.value, Act.CALL.value, Act.DATA.value})
PAYMENTS = frozenset({Act.TOP_UP.value, Act.PLAN_PURCHASE.value, Act.FEE.value})
# Beyond it nobody knows on which side of the flight the family will be.
FAR = datetime.timedelta(days=180)
# What adds less is not worth an act before it is time to renew.
WORTH_IT = datetime.timedelta(days=30)
# No act brings these back, or nobody wants to.
TOO_LATE = {Stage.RECOVERY, Stage.LOST, Stage.CLOSED}


class Why(enum.StrEnum):
    """What speaks for one side of the flight: “here” is where it starts, “there” is where it lands.

    KNOWN: only of this side is it known that the act counts, or what it takes.
    """

    ONLY_HERE = "only_here"
    ONLY_THERE = "only_there"
    CHEAPER_HERE = "cheaper_here"
    CHEAPER_THERE = "cheaper_there"
    KNOWN_HERE = "known_here"
    KNOWN_THERE = "known_there"


class When(enum.StrEnum):
    """When to act, and who. `NOT_WAIT` and `ASK`: the other side is better, but the deadline comes first."""

    BEFORE = "before"
    AFTER = "after"
    AT_ONCE = "at_once"
    NOT_WAIT = "not_wait"
    ASK = "ask"


class Lead(enum.StrEnum):
    """What one side of a border has over the other."""

    ONLY = "only"
    CHEAPER = "cheaper"
    KNOWN = "known"


@dataclass(frozen=True)
class Edge:
    """The side of the operator's border (`INSIDE` or `ABROAD`) on which the rule is better kept, by its `acts`.

    rung: the least that counts on this side; None is a use of the line, which needs the SIM in hand and a network.
    other: the least that counts on the other side; None: nothing does, or (KNOWN) nobody knows whether anything does.
    """

    rule: KeepRule
    acts: frozenset[str]
    side: PaidFrom
    lead: Lead
    rung: TopUpStep | None = None
    other: TopUpStep | None = None

    @property
    def turned(self) -> "Edge":
        """The same, seen from the other side."""
        side = PaidFrom.ABROAD if self.side is PaidFrom.INSIDE else PaidFrom.INSIDE
        return dataclasses.replace(self, side=side, rung=self.other, other=self.rung)


@dataclass(frozen=True)
class TripCard:
    """A card to which something is to be done because of a flight on `leaves_on`."""

    card: Card
    why: Why
    when: When
    edge: Edge
    today: datetime.date
    leaves_on: datetime.date

    @property
    def is_before(self) -> bool:
        """Whether it is to be done before the flight, rather than after landing."""
        return self.when in {When.BEFORE, When.NOT_WAIT, When.ASK}

    @property
    def needs_sim(self) -> bool:
        """Whether it is a use of the line, for which the SIM has to be in a phone there."""
        return self.edge.rung is None

    def words(self) -> str:
        """Return what to do, on which side of the flight, and why, in sentences of the active language."""
        edge, when = self.edge, When.AFTER if self.when is When.AT_ONCE else self.when
        acting = edge.turned if when is When.NOT_WAIT else edge
        known = _BOTH if edge.other else _ONLY if edge.lead is Lead.ONLY else _UNSURE
        sentences = [
            _SENTENCES[when, edge.side, known]()
            % {
                "act": _say_act(acting, self.card.plan),
                "country": say_country(self.card.plan.operator.country),
                "amount": _say_amount(acting.other),
            }
        ]
        if acting.rung and acting.rung.minimum_amount is None:
            sentences.append(_("How much it takes is not known."))
        return " ".join([*sentences, self._say_time()])

    def _say_time(self) -> str:
        card = self.card
        if card.deadline is None:
            return words.say_otherwise(card)
        if card.deadline < self.today:
            return _say_grace(card)
        day = {"day": words.say_short_day(card.deadline)}
        if self.when is When.AFTER:
            return _("There is time until %(day)s.") % day
        if self.when is When.AT_ONCE and (self.needs_sim or self.today > self.leaves_on):
            return _("Do it as soon as you are there: its deadline is %(day)s.") % day
        if self.when is When.AT_ONCE:
            return _("Do it as soon as you are there, or ask somebody there before: its deadline is %(day)s.") % day
        if self.when is When.NOT_WAIT:
            return _("Do not wait until you land: its deadline is %(day)s.") % day
        if self.when is When.ASK:
            sentence = _("Its deadline, %(day)s, comes before you land.") % day
            return f"{sentence} {words.say_otherwise(card)}"
        if card.deadline > self.leaves_on:
            return _("Its deadline, %(day)s, comes after the flight.") % day
        return _("Its deadline is %(day)s.") % day


def cards_of_trip(trip: Trip, cards: Iterable[Card], today: datetime.date) -> list[TripCard]:
    """Return the cards to which something is to be done because of a flight, as it is seen on `today`.

    The cards come with their plan's operator, its rules and the ladders of these; closed and lost ones, and those
    that come back only on request, are left out. What is to be done before the flight comes first, then what is only
    possible on one side, then the earlier deadline; one that is not known counts as the day of the flight.

    Only a flight over the border of the operator's country decides anything, and only the rule that the deadline comes
    from (`words.rule_of`). A use of the line is known to count inside the country; from abroad nobody knows. Of a
    payment without a ladder nobody says where it can be made, so neither side is better. Of two amounts the smaller
    one is cheaper, where it is of the same currency and keeps at least as long.

    A flight is a reason to act for a deadline that is not known or falls within 180 days after it, and only where the
    act adds at least 30 days, or it is time to renew by then: whoever has just topped up need not do it again. What is
    better after landing waits for it as long as the safe date comes on the day after the flight or later, as many land
    on the next day only. If not, it is done from here where that is possible; else as soon as somebody is there, or by
    somebody who is there already. After the flight only what is better on the side of the landing is left to do.
    """
    if trip.cancelled_at is not None or today > trip.leaves_on + FAR:
        return []
    found = [each for card in cards if (each := _trip_card(trip, card, today))]
    return sorted(found, key=_most_pressing)


def _most_pressing(each: TripCard) -> tuple[object, ...]:
    deadline = each.card.deadline or each.leaves_on
    return not each.is_before, each.edge.lead is not Lead.ONLY, deadline, each.card.name.casefold(), each.card.pk


def _trip_card(trip: Trip, card: Card, today: datetime.date) -> TripCard | None:
    country, rule = card.plan.operator.country, words.rule_of(card)
    if not country or country not in {trip.from_country, trip.to_country}:
        return None
    if rule is None or stage_of(card, today) in TOO_LATE:
        return None
    if card.deadline is not None and card.deadline > trip.leaves_on + FAR:
        return None
    edge = _edge(rule, _accepted(rule, card, today), today)
    if edge is None:
        return None
    is_here = (edge.side is PaidFrom.INSIDE) == (country == trip.from_country)
    when = _when(card, edge, is_here, trip.leaves_on, today)
    why = Why(f"{edge.lead}_{'here' if is_here else 'there'}")
    return TripCard(card, why, when, edge, today, trip.leaves_on) if when else None


def _accepted(rule: KeepRule, card: Card, today: datetime.date) -> frozenset[str]:
    """Return the acts that count now: after the deadline there can be fewer."""
    is_past = card.deadline is not None and card.deadline < today
    return frozenset(rule.grace_acts if is_past and rule.grace_acts else rule.qualifying_acts)


def _edge(rule: KeepRule, acts: frozenset[str], today: datetime.date) -> Edge | None:
    """Return on which side the rule is better kept; None where no side is, or none is known to be."""
    if rule.kind == KeepRule.Kind.FEE_FROM_BALANCE:
        # Whatever is on the balance counts, wherever it was paid; the ladder decides nothing.
        return None
    ladder = rule.ladder if acts & PAYMENTS else []
    inside = [step for step in ladder if step.channel != PaidFrom.ABROAD]
    abroad = [step for step in ladder if step.channel != PaidFrom.INSIDE]
    has_use = bool(acts & USES)
    if not abroad and has_use:
        return Edge(rule, acts, PaidFrom.INSIDE, Lead.KNOWN)
    if not abroad:
        return Edge(rule, acts, PaidFrom.INSIDE, Lead.ONLY, inside[0]) if inside else None
    if not inside:
        return None if has_use else Edge(rule, acts, PaidFrom.ABROAD, Lead.ONLY, abroad[0])
    for side, ours, theirs in ((PaidFrom.INSIDE, inside, abroad), (PaidFrom.ABROAD, abroad, inside)):
        if found := _compare(ours, theirs, today):
            return Edge(rule, acts, side, *found)
    return None


def _compare(
    ours: Sequence[TopUpStep], theirs: Sequence[TopUpStep], today: datetime.date
) -> tuple[Lead, TopUpStep, TopUpStep] | None:
    """Return what our side has over theirs, and the rungs that show it; None for nothing. Both come sorted."""
    least = theirs[0]
    if least.minimum_amount is None:
        return (Lead.KNOWN, ours[0], least) if ours[0].minimum_amount is not None else None
    known = [step for step in ours if step.minimum_amount is not None]
    is_one_currency = len({step.currency for step in (*known, *theirs)}) == 1
    if theirs[-1].minimum_amount is None or not is_one_currency:
        return None
    rung = next((step for step in known if _length(step, today) >= _length(least, today)), None)
    is_cheaper = rung is not None and (rung.minimum_amount or 0) < least.minimum_amount
    return (Lead.CHEAPER, rung, least) if rung and is_cheaper else None


def _length(step: TopUpStep, today: datetime.date) -> datetime.date:
    return Period.of(step.value, step.unit).after(today)


def _when(card: Card, edge: Edge, is_here: bool, leaves_on: datetime.date, today: datetime.date) -> When | None:
    """Return when to act, for a card whose deadline is near enough or not known; None where there is no need to."""
    has_flown = today > leaves_on
    if is_here and has_flown:
        return None
    if card.deadline is None:
        return When.BEFORE if is_here else When.AFTER
    last_day, landing = max(today, min(card.deadline, leaves_on)), max(today, leaves_on + DAY)
    if is_here:
        return When.BEFORE if _helps(card, card.deadline, edge, last_day, today) else None
    if (card.safe_on or card.deadline) >= landing:
        return When.AFTER if _helps(card, card.deadline, edge, landing, today) else None
    if edge.other and not has_flown and _helps(card, card.deadline, edge.turned, last_day, today):
        return When.NOT_WAIT
    if has_flown or card.deadline >= landing:
        return When.AT_ONCE if _helps(card, card.deadline, edge, landing, today) else None
    return When.ASK if not edge.other and _helps(card, card.deadline, edge, last_day, today) else None


def _helps(card: Card, deadline: datetime.date, edge: Edge, day: datetime.date, today: datetime.date) -> bool:
    """Whether the least act on the better side, on `day`, keeps the number beyond its deadline, and it is worth it."""
    rule = next(rule for rule in rules_of(card.plan) if rule.id == edge.rule.pk)
    is_time = card.due_on is None or card.due_on <= day
    wanted = deadline + (DAY if is_time else WORTH_IT)
    seen = Event(on=today, valid_until=deadline, is_before_acts=True)
    acts = _acts_on(day, edge)
    reached = (lifecycle.standing([rule], [seen, act], activated_on=card.activated_on).deadline for act in acts)
    return any(until is not None and until >= wanted for until in reached)


def _acts_on(day: datetime.date, edge: Edge) -> list[Event]:
    """Return each act that counts on the better side, done on `day` at the least that counts."""
    rung = edge.rung
    if rung is None:
        return [Event(on=day, act=act) for act in edge.acts & USES]
    amount, currency = rung.minimum_amount, rung.currency
    return [
        Event(on=day, act=act, amount=amount, currency=currency, channel=edge.side.value)
        for act in edge.acts & PAYMENTS
    ]


def _say_act(edge: Edge, plan: Plan) -> str:
    """Return the act on the better side as an order: “Top up at least 100 CUP”, without an amount that is not known."""
    rung, rule = edge.rung, edge.rule
    acts = edge.acts & (PAYMENTS if rung else USES)
    kind, ladder, terms = KeepRule.Kind.ACTIVITY, [], KeptPlan(plan.name, plan.fee, plan.currency)
    if rung and (rule.kind == KeepRule.Kind.FEE_PAID or acts == {Act.FEE.value}):
        kind, terms = KeepRule.Kind.FEE_PAID, KeptPlan(plan.name, rung.minimum_amount, rung.currency)
    elif rung and rung.minimum_amount is not None:
        kind = KeepRule.Kind.TOP_UP
        ladder = [KeptStep(rung.minimum_amount, rung.currency, PaidFrom.ANYWHERE, rung.value, rung.unit)]
    return words.say_what_to_do(KeptRule(rule.pk, kind, rule.value, rule.unit, sorted(acts), ladder), terms)


def _say_amount(rung: TopUpStep | None) -> str:
    if rung is None:
        return ""
    if rung.minimum_amount is None:
        return _("an amount that is not known")
    return format_amount(rung.minimum_amount, rung.currency)


def _say_grace(card: Card) -> str:
    if card.grace_ends_on is None:
        return _("The deadline is past, and nobody knows how long the number can still be saved.")
    return _("The deadline is past; the number can still be saved until %(day)s.") % {
        "day": words.say_short_day(card.grace_ends_on)
    }


_BOTH, _ONLY, _UNSURE = "both", "only", "unsure"
# By when to act, the better side, and what is known of the other one.
_SENTENCES: dict[tuple[When, PaidFrom, str], Callable[[], str]] = {
    (When.BEFORE, PaidFrom.INSIDE, _ONLY): lambda: _(
        "%(act)s before you leave %(country)s: it is only possible there."
    ),
    (When.BEFORE, PaidFrom.INSIDE, _BOTH): lambda: _(
        "%(act)s before you leave %(country)s; from abroad it takes %(amount)s."
    ),
    (When.BEFORE, PaidFrom.INSIDE, _UNSURE): lambda: _(
        "%(act)s before you leave %(country)s; whether it counts from abroad is not known."
    ),
    (When.BEFORE, PaidFrom.ABROAD, _ONLY): lambda: _(
        "%(act)s before you land in %(country)s: it is only possible from abroad."
    ),
    (When.BEFORE, PaidFrom.ABROAD, _BOTH): lambda: _(
        "%(act)s before you land in %(country)s; inside the country it takes %(amount)s."
    ),
    (When.AFTER, PaidFrom.INSIDE, _ONLY): lambda: _("%(act)s once you are in %(country)s: it is only possible there."),
    (When.AFTER, PaidFrom.INSIDE, _BOTH): lambda: _(
        "%(act)s once you are in %(country)s; from abroad it takes %(amount)s."
    ),
    (When.AFTER, PaidFrom.INSIDE, _UNSURE): lambda: _(
        "%(act)s once you are in %(country)s; whether it counts from abroad is not known."
    ),
    (When.AFTER, PaidFrom.ABROAD, _ONLY): lambda: _(
        "%(act)s once you have left %(country)s: it is only possible from abroad."
    ),
    (When.AFTER, PaidFrom.ABROAD, _BOTH): lambda: _(
        "%(act)s once you have left %(country)s; inside the country it takes %(amount)s."
    ),
    (When.NOT_WAIT, PaidFrom.INSIDE, _BOTH): lambda: _(
        "%(act)s from abroad before the flight; as long as you are in %(country)s, %(amount)s are enough."
    ),
    (When.NOT_WAIT, PaidFrom.ABROAD, _BOTH): lambda: _(
        "%(act)s inside %(country)s before the flight; as long as you are abroad, %(amount)s are enough."
    ),
    (When.ASK, PaidFrom.INSIDE, _ONLY): lambda: _(
        "%(act)s: it is only possible inside %(country)s, so ask somebody there to do it."
    ),
    (When.ASK, PaidFrom.INSIDE, _UNSURE): lambda: _(
        "%(act)s: whether it counts from abroad is not known, so ask the operator, or somebody in %(country)s."
    ),
    (When.ASK, PaidFrom.ABROAD, _ONLY): lambda: _(
        "%(act)s: it is only possible from abroad, so ask somebody there to do it."
    ),
}
