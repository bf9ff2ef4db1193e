"""The page of mails: who was told what, and whether it arrived."""

import datetime
import html
import re

import pytest
from django.utils import timezone

from cards.models import Promotion
from cards.secrets import write_secret
from cards.templatetags.words import moment, short_day
from renewals.models import Channel, Delivery, Document, Reminder, Trip
from renewals.reminders.delivery import run_once
from tests.factories import PersonFactory
from tests.family import Family, in_days, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/mails/"
TODAY = datetime.date(2026, 11, 24)
NOW = datetime.datetime(2026, 11, 24, 13, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def mail(member, days=0, **fields):
    """Write down a mail of some days ago."""
    about = {"household": member.household, "member": member, "local_date": in_days(TODAY, -days)}
    at = NOW - days * 24 * HOUR
    fields = {"created_at": at, "next_try_at": at, "message_id": f"<{Delivery.objects.count()}@test>"} | fields
    return Delivery.objects.create(**about | fields)


def line(delivery, subject, kind, about_on=TODAY, card=None):
    return Reminder.objects.create(
        household=delivery.household,
        member=delivery.member,
        delivery=delivery,
        subject=subject,
        card=card,
        kind=kind,
        about_on=about_on,
        moment_on=in_days(TODAY, -Reminder.objects.count()),
    )


def card_line(delivery, card, kind, about_on=TODAY):
    return line(delivery, f"card:{card.pk}", kind, about_on, card)


def rows_of(page):
    """Return the mails of the page as lists of words, one for each line that is seen."""
    [block] = re.findall(r'<ul class="sheet hist">(.*?)</ul>', page.text, re.DOTALL)
    items = re.findall(r"<li>(.*?)</li>", block, re.DOTALL)
    lines = [re.split(r"<br>|</?div>|</?details>|</?summary>", item) for item in items]
    texts = [[" ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split()) for part in item] for item in lines]
    return [[part for part in item if part] for item in texts]


def when(at, member):
    with timezone.override(member.zone):
        return " ".join(moment(at).split())


def test_mail_that_arrived_says_when_and_what_the_server_answered(family, browser):
    mail(family.manager, state="sent", attempts=1, sent_at=NOW, answer="250 2.0.0 Ok: queued as 4XyZ")
    assert rows_of(browser.get(PAGE)) == [
        [
            short_day(TODAY),
            "Mario Chen · digest sent",
            f"sent {when(NOW, family.owner)} · 1 try",
            "The server said: “250 2.0.0 Ok: queued as 4XyZ”.",
        ]
    ]


@pytest.mark.parametrize("state", Delivery.State)
def test_every_state_is_told_in_words(family, browser, state):
    later = NOW + HOUR
    mail(family.manager, state=state, attempts=7, next_try_at=later, last_error="452 full")
    next_try = f" · next try {when(later, family.owner)}" if state in Delivery.OPEN_STATES else ""
    assert rows_of(browser.get(PAGE)) == [
        [
            short_day(TODAY),
            f"Mario Chen · digest {state.label}",
            f"7 tries{next_try}",
            "The server said: “452 full”.",
        ]
    ]


def test_kinds_and_channels_are_told(family, browser):
    url = "ntfy://secret-of-the-channel"
    channel = Channel.objects.create(household=family.household, member=family.owner, url=url, service="ntfy")
    mail(family.owner, 1, kind="test", state="sent", channel=channel)
    mail(family.owner, 2, kind="alert", state="sent", about=family.viewer)
    page = browser.get(PAGE)
    assert [row[1] for row in rows_of(page)] == [
        "Olga Chen · test · ntfy sent",
        "Olga Chen · somebody is out of reach: Vera Chen sent",
    ]
    assert "secret-of-the-channel" not in page.text


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_all_members_see_the_mails_of_all_and_nobody_elses(family, role):
    stranger = Family("Pérez")
    mail(stranger.owner, state="sent", answer="250 theirs")
    for member in (family.owner, family.manager, family.viewer):
        mail(member, state="sent", answer=f"250 {member.name}")
    page = sign_in(getattr(family, role)).get(PAGE)
    assert {row[1] for row in rows_of(page)} == {f"{name} Chen · digest sent" for name in ("Olga", "Mario", "Vera")}
    assert "250 Vera Chen" in page.text
    assert "theirs" not in page.text


def test_no_email_address_is_shown(family, browser):
    email = family.manager.user.email
    for number, reply in enumerate(
        [f"550 <{email}>: unknown", f"550 5.1.1 {email}... User unknown", f'452 "{email}" full', f"550 TO:<{email}>"]
    ):
        mail(family.manager, number, state="failed", last_error=reply)
    page = browser.get(PAGE)
    assert email not in page.text
    assert [row[3] for row in rows_of(page)] == [
        "The server said: “550 <…@…>: unknown”.",
        "The server said: “550 5.1.1 …@… User unknown”.",
        'The server said: “452 "…@…" full”.',
        "The server said: “550 TO:<…@…>”.",
    ]


def test_lines_are_grouped_by_what_they_are_about_worst_first(family, browser):
    mamá, papá = (family.add_card(name=name) for name in ("Mamá", "Papá"))
    sent = mail(family.owner, state="sent")
    card_line(sent, mamá, "reading")
    card_line(sent, papá, "grace")
    card_line(sent, mamá, "deadline")
    card_line(sent, mamá, "deadline", in_days(TODAY, 1))
    assert rows_of(browser.get(PAGE))[0][3:] == ["Papá · grace", "Mamá · deadline, old reading"]


def test_lines_name_what_is_not_a_card(family, browser):
    household = family.household
    person = PersonFactory(household=household, name="Rosa Chen")
    paper = Document.objects.create(household=household, person=person, kind="passport")
    write_secret(paper, "number", "E-SECRET-1")
    paper.save()
    trip = Trip.objects.create(household=household, leaves_on=TODAY, from_country="CU", to_country="CN")
    operator = family.add_card().plan.operator
    promotion = Promotion.objects.create(operator=operator, title="Double data", starts_on=TODAY, ends_on=TODAY)
    sent = mail(family.owner, state="sent")
    for subject, kind in (
        (f"member:{family.viewer.pk}", "unreachable"),
        (f"trip:{trip.pk}", "trip"),
        (f"document:{paper.pk}", "document"),
        (f"promotion:{promotion.pk}", "promotion"),
        (f"household:{household.pk}", "watching"),
        ("document:987654321", "document"),
    ):
        line(sent, subject, kind)
    page = browser.get(PAGE)
    assert rows_of(page)[0][3:] == [
        "Vera Chen · a member is out of reach",
        "Cuba → China · before a flight",
        "passport · Rosa Chen · document expires",
        "3 more",
        "document expires",
        "Double data · promotion",
        "still watching",
    ]
    assert "E-SECRET-1" not in page.text


def test_name_of_another_households_row_is_never_shown(family, browser):
    stranger = Family("Pérez").fill()
    sent = mail(family.owner, state="sent")
    line(sent, f"document:{stranger.document.pk}", "document")
    line(sent, f"member:{stranger.owner.pk}", "unreachable")
    assert rows_of(browser.get(PAGE))[0][3:] == ["a member is out of reach", "document expires"]


def test_newest_come_first_in_pages_of_a_hundred(family, browser):
    for day in range(101):
        mail(family.owner, day, state="sent")
    page = browser.get(PAGE)
    assert [row[0] for row in rows_of(page)] == [short_day(in_days(TODAY, -day)) for day in range(100)]
    assert 'href="?page=2"' in page.text
    assert [row[0] for row in rows_of(browser.get(f"{PAGE}?page=2"))] == [short_day(in_days(TODAY, -100))]
    assert len(rows_of(browser.get(f"{PAGE}?page=x"))) == 100


def test_before_the_first_mail_the_page_says_so(browser):
    assert "No mail has been sent yet." in browser.get(PAGE).text


def test_mail_of_a_real_run_is_shown_with_what_the_server_said(family, browser, smtp_server):
    card = family.add_card(name="Mamá")
    run_once(None)
    rows = rows_of(browser.get(PAGE))
    assert {row[1] for row in rows} == {f"{name} Chen · digest sent" for name in ("Olga", "Mario", "Vera")}
    assert {tuple(row[3:]) for row in rows} == {
        ("The server said: “250 Kept”.", f"{card.name} · nothing known", "still watching")
    }


@pytest.mark.parametrize("rows", [1, 30])
def test_mails_ask_the_database_equally_often(family, browser, rows, django_assert_num_queries):
    person = PersonFactory(household=family.household)
    promotion = Promotion.objects.create(
        operator=family.add_card().plan.operator, title="Double data", starts_on=TODAY, ends_on=TODAY
    )
    for number in range(rows):
        sent = mail(family.owner, number, state="sent")
        card_line(sent, family.add_card(), "deadline")
        line(sent, f"member:{family.viewer.pk}", "unreachable")
        line(sent, f"promotion:{promotion.pk}", "promotion")
        document = Document.objects.create(household=family.household, person=person, kind="passport")
        line(sent, f"document:{document.pk}", "document")
        trip = Trip.objects.create(household=family.household, leaves_on=TODAY, from_country="CU", to_country="CN")
        line(sent, f"trip:{trip.pk}", "trip")
    with django_assert_num_queries(10):
        page = browser.get(PAGE)
    assert len(rows_of(page)) == rows
