"""A member's private calendar address: who may read what by it, how it comes and goes; and the file of one card."""

import datetime
import hashlib
import html
import io
import json
import logging
import re

import pytest
from django.test import Client
from django.utils import timezone
from icalendar import Calendar

from cards.models import Card
from cards.secrets import write_secret
from renewals.feeds import make_feed
from renewals.leaving import keep_after_all, let_go
from renewals.models import CalendarFeed, Document, Renewal, Trip
from renewals.walkthrough import abandon_renewal
from tests.factories import PersonFactory, unicom
from tests.family import Family, every_row, in_days, said, sign_in

pytestmark = pytest.mark.django_db

SETTINGS = "/settings/calendar/"
MARCH = datetime.date(2027, 3, 8)
NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)


@pytest.fixture
def family():
    return Family("Chen")


@pytest.fixture
def card(family):
    return family.add_card(name="Mamá", number="+5352345678", safe_on=in_days(MARCH, -7), deadline=MARCH)


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def path(family):
    """The path of the owner's feed."""
    return path_of(make_feed(family.owner, timezone.now()))


def path_of(address):
    return "/" + address.split("/", 3)[3]


def events_of(answer):
    assert answer.status_code == 200
    return {str(event["UID"]).partition("@")[0]: event for event in Calendar.from_ical(answer.content).walk("VEVENT")}


def states_of(answer):
    """Return status and sequence of each event."""
    return {key: (str(event["STATUS"]), event["SEQUENCE"]) for key, event in events_of(answer).items()}


def fill(family, card, cards=0):
    """Give the family a review, a paper and a flight, and more cards; return the row of each."""
    about = {"household": family.household}
    person = PersonFactory(name="Rosa Chen", **about)
    review = Renewal.objects.create(card=card, state="awaiting", follow_up_at=timezone.now(), **about)
    paper = Document.objects.create(person=person, kind="passport", expires_on=MARCH, **about)
    write_secret(paper, "number", "K1234567")
    paper.save()
    trip = Trip.objects.create(leaves_on=MARCH, from_country="CU", to_country="CN", **about)
    for number in range(cards):
        plan = card.plan if number % 2 else unicom()
        family.add_card(plan, name=f"Tía {number}", safe_on=MARCH, deadline=MARCH)
    return review, paper, trip


# The address


def address_on(page):
    return html.unescape(re.search(r"<code>([^<]*)</code>", page.text)[1])


def test_member_makes_an_address_and_it_is_shown_once(family, browser, settings):
    settings.SITE_URL = "https://numbers.example.org"
    assert "You have no address yet." in browser.get(SETTINGS).text
    page = browser.post(SETTINGS, {"do": "new"})
    address = address_on(page)
    token = re.fullmatch(r"https://numbers\.example\.org/calendar/([\w-]{43})\.ics", address)[1]
    assert f'href="webcal://numbers.example.org/calendar/{token}.ics"' in page.text
    assert f'data-copy="{address}"' in page.text
    assert "no-store" in page.headers["Cache-Control"]
    again = browser.get(SETTINGS)
    assert "You have had an address since" in again.text
    assert token not in again.text
    assert "no-store" in again.headers["Cache-Control"]
    feed = CalendarFeed.objects.get()
    assert (feed.member, feed.household) == (family.owner, family.household)
    assert feed.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(every_row())
    assert Client().get(path_of(address)).status_code == 200


def test_page_tells_how_to_use_it_in_each_program(browser):
    text = browser.post(SETTINGS, {"do": "new"}).text
    assert [name for name in ("Google:", "Apple:", "Outlook:") if name in text] == ["Google:", "Apple:", "Outlook:"]
    assert text.count('class="btn main"') == 1


def test_new_address_ends_the_one_before(browser):
    first, second = (path_of(address_on(browser.post(SETTINGS, {"do": "new"}))) for _each in range(2))
    assert CalendarFeed.objects.count() == 1
    assert [Client().get(path).status_code for path in (first, second)] == [404, 200]


