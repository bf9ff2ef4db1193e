"""What a mail says about each of its lines: how it stands, what to do, what else there is to know, and where."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cards.models import Confidence, Member, Promotion
from cards.numbers import format_number
from renewals import words
from renewals.deadlines import stage_of
from renewals.lifecycle import Stage
from renewals.models import RenewalStep, RuleChange
from renewals.plan_words import is_web
from renewals.tasks import Todo

from .headlines import (
    MOST_NAMES,
    cards_of_promotion,
    join,
    list_names,
    one_line,
    say_about,
    say_state,
    shorten,
)
from .links import Link, site_url
from .phrases import say_accounts, say_balance, say_briefly, say_code, say_grace, say_refusal, say_who
from .watch import Line, Watch
from .where import card_link, card_of, household_link, log_link, name_of, operator_link, paper_link, step_link

# A sentence with names of hostile length in it ends here.
MOST_OF_A_SENTENCE = 400
_LATE = frozenset({"grace", "recovery", "lost", "unreachable"})


@dataclass(frozen=True)
class Told:
    """What to do about a line, what else there is to know, and where; the first link leads to the exact step."""

    order: str
    facts: list[str]
    links: list[Link]


@dataclass(frozen=True)
class Said:
    """One line of a mail in words of the active language.

    `about` is whose line it is, `state` in a few words how it stands. `number` tells two cards of one name apart.
    """

    about: str
    state: str
    is_late: bool
    number: str
    order: str
    facts: list[str]
    links: list[Link]

    @property
    def heading(self) -> str:
        return join(self.about, self.state)


def say_line(line: Line, watch: Watch, now: datetime.datetime) -> Said:
    """Return all that a mail says about a line."""
    told, card = _TELL[line.moment.kind](line, watch), line.card
    who = say_who(card, line, watch.member, now) if card else []
    return Said(
        about=say_about(line, watch),
        state=say_state(line, watch),
        is_late=line.moment.kind in _LATE or (card is not None and stage_of(card, line.today) is Stage.URGENT),
        number=one_line(f"{card.plan.operator} · {format_number(card.number)}") if card else "",
        order=shorten(one_line(told.order), MOST_OF_A_SENTENCE),
        facts=[shorten(one_line(fact), MOST_OF_A_SENTENCE) for fact in (*told.facts, *who) if fact],
        links=[Link(link.url, one_line(link.words)) for link in told.links],
    )


def _tell_stage(line: Line, watch: Watch) -> Told:
    """Deadline, balance, grace, recovery, lost and unknown: what keeps or saves the number."""
    card, kind = card_of(line), line.moment.kind
    operator, links = card.plan.operator, [step_link(line, watch.member)]
    facts = []
    if kind == "balance":
        facts.append(say_balance(card))
    if kind in {"deadline", "balance"}:
        facts.append(words.say_otherwise(card))
    elif kind == "grace":
        facts.append(say_grace(card, line.today))
    elif kind == "recovery":
        facts.append(_("After that the number is lost."))
    facts.append(say_accounts(card))
    if kind == "balance" and operator.balance_code:
        facts.append(_("Code for the balance: %(code)s") % {"code": operator.balance_code})
    facts.append(say_code(card))
    if card.plan.confidence == Confidence.LOW and kind != "unknown":
        facts.append(_("This rule is not well confirmed: ask the operator."))
    if watch.member.may_change and (kind == "lost" or (kind == "grace" and card.grace_ends_on is None)):
        links.append(Link(site_url("card_close", card.pk), _("Let this number go")))
    return Told(words.say_now(card, stage_of(card, line.today)), facts, [*links, *operator_link(card)])


def _tell_review(line: Line, watch: Watch) -> Told:
    card, renewal = card_of(line), line.renewal
    order = _(
        "It was done, but nobody has confirmed that the operator accepted it. Look there; until then the old deadline "
        "stays."
    )
    facts = []
    if card.deadline:
        left = words.say_days_left(card.deadline, line.today)
        facts.append(_("The old deadline: %(day)s (%(left)s).") % {"day": words.say_day(card.deadline), "left": left})
    link = card_link(card)
    if renewal:
        link = Link(
            site_url("renewal_step", renewal.pk, RenewalStep.Key.CONFIRM),
            _("Confirm the renewal of %(card)s") % {"card": name_of(card)},
        )
    return Told(order, [*facts, say_code(card)], [link, *operator_link(card)])


def _tell_rule(line: Line, watch: Watch) -> Told:
    card, stage = card_of(line), stage_of(card_of(line), line.today)
    facts = [words.say_now(card, stage)]
    if stage in {Stage.ACTIVE, Stage.DUE, Stage.URGENT}:
        facts.append(words.say_otherwise(card))
    order = words.say_rule_change(line.about) if isinstance(line.about, RuleChange) else ""
    return Told(order, [*facts, say_code(card)], [card_link(card), *operator_link(card)])


def _tell_papers(line: Line, watch: Watch) -> Told:
    card, paper = card_of(line), line.about
    order = _(
        "%(paper)s expires on %(day)s. %(operator)s asks for it when this number is renewed, by %(deadline)s: get a "
        "new one in time."
    ) % {
        "paper": paper,
        "day": words.say_day(line.moment.about_on),
        "operator": card.plan.operator,
        "deadline": words.say_day(card.deadline or line.moment.about_on),
    }
    return Told(order, [], [paper_link(paper, watch.member)])


def _tell_document(line: Line, watch: Watch) -> Told:
    about = {"paper": line.about, "day": words.say_day(line.moment.about_on)}
    if line.moment.about_on < line.today:
        order = _("%(paper)s expired on %(day)s. Get a new one, and write its date down.") % about
    else:
        order = _("%(paper)s expires on %(day)s. Apply for a new one in time, and write its date down.") % about
    return Told(order, [], [paper_link(line.about, watch.member)])


def _tell_task(line: Line, watch: Watch) -> Told:
    """Accounts to be moved, new details to be told, and the copy of the papers."""
    card, order = line.card, line.about.words() if isinstance(line.about, Todo) else ""
    if card is None:
        return Told(order, [], [household_link()])
    links = operator_link(card) if line.moment.kind == "details" else []
    return Told(order, [], [card_link(card), *links])


def _tell_signal(line: Line, watch: Watch) -> Told:
    card, told = card_of(line), _tell_task(line, watch)
    place = _("Where the SIM is: %(place)s") % {"place": card.location} if card.location else ""
    link = log_link(card, "signal", _("Write down the signal check of %(card)s"), watch.member)
    return Told(told.order, [place], [link])


def _tell_reading(line: Line, watch: Watch) -> Told:
    card = card_of(line)
    order = _("Look at the operator what the balance is and until when the number is valid, and write it down.")
    last = {"day": words.say_day(line.moment.about_on)}
    if card.pk in watch.last_readings:
        facts = [_("This was last written down on %(day)s.") % last]
    else:
        facts = [_("Nothing was written down since the card was added on %(day)s.") % last]
    if card.plan.operator.balance_code:
        facts.append(_("Code for the balance: %(code)s") % {"code": card.plan.operator.balance_code})
    link = log_link(card, "reading", _("Write down a reading of %(card)s"), watch.member)
    return Told(order, [*facts, say_code(card)], [link, *operator_link(card)])


def _tell_promotion(line: Line, watch: Watch) -> Told:
    promotion = line.about
    assert isinstance(promotion, Promotion)  # noqa: S101 - the kind says so
    cards = cards_of_promotion(promotion, watch)
    plan = cards[0].plan
    facts = [
        _("From %(first)s to %(last)s.")
        % {"first": words.say_day(promotion.starts_on), "last": words.say_day(promotion.ends_on)},
        _("You keep there: %(cards)s.") % {"cards": list_names(str(card) for card in cards)},
    ]
    links = [Link(promotion.url, _("Look at the promotion"))] if is_web(promotion.url) else []
    return Told(
        promotion.title,
        facts,
        [*links, Link(site_url("plan", plan.slug), _("Open the plan %(plan)s") % {"plan": plan})],
    )


def _tell_trip(line: Line, watch: Watch) -> Told:
    seen = line.trip_cards[:MOST_NAMES]
    facts = [join(name_of(each.card), each.words()) for each in seen]
    if more := len(line.trip_cards) - len(seen):
        facts.append(
            ngettext(
                "and %(count)d more on the page of the flight", "and %(count)d more on the page of the flight", more
            )
            % {"count": more}
        )
    order = _("Flight on %(day)s: think of these numbers, as some things are only possible, or cheaper, on one side.")
    link = Link(site_url("trip", line.subject.partition(":")[2]), _("Open the flight and its cards"))
    return Told(order % {"day": words.say_day(line.moment.about_on)}, facts, [link])


def _tell_unreachable(line: Line, watch: Watch) -> Told:
    """A member whom no mail reaches: why, which numbers they are responsible for, and what to do."""
    member = line.about
    assert isinstance(member, Member)  # noqa: S101 - the kind says so
    facts = {"name": member.name, "email": member.user.email}
    since = member.mail_stopped_at or member.unreachable_since
    facts["day"] = words.say_day(since.astimezone(watch.member.zone).date()) if since else "?"
    if member.mail_stopped_at:
        order = _("%(name)s has stopped their mails on %(day)s.")
        todo = _(
            "Tell %(name)s in another way, and ask whether it was meant. In the settings they can let mails come again."
        )
    else:
        facts["why"] = say_refusal(member.unreachable_reason)
        order = _("No mail reaches %(name)s since %(day)s: %(why)s")
        todo = _(
            "Tell %(name)s in another way. If %(email)s is not their address any more, "
            "tell whoever runs this site to change it."
        )
    cards = sorted(
        (card for card in watch.cards if card.responsible_id == member.pk),
        key=lambda card: card.deadline or datetime.date.min,
    )
    if not cards:
        return Told(
            order % facts, [todo % facts, _("%(name)s is responsible for no number.") % facts], [household_link()]
        )
    facts["cards"] = list_names(say_briefly(card, line.today) for card in cards)
    return Told(
        order % facts,
        [
            todo % facts,
            _("Numbers that %(name)s is responsible for: %(cards)s.") % facts,
            _("Until mail arrives again, the deputy is reminded instead, and everybody where there is none."),
        ],
        [household_link()],
    )


def _tell_watching(line: Line, watch: Watch) -> Told:
    dated = sorted((card for card in watch.cards if card.deadline), key=lambda card: card.deadline or line.today)
    facts = []
    if dated and (soonest := dated[0]).deadline:
        facts.append(
            _("The soonest deadline: %(card)s, %(day)s (%(left)s).")
            % {
                "card": soonest,
                "day": words.say_day(soonest.deadline),
                "left": words.say_days_left(soonest.deadline, line.today),
            }
        )
    if unknown := len(watch.cards) - len(dated):
        facts.append(
            ngettext(
                "Of %(count)d number nobody knows until when it lives.",
                "Of %(count)d numbers nobody knows until when they live.",
                unknown,
            )
            % {"count": unknown}
        )
    order = _("This mail comes on the first of each month, so that you know that reminders still reach you.")
    return Told(order, facts, [Link(site_url("dashboard"), _("Open all numbers"))])


_TELL: dict[str, Callable[[Line, Watch], Told]] = {
    **dict.fromkeys(("grace", "recovery", "lost", "deadline", "balance", "unknown"), _tell_stage),
    **dict.fromkeys(("accounts", "details", "copy"), _tell_task),
    "unreachable": _tell_unreachable,
    "rule": _tell_rule,
    "review": _tell_review,
    "trip": _tell_trip,
    "papers": _tell_papers,
    "document": _tell_document,
    "reading": _tell_reading,
    "signal": _tell_signal,
    "promotion": _tell_promotion,
    "watching": _tell_watching,
}
