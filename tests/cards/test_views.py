"""The household, its members and its people."""

import pytest

from cards.models import Household, Member, Person, User
from tests.factories import InvitationFactory, MemberFactory, PersonFactory
from tests.family import Family, every_row, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def test_household_page_names_members_and_people(family, browser):
    PersonFactory(household=family.household, name="Rosa Chen", member=family.manager)
    page = browser.get("/household/")
    for words in ("Olga Chen", "Mario Chen", "Vera Chen", "Rosa Chen", "signs in as Mario Chen", "America/Havana"):
        assert words in page.text


@pytest.mark.parametrize(
    ("role", "forms"),
    [
        ("owner", {"Invite a member", "Save the role", "Add the person", "Name, currency and tasks"}),
        ("manager", {"Add the person", "Name, currency and tasks"}),
        ("viewer", set()),
    ],
)
def test_household_page_has_the_forms_of_a_role(family, role, forms):
    page = sign_in(getattr(family, role)).get("/household/").text
    every = {"Invite a member", "Save the role", "Add the person", "Name, currency and tasks"}
    assert {words for words in every if words in page} == forms
    assert "Leave the household" in page


def test_person_is_added(family, browser):
    assert browser.post("/household/people/", {"name": " Rosa  Chen "}).url == "/household/"
    assert Person.objects.get().household == family.household


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "This field is required."),
        ("x" * 101, "at most 100 characters"),
        ("x\0", "Null characters are not allowed."),
        ("Rosa Chen", "There is already a person of this name."),
    ],
)
def test_person_that_cannot_be_added_is_answered_in_words(family, browser, typed, words):
    PersonFactory(household=family.household, name="Rosa Chen")
    before = every_row()
    page = browser.post("/household/people/", {"name": typed})
    assert is_answered(page, "name", words, typed)
    assert "<details open" in page.text
    assert every_row() == before


def test_name_of_another_households_person_is_free(browser):
    PersonFactory(name="Rosa Chen")
    assert browser.post("/household/people/", {"name": "Rosa Chen"}).status_code == 302


@pytest.mark.parametrize("rows", [1, 30])
def test_household_page_asks_the_database_equally_often(family, browser, rows, django_assert_num_queries):
    for _each in range(rows):
        member = MemberFactory(household=family.household)
        PersonFactory(household=family.household, member=member)
        InvitationFactory(household=family.household)
    with django_assert_num_queries(6):
        browser.get("/household/")


def test_login_switched_off_cannot_sign_in(family):
    User.objects.filter(pk=family.manager.user.pk).update(is_active=False)
    assert sign_in(family.manager).get("/").status_code == 302


@pytest.fixture
def second(family):
    """The owner's login is a viewer of another household as well."""
    return MemberFactory(household=Family("Ruiz").household, user=family.owner.user, name="Olga", role="viewer")


def switcher(page):
    return 'action="/household/switch/"' in page.text


def test_switcher_is_shown_only_to_who_has_several_households(family, second):
    page = sign_in(family.owner).get("/household/")
    assert switcher(page)
    assert [name for name in ("Chen family", "Ruiz family") if f">{name}</button>" in page.text] == [
        "Chen family",
        "Ruiz family",
    ]
    assert not switcher(sign_in(family.manager).get("/household/"))


def test_switcher_costs_no_query(family, second, django_assert_num_queries):
    for client in (sign_in(family.owner), sign_in(family.manager)):
        client.get("/household/edit/")
        with django_assert_num_queries(4):
            client.get("/household/edit/")


def test_switch_leads_into_the_other_household_and_stays_there(family, second):
    client, before = sign_in(family.owner), every_row()
    assert client.post("/household/switch/", {"household": second.household_id}).url == "/"
    assert "<h1>Ruiz family</h1>" in client.get("/household/").text
    # The role is that of the household one is in.
    assert client.get("/household/edit/").status_code == 403
    client.post("/household/switch/", {"household": family.household.pk})
    assert "<h1>Chen family</h1>" in client.get("/household/").text
    assert every_row() == before


@pytest.mark.parametrize("wanted", ["", "x", "0", "987654321", "-1", "theirs"])
def test_switch_knows_no_household_of_others(family, second, wanted):
    theirs = str(Family("Pérez").household.pk)
    client = sign_in(family.owner)
    answer = client.post("/household/switch/", {"household": theirs if wanted == "theirs" else wanted})
    assert answer.status_code == 404
    assert "<h1>Chen family</h1>" in client.get("/household/").text


def test_left_household_cannot_be_switched_to(family, second):
    client = sign_in(family.owner)
    client.post("/household/switch/", {"household": second.household_id})
    Member.objects.filter(pk=second.pk).update(left_at="2026-01-31T12:00Z")
    assert "<h1>Chen family</h1>" in client.get("/household/").text
    assert client.post("/household/switch/", {"household": second.household_id}).status_code == 404


def test_further_household_is_founded_by_staff_only(family):
    User.objects.filter(pk=family.owner.user.pk).update(is_staff=True)
    client, before = sign_in(family.manager), every_row()
    for answer in (client.get("/household/new/"), client.post("/household/new/", {"household": "B", "name": "O"})):
        assert answer.status_code == 404
    assert every_row() == before
    client = sign_in(family.owner)
    assert is_answered(client.post("/household/new/", {"name": "Olga"}), "household", "This field is required.")
    page = client.post("/household/new/", {"household": "Ruiz family", "name": "Olga"}, follow=True)
    assert said(page) == ["Welcome. Add the first card: its number is enough to start."]
    assert "<h1>Ruiz family</h1>" in client.get("/household/").text
    made = Member.objects.get(household=Household.objects.get(name="Ruiz family"))
    assert (made.user, made.role, made.time_zone) == (family.owner.user, "owner", "America/Havana")
    assert made.person.name == "Olga"
