"""Small things to do: derived or written down, gentle, closed once."""

import datetime
import html
import re

import pytest
from django.test import Client

from cards.models import Card, LinkedAccount, Person
from renewals.models import SignalCheck, Task
from renewals.tasks import close_task, open_tasks
from renewals.views.card import own_today
from tests.factories import PersonFactory, cubacel
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db

NOON = datetime.time(17, tzinfo=datetime.UTC)


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def today(family):
    return own_today(family.owner)


def at(day):
    """Return noon in Havana of a day."""
    return datetime.datetime.combine(day, NOON)


def kinds_of(family, today, member=None):
    cards = list(Card.objects.for_member(family.owner))
    return [todo.kind for todo in open_tasks(member or family.owner, cards, today)]


def words_of(family, today):
    cards = list(Card.objects.for_member(family.owner))
    return [todo.words() for todo in open_tasks(family.owner, cards, today)]


def shown_on(page):
    """Return the words of the tasks on a page."""
    found = re.search(r"(?:Small things to do</h2>|things? to do\s*</summary>)\s*<ul.*?</ul>", page.text, re.DOTALL)
    texts = re.findall(r"<li>\s*<span>(.*?)</span>", found[0], re.DOTALL) if found else []
    return [html.unescape(re.sub(r"<[^>]+>", "", text)) for text in texts]


@pytest.mark.parametrize(("days", "is_due"), [(89, False), (90, True), (91, True)])
def test_signal_check_is_due_three_months_after_the_card_was_added(family, today, days, is_due):
    family.add_card(created_at=at(in_days(today, -days)))
    assert kinds_of(family, today) == (["signal_check"] if is_due else [])


@pytest.mark.parametrize(("days", "is_due"), [(89, False), (90, True), (91, True)])
def test_signal_check_is_due_three_months_after_the_last_one(family, today, days, is_due):
    card = family.add_card(created_at=at(in_days(today, -400)))
    about = {"household": family.household, "card": card, "bars": 3}
    SignalCheck.objects.create(checked_on=in_days(today, -200), **about)
    wrong = SignalCheck.objects.create(checked_on=in_days(today, -1), **about)
    SignalCheck.objects.create(checked_on=in_days(today, -days), corrects=wrong, **about)
    assert kinds_of(family, today) == (["signal_check"] if is_due else [])


@pytest.mark.parametrize("state", ["done", "dismissed"])
@pytest.mark.parametrize(("days", "is_due"), [(89, False), (90, True)])
def test_signal_check_that_was_closed_comes_again(family, today, state, days, is_due):
    card = family.add_card(created_at=at(in_days(today, -400)))
    SignalCheck.objects.create(household=family.household, card=card, bars=3, checked_on=in_days(today, -200))
    assert close_task(family.owner, "signal_check", card, state, at(in_days(today, -days)))
    assert kinds_of(family, today) == (["signal_check"] if is_due else [])


@pytest.mark.parametrize(("days", "is_due"), [(364, False), (365, True), (366, True)])
def test_copy_of_the_papers_is_due_each_year(family, today, days, is_due):
    family.household.created_at = at(in_days(today, -days))
    family.household.save()
    assert kinds_of(family, today) == (["copy_papers"] if is_due else [])
    assert close_task(family.owner, "copy_papers", None, "done", at(today)) == is_due
    assert kinds_of(family, in_days(today, 364)) == ([] if is_due else ["copy_papers"])
    assert kinds_of(family, in_days(today, 365)) == ["copy_papers"]


def test_recurring_tasks_are_switched_off_by_the_household(family, today):
    family.add_card(created_at=at(in_days(today, -400)))
    family.household.created_at = at(in_days(today, -400))
    family.household.save()
    assert kinds_of(family, today) == ["copy_papers", "signal_check"]
    member, household = family.owner, family.owner.household
    household.checks_signal = False
    assert kinds_of(family, today, member) == ["copy_papers"]
    household.backs_up_papers = False
    assert kinds_of(family, today, member) == []
    assert not close_task(member, "copy_papers", None, "done", at(today))


