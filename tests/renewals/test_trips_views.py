"""Flights: written down, listed with what they ask for, cancelled."""

import datetime
import html
import re
import threading

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from cards.models import Card
from renewals.models import Trip
from renewals.views.card import own_today
from renewals.walkthrough import start_renewal
from renewals.words import say_day
from tests.factories import OperatorFactory, cubacel, giffgaff
from tests.family import Family, every_row, field_of, in_days, is_answered, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def today(family):
    return own_today(family.owner)


def add_card(family, deadline, plan=None, **fields):
    """Add a card that is valid until `deadline`; the safe date is a week before it, grace ends a month after it."""
    if deadline:
        fields |= {"deadline": deadline, "due_on": in_days(deadline, -30), "safe_on": in_days(deadline, -7)}
        fields |= {"grace_ends_on": in_days(deadline, 30), "lost_on": in_days(deadline, 31)}
    return family.add_card(plan, **fields)


def fly(family, leaves_on, start="CU", end="ES", **fields):
    about = {"household": family.household, "by": family.owner}
    return Trip.objects.create(leaves_on=leaves_on, from_country=start, to_country=end, **about | fields)


def typed(day, start="CU", end="ES"):
    return {"leaves_on": str(day), "from_country": start, "to_country": end}


def plain(text):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def parts_of(page):
    """Return the cards of a flight's page under its headings, each with its sentences."""
    parts = re.findall(r"<h2>([^<]+)</h2>\s*<ul(.*?)</ul>", page.text, re.DOTALL)
    return {
        heading: [
            (plain(name), plain(sentence)) for name, sentence in re.findall(r"<h3>(.*?)·.*?<p>(.*?)</p>", part, re.S)
        ]
        for heading, part in parts
    }


def flights_of(page):
    """Return the lines of the list of flights, as they are read."""
    return [plain(line) for line in re.findall(r"<li>(.*?)</li>", page.text.split("<h1>")[1], re.DOTALL)]


def options_of(field):
    """Return the countries of a select under their headings."""
    groups = re.findall(r'<optgroup label="([^"]+)">(.*?)</optgroup>', field, re.DOTALL)
    return {label: re.findall(r'value="(\w\w)"', group) for label, group in groups}


def test_flight_is_written_down_and_says_what_it_asks_for(family, browser, today):
    add_card(family, in_days(today, 60))
    day = in_days(today, 12)
    page = browser.post("/travel/", typed(day), follow=True)
    trip = Trip.objects.get()
    assert page.redirect_chain == [(f"/travel/{trip.pk}/", 302)]
    assert said(page) == ["The flight is written down. This is what it asks for."]
    assert (trip.leaves_on, trip.from_country, trip.to_country) == (day, "CU", "ES")
    assert (trip.household, trip.by, trip.cancelled_at) == (family.household, family.owner, None)
    assert "Cuba → Spain" in page.text
    assert f"{say_day(day)} · in 12 days" in plain(page.text)
    [(name, sentence)] = parts_of(page)["Before the flight"]
    assert name == "Mamá"
    assert sentence.startswith("Top up at least 100 CUP before you leave Cuba; from abroad it takes 250 CUP.")


