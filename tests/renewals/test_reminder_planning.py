from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from cards.models import Member
from renewals.deadlines import recompute_card
from renewals.models import Delivery, Payment, Reading, Reminder
from renewals.reminders.planning import (
    current_lines,
    first_instant,
    members_due,
    new_lines,
    next_mail,
    plan_member,
)
from tests.factories import CardFactory, MemberFactory, cubacel

pytestmark = pytest.mark.django_db
HAVANA = ZoneInfo("America/Havana")


def at(day, hour=9, zone=HAVANA):
    return datetime.combine(day, time(hour), zone)


def card_until(deadline, member, **fields):
    """A card of which the operator says that it is valid until a day."""
    card = CardFactory(household=member.household, plan=fields.pop("plan", None) or cubacel(), **fields)
    Reading.objects.create(
        household=card.household, card=card, read_on=deadline - timedelta(days=200), valid_until=deadline
    )
    recompute_card(card)
    return card


def test_plan_queues_one_mail_with_all_lines_worst_first():
    member = MemberFactory()
    today = date(2026, 12, 20)
    soon, late = card_until(today + timedelta(days=7), member), card_until(today - timedelta(days=3), member)
    calm = card_until(today + timedelta(days=100), member)
    lines = new_lines(member, at(today))
    assert [line.card for line in lines] == [late, soon]
    delivery = plan_member(member, at(today))
    assert {reminder.subject for reminder in delivery.reminders.all()} == {soon, late}
    assert not Reminder.objects.filter(subject=calm).exists()


def test_plan_waits_for_the_member_hour_and_then_comes_once_a_day():
    member = MemberFactory(remind_at=time(8))
    today = date(2026, 12, 20)
    card_until(today + timedelta(days=3), member)
    assert plan_member(member, at(today, 7)) is None
    member.refresh_from_db()
    assert member.next_plan_at == at(today, 8)
    assert not members_due(at(today, 7)).exists()
    assert members_due(at(today, 8)).get() == member
    assert plan_member(member, at(today, 8)).local_date == today
    member.refresh_from_db()
    assert member.next_plan_at == at(today + timedelta(days=1), 8)
    assert plan_member(member, at(today, 10)) is None


def test_plan_by_two_stale_copies_queues_one_mail():
    member = MemberFactory()
    card_until(date(2026, 12, 23), member)
    first, second = Member.objects.get(pk=member.pk), Member.objects.get(pk=member.pk)
    planned = [plan_member(copy, at(date(2026, 12, 20))) for copy in (first, second)]
    assert [delivery is not None for delivery in planned] == [True, False]


def test_plan_after_ten_days_without_a_server_is_one_mail():
    member = MemberFactory()
    card_until(date(2026, 12, 27), member)
    assert plan_member(member, at(date(2026, 12, 13)))
    Delivery.objects.update(state="sent")
    member.refresh_from_db()
    assert plan_member(member, at(date(2026, 12, 23)))
    member.refresh_from_db()
    assert plan_member(member, at(date(2026, 12, 23), 20)) is None
    assert member.deliveries.count() == 2


def test_plan_moves_a_waiting_mail_to_today_instead_of_adding_one():
    member = MemberFactory()
    card_until(date(2026, 12, 27), member)
    first = plan_member(member, at(date(2026, 12, 20)))
    member.refresh_from_db()
    second = plan_member(member, at(date(2026, 12, 21)))
    assert first == second
    assert second.local_date == date(2026, 12, 21)
    assert second.message_id == first.message_id


def test_plan_says_again_what_a_failed_mail_was_to_say():
    member = MemberFactory()
    card = card_until(date(2026, 12, 27), member)
    plan_member(member, at(date(2026, 12, 13)))
    Delivery.objects.update(state="failed")
    member.refresh_from_db()
    again = plan_member(member, at(date(2026, 12, 14)))
    assert [reminder.subject for reminder in again.reminders.all()] == [card]


