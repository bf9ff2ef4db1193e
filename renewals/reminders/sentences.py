"""What a mail says about each of its lines: how it stands, what to do, what else there is to know, and where."""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cards.models import Card, Confidence, Member, Promotion
from cards.numbers import format_number
from cards.templatetags.words import moment
from renewals import words
from renewals.deadlines import stage_of
from renewals.lifecycle import DAY, Stage
from renewals.models import Document, Renewal, RenewalStep, RuleChange
from renewals.plan_words import is_web
from renewals.tasks import Todo

from .headlines import (
    MOST_NAMES,
    MOST_OF_A_NAME,
    cards_of_promotion,
    join,
    list_names,
    one_line,
    say_about,
    say_state,
    shorten,
)
from .links import Link, site_url
from .watch import Line, Watch

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
    who = _say_who(card, line, watch.member, now) if card else []
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
    card, kind = _card_of(line), line.moment.kind
    operator, links = card.plan.operator, [_step_link(line, watch.member)]
    facts = []
    if kind == "balance":
        facts.append(_say_balance(card))
    if kind in {"deadline", "balance"}:
        facts.append(words.say_otherwise(card))
    elif kind == "grace":
        facts.append(_say_grace(card, line.today))
    elif kind == "recovery":
        facts.append(_("After that the number is lost."))
    facts.append(_say_accounts(card))
    if kind == "balance" and operator.balance_code:
        facts.append(_("Code for the balance: %(code)s") % {"code": operator.balance_code})
    facts.append(_say_code(card))
    if card.plan.confidence == Confidence.LOW and kind != "unknown":
        facts.append(_("This rule is not well confirmed: ask the operator."))
    if watch.member.may_change and (kind == "lost" or (kind == "grace" and card.grace_ends_on is None)):
        links.append(Link(site_url("card_close", card.pk), _("Let this number go")))
    return Told(words.say_now(card, stage_of(card, line.today)), facts, [*links, *_operator_link(card)])


def _tell_review(line: Line, watch: Watch) -> Told:
    card, renewal = _card_of(line), line.renewal
    order = _(
        "It was done, but nobody has confirmed that the operator accepted it. Look there; until then the old deadline "
        "stays."
    )
    facts = []
    if card.deadline:
        left = words.say_days_left(card.deadline, line.today)
        facts.append(_("The old deadline: %(day)s (%(left)s).") % {"day": words.say_day(card.deadline), "left": left})
    link = _card_link(card)
    if renewal:
        link = Link(
            site_url("renewal_step", renewal.pk, RenewalStep.Key.CONFIRM),
            _("Confirm the renewal of %(card)s") % {"card": _name(card)},
        )
    return Told(order, [*facts, _say_code(card)], [link, *_operator_link(card)])


def _tell_rule(line: Line, watch: Watch) -> Told:
    card, stage = _card_of(line), stage_of(_card_of(line), line.today)
    facts = [words.say_now(card, stage)]
    if stage in {Stage.ACTIVE, Stage.DUE, Stage.URGENT}:
        facts.append(words.say_otherwise(card))
    order = words.say_rule_change(line.about) if isinstance(line.about, RuleChange) else ""
    return Told(order, [*facts, _say_code(card)], [_card_link(card), *_operator_link(card)])


def _tell_papers(line: Line, watch: Watch) -> Told:
    card, paper = _card_of(line), line.about
    order = _(
        "%(paper)s expires on %(day)s. %(operator)s asks for it when this number is renewed, by %(deadline)s: get a "
        "new one in time."
    ) % {
        "paper": paper,
        "day": words.say_day(line.moment.about_on),
        "operator": card.plan.operator,
        "deadline": words.say_day(card.deadline or line.moment.about_on),
    }
    return Told(order, [], [_paper_link(paper, watch.member)])


def _tell_document(line: Line, watch: Watch) -> Told:
    about = {"paper": line.about, "day": words.say_day(line.moment.about_on)}
    if line.moment.about_on < line.today:
        order = _("%(paper)s expired on %(day)s. Get a new one, and write its date down.") % about
    else:
        order = _("%(paper)s expires on %(day)s. Apply for a new one in time, and write its date down.") % about
    return Told(order, [], [_paper_link(line.about, watch.member)])


