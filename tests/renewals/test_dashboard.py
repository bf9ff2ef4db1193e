"""The first page: the most urgent card on top, all cards by urgency, and whether reminders run."""

import datetime
import html
import re

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from cards.models import Card, Household, LinkedAccount, Member
from cards.templatetags.words import moment, short_day
from renewals.deadlines import recompute_card, today_for
from renewals.models import Delivery, Reading, ReminderRun, Snooze
from renewals.walkthrough import start_renewal
from tests.factories import MemberFactory, PersonFactory, cubacel, giffgaff, starhub, unicom
from tests.family import Family, in_days, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def card_until(family, name, days, plan=None, **fields):
    """Return a card that lives until `days` from today, as somebody has seen; None for nothing known."""
    card = family.add_card(plan or cubacel(), name=name, **fields)
    if days is not None:
        today = today_for(family.owner, card.plan.operator.country, timezone.now())
        Reading.objects.create(
            household=family.household,
            card=card,
            by=family.owner,
            read_on=in_days(today, -200),
            valid_until=in_days(today, days),
        )
        recompute_card(card)
    return card


def names_of(page):
    """Return the cards in the order of the list."""
    return re.findall(r'<h3><a href="/cards/\d+/">([^<]+)</a></h3>', page.text)


def one_of_every_stage(family):
    recoverable = cubacel()
    recoverable.rules.update(grace_value=0, recovery_value=30)
    cards = [
        card_until(family, "Closed", 100, closed_on=timezone.localdate()),
        card_until(family, "Active", 100),
        card_until(family, "Lost", -50),
        card_until(family, "Due", 20),
        card_until(family, "Unknown", None),
        card_until(family, "Recovery", -20, recoverable),
        card_until(family, "Urgent", 2),
        card_until(family, "Grace", -20),
    ]
    return {card.name: card for card in cards}


def test_cards_are_in_the_order_of_urgency(family, browser):
    one_of_every_stage(family)
    page = browser.get("/")
    assert names_of(page) == ["Grace", "Urgent", "Recovery", "Unknown", "Due", "Lost", "Active"]
    assert [row.stage.value for row in page.context["rows"]] == [name.lower() for name in names_of(page)]
    assert "5 numbers need you" in page.text
    assert re.search(r'<h2>\s*<a href="/cards/\d+/">Grace</a>', page.text)


def test_within_a_stage_the_earlier_deadline_comes_first(family, browser):
    for name, days in (("Later", 25), ("Sooner", 15), ("B", 20), ("A", 20)):
        card_until(family, name, days)
    assert names_of(browser.get("/")) == ["Sooner", "A", "B", "Later"]


def test_closed_cards_are_folded_away_at_the_end(family, browser):
    one_of_every_stage(family)
    text = browser.get("/").text
    fold = text.index("1 closed card")
    assert text.index(">Closed</a>") > fold > text.index(">Active</a>")
    assert text.count(">Closed</a>") == 1


def test_safe_household_reads_so(family, browser):
    card_until(family, "Active", 100)
    assert "All numbers are safe" in browser.get("/").text


def test_unknown_is_never_called_safe(family, browser):
    card_until(family, "Unknown", None)
    page = browser.get("/")
    assert "1 number needs you" in page.text
    assert "valid until: not known" in page.text
    assert "Look up at the operator until when this number is valid" in page.text


def test_empty_household_is_shown_how_to_begin(family, browser):
    page = browser.get("/")
    assert "No card yet" in page.text
    assert 'href="/cards/new/"' in page.text
    assert 'href="/cards/new/"' not in sign_in(family.viewer).get("/").text


def test_first_card_says_what_to_do_and_what_hangs_on_it(family, browser):
    card = card_until(family, "Mamá", 2)
    for name, moved_on in (("WeChat", None), ("Old bank", timezone.localdate())):
        LinkedAccount.objects.create(household=family.household, card=card, name=name, moved_on=moved_on)
    page = browser.get("/")
    assert "Top up at least 100 CUP inside the country, or 250 CUP from abroad by " in page.text
    assert "On it hang: WeChat." in page.text
    assert f'action="/renewals/start/{card.pk}/"' in page.text
    assert "+53 5 2" in page.text


