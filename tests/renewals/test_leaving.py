"""A number is let go: nothing that hangs on it is lost unawares, and the record stays."""

import datetime
import html
import re
import threading

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from cards.models import Card, LinkedAccount, StepGuide
from renewals.leaving import keep_after_all, let_go, say_windows
from renewals.models import LetGo, Task
from renewals.views.card import card_today
from renewals.walkthrough import start_renewal
from renewals.words import say_day, say_short_day
from tests.factories import cubacel, giffgaff
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def card(family):
    return family.add_card()


@pytest.fixture
def today(family, card):
    return card_today(family.owner, card)


def add_account(card, name, **fields):
    return LinkedAccount.objects.create(household=card.household, card=card, name=name, **fields)


def typed(ends_on="2026-12-24", how="cancelled", **more):
    return {"how": how, "ends_on": ends_on} | more


def address(card):
    return f"/cards/{card.pk}/close/"


def choices_of(page, name):
    """Return the boxes or buttons of a field by their labels: whether each is ticked."""
    found = re.findall(rf'<input type="(?:checkbox|radio)" name="{name}"([^>]*)>([^<]+)</label>', page.text)
    return {html.unescape(label).strip(): " checked" in attributes for attributes, label in found}


def test_page_lists_what_still_hangs_on_the_number(browser, card):
    add_account(card, "WeChat", kind="messenger")
    add_account(card, "Shop", kind="shop", importance="normal")
    add_account(card, "Old bank", moved_on="2026-01-31")
    page = browser.get(address(card))
    assert "Let Mamá go?" in page.text
    assert choices_of(page, "moved") == {
        "Shop · shop · would be a nuisance": False,
        "WeChat · messenger · must not be lost": False,
    }
    assert choices_of(page, "knows_losses") == {"I know that these will be lost": False}


def test_page_says_until_when_the_number_lives(browser, card):
    """Its last day may lie ahead, and reminders stop now: nobody else says that it ends before."""
    Card.objects.filter(pk=card.pk).update(deadline=datetime.date(2027, 1, 31))
    assert "Valid until <b>Sunday, January 31, 2027</b>" in browser.get(address(card)).text
    Card.objects.filter(pk=card.pk).update(deadline=None)
    assert "Valid until" not in browser.get(address(card)).text


def test_number_on_which_nothing_hangs_asks_for_no_ticks(browser, card):
    page = browser.get(address(card))
    assert "Nothing that is written down hangs on it any more." in page.text
    assert 'name="moved"' not in page.text
    assert "will be lost" not in page.text


def test_number_is_let_go_and_the_record_stays(family, browser, card, today):
    accounts = [add_account(card, name) for name in ("WeChat", "Bank")]
    end = in_days(today, 30)
    data = typed(end.isoformat(), "ported", moved=[account.pk for account in accounts], note="to Digimobil")
    page = browser.post(address(card), data, follow=True)
    assert said(page) == ["Mamá is closed. What is still possible stands on its page."]
    card.refresh_from_db()
    assert card.closed_on == today
    assert {account.moved_on for account in card.linked_accounts.all()} == {today}
    departure = LetGo.objects.get()
    assert (departure.card, departure.household, departure.by) == (card, family.household, family.owner)
    assert (departure.how, departure.ends_on, departure.decided_on) == ("ported", end, today)
    assert (departure.accounts_left, departure.note) == ([], "to Digimobil")
    assert not Task.objects.exists()
    text = html.unescape(page.text)
    assert f"Last day: {say_day(end)}." in text
    assert "Taken to another operator · " in text
    assert f"<b>Let go</b> taken to another operator · last day {say_short_day(end)} · to Digimobil" in text
    assert "1 closed card" in browser.get("/").text


