"""A rule has changed: the cards follow, the households are told, and what was begun keeps its terms."""

import datetime

import pytest
from django.utils import timezone

from cards.models import Card, Plan
from renewals import rule_changes
from renewals.deadlines import moved_cards, recompute_card, why_not_counted
from renewals.kept_terms import walk_terms
from renewals.models import Delivery, Payment, Reminder, Renewal, RuleChange
from renewals.plan_changes import change_plan
from renewals.reminders.delivery import run_once
from renewals.reminders.mail import render
from renewals.reminders.planning import plan_member
from renewals.rule_changes import count_pending, mark_for_recount, preview_of, recount_pending, rules_by_plan
from renewals.walkthrough import finish_step, start_renewal
from tests.factories import MemberFactory, cubacel, giffgaff
from tests.family import Family, has_heard_of_the_month, in_days, save_step, sign_in

pytestmark = pytest.mark.django_db

day = datetime.date.fromisoformat
NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def plan():
    return cubacel()


def kept_card(family, plan, paid_on, **fields):
    card = family.add_card(plan, **fields)
    about = {"card": card, "household": card.household, "currency": "CUP", "channel": "inside"}
    Payment.objects.create(amount=100, paid_on=paid_on, confirmed_on=paid_on, **about)
    recompute_card(card)
    return card


def shorten(plan, days=180, now=NOON):
    """Do to the plan's rule what the administration does."""
    rule = plan.rules.get()
    rule.value = days
    rule.save()
    rule.steps.update(value=days)
    mark_for_recount(plan, now)


def test_recount_moves_the_cards_and_takes_the_mark_away(family, plan):
    card = kept_card(family, plan, day("2026-01-31"))
    other = kept_card(family, cubacel(), day("2026-01-31"))
    shorten(plan)
    assert recount_pending(NOON) == 1
    card.refresh_from_db()
    other.refresh_from_db()
    assert (card.deadline, other.deadline) == (day("2026-07-30"), day("2026-12-27"))
    assert Plan.objects.get(pk=plan.pk).recount_since is None
    assert recount_pending(NOON) == 0


def test_household_is_told_from_which_date_to_which(family, plan):
    card = kept_card(family, plan, day("2026-01-31"))
    shorten(plan)
    recount_pending(NOON)
    change = RuleChange.objects.get()
    assert (change.household, change.card, change.plan) == (family.household, card, plan)
    assert (change.old_deadline, change.new_deadline) == (day("2026-12-27"), day("2026-07-30"))
    assert (change.old_lost_on, change.new_lost_on) == (day("2027-01-27"), day("2026-08-30"))


def test_history_of_the_card_keeps_the_change(family, plan):
    card = kept_card(family, plan, day("2026-01-31"))
    shorten(plan)
    recount_pending(NOON)
    page = sign_in(family.viewer).get(f"/cards/{card.pk}/")
    assert "The rule of this plan has changed: Dec 27, 2026 → Jul 30, 2026." in page.text


def test_several_changes_of_a_day_are_one(family, plan):
    kept_card(family, plan, day("2026-01-31"))
    for days in (180, 200):
        shorten(plan, days)
        recount_pending(NOON)
    change = RuleChange.objects.get()
    assert (change.old_deadline, change.new_deadline) == (day("2026-12-27"), day("2026-08-19"))
    shorten(plan, 330)
    recount_pending(NOON)
    assert not RuleChange.objects.exists()


def test_closed_card_is_computed_and_nobody_told(family, plan):
    card = kept_card(family, plan, day("2026-01-31"), closed_on=day("2026-05-01"))
    shorten(plan)
    assert recount_pending(NOON) == 0
    card.refresh_from_db()
    assert card.deadline == day("2026-07-30")
    assert not RuleChange.objects.exists()


def test_card_that_left_the_plan_follows_as_far_as_it_counted_by_it(family, plan):
    card = kept_card(family, plan, day("2026-01-31"))
    change_plan(card, giffgaff(), day("2026-06-20"), family.owner, NOON, day("2026-06-20"))
    shorten(plan, 100)
    assert recount_pending(NOON) == 1
    card.refresh_from_db()
    assert card.deadline == day("2026-05-11")