def test_address_is_revoked(browser, path):
    assert Client().get(path).status_code == 200
    page = browser.post(SETTINGS, {"do": "revoke"}, follow=True)
    assert said(page) == ["The address is gone. Calendars that used it get nothing any more."]
    assert page.redirect_chain == [(SETTINGS, 302)]
    assert Client().get(path).status_code == 404
    assert not CalendarFeed.objects.exists()
    browser.post(SETTINGS, {"do": "revoke"})


@pytest.mark.parametrize("do", ["", "x", "NEW"])
def test_anything_else_changes_nothing(browser, path, do):
    before = every_row()
    assert browser.post(SETTINGS, {"do": do}).status_code == 200
    assert browser.get(SETTINGS, {"do": "new"}).status_code == 200
    assert every_row() == before
    assert Client().get(path).status_code == 200


def test_each_member_has_their_own(family):
    paths = [path_of(make_feed(member, timezone.now())) for member in (family.owner, family.manager)]
    viewer = path_of(address_on(sign_in(family.viewer).post(SETTINGS, {"do": "new"})))
    sign_in(family.owner).post(SETTINGS, {"do": "revoke"})
    assert [Client().get(path).status_code for path in [*paths, viewer]] == [404, 200, 200]


def test_address_of_a_closed_login_is_nobodys(family, path):
    family.owner.user.is_active = False
    family.owner.user.save()
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize("token", ["x", "A" * 43, "é", "%00", "%FF", "a%2Fb", "9" * 5000, "{hash}"])
def test_unknown_address_is_not_found(path, token):
    """The hash, as it stands in the database, opens nothing."""
    token = token.format(hash=CalendarFeed.objects.get().token_hash)
    before = every_row()
    assert Client().get(f"/calendar/{token}.ics").status_code == 404
    assert every_row() == before


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_address_takes_only_readers(path, method):
    assert getattr(Client(), method)(path).status_code == 405


def test_no_log_keeps_an_address(path, settings):
    """Neither one that is known nor one that was, is mistyped or is asked for in a wrong way."""
    [handler] = [each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler]
    written = io.StringIO()
    usual = handler.setStream(written)
    token = path.removeprefix("/calendar/").removesuffix(".ics")
    try:
        Client().get(path)
        Client().post(path)
        Client(enforce_csrf_checks=True).post(path)
        Client().get(f"/calendar/{token}")
        Client().get(f"/calendar/{token}.ics/more")
        Client().get(f"/Calendar/{token}.ics")
        CalendarFeed.objects.all().delete()
        Client().get(path)
        Client().get("/nothing/of-this-name/")
        logging.getLogger("django.request").error("a crash at %s", path, exc_info=ValueError(path))
    finally:
        handler.setStream(usual)
    lines = "\n".join(" ".join(json.loads(line).values()) for line in written.getvalue().splitlines())
    assert "Not Found: /nothing/of-this-name/" in lines
    assert "Not Found: /calendar/…" in lines
    assert "Method Not Allowed (POST): /calendar/…" in lines
    assert "ValueError: /calendar/…" in lines
    assert token not in lines


# What is in it


def test_feed_has_the_days_of_the_household(family, card, path):
    review, paper, trip = fill(family, card)
    events = events_of(Client().get(path))
    assert {key: (event.start, str(event["SUMMARY"])) for key, event in events.items()} == {
        f"card-{card.pk}-safe": (in_days(MARCH, -7), "Mamá …5678: safe date"),
        f"card-{card.pk}-deadline": (MARCH, "Mamá …5678: deadline"),
        f"renewal-{review.pk}-review": (
            review.follow_up_at.astimezone(family.owner.zone).date(),
            "Mamá …5678: ask about the review",
        ),
        f"document-{paper.pk}-expiry": (MARCH, "Rosa Chen: passport expires"),
        f"trip-{trip.pk}-flight": (MARCH, "Cuba → China: flight"),
    }
    assert {str(event["STATUS"]) for event in events.values()} == {"CONFIRMED"}


def test_answer_is_a_calendar_for_one_reader(family, card, path):
    answer = Client().get(path)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'inline; filename="keepnumber.ics"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert not answer.cookies
    head = Client().head(path)
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", answer.headers["ETag"])