def test_what_is_left_on_the_number_must_be_known_to_be_lost(family, browser, card, today):
    wechat, _bank, before = add_account(card, "WeChat"), add_account(card, "Bank"), every_row()
    page = browser.post(address(card), typed(today.isoformat(), moved=[wechat.pk]))
    assert "Still on this number: Bank." in field_of(page, "moved")
    assert list(choices_of(page, "moved").values()) == [False, True]
    assert is_answered(page, "ends_on", "", today.isoformat())
    assert every_row() == before
    end = in_days(today, 10)
    page = browser.post(address(card), typed(end.isoformat(), moved=[wechat.pk], knows_losses="on"), follow=True)
    assert LetGo.objects.get().accounts_left == ["Bank"]
    assert {account.name: account.moved_on for account in card.linked_accounts.all()} == {"WeChat": today, "Bank": None}
    task = Task.objects.get()
    assert (task.kind, task.card, task.due_on, task.state) == ("move_accounts", card, end, "open")
    words = f"Move to another number by {say_short_day(end)}: Bank."
    assert words in page.text
    assert words in browser.get("/").text
    assert "still on it: Bank" in page.text


@pytest.mark.parametrize(("days", "is_asked"), [(-1, False), (0, True), (1, True)])
def test_accounts_are_asked_for_until_the_last_day(family, card, today, days, is_asked):
    add_account(card, "Bank")
    end = in_days(today, days)
    let_go(card, family.owner, how="lapsed", ends_on=end, note="", moved=[], now=timezone.now(), today=today)
    assert Task.objects.filter(due_on=end).exists() == is_asked


def test_account_written_down_meanwhile_is_not_lost_unseen(browser, card):
    wechat = add_account(card, "WeChat")
    page = browser.get(address(card))
    assert f'name="listed" value="{wechat.pk}"' in page.text
    bank, before = add_account(card, "Bank"), every_row()
    data = typed(listed=str(wechat.pk), knows_losses="on")
    page = browser.post(address(card), data)
    assert "Written down since this page was opened: Bank. Please look again." in field_of(page, "moved")
    assert every_row() == before
    assert browser.post(address(card), data | {"moved": [bank.pk]}).status_code == 302
    assert LetGo.objects.get().accounts_left == ["WeChat"]


def test_page_shown_again_lists_what_was_written_down_meanwhile(browser, card):
    wechat = add_account(card, "WeChat")
    data = typed(listed=str(wechat.pk), knows_losses="on")
    bank = add_account(card, "Bank")
    page = browser.post(address(card), data)
    assert f'name="listed" value="{bank.pk},{wechat.pk}"' in page.text


def test_account_moved_meanwhile_is_no_mistake(browser, card):
    wechat = add_account(card, "WeChat", moved_on="2026-01-31")
    assert browser.post(address(card), typed(moved=[wechat.pk])).status_code == 302
    wechat.refresh_from_db()
    assert wechat.moved_on == datetime.date(2026, 1, 31)


def test_open_renewal_is_abandoned_after_saying_so(family, browser, card):
    assert "It will be abandoned." not in browser.get(address(card)).text
    renewal = start_renewal(card, family.manager, timezone.now())
    assert "A renewal of this number is open. It will be abandoned." in browser.get(address(card)).text
    browser.post(address(card), typed())
    renewal.refresh_from_db()
    assert (renewal.state, renewal.reason) == ("abandoned", "The number is let go.")
    assert renewal.finished_by == family.owner


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"ends_on": ""}, "ends_on", "This field is required."),
        ({"ends_on": "24/12/2026"}, "ends_on", "Write the day as year-month-day"),
        ({"ends_on": "9999-12-31"}, "ends_on", "This year cannot be right."),
        ({"ends_on": "2024-12-31"}, "ends_on", "The number cannot end before it began, on Jan 1, 2025."),
        ({"how": ""}, "how", "This field is required."),
        ({"how": "magic"}, "how", "Select a valid choice."),
        ({"note": "x" * 501}, "note", "at most 500 characters"),
        ({"note": "x\0"}, "note", "Null characters are not allowed."),
        ({"moved": ["0"]}, "moved", "Select a valid choice."),
        ({"moved": ["9" * 5000]}, "moved", "Select a valid choice."),
        ({"moved": ["\0"]}, "moved", "Select a valid choice."),
    ],
)
def test_end_that_cannot_be_is_answered_in_words(browser, card, changes, name, words):
    Card.objects.update(activated_on="2025-01-01")
    add_account(card, "WeChat")
    before = every_row()
    page = browser.post(address(card), typed(knows_losses="on", note="why") | changes)
    assert is_answered(page, name, words, changes.get("ends_on"))
    assert choices_of(page, "how")["cancelled at the operator"] == (name != "how")
    assert choices_of(page, "knows_losses") == {"I know that these will be lost": True}
    if name != "note":
        assert is_answered(page, "note", "", "why")
    assert every_row() == before


