"""A private card, for the members of its household who may not see it: it does not exist, nor does what hangs on it."""

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from cards.models import Card, LinkedAccount, Person
from renewals.deadlines import recompute_card
from renewals.feeds import make_feed
from renewals.models import Payment, Reading, Reminder, Task
from renewals.reminders.links import Action, act_url
from renewals.reminders.mail import render
from renewals.reminders.planning import new_lines, plan_member, queue_test
from renewals.snoozing import stop_mails
from tests.family import Family, every_row, field_of, said, save_step, sign_in
from tests.test_isolation import EMPTY, PAGES, addresses, give_files

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def family():
    """Everything of the family hangs on private cards, which only the manager sees."""
    family = Family("Chen").fill()
    for card in (family.card, family.balance_card):
        hide(card, family.manager)
    return family


def hide(card, *members):
    Card.objects.filter(pk=card.pk).update(is_private=True)
    card.seen_by.set(members)


NAMES = ("Mamá Chen", "Papá Chen", "WeChat Chen", "+53 5", "+535", "13012345678")
# What does not hang on a card stays the whole household's.
OF_A_CARD = [
    route
    for route in PAGES
    if "<int:pk>" in route
    and route.startswith(("cards/", "plan-changes/", "linked-accounts/", "log/", "payments/", "renewals/"))
]


def test_there_are_pages_of_every_sort():
    assert len(OF_A_CARD) >= 20


@pytest.mark.parametrize("role", ["owner", "viewer"])
@pytest.mark.parametrize("route", OF_A_CARD)
@pytest.mark.parametrize("method", ["get", "post"])
def test_page_of_a_private_card_is_not_there_for_who_may_not_see_it(family, role, route, method):
    give_files(family)
    client, before = sign_in(getattr(family, role)), every_row()
    expected = 405 if PAGES[route].change[method == "post"] == 405 else 404
    for address in addresses(route, family):
        answer = getattr(client, method)(address, EMPTY)
        assert (address, answer.status_code) == (address, expected)
    assert every_row() == before


@pytest.mark.parametrize("route", OF_A_CARD)
def test_page_of_a_private_card_is_there_for_who_sees_it(family, route):
    give_files(family)
    get, _post = PAGES[route].change
    for address in addresses(route, family):
        assert (address, sign_in(family.manager).get(address).status_code) == (address, get)


@pytest.mark.parametrize("route", [route for route in PAGES if "<" not in route and PAGES[route].look[0] == 200])
def test_no_page_names_a_private_card_to_who_may_not_see_it(family, route):
    seen = sign_in(family.manager).get(f"/{route}").text
    for role in ("owner", "viewer"):
        page = sign_in(getattr(family, role)).get(f"/{route}").text
        assert [name for name in NAMES if name in page] == []
    if route in {"", "payments/csv/"}:
        assert [name for name in NAMES if name in seen]


def test_payments_pages_count_nothing_of_a_private_card(family):
    shown = sign_in(family.manager).get("/payments/csv/").text
    assert "100" in shown
    rows = sign_in(family.viewer).get("/payments/csv/").text.splitlines()
    assert len(rows) == 1


def test_calendar_feed_leaves_a_private_card_out(family):
    recompute_card(family.card)
    feeds = {}
    for member in (family.owner, family.manager):
        path = make_feed(member, timezone.now()).removeprefix("http://127.0.0.1:8000")
        feeds[member] = Client().get(path).text
    assert "Mamá Chen" in feeds[family.manager]
    assert [name for name in NAMES if name in feeds[family.owner]] == []


def test_reminders_say_nothing_of_a_private_card(family):
    late = timezone.now() + datetime.timedelta(days=3)
    assert family.card.pk in {line.card.pk for line in new_lines(family.manager, late) if line.card}
    assert [line for line in new_lines(family.owner, late) if line.card] == []
    assert [line for line in new_lines(family.owner, late) if line.moment.kind == "watching"] == []


def test_mail_that_was_planned_before_a_card_became_private_drops_it(family):
    Card.objects.update(is_private=False)
    late = timezone.now().replace(hour=22)
    plan_member(family.owner, late)
    mail = family.owner.deliveries.get()
    assert "Mamá Chen" in render(mail, late).body
    Card.objects.update(is_private=True)
    letter = render(mail, late)
    assert letter is None or [name for name in NAMES if name in letter.body] == []


def test_link_of_an_old_mail_does_nothing_to_a_card_that_became_private(family):
    mail = queue_test(family.viewer, timezone.now())
    path = act_url(mail, family.card, Action.SNOOZE).removeprefix("http://127.0.0.1:8000")
    before = every_row()
    for answer in (Client().get(path), Client().post(path, {"days": "1"})):
        assert [name for name in NAMES if name in answer.text] == []
    assert every_row() == before


def test_list_of_mails_does_not_say_of_what_others_were_told(family):
    """The page lists the mails of the whole household; what a private card's mail was about stays with who sees it."""
    plan_member(family.manager, timezone.now().replace(hour=22))
    assert Reminder.objects.filter(card=family.card).exists()
    assert "Mamá Chen" in sign_in(family.manager).get("/mails/").text
    page = sign_in(family.viewer).get("/mails/").text
    assert "Mario Chen" in page
    assert [name for name in NAMES if name in page] == []
    assert "deadline" not in page


