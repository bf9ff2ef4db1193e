"""How a member wants to be reminded, and whether the mails that are announced follow from it."""

import datetime
import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cards.models import Card, Household, Member
from cards.templatetags.words import moment
from renewals.deadlines import recompute_card, today_for
from renewals.models import Channel, Delivery, Reading, Task, Trip
from renewals.reminders.delivery import run_once
from renewals.reminders.planning import next_mails
from tests.factories import PersonFactory, cubacel, giffgaff, starhub, unicom
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/settings/"


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def settings_of(member, **changes):
    return {
        "name": member.name,
        "language": "en",
        "time_zone": "America/Havana",
        "remind_at": "06:30",
        "reminder_level": "insistent",
        "reminder_days": "90, 45",
        "away_from": "2026-12-01",
        "away_until": "2026-12-31",
    } | changes


def card_until(family, name, days, plan=None, **fields):
    """Return a card that lives until `days` from today, as somebody has seen today."""
    card = family.add_card(plan or cubacel(), name=name, responsible=family.owner, **fields)
    today = today_for(family.owner, card.plan.operator.country, timezone.now())
    about = {"household": family.household, "card": card, "by": family.owner}
    Reading.objects.create(read_on=today, valid_until=in_days(today, days), **about)
    recompute_card(card)
    return card


def announced(page):
    """Return when each mail is announced for, and the lines of it that are named."""
    [block] = re.findall(r"<ol.*?</ol>", page.text, re.DOTALL)
    found = []
    for item in re.findall(r"<li>(.*?)</li>", block, re.DOTALL):
        [when] = re.findall(r"<time[^>]*>(.*?)</time>", item)
        lines = re.split(r"<br>", re.sub(r".*</time>", "", item, flags=re.DOTALL))
        plain = [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", line)).split()) for line in lines]
        found.append((" ".join(html.unescape(when).split()), plain))
    return found


def days_announced(page, name):
    """Return how many days before its deadline the page announces mails about a card."""
    lines = [line for _when, lines in announced(page) for line in lines if line.startswith(f"{name} · deadline")]
    return [0 if "itself" in line else int(re.search(r"(\d+) days? before", line)[1]) for line in lines]


# What is typed


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_settings_are_ones_own_whatever_the_role(family, role):
    member = getattr(family, role)
    others = list(Member.objects.exclude(pk=member.pk).values().order_by("pk"))
    page = sign_in(member).post(PAGE, settings_of(member), follow=True)
    assert said(page) == ["Saved."]
    member.refresh_from_db()
    assert (member.remind_at, member.reminder_level) == (datetime.time(6, 30), "insistent")
    assert member.reminder_days == [90, 45]
    assert member.is_away(datetime.date(2026, 12, 31))
    assert list(Member.objects.exclude(pk=member.pk).values().order_by("pk")) == others


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("name", "", "This field is required."),
        ("time_zone", "Mars/Olympus", "“Mars/Olympus” is not a time zone."),
        ("remind_at", "25:00", "Enter a valid time."),
        ("reminder_level", "never", "Select a valid choice."),
        *(
            ("reminder_days", typed, "Write whole days from 0 to 3650, such as 90, 45.")
            for typed in ("3651", "90, 3651", "-1", "1.5", "a week", "90 days", "٣", "99999999999999999999", "1e2")
        ),
        ("away_from", "03/04/2027", "Write the day as year-month-day"),
        ("away_until", "2027-02-29", "Write the day as year-month-day"),
    ],
)
def test_settings_that_cannot_be_saved_are_answered_in_words(family, browser, name, typed, words):
    before = every_row()
    page = browser.post(PAGE, settings_of(family.owner, **{name: typed}))
    assert is_answered(page, name, words, None if name == "reminder_level" else typed)
    for other in {"name", "time_zone", "remind_at", "reminder_days", "away_from", "away_until"} - {name}:
        assert is_answered(page, other, "", settings_of(family.owner)[other])
    assert every_row() == before


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("", []), ("0", [0]), ("3650", [3650]), ("45 90", [90, 45]), ("7；30，7、1", [30, 7, 1]), (" 007 ,", [7])],
)
def test_days_are_taken_as_people_type_them_and_shown_again(family, browser, typed, kept):
    Member.objects.filter(pk=family.owner.pk).update(reminder_days=[5])
    page = browser.post(PAGE, settings_of(family.owner, reminder_days=typed), follow=True)
    assert Member.objects.get(pk=family.owner.pk).reminder_days == kept
    shown = ", ".join(map(str, kept))
    assert (f'value="{shown}"' in field_of(page, "reminder_days")) == bool(kept)


@pytest.mark.parametrize(("start", "end"), [("2026-12-31", "2026-12-01"), ("2026-12-31", ""), ("", "2026-12-31")])
def test_days_away_need_both_ends_in_order(family, browser, start, end):
    page = browser.post(PAGE, settings_of(family.owner, away_from=start, away_until=end))
    assert page.text.count("Give both days, the first one first.") == 1
    assert is_answered(page, "away_from", "", start) if start else True
    family.owner.refresh_from_db()
    assert family.owner.away_from is None