def test_nothing_secret_is_in_it(family, card, path):
    secrets = {
        "iccid": "8953010000000000017",
        "pin": "4711",
        "puk": "87654321",
        "account_username": "mama@nauta",
        "notes": "under the bed",
        "location": "blue phone",
    }
    Card.objects.filter(pk=card.pk).update(name="Mamá +53 52345678")
    row = Card.objects.get(pk=card.pk)
    for name, value in secrets.items():
        (write_secret if name in {"iccid", "pin", "puk"} else setattr)(row, name, value)
    row.save()
    fill(family, card)
    for answer in (Client().get(path), sign_in(family.owner).get(f"/cards/{card.pk}/calendar.ics")):
        content = answer.content.decode().replace("\r\n ", "")
        digits = re.sub(r"\D", "", content)
        assert "Mamá …5678 …5678" in content
        assert [value for value in (*secrets.values(), "K1234567") if value in content] == []
        assert [number for number in ("52345678", "345678") if number in digits] == []


def test_other_households_are_never_in_it(family, card, path):
    other = Family("Pérez")
    theirs = other.add_card(name="Papá Pérez", number="+5359999999", deadline=MARCH)
    fill(other, theirs)
    content = Client().get(path).content.decode()
    assert list(events_of(Client().get(path))) == [f"card-{card.pk}-safe", f"card-{card.pk}-deadline"]
    assert not re.search("Pérez|9999|Rosa", content)


@pytest.mark.parametrize(("language", "country"), [("en", "China"), ("es", "China"), ("zh-hans", "中国")])
def test_feed_speaks_its_members_language_whoever_fetches_it(family, card, language, country):
    family.viewer.language = language
    family.viewer.save()
    fill(family, card)
    path = path_of(make_feed(family.viewer, NOW))
    answer = Client(headers={"Accept-Language": "es"}).get(path)
    assert answer.headers["Content-Language"] == language
    assert country in answer.content.decode()
    assert sign_in(family.owner).get(path).content == answer.content


@pytest.mark.parametrize(("zone", "day"), [("Asia/Shanghai", 11), ("America/Havana", 10), ("Pacific/Pago_Pago", 10)])
def test_review_stands_on_the_members_own_day(family, card, zone, day):
    family.owner.time_zone = zone
    family.owner.save()
    review, *_others = fill(family, card)
    Renewal.objects.update(follow_up_at=datetime.datetime(2027, 3, 10, 20, tzinfo=datetime.UTC))
    event = events_of(Client().get(path_of(make_feed(family.owner, NOW))))[f"renewal-{review.pk}-review"]
    assert event.start == datetime.date(2027, 3, day)


# What changes


def close(family, card, now):
    let_go(card, family.owner, how="cancelled", ends_on=now.date(), note="", moved=[], now=now, today=now.date())


def test_card_that_is_let_go_is_cancelled_and_one_opened_again_is_back(family, card, path):
    keys = {f"card-{card.pk}-safe", f"card-{card.pk}-deadline"}
    assert states_of(Client().get(path)) == dict.fromkeys(keys, ("CONFIRMED", 0))
    close(family, card, timezone.now())
    assert states_of(Client().get(path)) == dict.fromkeys(keys, ("CANCELLED", 1))
    keep_after_all(card, family.owner, timezone.now())
    assert states_of(Client().get(path)) == dict.fromkeys(keys, ("CONFIRMED", 2))


@pytest.mark.parametrize(("days", "number"), [(0, 2), (89, 2), (90, 2), (91, 0)])
def test_closed_card_is_told_of_for_90_days(family, card, path, days, number):
    today = timezone.now().astimezone(family.owner.zone).date()
    Card.objects.update(closed_on=in_days(today, -days))
    assert len(events_of(Client().get(path))) == number