def test_preview_counts_and_writes_nothing(family, plan):
    ruiz = Family("Ruiz")
    for each in (family, family, ruiz):
        kept_card(each, plan, day("2026-01-31"))
    kept_card(family, plan, day("2026-01-31"), closed_on=day("2026-05-01"))
    shorten(plan)
    before = list(Card.objects.order_by("pk").values_list())
    preview = preview_of(rules_by_plan([plan.pk]))
    assert (preview.cards, len(preview.households)) == (3, 2)
    assert dict(preview.moves) == {((day("2026-12-27"), day("2027-01-27")), (day("2026-07-30"), day("2026-08-30"))): 3}
    assert list(Card.objects.order_by("pk").values_list()) == before


def test_cut_off_recount_is_finished_by_the_reminders(family, plan, monkeypatch):
    cards = [kept_card(family, plan, day("2026-01-31")) for _number in range(3)]
    shorten(plan)
    monkeypatch.setattr("renewals.deadlines._BATCH", 1)
    real = rule_changes._tell

    def stop_at_the_second(moved, plan, now):
        if RuleChange.objects.exists():
            raise KeyboardInterrupt
        real(moved, plan, now)

    monkeypatch.setattr("renewals.rule_changes._tell", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        recount_pending(NOON)
    assert Plan.objects.get(pk=plan.pk).recount_since == NOON
    assert [Card.objects.get(pk=card.pk).deadline for card in cards].count(day("2026-07-30")) == 1
    monkeypatch.setattr("renewals.rule_changes._tell", real)
    run_once(None)
    assert {Card.objects.get(pk=card.pk).deadline for card in cards} == {day("2026-07-30")}
    assert RuleChange.objects.count() == 3
    assert Plan.objects.get(pk=plan.pk).recount_since is None


def test_plan_that_cannot_be_computed_stops_no_other(family, plan, monkeypatch):
    other = cubacel()
    cards = [kept_card(family, each, day("2026-01-31")) for each in (plan, other)]
    real = rule_changes._tell

    def fail_for_the_first(moved, plan, now):
        if plan != other.pk:
            raise ValueError("broken")
        real(moved, plan, now)

    monkeypatch.setattr("renewals.rule_changes._tell", fail_for_the_first)
    for each in (plan, other):
        shorten(each)
    with pytest.raises(ValueError, match="broken"):
        recount_pending(NOON)
    assert [Card.objects.get(pk=card.pk).deadline for card in cards] == [day("2026-12-27"), day("2026-07-30")]
    assert [Plan.objects.get(pk=each.pk).recount_since for each in (plan, other)] == [NOON, None]


def test_report_follows_the_cards_that_are_computed(family, plan, monkeypatch):
    monkeypatch.setattr("renewals.deadlines._BATCH", 2)
    for _number in range(5):
        kept_card(family, plan, day("2026-01-31"))
    mark_for_recount(plan, NOON)
    reported = []
    assert count_pending() == 5
    recount_pending(NOON, report=reported.append)
    assert (reported, count_pending()) == ([2, 2, 1], 0)


def test_plan_marked_again_meanwhile_stays_marked(plan):
    mark_for_recount(plan, NOON)
    later = NOON + datetime.timedelta(minutes=1)
    real = rule_changes.recompute_cards

    def meanwhile(cards, **about):
        mark_for_recount(plan, later)
        return real(cards, **about)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("renewals.rule_changes.recompute_cards", meanwhile)
        recount_pending(NOON)
    assert Plan.objects.get(pk=plan.pk).recount_since == later


def test_memory_stays_flat_as_no_batch_is_larger_than_another(family, plan, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr("renewals.deadlines._BATCH", 4)
    for _number in range(9):
        kept_card(family, plan, day("2026-01-31"))
    sizes = []
    real = rule_changes._tell
    monkeypatch.setattr(
        "renewals.rule_changes._tell", lambda moved, **about: (sizes.append(len(moved)), real(moved, **about))
    )
    shorten(plan)
    recount_pending(NOON)
    assert sizes == [4, 4, 1]


# The next digest


@pytest.fixture
def told(smtp_server, family, plan):
    """A change of the rule made now, and the run of the reminders after it: the mails that arrive."""
    now = timezone.now()
    card = kept_card(family, plan, in_days(now.date(), -40))
    family.household.members.update(next_plan_at=None, remind_at=datetime.time(0))
    for member in family.household.members.all():
        has_heard_of_the_month(member, now.astimezone(member.zone).date())
    run_once(None)
    assert smtp_server.messages == []
    shorten(plan, 300, now)
    recount_pending(now)
    family.household.members.update(next_plan_at=None)
    run_once(None)
    return card, smtp_server.messages


def test_next_digest_says_what_the_change_did(told, family):
    card, arrived = told
    assert len(arrived) == 3
    change = RuleChange.objects.get()
    assert set(Reminder.objects.exclude(kind="watching").values_list("member__name", "kind", "card")) == {
        (member.name, "rule", card.pk) for member in (family.owner, family.manager, family.viewer)
    }
    assert (change.new_deadline - change.old_deadline).days == -30


def test_change_is_told_once(told, family, smtp_server):
    family.household.members.update(next_plan_at=None)
    before = len(smtp_server.messages)
    run_once(None)
    assert len(smtp_server.messages) == before


def test_member_who_comes_later_is_not_told_of_old_changes(family, plan):
    card = kept_card(family, plan, in_days(timezone.now().date(), -40))
    RuleChange.objects.create(
        household=family.household,
        card=card,
        changed_on=in_days(timezone.now().date(), -40),
        old_deadline=card.deadline,
        new_deadline=card.deadline,
    )
    MemberFactory(household=family.household, remind_at=datetime.time(0))
    run_once(None)
    assert not Reminder.objects.filter(kind="rule").exists()


def mail_of(family, now):
    """Return what the owner's digest of the day says, as it is sent; None when there is none."""
    family.owner.household.members.update(next_plan_at=None, remind_at=datetime.time(0))
    family.owner.refresh_from_db()
    delivery = plan_member(family.owner, now)
    message = render(delivery, now) if delivery else None
    Delivery.objects.update(state=Delivery.State.SENT)
    return message and message.body


NEXT_DAY = NOON + datetime.timedelta(days=1)


def test_dates_that_go_back_on_the_same_day_are_told_where_the_change_was(family, plan):
    kept_card(family, plan, day("2026-01-31"))
    shorten(plan)
    recount_pending(NOON)
    assert "Dec 27, 2026 → Jul 30, 2026" in mail_of(family, NOON)
    shorten(plan, 330)
    recount_pending(NOON)
    assert "Jul 30, 2026 → Dec 27, 2026" in mail_of(family, NEXT_DAY)


def test_second_change_of_a_day_is_told_also_when_only_the_day_of_loss_moves(family, plan):
    kept_card(family, plan, day("2026-01-31"))
    shorten(plan, 300)
    recount_pending(NOON)
    assert "has changed" in mail_of(family, NOON)
    plan.rules.update(grace_value=5)
    mark_for_recount(plan, NOON)
    recount_pending(NOON)
    assert "has changed" in mail_of(family, NEXT_DAY)


def test_second_change_of_a_day_that_moves_no_told_date_is_not_told(family, plan):
    kept_card(family, plan, day("2026-01-31"))
    shorten(plan, 300)
    recount_pending(NOON)
    assert "has changed" in mail_of(family, NOON)
    plan.rules.update(buffer_days=10)
    mark_for_recount(plan, NOON)
    assert recount_pending(NOON) == 1
    assert mail_of(family, NEXT_DAY) is None


def test_each_change_is_told_once_also_when_it_leads_to_the_same_day_as_another(family, plan):
    kept_card(family, plan, day("2026-01-31"))
    told = []
    for number, days in enumerate((310, 320, 310)):
        now = NOON + number * datetime.timedelta(days=1)
        shorten(plan, days, now)
        recount_pending(now)
        told.append(mail_of(family, now).count(" → "))
    assert told == [1, 1, 1]


# A renewal that was open


@pytest.fixture
def walk(family, plan):
    """A renewal that was opened while 100 CUP were enough."""
    card = kept_card(family, plan, day("2026-01-31"))
    renewal = start_renewal(card, family.owner, NOON - datetime.timedelta(days=2))
    for key in ("balance", "validity", "documents", "visit", "sign_in"):
        step = renewal.steps.get(key=key)
        finish_step(step, family.owner, step.revision, NOON, note="x", skip=True)
    return renewal


def make_dearer(plan):
    plan.rules.get().steps.filter(channel="inside").update(minimum_amount=120)
    mark_for_recount(plan, NOON)
    recount_pending(NOON)


def test_open_renewal_asks_for_what_it_was_opened_under(walk, plan, family):
    terms = walk.plan_terms
    make_dearer(plan)
    client = sign_in(family.owner)
    page = client.get(f"/renewals/{walk.pk}/choose/")
    assert "100 CUP" in page.text
    assert "120 CUP" not in page.text
    assert "The rule of this plan has changed since this renewal was started" in page.text
    assert Renewal.objects.get(pk=walk.pk).plan_terms == terms
    save_step(client, walk, "choose", option="100 CUP inside")
    assert Renewal.objects.get(pk=walk.pk).amount == 100


def test_act_of_an_open_renewal_counts_by_its_terms_for_good(walk, plan, family):
    make_dearer(plan)
    about = {"card": walk.card, "household": family.household, "currency": "CUP", "channel": "inside"}
    paid = {"amount": 100, "paid_on": day("2026-06-01"), "confirmed_on": day("2026-06-01")}
    Payment.objects.create(renewal=walk, **paid, **about)
    assert recompute_card(walk.card).deadline == day("2027-04-27")
    recount_pending(NOON)
    walk.card.refresh_from_db()
    assert walk.card.deadline == day("2027-04-27")


def test_act_of_an_open_renewal_is_not_said_to_count_for_nothing(walk, plan, family):
    make_dearer(plan)
    walk.refresh_from_db()
    about = {"card": walk.card, "household": family.household, "currency": "CUP", "channel": "inside"}
    paid = Payment.objects.create(renewal=walk, amount=100, paid_on=day("2026-06-01"), **about)
    assert why_not_counted(walk.card, paid) is None


def test_renewal_that_ended_before_the_cards_were_computed_keeps_its_terms(walk, plan, family):
    shorten(plan)
    about = {"card": walk.card, "household": family.household, "currency": "CUP", "channel": "inside"}
    paid = {"amount": 100, "paid_on": day("2026-06-01"), "confirmed_on": day("2026-06-01")}
    Payment.objects.create(renewal=walk, **paid, **about)
    ended = {"state": Renewal.State.RENEWED, "finished_at": NOON + datetime.timedelta(seconds=20)}
    Renewal.objects.filter(pk=walk.pk).update(**ended)
    recount_pending(NOON + datetime.timedelta(minutes=1))
    walk.card.refresh_from_db()
    assert walk.card.deadline == day("2027-04-27")


def test_copy_of_the_first_release_does_not_say_which_rules_they_are_and_is_not_kept(walk, plan):
    for rule in walk.plan_terms["rules"]:
        for name in ("id", "grace_acts", "lead_days", "buffer_days"):
            del rule[name]
    walk.save()
    make_dearer(plan)
    walk.card.refresh_from_db()
    assert walk.card.deadline is None
    assert walk_terms(Renewal.objects.get()).plan == plan


def test_renewal_of_a_card_that_is_on_another_plan_by_now_goes_by_that_one(walk, plan, family):
    other = giffgaff()
    change_plan(walk.card, other, day("2026-06-01"), family.owner, NOON, day("2026-06-01"))
    other.rules.update(value=100)
    mark_for_recount(other, NEXT_DAY)
    recount_pending(NEXT_DAY)
    terms = walk_terms(Renewal.objects.get())
    assert (terms.plan, terms.rules) == (other, list(other.rules.all()))


def test_act_outside_of_it_counts_by_the_new_rule(walk, plan, family):
    make_dearer(plan)
    about = {"card": walk.card, "household": family.household, "currency": "CUP", "channel": "inside"}
    Payment.objects.create(amount=110, paid_on=day("2026-06-01"), confirmed_on=day("2026-06-01"), **about)
    # Neither it nor the one of January is enough any more.
    assert recompute_card(walk.card).deadline is None


def test_renewal_opened_after_the_change_has_the_new_terms(walk, plan, family):
    card = kept_card(family, plan, day("2026-02-28"))
    make_dearer(plan)
    renewal = start_renewal(card, family.owner, NOON + datetime.timedelta(minutes=1))
    recount_pending(NOON)
    assert not Renewal.objects.get(pk=renewal.pk).keeps_terms
    assert Renewal.objects.get(pk=walk.pk).keeps_terms


def test_moved_cards_are_those_that_a_recount_moves(family, plan):
    cards = [kept_card(family, plan, day(on)) for on in ("2026-01-31", "2026-03-15")]
    kept_card(family, cubacel(), day("2026-01-31"))
    shorten(plan)
    expected = {moved.card.pk: moved.after.deadline for moved in moved_cards(Card.objects.counted_by([plan.pk]))}
    recount_pending(NOON)
    assert expected == {card.pk: Card.objects.get(pk=card.pk).deadline for card in cards}
