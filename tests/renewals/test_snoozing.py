"""Putting a card off, on the site; stopping and resuming all mails."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from cards.models import Member
from renewals.deadlines import recompute_card
from renewals.models import Delivery, Reading, Snooze
from renewals.reminders.planning import members_due, plan_member, queue_alerts, queue_test
from renewals.snoozing import CannotSnooze, resume_mails, snooze, snooze_choices, snooze_of, stop_mails, wake
from renewals.views.card import card_today
from renewals.walkthrough import start_renewal
from tests.factories import CardFactory, cubacel, giffgaff
from tests.family import Family, every_row, in_days, said, sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 15, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture
def family():
    return Family()


def card_until(family, deadline, plan=None):
    """A card whose safe date is a week before the deadline."""
    card = CardFactory(household=family.household, plan=plan or cubacel())
    about = {"household": family.household, "card": card}
    Reading.objects.create(read_on=in_days(deadline, -90), valid_until=deadline, **about)
    recompute_card(card)
    assert card.safe_on == in_days(deadline, -7)
    return card


# Days before the deadline, and until when the card can be put off, in days from today.
CHOICES = [
    (200, {1: 1, 3: 3, 7: 7}),
    (14, {1: 1, 3: 3, 7: 7}),
    (13, {1: 1, 3: 3, 7: 6}),
    (10, {1: 1, 3: 3}),
    (9, {1: 1, 3: 2}),
    (8, {1: 1}),
    (7, {}),
    (6, {}),
    (0, {}),
    (-1, {}),
    (-40, {}),
]


@pytest.mark.parametrize(("left", "choices"), CHOICES)
def test_card_is_put_off_until_its_safe_date_at_most(family, left, choices):
    card = card_until(family, in_days(TODAY, left))
    expected = {days: in_days(TODAY, until) for days, until in choices.items()}
    assert snooze_choices(card, TODAY) == expected
    for days, until_on in expected.items():
        made = snooze(card, family.owner, days, TODAY, NOW)
        assert (made.household, made.member, made.card) == (family.household, family.owner, card)
        assert (made.about_on, made.until_on, made.made_at) == (card.deadline, until_on, NOW)
        assert Snooze.objects.get() == made
        assert snooze_of(card, family.owner, TODAY) == made


REFUSED = [
    (7, {}, "the number is only safe until Tuesday, December 1, 2026"),
    (1, {}, "the number is only safe until Wednesday, November 25, 2026"),
    (-1, {}, "The deadline is past"),
    (-40, {}, "By our dates the number is lost"),
    (100, {"closed_on": TODAY}, "This card is closed"),
    (100, {"is_incomplete": True}, "Nobody knows until when this number lives"),
    (100, {"deadline": None}, "Nobody knows until when this number lives"),
]


@pytest.mark.parametrize(("left", "changes", "words"), REFUSED)
@pytest.mark.parametrize("days", [1, 3, 7])
def test_number_in_danger_is_not_put_off(family, left, changes, words, days):
    card = card_until(family, in_days(TODAY, left))
    for name, value in changes.items():
        setattr(card, name, value)
    assert snooze_choices(card, TODAY) == {}
    with pytest.raises(CannotSnooze, match=words):
        snooze(card, family.owner, days, TODAY, NOW)
    assert not Snooze.objects.exists()


def test_number_that_comes_back_only_on_request_is_not_put_off(family):
    card = card_until(family, in_days(TODAY, -5), giffgaff())
    with pytest.raises(CannotSnooze, match="The deadline is past"):
        snooze(card, family.owner, 1, TODAY, NOW)


@pytest.mark.parametrize("days", [-1, 0, 2, 8, 365])
def test_other_numbers_of_days_are_refused(family, days):
    with pytest.raises(CannotSnooze, match="Choose 1, 3 or 7 days"):
        snooze(card_until(family, in_days(TODAY, 100)), family.owner, days, TODAY, NOW)
    assert not Snooze.objects.exists()


def test_later_snooze_takes_the_place_of_an_earlier_one_of_the_same_member(family):
    card = card_until(family, in_days(TODAY, 100))
    for member, days in ((family.owner, 7), (family.viewer, 3), (family.owner, 1)):
        snooze(card, member, days, TODAY, NOW)
    untils = {row.member: row.until_on for row in Snooze.objects.all()}
    assert untils == {family.owner: in_days(TODAY, 1), family.viewer: in_days(TODAY, 3)}
    wake(card, family.owner)
    assert Snooze.objects.get().member == family.viewer


def test_snooze_ends_on_its_day_and_with_its_deadline(family):
    card = card_until(family, in_days(TODAY, 100))
    made = snooze(card, family.owner, 3, TODAY, NOW)
    assert [snooze_of(card, family.owner, in_days(TODAY, days)) for days in (0, 2, 3)] == [made, made, None]
    assert snooze_of(card, family.viewer, TODAY) is None
    card.deadline = in_days(card.deadline, 1)
    assert snooze_of(card, family.owner, TODAY) is None


def live_card(family, left=20):
    """A card with so many days left from the real today."""
    plan = cubacel()
    card = CardFactory(household=family.household, plan=plan)
    return card_until(family, in_days(card_today(family.owner, card), left), plan)


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_card_page_puts_off_and_reminds_again(family, role):
    card, member = live_card(family), getattr(family, role)
    browser, today = sign_in(member), card_today(member, card)
    page = browser.get(f"/cards/{card.pk}/")
    assert re.findall(r'name="days" value="(\d+)"', page.text) == ["1", "3", "7"]
    page = browser.post(f"/cards/{card.pk}/snooze/", {"days": "3"}, follow=True)
    assert page.redirect_chain == [(f"/cards/{card.pk}/", 302)]
    assert said(page)[0].startswith("You are not reminded of Mamá until ")
    assert "You are not reminded of this card until" in page.text
    made = Snooze.objects.get()
    assert (made.member, made.card, made.until_on) == (member, card, in_days(today, 3))
    assert "Mamá" in browser.get("/").text
    page = browser.post(f"/cards/{card.pk}/snooze/", {"days": "0"}, follow=True)
    assert said(page) == ["You are reminded of Mamá again."]
    assert not Snooze.objects.exists()
    assert "You are not reminded of this card until" not in page.text


@pytest.mark.parametrize("days", [None, "", "2", "x", "-3", "03", "٣", "9" * 5000, "3\0"])
def test_card_page_takes_no_other_days(family, days):
    card, browser = live_card(family), sign_in(family.owner)
    data = {} if days is None else {"days": days}
    page = browser.post(f"/cards/{card.pk}/snooze/", data, follow=True)
    assert said(page) == ["Choose 1, 3 or 7 days."]
    assert not Snooze.objects.exists()


def test_card_page_offers_no_snooze_where_the_number_is_in_danger(family):
    card, browser = live_card(family, 5), sign_in(family.owner)
    assert 'name="days"' not in browser.get(f"/cards/{card.pk}/").text
    page = browser.post(f"/cards/{card.pk}/snooze/", {"days": "1"}, follow=True)
    assert "This cannot be put off" in said(page)[0]
    assert not Snooze.objects.exists()


def test_snooze_of_another_households_card_is_not_there(family):
    card, own, stranger = live_card(family), sign_in(family.owner), sign_in(Family("Pérez").owner)
    before = every_row()
    for days in ("0", "3"):
        assert stranger.post(f"/cards/{card.pk}/snooze/", {"days": days}).status_code == 404
    assert own.get(f"/cards/{card.pk}/snooze/").status_code == 405
    assert every_row() == before


def test_card_page_lets_who_may_change_take_a_renewal_on(family):
    card = live_card(family)
    renewal = start_renewal(card, family.manager, timezone.now())
    take = f'action="/renewals/{renewal.pk}/take/"'
    pages = {
        role: sign_in(getattr(family, role)).get(f"/cards/{card.pk}/").text for role in ("owner", "manager", "viewer")
    }
    assert {role for role, text in pages.items() if take in text} == {"owner"}
    assert all("Mario Chen is doing it since" in text for text in pages.values())
    renewal.taken_at -= timedelta(days=2)
    renewal.save()
    page = sign_in(family.manager).get(f"/cards/{card.pk}/").text
    assert take in page
    assert "is doing it since" not in page


def test_stopping_withdraws_what_waits_and_tells_the_others_once(family):
    card_until(family, in_days(TODAY, 3))
    owner, manager, viewer = family.owner, family.manager, family.viewer
    Member.objects.update(time_zone="UTC")
    owner.refresh_from_db()
    digest, test = plan_member(owner, NOW), queue_test(owner, NOW)
    gone = Delivery.objects.create(household=family.household, member=owner, state="sent", local_date=date(2026, 11, 1))
    under_way = queue_test(owner, NOW)
    Delivery.objects.filter(pk=under_way.pk).update(state="claimed")
    assert stop_mails(owner, NOW) is True
    assert stop_mails(owner, NOW + timedelta(days=1)) is False
    owner.refresh_from_db()
    assert owner.mail_stopped_at == NOW
    states = dict(Delivery.objects.filter(member=owner).values_list("pk", "state"))
    assert states == {digest.pk: "withdrawn", test.pk: "withdrawn", gone.pk: "sent", under_way.pk: "claimed"}
    alerts = Delivery.objects.filter(kind="alert")
    assert {(row.member, row.about, row.state) for row in alerts} == {
        (manager, owner, "queued"),
        (viewer, owner, "queued"),
    }
    assert not is_planned(owner)


def is_planned(member):
    return members_due(NOW + timedelta(days=2)).filter(pk=member.pk).exists()


def test_resuming_lets_mails_come_at_the_next_hour(family):
    owner = family.owner
    stop_mails(owner, NOW)
    Member.objects.filter(pk=owner.pk).update(next_plan_at=NOW + timedelta(days=1), unreachable_since=NOW)
    page = sign_in(owner).post("/settings/mail/resume/")
    assert (page.status_code, page.url) == (302, "/settings/")
    owner.refresh_from_db()
    assert (owner.mail_stopped_at, owner.next_plan_at, owner.unreachable_since) == (None, None, NOW)
    assert is_planned(owner)
    assert sign_in(owner).get("/settings/mail/resume/").status_code == 405


def test_resuming_is_about_oneself_only(family):
    for member in (family.owner, family.viewer):
        stop_mails(member, NOW)
    resume_mails(family.viewer)
    stopped = set(Member.objects.exclude(mail_stopped_at=None))
    assert stopped == {family.owner}
    assert queue_alerts(family.owner, NOW + timedelta(days=3)) == 2