def test_absence_is_explained(browser):
    assert "is said the day before you leave, and the deputy stands in" in field_of(browser.get(PAGE), "away_until")


def test_language_of_the_member_is_spoken_at_once(family, browser):
    page = browser.post(PAGE, settings_of(family.owner, language="es"), follow=True)
    assert page.headers["Content-Language"] == "es"
    assert '<html lang="es">' in page.text


def test_saving_leaves_alone_what_a_run_may_write_meanwhile(family, browser):
    with CaptureQueriesContext(connection) as queries:
        browser.post(PAGE, settings_of(family.owner))
    [update] = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "cards_member"')]
    written = set(re.findall(r'"(\w+)" = ', update.partition(" WHERE ")[0]))
    assert written == set(settings_of(family.owner)) | {"next_plan_at"}


# The mails to come


def test_announced_are_the_ten_mails_that_will_come(family, browser):
    card_until(family, "Mamá", 20)
    card_until(family, "Papá", 3, starhub())
    now = timezone.now()
    page = browser.get(PAGE)
    mails = next_mails(Member.objects.get(pk=family.owner.pk), now, 10)
    with timezone.override(family.owner.zone):
        wanted = [" ".join(moment(mail.at).split()) for mail in mails]
    shown = announced(page)
    assert len(shown) == 10
    assert [when for when, _lines in shown[1:]] == wanted[1:]
    assert all(when.endswith("8:00 AM") for when, _lines in shown[1:])
    assert mails[0].lines[0].moment.kind == "deadline"


def test_line_says_card_kind_and_days(family, browser):
    card_until(family, "Mamá", 3)
    card_until(family, "Papá", -3)
    shown = announced(browser.get(PAGE))
    assert shown[0][1] == ["Papá · grace · 3 days after", "Mamá · deadline · 3 days before", "still watching"]
    lines = {line for _when, lines in shown for line in lines}
    assert {
        "Mamá · deadline · 1 day before",
        "Mamá · deadline · on the day itself",
        "Mamá · grace · 1 day after",
    } <= lines


def test_line_names_what_is_not_a_card(family, browser):
    today = timezone.now().astimezone(family.owner.zone).date()
    card = card_until(family, "Mamá", 100, person=PersonFactory(household=family.household, name="Rosa Chen"))
    card.person.documents.create(household=family.household, kind="passport", expires_on=in_days(today, 31))
    Trip.objects.create(
        household=family.household, leaves_on=in_days(today, 15), from_country="CU", to_country="CN", by=family.owner
    )
    Member.objects.filter(pk=family.viewer.pk).update(unreachable_since=timezone.now())
    lines = [line for _when, lines in announced(browser.get(PAGE)) for line in lines]
    assert {"passport · Rosa Chen · document expires · 30 days before", "Vera Chen · a member is out of reach"} <= set(
        lines
    )
    assert "Cuba → China · before a flight · 14 days before" in lines


def test_of_many_lines_the_worst_three_are_named(family, browser):
    for name, days in (("Later", 7), ("Soon", 3), ("Late", -5), ("Last", 14), ("Far", 30)):
        card_until(family, name, days)
    _when, lines = announced(browser.get(PAGE))[0]
    assert lines[:2] == ["Late · grace · 5 days after", "Soon · deadline · 3 days before"]
    assert lines[2].startswith("Later · deadline · 7 days before + ")


def test_level_that_is_saved_changes_what_is_announced(family, browser):
    card_until(family, "Mamá", 29)
    assert days_announced(browser.get(PAGE), "Mamá")[:5] == [29, 14, 7, 6, 4]
    calm = settings_of(family.owner, reminder_level="calm", reminder_days="", away_from="", away_until="")
    assert days_announced(browser.post(PAGE, calm, follow=True), "Mamá")[:3] == [14, 6, 4]
    more = calm | {"reminder_days": "21, 20"}
    assert days_announced(browser.post(PAGE, more, follow=True), "Mamá")[:3] == [21, 20, 14]
    insistent = calm | {"reminder_level": "insistent"}
    assert days_announced(browser.post(PAGE, insistent, follow=True), "Mamá")[:5] == [29, 14, 7, 6, 5]


def test_level_of_a_card_goes_before_the_members(family, browser):
    card_until(family, "Mamá", 40, reminder_level="calm")
    card_until(family, "Papá", 40)
    page = browser.get(PAGE)
    assert days_announced(page, "Mamá")[:1] == [14]
    assert days_announced(page, "Papá")[:2] == [30, 14]


def test_hour_and_zone_that_are_saved_hold_for_the_next_mail(family, browser):
    card_until(family, "Mamá", 40)
    run_once(None)
    data = settings_of(family.owner, remind_at="21:15", time_zone="Asia/Shanghai", away_from="", away_until="")
    page = browser.post(PAGE, data, follow=True)
    assert announced(page)[0][0].endswith("9:15 PM")
    run_once(None)
    family.owner.refresh_from_db()
    local = family.owner.next_plan_at.astimezone(family.owner.zone)
    assert (local.hour, local.minute) == (21, 15)
    assert local - timezone.now() <= datetime.timedelta(days=1)