def test_flight_names_no_private_card(family):
    page = sign_in(family.manager).get(f"/travel/{family.trip.pk}/").text
    assert "Mamá Chen" in page or "Papá Chen" in page
    page = sign_in(family.viewer).get(f"/travel/{family.trip.pk}/").text
    assert [name for name in NAMES if name in page] == []


def test_changed_person_does_not_tell_how_many_cards_there_are(family):
    """The operator of a private card is to be told as well, but only who sees it is told so."""
    data = {"name": "Rosa Ruiz", "address": "", "phone": "", "email": ""}
    page = sign_in(family.owner).post(f"/household/people/{family.person.pk}/edit/", data, follow=True)
    assert said(page) == ["Saved."]
    assert Task.objects.open().filter(card=family.card).exists()
    assert Person.objects.get(pk=family.person.pk).name == "Rosa Ruiz"


def test_alert_about_a_member_goes_to_all(family):
    """Only cards are private: that somebody is out of reach all may know."""
    assert stop_mails(family.manager, timezone.now())
    assert family.owner.deliveries.filter(kind="alert").exists()


def card_data(card, **changes):
    return {"number": card.number, "name": card.name, "plan": card.plan_id} | changes


def test_card_is_made_private_and_whoever_does_it_always_sees_it(family):
    card = family.add_card(name="Own", number="+5352000777")
    client = sign_in(family.manager)
    data = card_data(card, is_private="on", seen_by=[family.viewer.pk])
    assert client.post(f"/cards/{card.pk}/edit/", data).status_code == 302
    card.refresh_from_db()
    assert card.is_private
    assert set(card.seen_by.all()) == {family.manager, family.viewer}
    assert client.get(f"/cards/{card.pk}/").status_code == 200
    assert sign_in(family.owner).get(f"/cards/{card.pk}/").status_code == 404


def test_new_card_can_be_private_from_the_first_moment(family):
    data = {"number": "+53 5 111 2233", "name": "Own", "plan": family.card.plan.pk, "is_private": "on"}
    sign_in(family.owner).post("/cards/new/", data)
    assert set(Card.objects.get(name="Own").seen_by.all()) == {family.owner}


def test_card_that_is_private_no_more_is_seen_by_all(family):
    data = card_data(family.card, seen_by=[family.viewer.pk])
    sign_in(family.manager).post(f"/cards/{family.card.pk}/edit/", data)
    family.card.refresh_from_db()
    assert (family.card.is_private, list(family.card.seen_by.all())) == (False, [])
    assert sign_in(family.viewer).get(f"/cards/{family.card.pk}/").status_code == 200


@pytest.mark.parametrize("name", ["responsible", "deputy"])
def test_nobody_keeps_a_private_card_they_do_not_see(family, name):
    client, before = sign_in(family.manager), every_row()
    data = card_data(family.card, is_private="on", seen_by=[], **{name: family.owner.pk})
    page = client.post(f"/cards/{family.card.pk}/edit/", data)
    assert "they may not see it: tick them below as well" in field_of(page, name)
    assert every_row() == before
    data["seen_by"] = [family.owner.pk]
    assert client.post(f"/cards/{family.card.pk}/edit/", data).status_code == 302


def test_card_is_shown_to_no_member_of_another_household_and_to_none_who_left(family):
    other = Family("Pérez")
    family.viewer.left_at = timezone.now()
    family.viewer.save()
    client, before = sign_in(family.manager), every_row()
    for member in (other.owner, family.viewer):
        page = client.post(
            f"/cards/{family.card.pk}/edit/", card_data(family.card, is_private="on", seen_by=[member.pk])
        )
        assert page.status_code == 200
    assert every_row() == before


def test_id_of_a_private_card_in_a_form_does_nothing(family):
    """Every form that could name a card, posted by a member who may not see it."""
    family.add_card(name="Seen", number="+5352000777")
    client, before = sign_in(family.owner), every_row()
    pk = family.card.pk
    data = {"card": pk, "pk": pk, "kind": "sms", "done_on": "2026-01-31", "read_on": "2026-01-31", "name": "Bank"}
    for path in (f"/cards/{pk}/log/?kind=activity", f"/cards/{pk}/log/?kind=reading", f"/cards/{pk}/accounts/",
                 f"/cards/{pk}/close/", f"/cards/{pk}/plan/", f"/renewals/start/{pk}/", f"/cards/{pk}/snooze/",
                 f"/cards/{pk}/tasks/update_details/", f"/cards/{pk}/edit/"):  # fmt: skip
        assert (path, client.post(path, data).status_code) == (path, 404)
    assert save_step(client, family.renewal, "balance", balance="1").status_code == 404
    assert every_row() == before


def test_card_posted_with_the_form_of_another_is_not_taken(family):
    seen = family.add_card(name="Seen", number="+5352000777", plan=family.card.plan)
    theirs = {"card": family.card.pk, "card_id": family.card.pk, "renewal": family.renewal.pk}
    client = sign_in(family.owner)
    client.post(f"/cards/{seen.pk}/accounts/", {"name": "Bank", "kind": "bank", "importance": "high"} | theirs)
    client.post(f"/cards/{seen.pk}/log/?kind=reading", {"read_on": "2026-01-31", "valid_until": "2027-01-31"} | theirs)
    assert LinkedAccount.objects.get(name="Bank").card == seen
    assert set(Reading.objects.filter(card=family.card)) == {family.reading}
    assert set(Payment.objects.filter(card=family.card)) == {family.payment}