def test_day_of_activation_can_be_the_last(browser, card):
    Card.objects.update(activated_on="2025-01-01")
    assert browser.post(address(card), typed("2025-01-01")).status_code == 302


def test_second_press_lets_nothing_go_twice(family, browser, card, today):
    stale = Card.objects.get()
    page = browser.post(address(card), typed(), follow=True)
    other = sign_in(family.manager).post(address(card), typed("2027-01-01"), follow=True)
    assert said(other) == ["The card is closed."]
    about = {"how": "lapsed", "ends_on": today, "note": "", "moved": [], "now": timezone.now(), "today": today}
    assert let_go(stale, family.manager, **about) is None
    assert LetGo.objects.get().ends_on == datetime.date(2026, 12, 24)
    assert page.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_tabs_one_lets_go():
    family = Family()
    card = family.add_card()
    add_account(card, "Bank")
    today = card_today(family.owner, card)
    start, won = threading.Barrier(4), []

    def press():
        start.wait()
        row = Card.objects.get(pk=card.pk)
        about = {"how": "lapsed", "ends_on": today, "note": "", "moved": [], "now": timezone.now(), "today": today}
        won.append(let_go(row, family.owner, **about) is not None)
        connection.close()

    threads = [threading.Thread(target=press) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]
    assert LetGo.objects.count() == Task.objects.count() == 1


def test_number_kept_after_all_needs_nothing_moved_and_can_go_again(family, browser, card, today):
    add_account(card, "Bank")
    browser.post(address(card), typed(in_days(today, 10).isoformat(), knows_losses="on"))
    browser.post(address(card), {"do": "open"})
    task = Task.objects.get()
    assert (task.state, task.closed_by) == ("dismissed", family.owner)
    page = browser.get(f"/cards/{card.pk}/")
    assert "<b>Let go</b>" in page.text
    assert "Last day:" not in page.text
    assert "Small things to do" not in page.text
    browser.post(address(card), typed(in_days(today, 20).isoformat(), knows_losses="on"))
    assert [row.ends_on for row in LetGo.objects.order_by("pk")] == [in_days(today, 10), in_days(today, 20)]
    assert f"Last day: {say_day(in_days(today, 20))}." in browser.get(f"/cards/{card.pk}/").text
    assert Task.objects.open().get().due_on == in_days(today, 20)


@pytest.mark.parametrize(("alive_for", "asked_for"), [(9, 9), (40, 20), (-3, 20)])
def test_accounts_are_to_be_moved_while_the_number_is_alive(family, card, alive_for, asked_for):
    """The end that was chosen does not keep the number: without a top-up it is alive until its deadline."""
    today = card_today(family.owner, card)
    card.deadline = in_days(today, alive_for)
    card.save()
    LinkedAccount.objects.create(household=family.household, card=card, name="Bank")
    end, now = in_days(today, 20), timezone.now()
    let_go(card, family.owner, how="lapsed", ends_on=end, note="", moved=[], now=now, today=today)
    assert Task.objects.open().get().due_on == in_days(today, asked_for)


def test_keeping_a_number_leaves_other_tasks_alone(family, card):
    about = {"household": family.household, "card": card}
    Task.objects.create(kind="update_details", details=["phone"], **about)
    Task.objects.create(kind="move_accounts", **about)
    keep_after_all(card, family.owner, timezone.now())
    assert [task.kind for task in Task.objects.open()] == ["update_details"]


def windows_of(**fields):
    plan = giffgaff(**{name: fields[name] for name in ("port_out_days", "refund_days") if name in fields})
    plan.rules.update(recovery_value=fields.get("recovery"), recovery_unit=fields.get("unit", "days"))
    return Card(plan=plan, deadline_source={})