def test_second_click_writes_no_second_flight(family, browser, today):
    first = browser.post("/travel/", typed(today))
    assert browser.post("/travel/", typed(today)).url == first.url
    assert browser.post("/travel/", typed(today, "ES", "CU")).url != first.url
    assert Trip.objects.count() == 2
    Trip.objects.update(cancelled_at=timezone.now())
    assert browser.post("/travel/", typed(today)).url != first.url
    fly(Family("Pérez"), in_days(today, 1))
    browser.post("/travel/", typed(in_days(today, 1)))
    assert Trip.objects.filter(household=family.household).count() == 4


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_write_one_flight(family, today):
    clients, answers = [sign_in(family.owner), sign_in(family.manager)], []
    start = threading.Barrier(2)

    def click(client):
        start.wait()
        answers.append(client.post("/travel/", typed(today)).url)
        connection.close()

    threads = [threading.Thread(target=click, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trip = Trip.objects.get()
    assert answers == [f"/travel/{trip.pk}/"] * 2


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"leaves_on": ""}, "leaves_on", "This field is required."),
        ({"leaves_on": "03/04/2027"}, "leaves_on", "Write the day as year-month-day"),
        ({"leaves_on": "2099-02-30"}, "leaves_on", "Write the day as year-month-day"),
        ({"leaves_on": "9999-12-31"}, "leaves_on", "This year cannot be right."),
        ({"leaves_on": "2001-01-01"}, "leaves_on", "Choose today or a later day."),
        ({"from_country": ""}, "from_country", "This field is required."),
        ({"to_country": ""}, "to_country", "This field is required."),
        ({"to_country": "CU"}, "to_country", "Choose two different countries."),
        ({"to_country": "EU"}, "to_country", "Select a valid choice."),
        ({"from_country": "cu"}, "from_country", "Select a valid choice."),
        ({"from_country": "\0"}, "from_country", "Select a valid choice."),
    ],
)
def test_flight_that_cannot_be_is_answered_in_words(family, browser, changes, name, words):
    before = every_row()
    data = typed("2099-01-01") | changes
    page = browser.post("/travel/", data)
    assert is_answered(page, name, words, changes.get("leaves_on"))
    assert page.text.count('class="errorlist') == 1
    for other in {"leaves_on", "from_country", "to_country"} - {name}:
        value = re.escape(data[other])
        assert re.search(rf'value="{value}"( selected)?', field_of(page, other))
        assert other == "leaves_on" or f'value="{data[other]}" selected' in field_of(page, other)
    assert every_row() == before


