"""Whatever a family does short of renewing: of a number in danger somebody hears at least every second day."""

import datetime
from contextlib import suppress
from dataclasses import dataclass

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cards.models import Card, Member
from renewals.deadlines import recompute_card
from renewals.models import Delivery, Payment, Reading
from renewals.reminders.planning import members_due, plan_member
from renewals.snoozing import CannotSnooze, snooze
from renewals.walkthrough import abandon_renewal, start_renewal, take_renewal
from tests.factories import CardFactory, HouseholdFactory, MemberFactory, cubacel
from tests.reliability.scale import SOAK, scaled

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
DEADLINE = datetime.date(2026, 12, 27)
SAFE = DEADLINE - 7 * DAY
FIRST, LAST = SAFE - 3 * DAY, DEADLINE + (28 if SOAK else 9) * DAY
# The first of the members is always in reach of mail; of the others any may stop their mails or be out of reach.
MEMBERS = [("America/Havana", 8, "standard"), ("Asia/Shanghai", 21, "calm"), ("America/Havana", 22, "insistent")]
SPOKEN_OF = ("deadline", "balance", "grace")


@dataclass
class Family:
    members: list[Member]
    card: Card

    def today(self, now):
        return now.astimezone(self.members[0].zone).date()

    def pay(self, who, now):
        Payment.objects.create(
            household=self.card.household, card=self.card, amount=100, currency="CUP", paid_on=self.today(now)
        )
        recompute_card(self.card)

    def read(self, who, now):
        about = {"household": self.card.household, "card": self.card, "read_on": self.today(now)}
        Reading.objects.create(balance=50, currency="CUP", **about)
        Reading.objects.create(valid_until=DEADLINE, **about)
        recompute_card(self.card)

    def leave(self, who, now):
        self.write(who, away_from=self.today(now), away_until=self.today(now) + 9 * DAY)

    def return_(self, who, now):
        self.write(who, away_from=None, away_until=None)

    def snooze(self, who, now):
        with suppress(CannotSnooze):
            snooze(self.card, self.members[who], 7, self.today(now), now)

    def take(self, who, now):
        renewal = start_renewal(self.card, self.members[who], now)
        take_renewal(renewal, self.members[who], now)

    def abandon(self, who, now):
        for renewal in self.card.renewals.open():
            abandon_renewal(renewal, self.members[who], "Later", now)

    def stop(self, who, now):
        if who:
            self.write(who, mail_stopped_at=now)

    def lose(self, who, now):
        if who:
            self.write(who, unreachable_since=now)

    def reach(self, who, now):
        self.write(who, mail_stopped_at=None, unreachable_since=None)

    def appoint(self, who, now):
        Card.objects.filter(pk=self.card.pk).update(responsible=self.members[who], deputy=self.members[who - 1])

    def write(self, who, **fields):
        Member.objects.filter(pk=self.members[who].pk).update(**fields)


acts = st.sampled_from(
    ["pay", "read", "leave", "return_", "snooze", "take", "abandon", "stop", "lose", "reach", "appoint"]
)
hours = st.integers(0, (LAST - FIRST).days * 24)
histories = st.lists(st.tuples(hours, st.integers(0, len(MEMBERS) - 1), acts), max_size=30)


def make_family():
    household = HouseholdFactory()
    members = [
        MemberFactory(household=household, time_zone=zone, remind_at=datetime.time(hour), reminder_level=level)
        for zone, hour, level in MEMBERS
    ]
    card = CardFactory(household=household, plan=cubacel(), responsible=members[0], deputy=members[1])
    Reading.objects.create(household=household, card=card, read_on=FIRST - 90 * DAY, valid_until=DEADLINE)
    recompute_card(card)
    assert (card.safe_on, card.grace_ends_on) == (SAFE, DEADLINE + 30 * DAY)
    return Family(members, card)


def days_told(family, history):
    """Live through the history hour by hour; return the days of the card on which a mail about it reached somebody."""
    told = set()
    midnight = datetime.datetime.combine(FIRST, datetime.time(), family.members[0].zone).astimezone(datetime.UTC)
    for hour in range((LAST - FIRST).days * 24):
        now = midnight + datetime.timedelta(hours=hour)
        for _hour, who, act in (each for each in history if each[0] == hour):
            getattr(family, act)(who, now)
        for member in members_due(now):
            if delivery := plan_member(member, now):
                arrives = member.unreachable_since is None
                Delivery.objects.filter(pk=delivery.pk).update(state="sent" if arrives else "failed")
                lines = delivery.reminders.filter(kind__in=SPOKEN_OF)
                if arrives and lines.exists():
                    told.add(max(now.astimezone(member.zone).date(), family.today(now)))
    return told


@settings(
    max_examples=scaled(8, 100),
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(history=histories)
def test_a_number_in_danger_is_never_silent_for_more_than_two_days(history):
    with transaction.atomic():
        told = days_told(make_family(), history)
        transaction.set_rollback(True)
    check_no_silence(told)


def test_two_who_take_turns_at_doing_it_do_not_silence_the_family():
    """Each says “I am doing it” an hour before the others' mail hour, day after day, and neither does it."""
    days = range((LAST - FIRST).days)
    history = [(24 * day + hour, who, "take") for day in days for hour, who in ((7, 2), (21, 0))]
    check_no_silence(days_told(make_family(), history))


def check_no_silence(told):
    """Check that of any three days from the safe date on, one has a mail."""
    day = SAFE
    while day <= LAST - 3 * DAY:
        day += DAY
        assert told & {day, day + DAY, day + 2 * DAY}, (day, sorted(told))