def test_each_card_offers_the_one_thing_to_do(family, browser):
    cards = {
        "renew": card_until(family, "Renew", 20),
        "log": card_until(family, "Use", 20, giffgaff()),
        "start": card_until(family, "New", None),
        "look": card_until(family, "Lost", -50),
        "open": card_until(family, "Open", 1),
    }
    renewal = start_renewal(cards["open"], family.manager, timezone.now())
    text = browser.get("/").text
    for address in (
        f'action="/renewals/start/{cards["renew"].pk}/"',
        f'href="/cards/{cards["log"].pk}/log/?kind=activity"',
        f'href="/cards/{cards["start"].pk}/start/"',
        f'href="/cards/{cards["look"].pk}/log/?kind=reading"',
        f'href="/renewals/{renewal.pk}/"',
    ):
        assert address in text
    assert "preparing · Mario Chen" in text
    viewed = sign_in(family.viewer).get("/").text
    assert "/renewals/start/" not in viewed
    assert "?kind=" not in viewed


def test_sums_of_the_next_month_are_told_by_currency(family, browser):
    for plan in (cubacel(), cubacel(), unicom()):
        card_until(family, "Soon", 5, plan)
    card_until(family, "Far", 100, starhub())
    card_until(family, "Not known", 5, giffgaff())
    assert "8 CNY + 200 CUP" in browser.get("/").text


def fill(family, cards):
    """Give the family cards on plans of their own, each with accounts, members and a renewal."""
    plans = [cubacel, giffgaff, unicom, starhub]
    for number in range(cards):
        responsible = MemberFactory(household=family.household)
        card = card_until(
            family,
            f"Card {number}",
            number - 20,
            plans[number % 4](),
            person=PersonFactory(household=family.household),
            responsible=responsible,
            deputy=family.manager,
            closed_on=timezone.localdate() if number % 10 == 9 else None,
        )
        LinkedAccount.objects.create(household=family.household, card=card, name="Bank")
        start_renewal(card, responsible, timezone.now())
    ReminderRun.objects.create(finished_at=timezone.now())


@pytest.mark.parametrize("cards", [1, 100])
def test_dashboard_asks_the_database_equally_often(family, browser, cards, django_assert_num_queries):
    fill(family, cards)
    # Who asks 3, cards 5, tasks 3, snoozes 1, how the reminders are 4, mails that wait 1, members out of reach 1.
    with django_assert_num_queries(18):
        page = browser.get("/")
    assert len(names_of(page)) == cards - cards // 10


RUN = {"started_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}


@pytest.mark.parametrize(
    ("ago", "period", "words", "is_alarm", "health"),
    [
        (None, None, "Have not run yet", False, "reminders: never"),
        (datetime.timedelta(minutes=4), 60, "Working", False, "ok"),
        (datetime.timedelta(minutes=6), 60, "Not running", True, "reminders: late"),
        (datetime.timedelta(minutes=50), 1800, "Working", False, "ok"),
        (datetime.timedelta(minutes=70), 1800, "Not running", True, "reminders: late"),
        (datetime.timedelta(hours=47), None, "Working", False, "ok"),
        (datetime.timedelta(hours=49), None, "Not running", True, "reminders: late"),
    ],
)
def test_reminders_that_do_not_run_are_told_on_the_page_and_to_machines(browser, ago, period, words, is_alarm, health):
    ReminderRun.objects.create(**RUN)
    if ago:
        ReminderRun.objects.create(finished_at=timezone.now() - ago, period=period, **RUN)
    page = browser.get("/")
    assert re.findall(r'<b class="\w+">(Working|Not running|Have not run yet)</b>', page.text) == [words]
    assert bool(re.search(r'role="alert">\s*<b>Reminders do not run.</b>', page.text)) == is_alarm
    for client in (Client(), browser):
        answer = client.get("/healthz")
        assert (answer.status_code, answer.text) == (200 if health == "ok" else 503, f"{health}\n")
        assert client.head("/healthz").status_code == answer.status_code


def test_healthz_tells_a_database_that_does_not_answer(browser, monkeypatch):
    def refuse():
        raise DatabaseError

    client = Client()
    client.get("/healthz")
    monkeypatch.setattr(connection, "cursor", refuse)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "database\n")


HOUR = datetime.timedelta(hours=1)