@pytest.mark.parametrize(
    ("fields", "in_length", "on_days"),
    [
        (
            {"recovery": None},
            "Whether the operator gives the number back on request is not known. "
            "Whether the number can go to another operator after its end is not known: do it before. "
            "Whether the rest of the balance is paid out is not known.",
            None,
        ),
        (
            {"recovery": 0, "port_out_days": 0, "refund_days": 0},
            "The operator does not give the number back after its end. "
            "The number can go to another operator only before its end. "
            "The rest of the balance is not paid out.",
            None,
        ),
        (
            {"recovery": 6, "unit": "months", "port_out_days": 30, "refund_days": 1},
            "For 6 months after its end the operator gives the number back on request. "
            "For 30 days after its end the number can still go to another operator. "
            "For 1 day after its end the rest of the balance is paid out on request.",
            "Until Feb 28, 2027 the operator gives the number back on request. "
            "Until Sep 30, 2026 the number can still go to another operator. "
            "Until Sep 1, 2026 the rest of the balance is paid out on request.",
        ),
    ],
)
def test_windows_are_told_in_lengths_and_from_the_last_day_in_days(fields, in_length, on_days):
    card = windows_of(**fields)
    assert " ".join(say_windows(card, None)) == in_length
    assert " ".join(say_windows(card, datetime.date(2026, 8, 31))) == (on_days or in_length)


def test_page_shows_windows_in_days_once_the_end_is_typed(family, browser):
    card = family.add_card(cubacel(port_out_days=30))
    add_account(card, "Bank")
    assert "For 30 days after its end" in browser.get(address(card)).text
    assert "Until Sep 30, 2026 the number can still go" in browser.post(address(card), typed("2026-08-31")).text
    browser.post(address(card), typed("2026-08-31", knows_losses="on"))
    assert "Until Sep 30, 2026 the number can still go" in browser.get(f"/cards/{card.pk}/").text


def test_guides_are_the_plans_then_the_operators_in_the_readers_language(family, browser, card):
    other = cubacel()
    for text, owner in (
        ("of the operator", {"operator": card.plan.operator}),
        ("of the plan", {"plan": card.plan}),
        ("of another", {"operator": other.operator}),
    ):
        StepGuide.objects.create(step="let_go", language="en", text=text, **owner)
    StepGuide.objects.create(step="let_go", language="es", text="en español", plan=card.plan)
    StepGuide.objects.create(step="pay", language="en", text="how to pay", plan=card.plan)
    text = browser.get(address(card)).text
    assert 0 < text.index("of the plan") < text.index("of the operator")
    for words in ("of another", "español", "how to pay"):
        assert words not in text
    family.owner.language = "es"
    family.owner.save()
    with translation.override("es"):
        assert "en español" in browser.get(address(card)).text


def test_card_closed_before_the_record_was_kept_reads_as_before(family, browser):
    card = family.add_card(closed_on="2026-01-31")
    page = browser.get(f"/cards/{card.pk}/")
    assert "Closed on" in page.text
    assert "Last day:" not in page.text


def test_only_managers_of_the_household_let_go(family, card):
    before = every_row()
    for client, get, post in (
        (Client(), 302, 302),
        (sign_in(Family("Pérez").owner), 404, 404),
        (sign_in(family.viewer), 403, 403),
    ):
        before = every_row()
        assert client.get(address(card)).status_code == get
        assert client.post(address(card), typed()).status_code == post
        assert client.post(address(card), {"do": "open"}).status_code == post
        assert every_row() == before


@pytest.mark.parametrize("rows", [1, 30])
def test_page_asks_the_database_equally_often(browser, card, rows, django_assert_num_queries):
    for number in range(rows):
        add_account(card, f"Bank {number}")
        card.plan.rules.get().steps.create(minimum_amount=number + 1, currency="CUP", value=30)
    with django_assert_num_queries(8):
        page = browser.get(address(card))
    assert page.text.count('name="moved"') == rows
