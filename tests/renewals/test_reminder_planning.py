from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction

from cards.models import Member, Operator, Promotion
from renewals.deadlines import recompute_card
from renewals.models import Channel, Delivery, Document, Payment, Reading, Reminder
from renewals.reminders.hours import first_instant
from renewals.reminders.planning import members_due, new_lines, next_mails, plan_member, queue_alerts
from renewals.reminders.watch import lines_on, watch_over
from renewals.walkthrough import start_renewal, take_renewal
from tests.factories import CardFactory, MemberFactory, PersonFactory, cubacel, unicom

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


def lines_of(member, now, kinds=("unknown", "deadline", "balance", "grace", "recovery", "lost")):
    """Return what there is to say about the life of the cards, said or not."""
    return [line for line in lines_on(watch_over(member, now), now) if line.moment.kind in kinds]


def test_plan_queues_one_mail_with_all_lines_worst_first():
    member = MemberFactory()
    today = date(2026, 12, 20)
    soon, late = card_until(today + timedelta(days=7), member), card_until(today - timedelta(days=3), member)
    calm = card_until(today + timedelta(days=100), member)
    lines = new_lines(member, at(today))
    assert [(line.card, line.moment.kind) for line in lines] == [
        (late, "grace"), (soon, "deadline"), (soon, "reading"), (calm, "reading"), (None, "watching"),
    ]  # fmt: skip
    delivery = plan_member(member, at(today))
    assert [(row.subject, row.card, row.kind) for row in delivery.reminders.order_by("pk")] == [
        (line.subject, line.card, line.moment.kind) for line in lines
    ]


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


@pytest.mark.parametrize(("hour", "remind_at"), [(7, time(8)), (0, time(23, 30))])
def test_a_run_a_day_before_the_member_hour_is_late_and_not_silent(hour, remind_at):
    """Cron that calls once a day before the hour, or at each full hour where the mail hour is the last half one."""
    member = MemberFactory(remind_at=remind_at, reminder_level="insistent")
    deadline = date(2026, 12, 20)
    card_until(deadline, member)
    expected = [at(deadline - timedelta(days=days_left), hour) for days_left in range(7, -1, -1)]
    assert plan_member(member, expected[0] - timedelta(days=1)) is None
    for now in expected:
        member.refresh_from_db()
        assert [coming.at for coming in next_mails(member, now, 1)] == [now]
        assert plan_member(member, now).local_date == now.date() - timedelta(days=1)
        Delivery.objects.update(state="sent")
    member.refresh_from_db()
    assert member.next_plan_at == datetime.combine(deadline, remind_at, HAVANA)


def test_plan_by_two_stale_copies_queues_one_mail():
    member = MemberFactory()
    card_until(date(2026, 12, 23), member)
    first, second = Member.objects.get(pk=member.pk), Member.objects.get(pk=member.pk)
    planned = [plan_member(copy, at(date(2026, 12, 20))) for copy in (first, second)]
    assert [delivery is not None for delivery in planned] == [True, False]