def alarms_of(page):
    """Return the banners of a page as plain text."""
    blocks = re.findall(r'<div class="alarm"[^>]*>(.*?)</div>', page.text, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", block)).split()) for block in blocks]


def ran(ago, problem="", is_finished=True, period=60):
    at = timezone.now() - ago
    return ReminderRun.objects.create(
        started_at=at, finished_at=at if is_finished else None, period=period, problem=problem
    )


def mail_to(member, ago, **fields):
    at = timezone.now() - ago
    about = {"household": member.household, "member": member, "local_date": at.date(), "message_id": f"<{at}@test>"}
    return Delivery.objects.create(created_at=at, **about | {"next_try_at": timezone.now() + HOUR} | fields)


def test_without_a_fault_there_is_no_banner(family, browser):
    ran(HOUR * 0)
    mail_to(family.manager, HOUR * 0, state="retry", last_error="450 later")
    mail_to(family.viewer, 2 * HOUR, state="sent")
    mail_to(family.manager, 3 * HOUR, kind="test", state="queued")
    assert alarms_of(browser.get("/")) == []


def test_problem_of_the_last_run_is_told_with_its_words_and_since_when(family):
    ran(3 * HOUR)
    first = ran(2 * HOUR, problem="535 5.7.8 wrong password for post@example.org", is_finished=False)
    ran(HOUR * 0, problem="535 5.7.8 wrong password for post@example.org", is_finished=False)
    since = moment_words(first.started_at, family.owner)
    for member in (family.owner, family.manager, family.viewer):
        page = sign_in(member).get("/")
        assert alarms_of(page) == [
            f"No mail has left this site since {since}: “535 5.7.8 wrong password for …@…”. "
            "Until this is mended, nobody gets mail: look here yourself, and tell whoever runs this site."
        ]
        assert re.findall(r'<b class="\w+">([\w ]+)</b>', page.text) == ["Not sending"]
    assert Client().get("/healthz").text == "reminders: stuck\n"


def moment_words(at, member):
    with timezone.override(member.zone):
        return " ".join(moment(at).split())


def test_problem_is_told_at_once_but_health_waits_an_hour(browser):
    ran(HOUR * 0)
    ran(HOUR * 0, problem="ConnectionRefusedError: [Errno 111]")
    [alarm] = alarms_of(browser.get("/"))
    assert "ConnectionRefusedError: [Errno 111]" in alarm
    assert Client().get("/healthz").text == "ok\n"


def test_run_that_does_not_finish_is_told(family, browser):
    ran(datetime.timedelta(hours=26), period=None)
    begun = ran(2 * HOUR, is_finished=False, period=None)
    [alarm] = alarms_of(browser.get("/"))
    assert alarm.startswith(f"The run of the reminders of {moment_words(begun.started_at, family.owner)} has not")
    assert Client().get("/healthz").text == "reminders: stuck\n"


def test_mail_that_is_due_and_passed_over_is_told(family, browser):
    due_at = timezone.now() - 3 * HOUR
    mail_to(family.manager, 3 * HOUR, next_try_at=due_at)
    ran(HOUR * 0)
    [alarm] = alarms_of(browser.get("/"))
    said = f"Reminders run, but do not send what has been due since {moment_words(due_at, family.owner)}."
    assert alarm.startswith(said)
    assert Client().get("/healthz").text == "reminders: stuck\n"


@pytest.mark.parametrize(("days", "is_told"), [(0, False), (2, True)])
def test_reminders_that_never_ran_are_told_after_a_day(family, browser, days, is_told):
    Household.objects.update(created_at=timezone.now() - datetime.timedelta(days=days))
    page = browser.get("/")
    assert [alarm[:28] for alarm in alarms_of(page)] == ["Reminders have never run. Un"] * is_told
    assert "Have not run yet" in page.text


def test_mail_that_waits_for_more_than_an_hour_is_told_to_the_household_only(family, browser):
    ran(HOUR * 0)
    reply = "452 <mario@example.org>: mailbox full"
    waiting = mail_to(family.manager, 2 * HOUR, state="retry", last_error=reply)
    mail_to(family.viewer, HOUR / 2, state="retry", last_error=reply)
    since = moment_words(waiting.created_at, family.owner)
    assert alarms_of(browser.get("/")) == [
        f"The mail to Mario Chen has been waiting since {since}. The server said: “452 <…@…>: mailbox full”. "
        "It is tried again until it arrives. What cannot wait, tell them in another way."
    ]
    assert alarms_of(sign_in(Family("Pérez").owner).get("/")) == []


def test_what_holds_up_all_mails_is_told_once(family, browser):
    ran(3 * HOUR)
    mail_to(family.manager, 2 * HOUR, state="retry", last_error="535 no")
    ran(HOUR * 0, problem="535 no", is_finished=False)
    [alarm] = alarms_of(browser.get("/"))
    assert alarm.startswith("No mail has left this site since")


def test_member_whom_no_mail_reaches_is_told_to_all_others_and_to_themselves(family):
    ran(HOUR * 0)
    since = timezone.now() - 5 * HOUR
    Member.objects.filter(pk=family.manager.pk).update(
        unreachable_since=since, unreachable_reason="550 5.1.1 <mario@example.org> unknown"
    )
    when = moment_words(since, family.owner)
    for member in (family.owner, family.viewer):
        page = sign_in(member).get("/")
        assert alarms_of(page) == [
            f"No mail reaches Mario Chen since {when}: “550 5.1.1 <…@…> unknown”. Tell them in another way."
        ]
        assert "mario@" not in page.text
    assert alarms_of(sign_in(family.manager).get("/")) == [
        f"No mail reaches you since {when}: “550 5.1.1 <…@…> unknown”. Look here yourself. "
        "If your address has changed, tell whoever runs this site."
    ]
    assert alarms_of(sign_in(Family("Pérez").owner).get("/")) == []


def test_member_who_stopped_their_mails_is_told_to_all_others_and_led_to_the_settings(family):
    ran(HOUR * 0)
    since = timezone.now() - 5 * HOUR
    Member.objects.filter(pk=family.manager.pk).update(mail_stopped_at=since, unreachable_since=since)
    when = moment_words(since, family.owner)
    for member in (family.owner, family.viewer):
        said = f"Mario Chen has stopped their mails on {when}. Tell them in another way."
        assert alarms_of(sign_in(member).get("/")) == [said]
    page = sign_in(family.manager).get("/")
    assert alarms_of(page) == [
        f"You stopped your mails on {when}: none comes, whatever happens to a number. Let them come again"
    ]
    assert 'href="/settings/#next"' in page.text
    assert "your next mail" not in page.text


def test_member_whose_login_is_switched_off_is_not_missed(family, browser):
    ran(HOUR * 0)
    Member.objects.filter(pk=family.manager.pk).update(unreachable_since=timezone.now())
    assert len(alarms_of(browser.get("/"))) == 1
    family.manager.user.is_active = False
    family.manager.user.save()
    assert alarms_of(browser.get("/")) == []


def next_mail_of(page):
    found = re.search(r"your next mail about a card: ([^<]+)</span>", page.text)
    return html.unescape(found[1]) if found else None


def test_next_mail_about_a_card_is_told(family, browser):
    assert next_mail_of(browser.get("/")) is None
    card = card_until(family, "Mamá", 100, responsible=family.owner)
    assert next_mail_of(browser.get("/")) == f"{short_day(in_days(card.deadline, -30))}, Mamá"
    Member.objects.filter(pk=family.owner.pk).update(reminder_days=[90])
    assert next_mail_of(browser.get("/")) == f"{short_day(in_days(card.deadline, -90))}, Mamá"
    Card.objects.update(reminder_days=[95])
    assert next_mail_of(browser.get("/")) == f"{short_day(in_days(card.deadline, -95))}, Mamá"


def test_next_mail_follows_a_snooze(family, browser):
    card = card_until(family, "Mamá", 20, responsible=family.owner)
    assert next_mail_of(browser.get("/")) == f"{short_day(in_days(card.deadline, -14))}, Mamá"
    until_on = in_days(card.deadline, -13)
    about = {"household": family.household, "card": card, "about_on": card.deadline, "until_on": until_on}
    Snooze.objects.create(member=family.owner, **about)
    assert next_mail_of(browser.get("/")) == f"{short_day(until_on)}, Mamá"
    assert next_mail_of(sign_in(family.manager).get("/")) != next_mail_of(browser.get("/"))


def test_pages_about_mails_and_flights_are_reached(family, browser):
    card_until(family, "Mamá", 20)
    assert {'href="/mails/"', 'href="/travel/"', 'href="/calendar/"'} <= set(
        re.findall(r'href="/(?:mails|travel|calendar)/"', browser.get("/").text)
    )


@pytest.mark.parametrize("has_server", [True, False])
def test_missing_mail_server_is_told(browser, settings, has_server):
    settings.EMAIL_URL = "smtp://localhost" if has_server else ""
    assert ("No mail server is set" in browser.get("/").text) == (not has_server)