def test_closed_card_is_asked_for_its_accounts_only(family, today):
    card = family.add_card(created_at=at(in_days(today, -400)), closed_on=today)
    about = {"household": family.household, "card": card}
    Task.objects.create(kind="update_details", details=["phone"], **about)
    Task.objects.create(kind="move_accounts", due_on=in_days(today, 3), **about)
    assert kinds_of(family, today) == []
    LinkedAccount.objects.create(household=family.household, card=card, name="Bank")
    assert kinds_of(family, today) == ["move_accounts"]


@pytest.mark.parametrize(("days", "is_over"), [(-1, True), (0, False), (1, False)])
def test_accounts_left_are_named_until_they_are_moved(family, today, days, is_over):
    card = family.add_card(closed_on=today)
    for name in ("Bank", "WeChat", "Old bank"):
        LinkedAccount.objects.create(
            household=family.household, card=card, name=name, moved_on=today if name == "Old bank" else None
        )
    end = in_days(today, days)
    Task.objects.create(household=family.household, card=card, kind="move_accounts", due_on=end)
    [words] = words_of(family, today)
    assert "Bank and WeChat" in words
    assert words.startswith("The number ended on ") == is_over
    LinkedAccount.objects.update(moved_on=today)
    assert words_of(family, today) == []


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (["name"], "Tell Cubacel the new name of Rosa Chen."),
        (["address"], "Tell Cubacel the new address of Rosa Chen."),
        (["phone"], "Tell Cubacel the new phone number of Rosa Chen."),
        (["email"], "Tell Cubacel the new email address of Rosa Chen."),
        (["name", "address"], "Tell Cubacel the new details of Rosa Chen: full name and postal address."),
    ],
)
def test_task_says_whom_to_tell_what(family, today, details, words):
    person = PersonFactory(household=family.household, name="Rosa Chen")
    card = family.add_card(person=person)
    Task.objects.create(household=family.household, card=card, person=person, kind="update_details", details=details)
    assert words_of(family, today) == [words]


def test_check_of_an_esim_needs_no_phone_to_put_it_into(family, today):
    for form in ("sim", "esim"):
        family.add_card(form=form, created_at=at(in_days(today, -90)))
    assert {words.split()[0] for words in words_of(family, today)} == {"Put", "Switch"}


def one_of_each(family, today):
    """Give the family a task of every kind, on three cards; return the cards."""
    family.household.created_at = at(in_days(today, -400))
    family.household.save()
    person = PersonFactory(household=family.household, name="Rosa Chen")
    closed = family.add_card(name="Gone", closed_on=today)
    LinkedAccount.objects.create(household=family.household, card=closed, name="Bank")
    told = family.add_card(name="Told", person=person)
    old = family.add_card(name="Old", created_at=at(in_days(today, -90)))
    about = {"household": family.household}
    Task.objects.create(card=told, person=person, kind="update_details", details=["phone"], **about)
    Task.objects.create(card=closed, kind="move_accounts", due_on=in_days(today, 3), **about)
    return closed, told, old


def test_dashboard_lists_the_small_things_after_the_cards(family, browser, today):
    one_of_each(family, today)
    page = browser.get("/")
    assert [words.split(" · ")[0][:30] for words in shown_on(page)] == [
        "Make a safe copy of the papers",
        "Gone",
        "Told",
        "Old",
    ]
    assert "4 small things to do" in page.text
    assert page.text.index("All cards") < page.text.index("4 small things to do")
    assert "2 numbers need you" in page.text


def test_dashboard_lists_five_and_counts_the_rest(family, browser, today):
    for number in range(7):
        family.add_card(name=f"Card {number}", created_at=at(in_days(today, -90)))
    page = browser.get("/")
    assert "7 small things to do" in page.text
    assert [words.split(" · ")[0] for words in shown_on(page)] == [f"Card {number}" for number in range(5)]
    assert "And 2 more, on the pages of their cards." in page.text