def test_the_database_takes_no_second_digest_of_a_day_and_no_second_line():
    member = MemberFactory()
    card_until(date(2026, 12, 23), member)
    digest = plan_member(member, at(date(2026, 12, 20)))
    line = digest.reminders.first()
    other = Delivery.objects.create(
        household=member.household, member=member, local_date=date(2026, 12, 21), message_id="<2@example.org>"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.filter(pk=other.pk).update(local_date=digest.local_date)
    line.pk, line.delivery = None, other
    with pytest.raises(IntegrityError), transaction.atomic():
        line.save(force_insert=True)


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
    assert card in {reminder.card for reminder in again.reminders.all()}
    assert Reminder.objects.count() == again.reminders.count()


def test_a_recorded_payment_ends_the_reminders_but_an_unconfirmed_one_does_not():
    member = MemberFactory()
    card = card_until(date(2026, 12, 27), member)
    payment = Payment.objects.create(
        household=card.household, card=card, amount=100, currency="CUP", paid_on=date(2026, 12, 20)
    )
    recompute_card(card)
    assert lines_of(member, at(date(2026, 12, 21)))
    payment.confirmed_on = date(2026, 12, 21)
    payment.save()
    recompute_card(card)
    assert lines_of(member, at(date(2026, 12, 21))) == []


def test_closed_cards_and_other_households_are_not_spoken_of():
    member, stranger = MemberFactory(), MemberFactory()
    card_until(date(2026, 12, 23), member, closed_on=date(2026, 12, 1))
    card_until(date(2026, 12, 23), stranger)
    assert new_lines(member, at(date(2026, 12, 22))) == []
    assert {line.card for line in new_lines(stranger, at(date(2026, 12, 22)))} == {stranger.household.cards.get(), None}


def test_responsible_is_told_first_then_the_deputy_then_everyone():
    responsible = MemberFactory()
    household = responsible.household
    deputy, viewer = MemberFactory(household=household), MemberFactory(household=household, role="viewer")
    card_until(date(2026, 12, 27), responsible, responsible=responsible, deputy=deputy)

    def told(day):
        return [bool(lines_of(member, at(day))) for member in (responsible, deputy, viewer)]

    assert told(date(2026, 11, 27)) == [True, False, False]
    assert told(date(2026, 12, 19)) == [True, False, False]
    assert told(date(2026, 12, 20)) == [True, True, False]
    assert told(date(2026, 12, 21)) == [True, True, True]


def test_everybody_stands_in_for_who_is_out_of_reach():
    since = at(date(2026, 10, 1))
    responsible = MemberFactory(unreachable_since=since)
    household = responsible.household
    deputy, other = MemberFactory(household=household), MemberFactory(household=household)
    card = card_until(date(2026, 12, 27), responsible, responsible=responsible, deputy=deputy)
    assert [bool(lines_of(member, at(date(2026, 11, 28)))) for member in (responsible, deputy, other)] == [
        True, True, False,
    ]  # fmt: skip
    deputy.mail_stopped_at = since
    deputy.save()
    assert lines_of(other, at(date(2026, 11, 28)))
    card.deputy = None
    card.save()
    assert lines_of(other, at(date(2026, 11, 28)))


def test_who_is_doing_it_silences_the_others_for_a_day_and_no_longer():
    responsible = MemberFactory()
    other = MemberFactory(household=responsible.household)
    card = card_until(date(2026, 12, 27), responsible, responsible=responsible)
    take_renewal(start_renewal(card, other, at(date(2026, 12, 22), 8)), other, at(date(2026, 12, 22), 8))
    held, lapsed = at(date(2026, 12, 22)), at(date(2026, 12, 23), 8)
    assert [bool(lines_of(member, held)) for member in (responsible, other)] == [False, True]
    assert [bool(lines_of(member, lapsed)) for member in (responsible, other)] == [True, True]
    other.unreachable_since = held
    other.save()
    assert lines_of(responsible, held)


def test_a_card_has_its_own_level_and_days():
    member = MemberFactory(reminder_level="standard", reminder_days=[45])
    card = card_until(date(2026, 12, 27), member, reminder_level="calm", reminder_days=[200])
    days = {line.moment.on for n in range(60, 0, -1) for line in lines_of(member, at(card.deadline - timedelta(n)))}
    assert sorted((card.deadline - day).days for day in days) == [2, 3, 4, 6, 14, 45, 200]


def test_a_deadline_that_rests_on_the_balance_is_told_as_such():
    member = MemberFactory()
    card = CardFactory(household=member.household, plan=unicom())
    Reading.objects.create(
        household=card.household, card=card, read_on=date(2026, 12, 1), balance=Decimal(10), currency="CNY"
    )
    recompute_card(card)
    (line,) = lines_of(member, at(card.deadline - timedelta(days=5)))
    assert (line.moment.kind, line.moment.about_on) == ("balance", card.deadline)


def test_other_subjects_come_on_their_days():
    member = MemberFactory()
    person = PersonFactory(household=member.household, member=member)
    card = card_until(date(2027, 3, 20), member, person=person, created_at=at(date(2026, 1, 1)))
    Operator.objects.update(requires_document=True, document_kinds=["passport"])
    document = Document.objects.create(
        household=member.household, person=person, kind="passport", expires_on=date(2027, 2, 1)
    )
    promotion = Promotion.objects.create(
        operator=card.plan.operator, title="Double", starts_on=date(2026, 12, 3), ends_on=date(2026, 12, 9)
    )
    other = MemberFactory(household=member.household, unreachable_since=at(date(2026, 11, 27)))
    lines = lines_of(member, at(date(2026, 12, 4)), Reminder.Kind.values)
    household = f"household:{member.household_id}"
    assert [line.key for line in lines] == [
        (f"member:{other.pk}", "unreachable", date(2026, 11, 27), date(2026, 12, 4)),
        (f"card:{card.pk}", "papers", date(2027, 2, 1), date(2026, 12, 3)),
        (f"document:{document.pk}", "document", date(2027, 2, 1), date(2026, 11, 3)),
        (f"card:{card.pk}", "reading", date(2026, 9, 1), date(2026, 11, 30)),
        (f"card:{card.pk}", "signal", date(2026, 4, 1), date(2026, 11, 27)),
        (f"promotion:{promotion.pk}", "promotion", date(2026, 12, 9), date(2026, 12, 3)),
        (household, "watching", date(2026, 12, 1), date(2026, 12, 1)),
    ]


@pytest.mark.parametrize("cards", [1, 30])
def test_planning_a_day_takes_as_many_queries_for_many_cards_as_for_one(django_assert_num_queries, cards):
    member = MemberFactory()
    for _ in range(cards):
        card_until(date(2026, 12, 27), member)
    member = members_due(at(date(2026, 12, 20))).get()
    with django_assert_num_queries(25):
        plan_member(member, at(date(2026, 12, 20)))


def test_deputy_stands_in_while_the_responsible_is_away():
    responsible = MemberFactory(away_from=date(2026, 11, 20), away_until=date(2026, 12, 1))
    deputy = MemberFactory(household=responsible.household)
    card_until(date(2026, 12, 27), responsible, responsible=responsible, deputy=deputy)
    assert lines_of(deputy, at(date(2026, 11, 26))) == []
    assert len(lines_of(deputy, at(date(2026, 11, 28)))) == 1
    assert lines_of(deputy, at(date(2026, 12, 2))) == []


def test_where_two_days_differ_the_earlier_answer_wins():
    # 20 December, 9 in the evening in Havana: in Shanghai it is the 21st already.
    member = MemberFactory(time_zone="America/Havana")
    plan = cubacel()
    plan.operator.country = "CN"
    plan.operator.save()
    card = card_until(date(2026, 12, 21), member, plan=plan)
    (line,) = lines_of(member, datetime(2026, 12, 20, 21, tzinfo=HAVANA))
    assert line.card == card
    assert line.moment.on == date(2026, 12, 21)


def test_next_mail_names_the_next_day_and_card():
    member = MemberFactory()
    card_until(date(2027, 6, 1), member)
    card = card_until(date(2026, 12, 27), member)
    plan_member(member, at(date(2026, 12, 14)))
    member.refresh_from_db()
    (coming,) = next_mails(member, at(date(2026, 12, 14), 10), 1)
    assert coming.at == at(date(2026, 12, 20), 8)
    assert [(line.card, line.moment.kind) for line in coming.lines] == [(card, "deadline")]


def test_next_mails_are_those_that_come_if_nothing_happens():
    member = MemberFactory(reminder_days=[45], away_from=date(2026, 11, 20), away_until=date(2026, 12, 2))
    for days in (30, 60, 400):
        card_until(date(2026, 11, 20) + timedelta(days=days), member)
    now = at(date(2026, 11, 10), 7)
    promised = next_mails(member, now, 10)
    assert len(promised) == 10
    came = []
    while len(came) < 10:
        now += timedelta(hours=1)
        member.refresh_from_db()
        if now >= (member.next_plan_at or now) and (delivery := plan_member(member, now)):
            Delivery.objects.update(state="sent")
            came.append((now, [row.subject for row in delivery.reminders.order_by("pk")]))
    assert came == [(coming.at, [line.subject for line in coming.lines]) for coming in promised]


def test_who_stopped_mails_is_not_planned_and_expects_none():
    member = MemberFactory(mail_stopped_at=at(date(2026, 12, 1)))
    card_until(date(2026, 12, 27), member)
    assert not members_due(at(date(2026, 12, 20))).exists()
    assert next_mails(member, at(date(2026, 12, 20)), 10) == []


def test_a_plan_put_off_by_a_wrong_clock_is_put_right():
    member = MemberFactory(next_plan_at=at(date(2028, 1, 1)))
    card_until(date(2026, 12, 23), member)
    assert members_due(at(date(2026, 12, 20))).get() == member
    assert plan_member(member, at(date(2026, 12, 20))).local_date == date(2026, 12, 20)


def test_digest_goes_to_the_members_channel():
    member = MemberFactory()
    channel = Channel.objects.create(
        household=member.household, member=member, url="ntfy://ntfy.sh/chen", service="ntfy"
    )
    card_until(date(2026, 12, 23), member)
    assert plan_member(member, at(date(2026, 12, 20))).channel == channel


def test_alerts_go_once_to_all_others_who_can_be_reached():
    member = MemberFactory()
    others = [MemberFactory(household=member.household) for _ in range(2)]
    MemberFactory(household=member.household, unreachable_since=at(date(2026, 12, 1)))
    MemberFactory(household=member.household, mail_stopped_at=at(date(2026, 12, 1)))
    MemberFactory()
    now = at(date(2026, 12, 20))
    queue_alerts(member, now)
    queue_alerts(member, now)
    alerts = Delivery.objects.filter(kind="alert")
    assert {(alert.member, alert.about) for alert in alerts} == {(other, member) for other in others}
    assert len(alerts) == 2


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