@pytest.mark.parametrize(("days", "is_taken"), [(-1, False), (0, True), (1, True)])
def test_day_of_the_flight_is_not_past_where_the_member_is(family, days, is_taken):
    """Of these two zones one is always a day ahead of the other."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        family.owner.time_zone = zone
        family.owner.save()
        today = own_today(family.owner)
        page = sign_in(family.owner).post("/travel/", typed(in_days(today, days)))
        assert (page.status_code == 302) == is_taken
        assert is_taken or f'min="{today}"' in field_of(page, "leaves_on")


def test_countries_of_the_cards_come_first(family, browser):
    for country in ("GB", "", "CN"):
        family.add_card(cubacel(operator=OperatorFactory(country=country)))
    family.add_card(cubacel(operator=OperatorFactory(country="FR")), closed_on="2026-01-01")
    Family("Pérez").add_card(cubacel(operator=OperatorFactory(country="IT")))
    groups = options_of(field_of(browser.get("/travel/"), "to_country"))
    assert groups["Countries of your cards"] == ["CN", "GB"]
    others = groups["All other countries"]
    assert others[:3] == ["AF", "AX", "AL"]
    assert len(others) == len(set(others)) > 200
    assert {"CU", "ES", "FR", "IT", "HK", "TW"} <= set(others)
    assert not {"CN", "GB", "EU", "ZZ"} & set(others)


def test_without_a_card_all_countries_stand_under_one_heading(browser):
    assert set(options_of(field_of(browser.get("/travel/"), "from_country"))) == {"All other countries"}


@pytest.mark.parametrize(
    ("language", "first", "spain"),
    [
        ("en", ["AF", "AX", "AL"], "Spain"),
        ("es", ["AF", "AL", "DE"], "España"),
        ("zh-hans", ["AL", "DZ", "AF"], "西班牙"),
    ],
)
def test_countries_are_named_and_ordered_as_the_member_reads_them(family, language, first, spain):
    family.owner.language = language
    family.owner.save()
    field = field_of(sign_in(family.owner).get("/travel/"), "to_country")
    [codes] = options_of(field).values()
    assert codes[:3] == first
    assert f">{spain}</option>" in field


def chosen(page):
    """Return the countries that are chosen already."""
    found = [re.search(r'value="(\w\w)" selected', field_of(page, f"{name}_country")) for name in ("from", "to")]
    return [match and match[1] for match in found]


def test_form_begins_where_the_member_lives_and_then_with_the_way_back(family, browser, today):
    assert chosen(browser.get("/travel/")) == ["CU", None]
    trip = fly(family, in_days(today, 5), "CU", "CN")
    assert chosen(browser.get("/travel/")) == ["CN", "CU"]
    fly(family, in_days(today, 9), "CN", "HK", cancelled_at=timezone.now())
    fly(family, in_days(today, -9), "ES", "CU")
    assert chosen(browser.get("/travel/")) == ["CN", "CU"]
    trip.delete()
    assert chosen(browser.get("/travel/")) == ["CU", "ES"]
    Trip.objects.all().delete()
    family.owner.time_zone = "UTC"
    family.owner.save()
    assert chosen(sign_in(family.owner).get("/travel/")) == [None, None]


def test_list_has_what_comes_first_and_folds_what_was(family, browser, today):
    add_card(family, in_days(today, 60))
    add_card(family, in_days(today, 90))
    fly(family, in_days(today, 20), "ES", "FR")
    fly(family, today)
    fly(family, in_days(today, 5), cancelled_at=timezone.now())
    fly(family, in_days(today, -1))
    fly(family, in_days(today, -2), "ES", "CU", cancelled_at=timezone.now())
    page = browser.get("/travel/")
    assert flights_of(page) == [
        f"{say_day(today)} · Cuba → Spain 2 cards to see to",
        f"{say_day(in_days(today, 5))} · Cuba → Spain cancelled",
        f"{say_day(in_days(today, 20))} · Spain → France",
        f"{say_day(in_days(today, -1))} · Cuba → Spain",
        f"{say_day(in_days(today, -2))} · Spain → Cuba cancelled",
    ]
    assert page.text.count("<s>") == 2
    assert "2 earlier flights" in page.text.partition("<details>")[2]
    assert page.text.index("2 earlier flights") < page.text.index(say_day(in_days(today, -1)))


def test_page_tells_what_is_before_the_flight_and_what_after(family, browser, today):
    add_card(family, in_days(today, 60), name="Mamá")
    add_card(family, None, name="Tía")
    spanish = cubacel(operator=OperatorFactory(name="Movistar", country="ES"))
    add_card(family, in_days(today, 60), spanish, name="Ana")
    add_card(family, in_days(today, 300), name="Renewed")
    add_card(family, in_days(today, -31), name="Lost")
    add_card(family, in_days(today, 60), name="Closed", closed_on=today)
    add_card(Family("Pérez"), in_days(today, 60), name="Secret")
    page = browser.get(f"/travel/{fly(family, in_days(today, 12)).pk}/")
    parts = parts_of(page)
    assert {heading: [name for name, _words in part] for heading, part in parts.items()} == {
        "Before the flight": ["Tía", "Mamá"],
        "After landing": ["Ana"],
    }
    assert "Nobody knows until when this number lives." in parts["Before the flight"][0][1]
    assert "once you are in Spain" in parts["After landing"][0][1]
    assert f"valid until {say_day(in_days(today, 60))} · 60 days left · active" in plain(page.text)
    assert "valid until: not known" in page.text
    assert "Nothing depends on this flight" not in page.text


def test_page_leads_straight_into_the_renewal(family, browser, today):
    waiting, open_one = (add_card(family, in_days(today, days), number=f"+535234567{days}") for days in (3, 4))
    use = add_card(family, in_days(today, 5), giffgaff(), location="Blue phone")
    unknown = add_card(family, None)
    renewal = start_renewal(open_one, family.owner, timezone.now())
    pages = [browser.get(f"/travel/{fly(family, today, start).pk}/") for start in ("CU", "GB")]
    assert f'action="/renewals/start/{waiting.pk}/"' in pages[0].text
    assert f'href="/renewals/{renewal.pk}/"' in pages[0].text
    assert f'href="/cards/{unknown.pk}/start/"' in pages[0].text
    assert "+53 5 2345673" in pages[0].text
    assert "Where the SIM is" not in pages[0].text
    assert "Where the SIM is: Blue phone" in plain(pages[1].text)
    assert [page.text.count("btn main") for page in pages] == [1, 1]
    assert f'action="/renewals/start/{use.pk}/"' in pages[1].text


def test_renewed_card_needs_nothing_any_more(family, browser, today):
    card = add_card(family, in_days(today, 60))
    address = f"/travel/{fly(family, in_days(today, 12)).pk}/"
    assert parts_of(browser.get(address))
    Card.objects.filter(pk=card.pk).update(deadline=in_days(today, 330))
    page = browser.get(address)
    assert parts_of(page) == {}
    assert "Nothing depends on this flight, as far as the rules of your cards are known." in page.text


@pytest.mark.parametrize(
    ("days", "words", "headings"),
    [
        (-1, "this flight lies behind you", ["After landing"]),
        (0, "today", ["Before the flight", "After landing"]),
        (1, "in 1 day", ["Before the flight", "After landing"]),
    ],
)
def test_page_says_how_far_away_the_flight_is(family, browser, today, days, words, headings):
    add_card(family, in_days(today, 60))
    add_card(family, in_days(today, 60), cubacel(operator=OperatorFactory(country="ES")))
    page = browser.get(f"/travel/{fly(family, in_days(today, days)).pk}/")
    assert f"{say_day(in_days(today, days))} · {words}" in plain(page.text)
    assert list(parts_of(page)) == headings


def test_flight_is_cancelled_once(family, browser, today):
    add_card(family, in_days(today, 60))
    trip = fly(family, in_days(today, 12))
    assert f'action="/travel/{trip.pk}/cancel/"' in browser.get(f"/travel/{trip.pk}/").text
    page = browser.post(f"/travel/{trip.pk}/cancel/", follow=True)
    assert page.redirect_chain == [("/travel/", 302)]
    assert said(page) == ["The flight is cancelled. Nobody is reminded of it any more."]
    assert flights_of(page) == [f"{say_day(in_days(today, 12))} · Cuba → Spain cancelled"]
    cancelled_at = Trip.objects.get().cancelled_at
    assert timezone.now() - cancelled_at < datetime.timedelta(minutes=1)
    page = browser.post(f"/travel/{trip.pk}/cancel/", follow=True)
    assert said(page) == ["This flight was cancelled before."]
    assert Trip.objects.get().cancelled_at == cancelled_at
    page = browser.get(f"/travel/{trip.pk}/")
    assert "This flight is cancelled. Nothing is to be done because of it." in page.text
    assert "/cancel/" not in page.text
    assert parts_of(page) == {}


def test_viewer_looks_and_changes_nothing(family, today):
    add_card(family, in_days(today, 60))
    trip, viewer = fly(family, in_days(today, 12)), sign_in(family.viewer)
    before = every_row()
    page = viewer.get("/travel/")
    assert flights_of(page) == [f"{say_day(trip.leaves_on)} · Cuba → Spain 1 card to see to"]
    assert "We fly on" not in page.text
    page = viewer.get(f"/travel/{trip.pk}/")
    assert list(parts_of(page)) == ["Before the flight"]
    assert "/cancel/" not in page.text
    assert "/renewals/start/" not in page.text
    assert viewer.post("/travel/", typed(today)).status_code == 403
    assert viewer.post(f"/travel/{trip.pk}/cancel/").status_code == 403
    assert every_row() == before


def test_other_households_and_anonymous_see_no_flight(family, today):
    trip = fly(family, in_days(today, 12), "CU", "MG")
    stranger, before = sign_in(Family("Pérez").owner), every_row()
    assert flights_of(stranger.get("/travel/")) == []
    assert chosen(stranger.get("/travel/")) == ["CU", None]
    for client, status in ((stranger, 404), (Client(), 302)):
        assert client.get(f"/travel/{trip.pk}/").status_code == status
        assert client.post(f"/travel/{trip.pk}/cancel/").status_code == status
    assert Client().get("/travel/").url == "/accounts/login/?next=/travel/"
    assert Client().post("/travel/", typed(today)).url.startswith("/accounts/login/")
    assert every_row() == before


def test_other_methods_are_refused(family, browser, today):
    trip = fly(family, today)
    assert browser.get(f"/travel/{trip.pk}/cancel/").status_code == 405
    assert browser.post(f"/travel/{trip.pk}/").status_code == 405
    assert browser.put("/travel/").status_code == 405


@pytest.mark.parametrize("rows", [1, 30])
def test_pages_ask_the_database_equally_often(family, browser, today, rows, django_assert_num_queries):
    for number in range(rows):
        card = add_card(family, in_days(today, 60))
        start_renewal(card, family.owner, timezone.now())
        fly(family, in_days(today, -1 - number))
        trip = fly(family, in_days(today, number))
    with django_assert_num_queries(7):
        assert "to see to" in browser.get("/travel/").text
    with django_assert_num_queries(8):
        browser.get(f"/travel/{trip.pk}/")
