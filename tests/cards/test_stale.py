"""Two tabs change one thing: the second save is told, shown both values, and never overwrites in silence."""

import re
import threading

import pytest
from django.db import connection
from django.test import Client

from cards.models import Card, Household, Member, Person
from renewals.models import Document
from tests.family import Family, every_row, field_of, sign_in

pytestmark = pytest.mark.django_db

PLEA = "Somebody changed this meanwhile."


@pytest.fixture
def family():
    return Family().fill()


def filled(page):
    """Return what a browser would send back of a form as it was shown."""
    data = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page.text))
    form = page.context["form"]
    for bound in form.visible_fields():
        value = bound.value()
        if value is True:
            value = "on"
        if isinstance(value, list) and bound.name == "reminder_days":
            value = ", ".join(map(str, value))
        if value not in (None, False, ""):
            data[bound.html_name] = value
    data.pop("csrfmiddlewaretoken", None)
    return data


PAGES = {
    "card": (lambda family: f"/cards/{family.card.pk}/edit/", "name", Card),
    "household": (lambda family: "/household/edit/", "name", Household),
    "person": (lambda family: f"/household/people/{family.person.pk}/edit/", "phone", Person),
    "document": (lambda family: f"/documents/{family.document.pk}/edit/", "issued_by", Document),
    "settings": (lambda family: "/settings/", "name", Member),
}


@pytest.mark.parametrize("which", PAGES)
def test_second_tab_is_told_shown_both_values_and_saves_only_then(family, which):
    address, name, model = PAGES[which]
    path, client = address(family), sign_in(family.owner)
    first, second = filled(client.get(path)), filled(client.get(path))
    assert client.post(path, first | {name: "From the first"}).status_code == 302
    before = every_row()
    page = client.post(path, second | {name: "From the second"})
    assert page.status_code == 200
    assert PLEA in page.text
    assert "Meanwhile changed to: From the first" in field_of(page, name)
    assert 'value="From the second"' in field_of(page, name)
    assert page.text.count("Meanwhile changed") == 1
    assert every_row() == before
    assert client.post(path, filled(page) | {name: "From the second"}).status_code == 302
    assert model.objects.filter(**{name: "From the second"}).count() == 1


@pytest.mark.parametrize("which", PAGES)
def test_form_sent_as_it_was_shown_is_taken(family, which):
    address, _name, _model = PAGES[which]
    client, path = sign_in(family.owner), address(family)
    assert client.post(path, filled(client.get(path))).status_code == 302
    assert client.post(path, filled(client.get(path))).status_code == 302


@pytest.mark.parametrize("which", PAGES)
def test_both_typed_the_same_so_nobody_is_bothered(family, which):
    address, name, _model = PAGES[which]
    client, path = sign_in(family.owner), address(family)
    shown = filled(client.get(path))
    for _each in range(2):
        assert client.post(path, shown | {name: "The same"}).status_code == 302


def test_third_change_between_the_presses_is_told_as_well(family):
    client, path = sign_in(family.owner), "/household/edit/"
    shown = filled(client.get(path))
    client.post(path, shown | {"name": "One"})
    page = client.post(path, shown | {"name": "Mine"})
    Household.objects.filter(pk=family.household.pk).update(name="Two")
    page = client.post(path, filled(page) | {"name": "Mine"})
    assert "Meanwhile changed to: Two" in field_of(page, "name")
    assert Household.objects.get(pk=family.household.pk).name == "Two"


def test_untouched_field_is_not_overwritten_with_what_it_was(family):
    """The second tab changed the notes only; the name it still shows is an old one."""
    client, path = sign_in(family.owner), f"/cards/{family.card.pk}/edit/"
    first, second = filled(client.get(path)), filled(client.get(path))
    client.post(path, first | {"name": "Renamed"})
    page = client.post(path, second | {"notes": "in the drawer"})
    assert "Meanwhile changed to: Renamed" in field_of(page, "name")
    assert "Meanwhile" not in field_of(page, "notes")
    card = Card.objects.get(pk=family.card.pk)
    assert (card.name, card.notes) == ("Renamed", "")


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"responsible": "viewer"}, "responsible", "Meanwhile changed to: Vera Chen"),
        ({"form": "esim"}, "form", "Meanwhile changed to: eSIM"),
        ({"location": ""}, "location", "Meanwhile changed to: nothing"),
        ({"reminder_days": [90, 45]}, "reminder_days", "Meanwhile changed to: 90, 45"),
        ({"activated_on": "2020-02-29"}, "activated_on", "Meanwhile changed to: 2020-02-29"),
        ({"is_private": True}, "is_private", "Meanwhile changed to: yes"),
    ],
)
def test_other_value_is_said_in_words(family, change, name, words):
    Card.objects.filter(pk=family.card.pk).update(location="drawer", responsible=family.manager)
    client, path = sign_in(family.manager), f"/cards/{family.card.pk}/edit/"
    shown = filled(client.get(path))
    if "is_private" in change:
        family.card.seen_by.set([family.manager])
    change = {key: family.viewer if value == "viewer" else value for key, value in change.items()}
    Card.objects.filter(pk=family.card.pk).update(**change)
    page = client.post(path, shown | {"notes": "x"})
    assert words in page.text
    assert name in page.context["form"].errors


def test_members_who_see_a_card_are_compared_as_well(family):
    Card.objects.filter(pk=family.card.pk).update(is_private=True)
    family.card.seen_by.set([family.owner, family.manager])
    client, path = sign_in(family.owner), f"/cards/{family.card.pk}/edit/"
    shown = filled(client.get(path))
    family.card.seen_by.add(family.viewer)
    page = client.post(path, shown | {"notes": "x"})
    assert "Meanwhile changed to: Olga Chen, Mario Chen, Vera Chen" in page.text
    assert set(family.card.seen_by.all()) == {family.owner, family.manager, family.viewer}


def test_form_hides_hashes_and_no_values(family):
    Card.objects.filter(pk=family.card.pk).update(notes="in the drawer")
    client = sign_in(family.owner)
    seen = filled(client.get(f"/cards/{family.card.pk}/edit/"))["seen"]
    assert re.fullmatch(r"[0-9a-f]{16}(\.[0-9a-f]{16})+", seen)
    # The same value on another row has another hash.
    other = family.add_card(name=family.card.name, number="+5352000888")
    assert not set(seen.split(".")) & set(filled(client.get(f"/cards/{other.pk}/edit/"))["seen"].split("."))


@pytest.mark.parametrize("seen", ["", "x", ".".join(["0" * 16] * 3), "x" * 3000, "\0"])
def test_broken_hashes_break_nothing(family, seen):
    client, path = sign_in(family.owner), "/household/edit/"
    page = client.post(path, filled(client.get(path)) | {"seen": seen, "name": "Mine"})
    assert page.status_code in {200, 302}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_of_two_saves_at_the_same_moment_one_is_told(_round):
    family = Family().fill()
    path = f"/cards/{family.card.pk}/edit/"
    clients = [sign_in(family.owner), sign_in(family.manager)]
    shown = [filled(client.get(path)) for client in clients]
    start, answers = threading.Barrier(2), {}

    def save(number):
        start.wait()
        try:
            answers[number] = clients[number].post(path, shown[number] | {"name": f"Tab {number}"}).status_code
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [200, 302]
    winner = next(number for number, status in answers.items() if status == 302)
    assert Card.objects.get(pk=family.card.pk).name == f"Tab {winner}"


def test_browser_of_somebody_else_is_led_to_the_sign_in(family):
    assert Client().post("/household/edit/", {"name": "x", "seen": ""}).url.startswith("/accounts/login/")