def test_dashboard_without_tasks_says_nothing_of_them(family, browser):
    family.add_card()
    assert "to do" not in browser.get("/").text


def test_card_page_lists_its_own_tasks_only(family, browser, today):
    closed, told, old = one_of_each(family, today)
    for card, words in ((closed, "Move to another number"), (told, "Tell Cubacel"), (old, "Put the SIM")):
        shown = shown_on(browser.get(f"/cards/{card.pk}/"))
        assert [each.startswith(words) for each in shown] == [True]


def test_viewer_sees_the_tasks_without_buttons(family, today):
    _closed, told, _old = one_of_each(family, today)
    browser = sign_in(family.viewer)
    for page in (browser.get("/"), browser.get(f"/cards/{told.pk}/")):
        assert shown_on(page)
        assert "/tasks/" not in page.text


@pytest.mark.parametrize("do", ["done", "dismissed"])
def test_task_is_closed_once(family, browser, today, do):
    closed, told, _old = one_of_each(family, today)
    household = {"/household/tasks/copy_papers/": (None, "copy_papers", "/")}
    for address, (card, kind, back) in (
        household
        | {
            f"/cards/{card.pk}/tasks/{kind}/": (card, kind, f"/cards/{card.pk}/")
            for card, kind in ((closed, "move_accounts"), (told, "update_details"))
        }
    ).items():
        before = kinds_of(family, today)
        answer = browser.post(address, {"do": do})
        assert answer.url == back
        assert set(before) - set(kinds_of(family, today)) == {kind}
        task = Task.objects.get(kind=kind)
        assert (task.card, task.state, task.closed_by) == (card, do, family.owner)
        manager = sign_in(family.manager)
        rows = every_row()
        again = manager.post(address, {"do": do}, follow=True)
        assert said(again) == ["This was not to be done any more. Nothing was changed."]
        assert every_row() == rows


@pytest.mark.parametrize(("do", "words"), [("done", "done"), ("dismissed", "dismissed")])
def test_history_of_the_card_says_who_ended_a_task(family, browser, today, do, words):
    _closed, told, _old = one_of_each(family, today)
    page = browser.post(f"/cards/{told.pk}/tasks/update_details/", {"do": do}, follow=True)
    assert f"<b>Tell the operator the new details</b> · {words}" in page.text
    assert family.owner.name in page.text.partition("<h2>History</h2>")[2]


def test_dashboard_button_leads_back_to_the_dashboard(family, browser, today):
    _closed, told, old = one_of_each(family, today)
    for card, kind in ((told, "update_details"), (old, "signal_check")):
        answer = browser.post(f"/cards/{card.pk}/tasks/{kind}/", {"do": "dismissed", "from": "dashboard"})
        assert answer.url == "/"


def test_signal_check_is_done_by_writing_it_down(family, browser, today):
    _closed, _told, old = one_of_each(family, today)
    form = f"/cards/{old.pk}/log/?kind=signal"
    assert f'href="{form}"' in browser.get("/").text
    before = every_row()
    assert browser.post(f"/cards/{old.pk}/tasks/signal_check/", {"do": "done"}).url == form
    assert every_row() == before
    browser.post(form, {"bars": 3, "checked_on": today.isoformat()})
    assert "signal_check" not in kinds_of(family, today)


def test_signal_check_dismissed_twice_is_one_row(family, browser, today):
    _closed, _told, old = one_of_each(family, today)
    for member in (family.owner, family.manager):
        sign_in(member).post(f"/cards/{old.pk}/tasks/signal_check/", {"do": "dismissed"})
    task = Task.objects.get(kind="signal_check")
    assert (task.state, task.closed_by, task.due_on) == ("dismissed", family.owner, today)
    assert not shown_on(browser.get(f"/cards/{old.pk}/"))


