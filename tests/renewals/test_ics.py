"""The calendar as a file: what every program can read, whatever people have typed."""

import datetime

import pytest
import vobject
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from cards.models import Card, Person, Plan
from renewals.agenda import Entry, Kind
from renewals.ics import write_calendar
from renewals.models import Document, Renewal, Trip

DEADLINE = datetime.date(2027, 3, 4)
CHANGED = datetime.datetime(2026, 1, 31, 12, 30, 15, 999, tzinfo=datetime.UTC)
INSIDE = '"\r\nBEGIN:VEVENT\r\nSUMMARY:mine\r\nEND:VEVENT'
HOSTILE = [
    INSIDE,
    "Mamá, Papá; \\ : ^n \\n",
    "👨‍👩‍👧‍👦" * 30,
    "\u202egnirts\u202c \u2066\u2067",
    "字" * 10_000,
    "a\0b\x07c\x0b\x0c\x1c\x85\u2028\u2029\x7fd",
    "\t \n",
    "",
]


def card_named(name, number="+5352345678", **fields):
    """Return a card that no database knows."""
    plan = Plan(pk=1)
    plan._prefetched_objects_cache = {"rules": []}
    return Card(pk=5, name=name, number=number, plan=plan, deadline=DEADLINE, **fields)


def entry(kind=Kind.DEADLINE, on=DEADLINE, row=None, revision=3, changed_at=CHANGED, is_cancelled=False):
    return Entry(kind, on, row or card_named("Mamá"), revision, changed_at, is_cancelled)


def entries_named(name):
    """Return an entry of every kind that is named so."""
    card, person = card_named(name), Person(name=name)
    return [
        *(entry(kind, row=card) for kind in (Kind.SAFE, Kind.DEADLINE)),
        entry(Kind.REVIEW, row=Renewal(pk=6, card=card)),
        entry(Kind.EXPIRY, row=Document(pk=7, person=person, kind="passport")),
        entry(Kind.FLIGHT, row=Trip(pk=8, from_country="CU", to_country="CN"), is_cancelled=True),
    ]


def read(content):
    """Return the events as icalendar reads them, once vobject has read the same."""
    events = Calendar.from_ical(content).walk("VEVENT")
    others = vobject.readOne(content.decode()).contents.get("vevent", [])
    assert [each.summary.value for each in others] == [str(event["SUMMARY"]) for event in events]
    assert [each.uid.value for each in others] == [str(event["UID"]) for event in events]
    return events


def only(content):
    [event] = read(content)
    return event


def test_event_of_a_deadline_says_all_a_calendar_wants(settings):
    settings.SITE_URL = "https://numbers.example.org"
    event = only(write_calendar([entry()], "Keepnumber"))
    assert {name: event[name].to_ical().decode() for name in event} == {
        "UID": "card-5-deadline@numbers.example.org",
        "DTSTAMP": "20260131T123015Z",
        "LAST-MODIFIED": "20260131T123015Z",
        "SEQUENCE": "3",
        "STATUS": "CONFIRMED",
        "TRANSP": "TRANSPARENT",
        "DTSTART": "20270304",
        "DTEND": "20270305",
        "SUMMARY": "Mamá …5678: deadline",
        "DESCRIPTION": (
            "Ask the operator what keeps this number.\\n"
            "How long the number can still be saved after that is not known.\\n"
            "https://numbers.example.org/cards/5/"
        ),
        "URL": "https://numbers.example.org/cards/5/",
    }
    assert [event[name].params.get("VALUE") for name in ("DTSTART", "DTEND")] == ["DATE", "DATE"]


def test_calendar_has_a_name_and_says_when_to_read_it_again():
    content = write_calendar([], "Keepnumber · Chen, Pérez; familia")
    assert content.decode().split("\r\n") == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Keepnumber//Keepnumber//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "NAME:Keepnumber · Chen\\, Pérez\\; familia",
        "X-WR-CALNAME:Keepnumber · Chen\\, Pérez\\; familia",
        "REFRESH-INTERVAL;VALUE=DURATION:PT12H",
        "X-PUBLISHED-TTL:PT12H",
        "END:VCALENDAR",
        "",
    ]


@pytest.mark.parametrize(
    ("kind", "triggers"),
    [
        (Kind.SAFE, ["PT9H"]),
        (Kind.DEADLINE, ["-P6DT15H", "-PT15H"]),
        (Kind.REVIEW, ["PT9H"]),
        (Kind.EXPIRY, ["-P29DT15H"]),
        (Kind.FLIGHT, []),
    ],
)
def test_alarms_ring_at_nine_in_the_morning(kind, triggers):
    """An all-day event begins at midnight wherever the phone is, so neither zone nor summer time counts."""
    rows = {each.kind: each.row for each in entries_named("Mamá")}
    event = only(write_calendar([entry(kind, row=rows[kind])], ""))
    alarms = event.walk("VALARM")
    assert [alarm["TRIGGER"].to_ical().decode() for alarm in alarms] == triggers
    assert {str(alarm["ACTION"]) for alarm in alarms} == ({"DISPLAY"} if triggers else set())
    assert {str(alarm["DESCRIPTION"]) for alarm in alarms} == ({str(event["SUMMARY"])} if triggers else set())


