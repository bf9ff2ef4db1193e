"""The mails themselves, written when they leave, so that they say what is true then."""

import datetime
from typing import Any

import css_inline
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from renewals.deadlines import stage_of
from renewals.models import Delivery, Reminder
from renewals.words import rule_of, say_days_left, say_now, say_otherwise, say_rule_change, say_what_to_do

from .planning import Line, current_lines, next_mail


def render(delivery: Delivery, now: datetime.datetime) -> EmailMultiAlternatives | None:
    """Return the mail of a delivery in its member's language and zone; None when nothing is left to say.

    A line drops out when its card was renewed, closed or postponed since the mail was planned.
    """
    member = delivery.member
    with translation.override(member.language), timezone.override(member.zone):
        lines: list[Line] = []
        if delivery.kind == Delivery.Kind.TEST:
            subject, template = _("Keepnumber: the test mail has arrived"), "test"
        else:
            lines = _still_true(delivery, now)
            if not lines:
                return None
            subject, template = _subject(lines), "digest"
        following = next_mail(member, now)
        context: dict[str, Any] = {
            "lines": [_facts(line) for line in lines],
            "member": member,
            "household": member.household,
            "site": settings.SITE_URL,
            "settings_url": settings.SITE_URL + reverse("settings"),
            "dashboard_url": settings.SITE_URL + reverse("dashboard"),
            "next_day": following[0] if following else None,
            "next_card": following[1] if following else None,
        }
        message = EmailMultiAlternatives(
            # A name may hold a line break; a header may not.
            subject=" ".join(subject.split()),
            body=render_to_string(f"mail/{template}.txt", context),
            to=[member.user.email],
            headers={"Message-ID": delivery.message_id, "Auto-Submitted": "auto-generated"},
        )
        html = render_to_string(f"mail/{template}.html", context)
        message.attach_alternative(css_inline.inline(html, keep_style_tags=False), "text/html")
        return message


def _still_true(delivery: Delivery, now: datetime.datetime) -> list[Line]:
    """Return today's line for each card and kind that the mail was planned for."""
    reminders = Reminder.objects.filter(delivery=delivery)
    planned = {_topic(*each) for each in reminders.values_list("subject_id", "kind", "about_on", "moment_on")}
    subjects = {topic[0] for topic in planned}
    return [
        line
        for line in current_lines(delivery.member, now)
        if _topic(line.card.pk, line.moment.kind, line.moment.about_on, line.moment.on) in planned
        or (line.card.pk in subjects and line.moment.kind in {"grace", "recovery", "lost"})
    ]


def _topic(card: int, kind: str, about_on: datetime.date, moment_on: datetime.date) -> tuple[object, ...]:
    """Return what a line is about, whatever its day; of a changed rule, which is news of one day, with its day."""
    return (card, kind, about_on, moment_on if kind == Reminder.Kind.RULE else None)


def _subject(lines: list[Line]) -> str:
    """Return the worst thing, in at most 60 characters."""
    first = lines[0]
    if first.moment.kind in {"unknown", "review", "rule"}:
        worst = {
            "rule": _("%(card)s: the rule of its plan has changed"),
            "unknown": _("%(card)s: until when is it valid?"),
            "review": _("%(card)s: was the renewal accepted?"),
        }[first.moment.kind] % {"card": first.card.name}
    else:
        left = (
            say_days_left(first.moment.about_on, first.today)
            if first.moment.kind == "deadline"
            else str(
                {
                    "grace": _("past its deadline, can still be saved"),
                    "recovery": _("ask for it back"),
                    "lost": _("lost"),
                }[first.moment.kind]
            )
        )
        worst = f"{first.card.name}: {left}"
    if len(lines) > 1:
        more = ngettext("and %(count)d more", "and %(count)d more", len(lines) - 1) % {"count": len(lines) - 1}
        return f"{worst[: 58 - len(more)]} {more}"
    return worst[:60]


def _facts(line: Line) -> dict[str, object]:
    """Return what the mail says about one card."""
    card, stage = line.card, stage_of(line.card, line.today)
    operator = card.plan.operator
    path = reverse("renewal", args=[line.renewal.pk]) if line.renewal else reverse("card", args=[card.pk])
    return {
        "card": card,
        "kind": line.moment.kind,
        "stage": stage,
        "change": say_rule_change(line.change) if line.change else "",
        "now": say_now(card, stage),
        "otherwise": "" if stage in {"grace", "recovery", "lost"} else say_otherwise(card),
        "days_left": say_days_left(card.deadline, line.today) if card.deadline else "",
        "act": say_what_to_do(rule_of(card), card.plan),
        "operator": operator,
        "responsible": card.responsible,
        "holder": line.renewal.holder(timezone.now()) if line.renewal else None,
        "accounts": [account.name for account in card.linked_accounts.all() if account.moved_on is None],
        "url": settings.SITE_URL + path,
    }