def test_a_recorded_payment_ends_the_reminders_but_an_unconfirmed_one_does_not():
    member = MemberFactory()
    card = card_until(date(2026, 12, 27), member)
    payment = Payment.objects.create(
        household=card.household, card=card, amount=100, currency="CUP", paid_on=date(2026, 12, 20)
    )
    recompute_card(card)
    assert new_lines(member, at(date(2026, 12, 21)))
    payment.confirmed_on = date(2026, 12, 21)
    payment.save()
    recompute_card(card)
    assert new_lines(member, at(date(2026, 12, 21))) == []


def test_closed_cards_and_other_households_are_not_spoken_of():
    member, stranger = MemberFactory(), MemberFactory()
    card_until(date(2026, 12, 23), member, closed_on=date(2026, 12, 1))
    card_until(date(2026, 12, 23), stranger)
    assert new_lines(member, at(date(2026, 12, 22))) == []
    assert len(new_lines(stranger, at(date(2026, 12, 22)))) == 1


def test_responsible_is_told_first_then_the_deputy_then_everyone():
    responsible = MemberFactory()
    household = responsible.household
    deputy, viewer = MemberFactory(household=household), MemberFactory(household=household, role="viewer")
    card_until(date(2026, 12, 27), responsible, responsible=responsible, deputy=deputy)

    def told(day):
        return [bool(current_lines(member, at(day))) for member in (responsible, deputy, viewer)]

    assert told(date(2026, 11, 27)) == [True, False, False]
    assert told(date(2026, 12, 19)) == [True, False, False]
    assert told(date(2026, 12, 20)) == [True, True, False]
    assert told(date(2026, 12, 21)) == [True, True, True]


def test_deputy_stands_in_while_the_responsible_is_away():
    responsible = MemberFactory(away_from=date(2026, 11, 20), away_until=date(2026, 12, 1))
    deputy = MemberFactory(household=responsible.household)
    card_until(date(2026, 12, 27), responsible, responsible=responsible, deputy=deputy)
    assert current_lines(deputy, at(date(2026, 11, 26))) == []
    assert len(current_lines(deputy, at(date(2026, 11, 28)))) == 1
    assert current_lines(deputy, at(date(2026, 12, 2))) == []


def test_where_two_days_differ_the_earlier_answer_wins():
    # 20 December, 9 in the evening in Havana: in Shanghai it is the 21st already.
    member = MemberFactory(time_zone="America/Havana")
    plan = cubacel()
    plan.operator.country = "CN"
    plan.operator.save()
    card = card_until(date(2026, 12, 21), member, plan=plan)
    (line,) = current_lines(member, datetime(2026, 12, 20, 21, tzinfo=HAVANA))
    assert line.card == card
    assert line.moment.on == date(2026, 12, 21)


def test_next_mail_names_the_next_day_and_card():
    member = MemberFactory()
    card_until(date(2027, 6, 1), member)
    card = card_until(date(2026, 12, 27), member)
    assert next_mail(member, at(date(2026, 12, 14))) == (date(2026, 12, 20), card)


@pytest.mark.parametrize(
    ("zone", "day", "hour", "expected"),
    [
        ("America/Havana", date(2027, 3, 14), time(0, 0), datetime(2027, 3, 14, 5, 0, tzinfo=UTC)),
        ("America/Havana", date(2027, 11, 7), time(0, 30), datetime(2027, 11, 7, 4, 30, tzinfo=UTC)),
        ("America/Havana", date(2027, 7, 1), time(8), datetime(2027, 7, 1, 12, 0, tzinfo=UTC)),
        ("Asia/Shanghai", date(2027, 7, 1), time(8), datetime(2027, 7, 1, 0, 0, tzinfo=UTC)),
        ("Europe/Madrid", date(2027, 3, 28), time(2, 30), datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
    ],
)
def test_first_instant_over_summer_time(zone, day, hour, expected):
    assert first_instant(ZoneInfo(zone), day, hour) == expected