def test_kind_of_task_that_does_not_exist_is_not_found(family, browser, today):
    _closed, told, _old = one_of_each(family, today)
    before = every_row()
    for address in (
        f"/cards/{told.pk}/tasks/copy_papers/",
        f"/cards/{told.pk}/tasks/whatever/",
        "/household/tasks/update_details/",
        "/household/tasks/whatever/",
    ):
        assert browser.post(address, {"do": "done"}).status_code == 404
    assert every_row() == before


def test_only_managers_of_the_household_close_tasks(family, today):
    _closed, told, _old = one_of_each(family, today)
    card, paper = f"/cards/{told.pk}/tasks/update_details/", "/household/tasks/copy_papers/"
    for client, of_card, of_household in (
        (Client(), 302, 302),
        (sign_in(Family("Pérez").owner), 404, 302),
        (sign_in(family.viewer), 403, 403),
    ):
        before = every_row()
        assert client.post(card, {"do": "done"}).status_code == of_card
        assert client.post(paper, {"do": "done"}).status_code == of_household
        assert client.get(card).status_code in {302, 405}
        assert every_row() == before


ROSA = {"name": "Rosa Chen", "address": "Calle 23\nLa Habana", "phone": "+53 5 1", "email": "rosa@example.org"}


@pytest.fixture
def rosa(family):
    return PersonFactory(household=family.household, **ROSA)


def edit(browser, person, **changes):
    return browser.post(f"/household/people/{person.pk}/edit/", ROSA | changes, follow=True)


def test_household_page_shows_details_and_leads_to_their_form(family, browser, rosa):
    for client, is_shown in ((browser, True), (sign_in(family.viewer), False)):
        text = client.get("/household/").text
        for words in ("Rosa Chen", "Calle 23", "+53 5 1", "rosa@example.org"):
            assert words in text
        assert (f'href="/household/people/{rosa.pk}/edit/"' in text) == is_shown


def test_new_detail_asks_each_open_card_of_the_person_to_have_its_operator_told(family, browser, rosa):
    mine = [family.add_card(person=rosa) for _each in range(2)]
    family.add_card(person=rosa, closed_on="2026-01-31")
    family.add_card(person=PersonFactory(household=family.household))
    page = edit(browser, rosa, address="Calle 25")
    assert said(page) == ["Saved. 2 cards ask now to have their operators told."]
    rosa.refresh_from_db()
    assert (rosa.address, rosa.phone) == ("Calle 25", "+53 5 1")
    assert {(task.card, task.person, tuple(task.details)) for task in Task.objects.all()} == {
        (card, rosa, ("address",)) for card in mine
    }
    assert {(task.household, task.kind, task.state) for task in Task.objects.all()} == {
        (family.household, "update_details", "open")
    }


def test_open_task_is_extended_and_a_closed_one_opened_anew(family, browser, rosa):
    card = family.add_card(person=rosa)
    edit(browser, rosa, phone="+53 5 2")
    edit(browser, rosa, phone="+53 5 3", name="Rosa Chen Li")
    assert Task.objects.get().details == ["name", "phone"]
    browser.post(f"/cards/{card.pk}/tasks/update_details/", {"do": "done"})
    edit(browser, rosa, phone="+53 5 3", name="Rosa Chen Li", email="")
    assert [(task.state, task.details) for task in Task.objects.order_by("pk")] == [
        ("done", ["name", "phone"]),
        ("open", ["email"]),
    ]


def test_task_of_the_former_holder_gives_way(family, browser, rosa):
    card = family.add_card(person=PersonFactory(household=family.household, name="Ming Chen"))
    Task.objects.create(
        household=family.household, card=card, person=card.person, kind="update_details", details=["email"]
    )
    Card.objects.update(person=rosa)
    edit(browser, rosa, phone="")
    task = Task.objects.get()
    assert (task.person, task.details) == (rosa, ["phone"])


