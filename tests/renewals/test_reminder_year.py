"""A year of a household day by day, with a real SMTP server: a member follows every second mail and no other."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from cards.models import Card
from renewals.deadlines import kept_dates, recompute_card, stage_of, today_for
from renewals.lifecycle import Stage
from renewals.models import Activity, Delivery, Payment, Reading, Reminder
from renewals.reminders.delivery import run_once
from renewals.reminders.ladder import Part, Wishes, due_moment
from tests.factories import CardFactory, MemberFactory, cubacel, giffgaff, starhub, unicom

FIRST = date(2026, 11, 23)
DAYS = 400
OF_DEADLINES = ("deadline", "balance", "grace", "recovery", "lost")
# Between two runs.
HOURS = timedelta(hours=3)


def begin(card, day):
    """Record what the household knew when it entered the card."""
    common = {"household": card.household, "card": card}
    kind = card.plan.rules.get().kind
    if kind == "activity":
        Activity.objects.create(kind="sms", done_on=day, confirmed_on=day, **common)
    elif kind == "fee_from_balance":
        Reading.objects.create(read_on=day, balance=Decimal(20), currency="CNY", **common)
    else:
        pay(card, day)
    recompute_card(card)


def pay(card, day):
    kind = card.plan.rules.get().kind
    amount, currency = (Decimal(100), "CUP") if kind == "top_up" else (card.plan.fee, card.plan.currency)
    Payment.objects.create(
        household=card.household,
        card=card,
        kind="fee" if kind == "fee_paid" else "top_up",
        amount=amount * 3 if kind == "fee_from_balance" else amount,
        currency=currency,
        paid_on=day,
        confirmed_on=day,
    )


def renew(card, day):
    """Do what the mail asks for."""
    if card.plan.rules.get().kind == "activity":
        Activity.objects.create(household=card.household, card=card, kind="sms", done_on=day, confirmed_on=day)
    else:
        pay(card, day)
    recompute_card(card)


@pytest.mark.django_db
def test_a_year_in_which_every_second_mail_is_followed_loses_no_number(smtp_server):
    members = [
        MemberFactory(time_zone="America/Havana", remind_at=time(8), reminder_level="standard"),
        MemberFactory(time_zone="Asia/Shanghai", remind_at=time(21, 30), reminder_level="calm", language="zh-hans"),
    ]
    cards = []
    for member in members:
        for n, make in enumerate((cubacel, giffgaff, unicom, starhub, cubacel, giffgaff)):
            card = CardFactory(household=member.household, plan=make(), responsible=member, name=f"Card {n}")
            begin(card, FIRST - timedelta(days=11 * n))
            cards.append(card)
    received, mails_of, had_something_due = Counter(), Counter(), 0
    for n in range(DAYS):
        for hour in range(0, 24, 3):
            now = datetime.combine(FIRST + timedelta(days=n), time(hour, 45), UTC)
            due = {member: due_today(member, now) for member in members}
            had_something_due += sum(map(len, due.values()))
            before = len(smtp_server.messages)
            run_once(3 * 3600, lambda now=now: now)
            told = {member: set() for member in members}
            for message in smtp_server.messages[before:]:
                member = next(member for member in members if member.user.email == message["To"])
                received[member, now.astimezone(member.zone).date()] += 1
                mails_of[member] += 1
                lines = Reminder.objects.filter(delivery__message_id=message["Message-ID"], kind__in=OF_DEADLINES)
                for reminder in lines:
                    told[member].add(reminder.card_id)
                    if mails_of[member] % 2 == 0:
                        renew(reminder.card, now.astimezone(member.zone).date())
            for member in members:
                assert told[member] >= due[member], (now, member)
        for card in cards:
            card.refresh_from_db()
            assert stage_of(card, FIRST + timedelta(days=n)) is not Stage.LOST, (card, card.deadline)
    assert set(received.values()) == {1}
    assert len({message["Message-ID"] for message in smtp_server.messages}) == len(smtp_server.messages)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert had_something_due > 40


def due_today(member, now):
    """Return the cards whose moment is today, if this is the run after the member's mail hour."""
    local = now.astimezone(member.zone)
    if not member.remind_at <= local.time() < (datetime.combine(local.date(), member.remind_at) + HOURS).time():
        return set()
    due = set()
    for card in Card.objects.for_member(member):
        today = today_for(member, card.plan.operator.country, now)
        moment = due_moment(kept_dates(card), today, Wishes(Part.RESPONSIBLE, member.reminder_level))
        if moment and moment.on == today:
            due.add(card.pk)
    return due
