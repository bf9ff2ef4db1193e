"""The household, its members and its people."""

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from cards.models import Member, Person, User
from tests.factories import MemberFactory, PersonFactory, UserFactory
from tests.family import Family, every_row, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


NEW = {"name": "Bo", "email": "bo@example.org", "role": "manager", "language": "es", "time_zone": "Asia/Shanghai"}


def new_member(**changes):
    return {f"member-{name}": value for name, value in (NEW | changes).items()}


def test_household_page_names_members_and_people(family, browser):
    PersonFactory(household=family.household, name="Rosa Chen", member=family.manager)
    page = browser.get("/household/")
    for words in ("Olga Chen", "Mario Chen", "Vera Chen", "Rosa Chen", "signs in as Mario Chen", "America/Havana"):
        assert words in page.text


def test_viewer_sees_the_household_without_its_forms(family):
    assert "Add a member" in sign_in(family.owner).get("/household/").text
    assert "Add a member" not in sign_in(family.viewer).get("/household/").text


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


def test_member_is_added_and_gets_a_mail_to_choose_a_password(family, browser):
    page = browser.post("/household/members/", new_member(email="Bo@Example.ORG"), follow=True)
    assert said(page) == ["Bo gets a mail to choose a password."]
    member = Member.objects.get(name="Bo")
    assert (member.household, member.role, member.language) == (family.household, "manager", "es")
    assert (member.user.email, member.user.has_usable_password()) == ("bo@example.org", False)
    assert (member.user.is_staff, member.user.is_superuser) == (False, False)
    assert [message.to for message in mail.outbox] == [["bo@example.org"]]
    assert "/accounts/password/reset/key/" in mail.outbox[0].body


class DeadServer(BaseEmailBackend):
    def send_messages(self, messages):
        raise ConnectionRefusedError


def test_member_is_added_even_when_no_mail_can_leave(browser, settings):
    settings.EMAIL_BACKEND = "tests.cards.test_views.DeadServer"
    page = browser.post("/household/members/", new_member(), follow=True)
    assert said(page)[0].startswith("Bo is a member now, but no mail could be sent.")
    assert Member.objects.filter(name="Bo").exists()


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "at most 100 characters"),
        ("email", "bo", "Enter a valid email address."),
        ("email", "taken@example.org", "This address already has a login here."),
        ("email", "TAKEN@example.org", "This address already has a login here."),
        ("email", "b" * 250 + "@example.org", "at most 254 characters"),
        ("time_zone", "Havana", "“Havana” is not a time zone."),
        ("time_zone", "\0", "Null characters are not allowed."),
        ("language", "xx", "Select a valid choice."),
    ],
)
def test_member_that_cannot_be_added_is_answered_in_words(browser, name, typed, words):
    UserFactory(email="taken@example.org")
    before = every_row()
    page = browser.post("/household/members/", new_member(**{name: typed}))
    assert is_answered(page, f"member-{name}", words)
    for other in {"name", "email", "time_zone"} - {name}:
        assert is_answered(page, f"member-{other}", "", NEW[other])
    assert every_row() == before
    assert mail.outbox == []


@pytest.mark.parametrize("rows", [1, 30])
def test_household_page_asks_the_database_equally_often(family, browser, rows, django_assert_num_queries):
    for _each in range(rows):
        member = MemberFactory(household=family.household)
        PersonFactory(household=family.household, member=member)
    with django_assert_num_queries(5):
        browser.get("/household/")


def test_login_switched_off_cannot_sign_in(family):
    User.objects.filter(pk=family.manager.user.pk).update(is_active=False)
    assert sign_in(family.manager).get("/").status_code == 302
