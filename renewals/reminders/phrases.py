"""Sentences about a card or a refusal that the lines of a mail share."""

import datetime
import re

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cards.models import Card, Member
from cards.templatetags.words import moment
from renewals import words
from renewals.delivery_words import without_addresses
from renewals.lifecycle import DAY, Stage

from .headlines import MOST_OF_A_NAME, list_names, one_line, shorten
from .watch import Line


def say_who(card: Card, line: Line, member: Member, now: datetime.datetime) -> list[str]:
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


def say_balance(card: Card) -> str:
    """Return which charge the last balance that was seen cannot cover."""
    seen = card.deadline_source.get("on")
    return _("By the balance that was seen on %(seen)s, the charge of %(day)s cannot be covered.") % {
        "seen": words.say_short_day(datetime.date.fromisoformat(seen)) if seen else "?",
        "day": words.say_short_day(card.deadline) if card.deadline else "?",
    }


def say_grace(card: Card, today: datetime.date) -> str:
    """Return what comes after grace, or how long it has lasted where no end is known."""
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


def say_accounts(card: Card) -> str:
    """Return what hangs on the number; empty when nothing does."""
    accounts = [account.name for account in card.linked_accounts.all() if account.moved_on is None]
    return _("On it hang: %(accounts)s.") % {"accounts": list_names(accounts)} if accounts else ""


def say_code(card: Card) -> str:
    """Return the code to dial; empty when none is known."""
    code = card.plan.operator.validity_code
    return _("Code to look it up: %(code)s") % {"code": code} if code else ""


def say_briefly(card: Card, today: datetime.date) -> str:
    """Return the card's name and the days it has left, both short."""
    left = words.say_days_left(card.deadline, today) if card.deadline else words.say_stage(Stage.UNKNOWN)
    return f"{shorten(one_line(card.name), MOST_OF_A_NAME - len(left) - 3)} ({left})"


def say_refusal(answer: str) -> str:
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
    return f"{why} ({shorten(one_line(without_addresses(answer)), 200)})" if answer else why