def _tell_task(line: Line, watch: Watch) -> Told:
    """Accounts to be moved, new details to be told, and the copy of the papers."""
    card, order = line.card, line.about.words() if isinstance(line.about, Todo) else ""
    if card is None:
        return Told(order, [], [_household_link()])
    links = _operator_link(card) if line.moment.kind == "details" else []
    return Told(order, [], [_card_link(card), *links])


def _tell_signal(line: Line, watch: Watch) -> Told:
    card, told = _card_of(line), _tell_task(line, watch)
    place = _("Where the SIM is: %(place)s") % {"place": card.location} if card.location else ""
    link = _log_link(card, "signal", _("Write down the signal check of %(card)s"), watch.member)
    return Told(told.order, [place], [link])


def _tell_reading(line: Line, watch: Watch) -> Told:
    card = _card_of(line)
    order = _("Look at the operator what the balance is and until when the number is valid, and write it down.")
    last = {"day": words.say_day(line.moment.about_on)}
    if card.pk in watch.last_readings:
        facts = [_("This was last written down on %(day)s.") % last]
    else:
        facts = [_("Nothing was written down since the card was added on %(day)s.") % last]
    if card.plan.operator.balance_code:
        facts.append(_("Code for the balance: %(code)s") % {"code": card.plan.operator.balance_code})
    link = _log_link(card, "reading", _("Write down a reading of %(card)s"), watch.member)
    return Told(order, [*facts, _say_code(card)], [link, *_operator_link(card)])


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
    facts = [join(_name(each.card), each.words()) for each in seen]
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
        facts["why"] = _say_refusal(member.unreachable_reason)
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
            order % facts, [todo % facts, _("%(name)s is responsible for no number.") % facts], [_household_link()]
        )
    facts["cards"] = list_names(_say_briefly(card, line.today) for card in cards)
    return Told(
        order % facts,
        [
            todo % facts,
            _("Numbers that %(name)s is responsible for: %(cards)s.") % facts,
            _("Until mail arrives again, the deputy is reminded instead, and everybody where there is none."),
        ],
        [_household_link()],
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


def _say_who(card: Card, line: Line, member: Member, now: datetime.datetime) -> list[str]:
    """Return who is responsible, who stands in, and who is doing it."""
    responsible, deputy = card.responsible, card.deputy
    sentences = []
    if responsible is None:
        sentences.append(_("Nobody is responsible for it, so everybody gets this mail."))
    elif responsible == member:
        sentences.append(_("You are responsible."))
    else:
        facts = {"name": responsible.name}
        if responsible.out_of_reach_since:
            sentences.append(_("%(name)s is responsible, but no mail arrives there.") % facts)
        elif responsible.is_away(line.today) and responsible.away_until:
            until = words.say_short_day(responsible.away_until)
            sentences.append(_("%(name)s is responsible, but away until %(day)s.") % {**facts, "day": until})
        else:
            sentences.append(_("%(name)s is responsible.") % facts)
            deputy = None
        if deputy:
            sentences.append(_("You stand in.") if deputy == member else _("%(name)s stands in.") % {"name": deputy})
    if line.renewal and (holder := line.renewal.holder(now)):
        facts = {"holder": holder.name, "at": moment(line.renewal.taken_at or now)}
        if holder == member:
            sentences.append(_("You said on %(at)s that you are doing it.") % facts)
        else:
            sentences.append(_("%(holder)s is doing it since %(at)s.") % facts)
    return sentences


def _say_balance(card: Card) -> str:
    seen = card.deadline_source.get("on")
    return _("By the balance that was seen on %(seen)s, the charge of %(day)s cannot be covered.") % {
        "seen": words.say_short_day(datetime.date.fromisoformat(seen)) if seen else "?",
        "day": words.say_short_day(card.deadline) if card.deadline else "?",
    }


def _say_grace(card: Card, today: datetime.date) -> str:
    if card.grace_ends_on is None:
        days = (today - (card.deadline or today)).days
        return ngettext(
            "The deadline was %(count)d day ago. A mail comes every second day until the number is saved or let go.",
            "The deadline was %(count)d days ago. A mail comes every second day until the number is saved or let go.",
            days,
        ) % {"count": days}
    if card.lost_on is None:
        return _("What happens after that is not known.")
    last = card.lost_on - DAY
    if last == card.grace_ends_on:
        return _("The day after that, the number is lost.")
    return _("After that it comes back only on request at the operator, until %(last)s; then it is lost.") % {
        "last": words.say_short_day(last)
    }


def _say_accounts(card: Card) -> str:
    accounts = [account.name for account in card.linked_accounts.all() if account.moved_on is None]
    return _("On it hang: %(accounts)s.") % {"accounts": list_names(accounts)} if accounts else ""


def _say_code(card: Card) -> str:
    code = card.plan.operator.validity_code
    return _("Code to look it up: %(code)s") % {"code": code} if code else ""


def _say_briefly(card: Card, today: datetime.date) -> str:
    left = words.say_days_left(card.deadline, today) if card.deadline else words.say_stage(Stage.UNKNOWN)
    return f"{shorten(one_line(card.name), MOST_OF_A_NAME - len(left) - 3)} ({left})"


def _say_refusal(answer: str) -> str:
    """Return in plain words why a server refused a mail for good, with its own words in brackets.

    The figures after the first are those of RFC 3463, section 3; many servers say nothing but 550.
    """
    status = re.search(r"\b5\.(\d{1,3}\.\d{1,3})\b", answer)
    detail = status[1] if status else {"552": "2.2", "550": "1.1", "551": "1.1", "553": "1.1"}.get(answer[:3], "")
    if detail == "2.2":
        why = _("the mailbox is full.")
    elif detail.startswith("2."):
        why = _("the mailbox takes no mail any more.")
    elif detail.startswith("1."):
        why = _("the address does not exist, or takes no mail any more.")
    elif detail.startswith("7."):
        why = _("the mail server there does not want our mails.")
    else:
        why = _("the mail server there refuses them.")
    return f"{why} ({shorten(one_line(answer), 200)})" if answer else why


def _step_link(line: Line, member: Member) -> Link:
    card, kind = _card_of(line), line.moment.kind
    if line.renewal:
        key = _current_key(line.renewal)
        return Link(
            site_url("renewal_step", line.renewal.pk, key),
            _("Go on with the renewal: %(step)s") % {"step": RenewalStep.Key(key).label},
        )
    if kind == "unknown" and card.deadline is None and member.may_change:
        return Link(site_url("card_start", card.pk), _("Write down what you know of %(card)s") % {"card": _name(card)})
    if kind in {"unknown", "lost"}:
        return _log_link(card, "reading", _("Write down a reading of %(card)s"), member)
    return _card_link(card)


def _current_key(renewal: Renewal) -> str:
    """Return the first step that is not done, as `Renewal.current_key` does, from steps that are fetched already."""
    return next((step.key for step in renewal.steps.all() if step.done_at is None), RenewalStep.Key.CONFIRM)


def _log_link(card: Card, kind: str, text: str, member: Member) -> Link:
    """Return the form for a record; who may only look gets the card."""
    if not member.may_change:
        return _card_link(card)
    return Link(site_url("log", card.pk, query=f"?kind={kind}"), text % {"card": _name(card)})


def _card_link(card: Card) -> Link:
    return Link(site_url("card", card.pk), _("Open the page of %(card)s") % {"card": _name(card)})


def _paper_link(paper: object, member: Member) -> Link:
    if isinstance(paper, Document) and member.may_change:
        return Link(site_url("document_edit", paper.pk), _("Open this paper"))
    return Link(site_url("documents"), _("Open the list of papers"))


def _household_link() -> Link:
    return Link(site_url("household"), _("Open the page of the household"))


def _operator_link(card: Card) -> list[Link]:
    operator = card.plan.operator
    url = next((url for url in (operator.account_url, operator.website) if is_web(url)), "")
    return [Link(url, _("Go to %(operator)s") % {"operator": operator})] if url else []


def _name(card: Card) -> str:
    """Return the card's name, of a long one the beginning: in the heading it stands in full."""
    return shorten(one_line(card.name), MOST_OF_A_NAME)


def _card_of(line: Line) -> Card:
    assert line.card is not None  # noqa: S101 - the kind says so
    return line.card


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