def test_review_that_ended_is_cancelled_and_forgotten_after_90_days(family, card, path):
    review, *_others = fill(family, card)
    key = f"renewal-{review.pk}-review"
    assert states_of(Client().get(path))[key] == ("CONFIRMED", 0)
    abandon_renewal(review, family.owner, "x", timezone.now())
    assert states_of(Client().get(path))[key] == ("CANCELLED", 1)
    Renewal.objects.update(finished_at=timezone.now() - datetime.timedelta(days=91))
    assert key not in states_of(Client().get(path))


def test_cancelled_flight_is_cancelled_and_forgotten_after_90_days(family, card, path):
    *_others, trip = fill(family, card)
    key = f"trip-{trip.pk}-flight"
    assert states_of(Client().get(path))[key] == ("CONFIRMED", 0)
    Trip.objects.update(cancelled_at=NOW + datetime.timedelta(days=36500))
    event = events_of(Client().get(path))[key]
    assert (event["STATUS"], event["SEQUENCE"]) == ("CANCELLED", 1)
    assert event["DTSTAMP"].dt == NOW + datetime.timedelta(days=36500)
    Trip.objects.update(cancelled_at=timezone.now() - datetime.timedelta(days=91))
    assert key not in states_of(Client().get(path))


def test_bytes_stay_the_same_until_something_changes(family, card, path):
    fill(family, card, cards=3)
    before, answer = every_row(), Client().get(path)
    etag = answer.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{64}"', etag)
    assert Client().get(path).content == answer.content
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        same = Client(headers={"If-None-Match": known}).get(path)
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
        assert same.headers["Cache-Control"] == "private, no-cache"
    assert every_row() == before
    Card.objects.filter(pk=card.pk).update(deadline=in_days(MARCH, 1))
    other = Client(headers={"If-None-Match": etag}).get(path)
    assert other.status_code == 200
    assert other.headers["ETag"] != etag


def test_compressed_answer_is_known_again(family, card, path):
    fill(family, card, cards=10)
    packed = Client(headers={"Accept-Encoding": "gzip"}).get(path)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert Client(headers={"If-None-Match": packed.headers["ETag"]}).get(path).status_code == 304


@pytest.mark.parametrize("cards", [0, 29])
def test_feed_asks_the_database_equally_often(family, card, path, cards, django_assert_num_queries):
    fill(family, card, cards)
    with django_assert_num_queries(8):
        answer = Client().get(path)
    assert len(events_of(answer)) == 5 + 2 * cards


# One card


def test_file_of_a_card_has_its_days_only(family, card, browser):
    fill(family, card, cards=2)
    answer = browser.get(f"/cards/{card.pk}/calendar.ics")
    review = Renewal.objects.get()
    assert set(events_of(answer)) == {f"card-{card.pk}-safe", f"card-{card.pk}-deadline", f"renewal-{review.pk}-review"}
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="keepnumber-{card.pk}.ics"'
    assert answer.headers["Cache-Control"] == "no-store"


def test_file_of_a_card_says_the_same_as_the_feed(family, card, browser, path):
    ours, feed = events_of(browser.get(f"/cards/{card.pk}/calendar.ics")), events_of(Client().get(path))
    assert {key: event.to_ical() for key, event in ours.items()} == {
        key: event.to_ical() for key, event in feed.items()
    }


def test_card_without_a_day_has_no_file_and_says_so(family, browser):
    card = family.add_card()
    page = browser.get(f"/cards/{card.pk}/calendar.ics", follow=True)
    assert page.redirect_chain == [(f"/cards/{card.pk}/", 302)]
    assert said(page) == ["There is no day yet to put into a calendar."]


def test_file_of_a_closed_card_takes_its_days_back(family, card, browser):
    close(family, card, timezone.now())
    assert {status for status, _number in states_of(browser.get(f"/cards/{card.pk}/calendar.ics")).values()} == {
        "CANCELLED"
    }


def test_file_is_for_the_family_only(family, card):
    address = f"/cards/{card.pk}/calendar.ics"
    assert events_of(sign_in(family.viewer).get(address))
    assert sign_in(Family("Pérez").owner).get(address).status_code == 404
    assert Client().get(address).url.startswith("/accounts/login/")
    assert sign_in(family.owner).post(address).status_code == 405
