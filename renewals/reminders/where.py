"""Where a line of a mail leads: the exact step, a form, a page, or the operator."""

from django.utils.translation import gettext as _

from cards.models import Card, Member
from renewals.models import Document, Renewal, RenewalStep
from renewals.plan_words import is_web

from .headlines import MOST_OF_A_NAME, one_line, shorten
from .links import Link, site_url
from .watch import Line


def step_link(line: Line, member: Member) -> Link:
    """Return where the line's card is seen to: the step of its renewal, a form, or its page."""
    card, kind = card_of(line), line.moment.kind
    if line.renewal:
        key = current_key(line.renewal)
        return Link(
            site_url("renewal_step", line.renewal.pk, key),
            _("Go on with the renewal: %(step)s") % {"step": RenewalStep.Key(key).label},
        )
    if kind == "unknown" and card.deadline is None and member.may_change:
        return Link(
            site_url("card_start", card.pk), _("Write down what you know of %(card)s") % {"card": name_of(card)}
        )
    if kind in {"unknown", "lost"}:
        return log_link(card, "reading", _("Write down a reading of %(card)s"), member)
    return card_link(card)


def current_key(renewal: Renewal) -> str:
    """Return the first step that is not done, as `Renewal.current_key` does, from steps that are fetched already."""
    return next((step.key for step in renewal.steps.all() if step.done_at is None), RenewalStep.Key.CONFIRM)


def log_link(card: Card, kind: str, text: str, member: Member) -> Link:
    """Return the form for a record; who may only look gets the card."""
    if not member.may_change:
        return card_link(card)
    return Link(site_url("log", card.pk, query=f"?kind={kind}"), text % {"card": name_of(card)})


def card_link(card: Card) -> Link:
    """Return the page of the card."""
    return Link(site_url("card", card.pk), _("Open the page of %(card)s") % {"card": name_of(card)})


def paper_link(paper: object, member: Member) -> Link:
    """Return the form of a paper; who may only look gets the list of papers."""
    if isinstance(paper, Document) and member.may_change:
        return Link(site_url("document_edit", paper.pk), _("Open this paper"))
    return Link(site_url("documents"), _("Open the list of papers"))


def household_link() -> Link:
    """Return the page of the household."""
    return Link(site_url("household"), _("Open the page of the household"))


def operator_link(card: Card) -> list[Link]:
    """Return the operator's account page or website; empty when neither is known."""
    operator = card.plan.operator
    url = next((url for url in (operator.account_url, operator.website) if is_web(url)), "")
    return [Link(url, _("Go to %(operator)s") % {"operator": operator})] if url else []


def name_of(card: Card) -> str:
    """Return the card's name, of a long one the beginning: in the heading it stands in full."""
    return shorten(one_line(card.name), MOST_OF_A_NAME)


def card_of(line: Line) -> Card:
    """Return the card of a line whose kind is about one."""
    assert line.card is not None  # noqa: S101 - the kind says so
    return line.card