def test_hour_that_is_saved_brings_no_second_mail_of_the_day(family, browser):
    card_until(family, "Mamá", 14)
    Member.objects.update(remind_at=datetime.time(0))
    run_once(None)
    [first] = Delivery.objects.filter(member=family.owner, kind="digest")
    card_until(family, "Papá", 14)
    data = settings_of(family.owner, remind_at="00:01", away_from="", away_until="")
    page = browser.post(PAGE, data, follow=True)
    run_once(None)
    assert Delivery.objects.get(member=family.owner, kind="digest") == first
    following = page.context["coming"][0].coming
    assert following.at.astimezone(family.owner.zone).date() == in_days(first.local_date, 1)
    assert "Papá" in {line.card.name for line in following.lines}


def test_absence_that_is_saved_moves_what_is_announced(family, browser):
    card = card_until(family, "Mamá", 29)
    away = {"away_from": in_days(card.deadline, -20), "away_until": in_days(card.deadline, -10)}
    data = settings_of(family.owner, reminder_level="standard", reminder_days="", **away)
    assert days_announced(browser.post(PAGE, data, follow=True), "Mamá")[:3] == [29, 21, 7]


def test_card_that_is_closed_is_announced_no_more(family, browser):
    card_until(family, "Mamá", 20)
    Household.objects.update(backs_up_papers=False)
    nothing = "None is planned: there is no open card to watch over."
    page = browser.get(PAGE)
    assert (bool(days_announced(page, "Mamá")), nothing in page.text) == (True, False)
    Card.objects.update(closed_on=timezone.localdate())
    page = browser.get(PAGE)
    assert (announced(page), nothing in page.text) == ([], True)


def test_what_is_typed_wrongly_announces_what_is_saved(family, browser):
    card_until(family, "Mamá", 40)
    before = announced(browser.get(PAGE))
    page = browser.post(PAGE, settings_of(family.owner, reminder_level="calm", remind_at="25:00"))
    assert announced(page)[1:] == before[1:]


def test_nothing_of_another_household_is_announced(family, browser):
    stranger = Family("Pérez")
    card_until(stranger, "Theirs", 5)
    card_until(family, "Ours", 5)
    text = browser.get(PAGE).text
    assert ("Ours" in text, "Theirs" in text) == (True, False)


# When none comes


def test_mails_that_were_stopped_are_told_with_a_button(family, browser):
    card_until(family, "Mamá", 20)
    Member.objects.filter(pk=family.owner.pk).update(mail_stopped_at=timezone.now(), unreachable_since=timezone.now())
    page = browser.get(PAGE)
    assert re.search(r'<form class="alarm" method="post" action="/settings/mail/resume/">', page.text)
    assert "You stopped your mails on" in page.text
    assert "<ol" not in page.text
    assert "mail/resume" not in sign_in(family.manager).get(PAGE).text


def test_mail_that_is_refused_is_told_with_the_reason(family, browser):
    card_until(family, "Mamá", 20)
    Member.objects.filter(pk=family.owner.pk).update(
        unreachable_since=timezone.now(), unreachable_reason="550 5.1.1 no such user"
    )
    page = browser.get(PAGE)
    assert "Your mail server has refused our mails since" in page.text
    assert "It said: “550 5.1.1 no such user”." in page.text
    assert announced(page)
    assert "mail/resume" not in page.text


# The rest of the page


def test_test_mail_is_queued_once(family, browser):
    first, second = (browser.post("/settings/test/", follow=True) for _each in range(2))
    assert said(first) == ["The test mail is queued. It goes the way of every reminder, within a minute or two."]
    assert said(second) == ["A test is on its way already. Its state is shown below."]
    delivery = family.owner.deliveries.get()
    assert (delivery.kind, delivery.state, delivery.household) == ("test", "queued", family.household)
    assert "waiting to be sent" in second.text


def test_page_leads_to_what_belongs_to_it(family, browser):
    links = {"/mails/", "/settings/channel/", "/settings/calendar/", "/settings/security/"}
    assert links <= set(re.findall(r'href="([^"]+)"', browser.get(PAGE).text))


def test_page_says_where_reminders_go(family, browser):
    assert "A test goes to user" in browser.get(PAGE).text
    url = "ntfy://secret-of-the-channel"
    Channel.objects.create(household=family.household, member=family.owner, url=url, service="ntfy")
    page = browser.get(PAGE)
    assert "A test goes to ntfy in the same way as a real reminder." in page.text
    assert "Reminders go to ntfy" in page.text
    assert "secret-of-the-channel" not in page.text
    assert "Reminders go to ntfy" not in sign_in(family.manager).get(PAGE).text


@pytest.mark.parametrize("cards", [1, 30])
def test_settings_ask_the_database_equally_often(family, browser, cards, django_assert_num_queries):
    plans = [cubacel, giffgaff, unicom, starhub]
    for number in range(cards):
        card = card_until(family, f"Card {number}", number - 5, plans[number % 4](), deputy=family.manager)
        Task.objects.create(household=family.household, card=card, kind="move_accounts")
    with django_assert_num_queries(24):
        page = browser.get(PAGE)
    assert announced(page)