def test_cancelled_event_keeps_its_name_and_rings_no_more():
    event = only(write_calendar([entry(is_cancelled=True, revision=4)], ""))
    assert (event["UID"], event["STATUS"], event["SEQUENCE"]) == ("card-5-deadline@127.0.0.1", "CANCELLED", 4)
    assert event.walk("VALARM") == []


def test_end_of_grace_and_loss_are_told_in_the_deadline_only():
    assert read(write_calendar([entry(Kind.GRACE), entry(Kind.LOST)], "")) == []
    card = card_named("Mamá", grace_ends_on=DEADLINE, lost_on=DEADLINE + datetime.timedelta(days=1))
    event = only(write_calendar([entry(row=card)], ""))
    assert "The day after that, the number is lost." in event["DESCRIPTION"]


@pytest.mark.parametrize(
    "day", [datetime.date(2028, 2, 29), datetime.date(2027, 12, 31), datetime.date(2027, 3, 28), datetime.date(1, 1, 1)]
)
def test_event_lasts_one_whole_day(day):
    event = only(write_calendar([entry(on=day)], ""))
    assert (event.start, event.end) == (day, day + datetime.timedelta(days=1))


@pytest.mark.parametrize(
    ("language", "route", "day"),
    [
        ("en", "Cuba → China", "Thursday, March 4, 2027"),
        ("es", "Cuba → China", "jueves, 4 de marzo de 2027"),
        ("zh-hans", "古巴 → 中国", "2027年3月4日星期四"),
    ],
)
def test_file_speaks_the_language(language, route, day):
    rows = {each.kind: each for each in entries_named("Mamá")}
    with translation.override(language):
        safe, flight = read(write_calendar([rows[Kind.SAFE], rows[Kind.FLIGHT]], ""))
        order = translation.gettext("Ask the operator what keeps this number")
    assert route in flight["SUMMARY"]
    assert order in safe["DESCRIPTION"]
    assert day in safe["DESCRIPTION"]
    assert (order == "Ask the operator what keeps this number") == (language == "en")


@pytest.mark.parametrize(
    "name",
    [
        "+5352345678",
        "Mamá +53 5 234 5678",
        "5234-5678",
        "(53) 5 / 2.34 – 56 78",
        "53·52345678",
        "٥٢٣٤٥٦٧٨",
        "5\n2\x00345678",
    ],
)
def test_number_that_stands_in_a_name_is_shortened(name):
    content = write_calendar(entries_named(name), name).decode().replace("\r\n ", "")
    digits = "".join(character for character in content if character.isdigit())
    assert "345678" not in digits.replace("٣٤٥٦٧٨", "345678")
    assert "…5678" in content


@pytest.mark.parametrize("name", ["Mamá 2", "Tía 123456", "Nauta 4G+ 5.5"])
def test_short_numbers_in_a_name_stay(name):
    assert str(only(write_calendar([entry(row=card_named(name))], ""))["SUMMARY"]) == f"{name} …5678: deadline"


def check(name):
    entries = entries_named(name)
    content = write_calendar(entries, name)
    assert max(map(len, content.split(b"\r\n"))) <= 75
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    assert not set(content.decode()) & {chr(code) for code in [*range(10), 11, 12, *range(14, 32), *range(127, 160)]}
    events = read(content)
    assert [str(event["UID"]).partition("@")[0] for event in events] == [
        f"{each.row._meta.model_name}-{each.row.pk}-{each.kind}" for each in entries
    ]
    assert [str(event["SUMMARY"]).endswith(f"…5678: {each.what}") for event, each in zip(events, entries, strict=True)][
        :3
    ] == [True] * 3
    assert {len(str(event["SUMMARY"])) < 200 for event in events} == {True}
    assert content == write_calendar(entries, name)
    assert Calendar.from_ical(content).to_ical() == content


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_stays_a_name(name):
    check(name)


@settings(max_examples=300, deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_name_gives_a_file_that_two_programs_read_alike(name):
    check(name)


def test_direction_of_writing_stays_as_it_is():
    assert "gnirts" in write_calendar([entry(row=card_named(HOSTILE[3]))], "").decode()
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(
        write_calendar([entry(row=card_named(HOSTILE[3]))], HOSTILE[3]).decode()
    )


def test_families_of_one_emoji_stay_together():
    assert "👨‍👩‍👧‍👦" in str(only(write_calendar([entry(row=card_named("👨‍👩‍👧‍👦"))], ""))["SUMMARY"])