@pytest.mark.parametrize(
    "changes",
    [{}, {"name": " Rosa Chen  "}, {"address": "Calle 23\r\nLa Habana"}, {"address": "  Calle 23\r\nLa Habana\r\n"}],
)
def test_nothing_new_asks_nobody(family, browser, rosa, changes):
    family.add_card(person=rosa)
    before = every_row()
    assert said(edit(browser, rosa, **changes)) == ["Saved."]
    assert every_row() == before


def test_person_without_cards_is_saved(browser, rosa):
    assert said(edit(browser, rosa, phone="+53 5 9")) == ["Saved."]
    assert Person.objects.get(pk=rosa.pk).phone == "+53 5 9"
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "Ming Chen", "There is already a person of this name."),
        ("address", "x" * 301, "at most 300 characters"),
        ("address", "x\0", "Null characters are not allowed."),
        ("phone", "x" * 31, "at most 30 characters"),
        ("email", "rosa", "Enter a valid email address."),
    ],
)
def test_details_that_cannot_be_saved_are_answered_in_words(family, browser, rosa, name, typed, words):
    PersonFactory(household=family.household, name="Ming Chen")
    family.add_card(person=rosa)
    before = every_row()
    page = edit(browser, rosa, **{"phone": "+53 5 7", name: typed})
    assert is_answered(page, name, words, None if "\0" in typed else typed)
    assert "Details of Rosa Chen" in page.text
    if name != "phone":
        assert 'value="+53 5 7"' in field_of(page, "phone")
    assert every_row() == before


def test_only_managers_of_the_household_edit_people(family, rosa):
    address = f"/household/people/{rosa.pk}/edit/"
    for client, answer in (
        (Client(), 302),
        (sign_in(Family("Pérez").owner), 404),
        (sign_in(family.viewer), 403),
    ):
        before = every_row()
        assert client.get(address).status_code == answer
        assert client.post(address, ROSA | {"phone": "1"}).status_code == answer
        assert every_row() == before


def fill(family, rows):
    """Give the family cards with a task of every kind on each."""
    today = own_today(family.owner)
    for number in range(rows):
        person = PersonFactory(household=family.household)
        card = family.add_card(cubacel(), name=f"Card {number}", person=person, created_at=at(in_days(today, -200)))
        LinkedAccount.objects.create(household=family.household, card=card, name="Bank")
        about = {"household": family.household, "card": card}
        Task.objects.create(person=person, kind="update_details", details=["phone"], **about)
        Task.objects.create(kind="move_accounts", due_on=today, **about)
        Task.objects.create(kind="signal_check", state="dismissed", closed_at=at(in_days(today, -150)), **about)
        SignalCheck.objects.create(bars=1, checked_on=in_days(today, -140), **about)


@pytest.mark.parametrize("rows", [1, 30])
def test_tasks_of_all_cards_take_three_queries(family, today, rows, django_assert_num_queries):
    fill(family, rows)
    cards = list(
        Card.objects.for_member(family.owner).select_related("plan__operator").prefetch_related("linked_accounts")
    )
    with django_assert_num_queries(3):
        todos = open_tasks(family.owner, cards, today)
        assert len({todo.words() for todo in todos}) == rows + 2
    assert len(todos) == 3 * rows


@pytest.mark.parametrize("rows", [1, 30])
def test_dashboard_with_tasks_asks_the_database_equally_often(family, browser, today, rows, django_assert_num_queries):
    fill(family, rows)
    with django_assert_num_queries(17):
        page = browser.get("/")
    assert f"{3 * rows} small things to do" in page.text


@pytest.mark.parametrize("rows", [2, 30])
def test_new_details_take_equally_many_queries(family, browser, rosa, rows, django_assert_num_queries):
    for number in range(rows):
        card = family.add_card(person=rosa)
        if number % 2:
            Task.objects.create(
                household=family.household, card=card, person=rosa, kind="update_details", details=["name"]
            )
    with django_assert_num_queries(16):
        browser.post(f"/household/people/{rosa.pk}/edit/", ROSA | {"phone": "1"})
    assert Task.objects.count() == rows
