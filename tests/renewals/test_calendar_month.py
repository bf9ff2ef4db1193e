"""A month of the household: as a grid of weeks, and day by day."""

import datetime
import html
import re

import pytest
from django.utils import timezone

from cards.models import Card
from renewals.models import Document, Renewal, Trip
from renewals.month import Month
from renewals.words import say_month
from tests.factories import PersonFactory, cubacel
from tests.family import Family, every_row, in_days, sign_in

PAGE = "/calendar/"
MARCH = datetime.date(2027, 3, 1)


# The grid


def shape(month):
    """Return the numbers of the days, week by week; 0 stands where a day belongs to another month."""
    return [[day.day if day else 0 for day in week] for week in Month.parse(month).weeks()]


@pytest.mark.parametrize(
    ("month", "weeks", "first", "last"),
    [
        ("2028-02", 5, [0, 1, 2, 3, 4, 5, 6], [28, 29, 0, 0, 0, 0, 0]),  # 29 days
        ("2027-02", 4, [1, 2, 3, 4, 5, 6, 7], [22, 23, 24, 25, 26, 27, 28]),  # four weeks and no more
        ("2026-11", 6, [0, 0, 0, 0, 0, 0, 1], [30, 0, 0, 0, 0, 0, 0]),  # begins on a Sunday
        ("2027-05", 6, [0, 0, 0, 0, 0, 1, 2], [31, 0, 0, 0, 0, 0, 0]),
        ("2027-12", 5, [0, 0, 1, 2, 3, 4, 5], [27, 28, 29, 30, 31, 0, 0]),
        ("1990-01", 5, [1, 2, 3, 4, 5, 6, 7], [29, 30, 31, 0, 0, 0, 0]),
        ("2100-12", 5, [0, 0, 1, 2, 3, 4, 5], [27, 28, 29, 30, 31, 0, 0]),
    ],
)
def test_weeks_run_from_monday_to_sunday(month, weeks, first, last):
    grid = shape(month)
    assert (len(grid), grid[0], grid[-1]) == (weeks, first, last)
    days = [day for week in Month.parse(month).weeks() for day in week if day]
    assert days == [in_days(Month.parse(month).first, each) for each in range(len(days))]
    assert not Month.parse(month).has(in_days(days[-1], 1))


@pytest.mark.parametrize(
    ("month", "before", "after"),
    [
        ("2027-06", "2027-05", "2027-07"),
        ("2027-12", "2027-11", "2028-01"),
        ("2028-01", "2027-12", "2028-02"),
        ("1990-01", "None", "1990-02"),
        ("2100-12", "2100-11", "None"),
    ],
)
def test_month_has_neighbours_within_the_years_of_cards(month, before, after):
    found = Month.parse(month)
    assert (str(found.before), str(found), str(found.after)) == (before, month, after)


JUNK = [
    *["", "x", "2027", "2027-0", "2027-00", "2027-13", "2027-1", "1989-12", "2101-01", "0000-01", "9999-12"],
    *[
        "-2027-01",
        "2027-01-01",
        "2027-01\n",
        "２０２７-01",
        "2027-0１",
        "\0",
        "9" * 5000,
        "<script>",
        "2027/01",
        " 2027-01",
    ],
]


@pytest.mark.parametrize("text", JUNK)
def test_what_is_no_month_is_none(text):
    assert Month.parse(text) is None


# The page


@pytest.fixture
def family(db):
    return Family("Chen")


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def add_card(family, **days):
    return family.add_card(**{"name": "Mamá", "number": "+5352345678"} | days)


def text_of(markup):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup))).strip()


def grid_of(page):
    """Return what the fields of the grid say by the day of the month."""
    table = re.search(r"<table.*?</table>", page.text, re.DOTALL)[0]
    fields = [text_of(field) for field in re.findall(r"<td[^>]*>(.*?)</td>", table, re.DOTALL)]
    return {int(field.split(" ")[0]): field.partition(" ")[2] for field in fields if " " in field}


def list_of(page):
    """Return (day, address, words) of each entry below the grid."""
    found = []
    for day in re.split(r'<li id="day-', page.text)[1:]:
        for address, name, chip in re.findall(
            r'<a href="([^"]+)">(.*?)</a><span class="chip \w+">([^<]+)<', day, re.DOTALL
        ):
            found.append((int(day.partition('"')[0]), address, f"{text_of(name)} · {html.unescape(chip)}"))
    return found


def test_month_shows_all_days_of_the_household(family, browser):
    card = add_card(
        family,
        safe_on=datetime.date(2027, 3, 1),
        deadline=datetime.date(2027, 3, 8),
        grace_ends_on=datetime.date(2027, 3, 20),
        lost_on=datetime.date(2027, 3, 31),
    )
    person = PersonFactory(household=family.household, name="Rosa Chen")
    paper = {"household": family.household, "person": person}
    Document.objects.create(kind="passport", expires_on=datetime.date(2027, 3, 8), **paper)
    Document.objects.create(kind="identity_card", **paper)
    # Late in the evening of 9 March where the owner is.
    renewal = Renewal.objects.create(
        household=family.household,
        card=card,
        state="awaiting",
        follow_up_at=datetime.datetime(2027, 3, 10, 4, 30, tzinfo=datetime.UTC),
    )
    trip = Trip.objects.create(
        household=family.household, leaves_on=datetime.date(2027, 3, 30), from_country="CU", to_country="CN"
    )
    page = browser.get(PAGE, {"month": "2027-03"})
    entries = [
        (1, f"/cards/{card.pk}/", "Mamá …5678 · safe date"),
        (8, f"/cards/{card.pk}/", "Mamá …5678 · deadline"),
        (8, "/documents/", "Rosa Chen · passport expires"),
        (9, f"/renewals/{renewal.pk}/", "Mamá …5678 · ask about the review"),
        (20, f"/cards/{card.pk}/", "Mamá …5678 · grace ends"),
        (30, f"/travel/{trip.pk}/", "Cuba → China · flight"),
        (31, f"/cards/{card.pk}/", "Mamá …5678 · lost"),
    ]
    assert list_of(page) == entries
    assert grid_of(page) == {
        1: "Mamá safe date",
        8: "Mamá deadline Rosa Chen passport expires",
        9: "Mamá ask about the review",
        20: "Mamá grace ends",
        30: "Cuba → China flight",
        31: "Mamá lost",
    }
    assert '<h1 id="month">March 2027</h1>' in page.text
    assert list_of(browser.get(PAGE, {"month": "2027-02"})) == list_of(browser.get(PAGE, {"month": "2027-04"})) == []


def test_number_without_grace_has_no_end_of_it(family, browser):
    add_card(family, deadline=MARCH, grace_ends_on=MARCH, lost_on=in_days(MARCH, 1))
    words = [words for _day, _address, words in list_of(browser.get(PAGE, {"month": "2027-03"}))]
    assert words == ["Mamá …5678 · deadline", "Mamá …5678 · lost"]


def test_what_is_over_is_not_shown(family, browser):
    card = add_card(family, deadline=MARCH, closed_on=timezone.now().date())
    moment = datetime.datetime(2027, 3, 10, 12, tzinfo=datetime.UTC)
    for state in ("renewed", "rejected", "abandoned", "renewing"):
        about = {"finished_at": None if state == "renewing" else timezone.now(), "follow_up_at": moment}
        Renewal.objects.create(household=family.household, card=card, state=state, **about)
    about = {"household": family.household, "from_country": "CU", "to_country": "CN"}
    Trip.objects.create(leaves_on=MARCH, cancelled_at=timezone.now(), **about)
    page = browser.get(PAGE, {"month": "2027-03"})
    assert list_of(page) == []
    assert "Nothing stands in this month." in page.text
    assert "What comes next" not in page.text
    Card.objects.update(closed_on=None)
    Renewal.objects.filter(state="renewing").update(state="awaiting")
    Trip.objects.update(cancelled_at=None)
    assert len(list_of(browser.get(PAGE, {"month": "2027-03"}))) == 3


def test_month_without_a_day_leads_to_the_next_one(family, browser):
    add_card(family, deadline=datetime.date(2027, 5, 9))
    page = browser.get(PAGE, {"month": "2027-03"})
    assert '<a href="?month=2027-05">What comes next: Mamá, deadline, May 9, 2027</a>' in page.text
    assert list_of(browser.get(PAGE, {"month": "2027-05"})) == [
        (9, f"/cards/{Card.objects.get().pk}/", "Mamá …5678 · deadline")
    ]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_present_month_is_that_of_the_member_and_today_is_marked(family, zone):
    family.owner.time_zone = zone
    family.owner.save()
    today = timezone.now().astimezone(family.owner.zone).date()
    page = sign_in(family.owner).get(PAGE)
    assert f'<h1 id="month">{say_month(today)}</h1>' in page.text
    marked = re.findall(r'<(\w+)[^>]* aria-current="date">\s*([^<]*)', page.text)
    assert [tag for tag, _words in marked] == ["td", "time"]
    assert f'<td aria-current="date">\n        <time datetime="{today}">{today.day}</time>' in page.text
    assert marked[1][1].endswith("· today")
    assert "Nothing stands on this day." in page.text
    assert "This month" not in page.text
    other = sign_in(family.owner).get(PAGE, {"month": "2031-01"})
    assert 'aria-current="date"' not in other.text
    assert f'<a href="{PAGE}">This month</a>' in other.text


def links_of(page):
    return {rel: (month, html.unescape(words)) for rel, month, words in re.findall(
        r'<a rel="(prev|next)" href="\?month=([^"]+)">([^<]+)</a>', page.text)}  # fmt: skip


def test_months_lead_to_each_other(browser):
    assert links_of(browser.get(PAGE, {"month": "2027-12"})) == {
        "prev": ("2027-11", "← November 2027"),
        "next": ("2028-01", "January 2028 →"),
    }
    assert links_of(browser.get(PAGE, {"month": "1990-01"})) == {"next": ("1990-02", "February 1990 →")}
    assert links_of(browser.get(PAGE, {"month": "2100-12"})) == {"prev": ("2100-11", "← November 2100")}


@pytest.mark.parametrize("text", JUNK)
def test_month_that_is_none_shows_the_present_one_and_says_so(family, browser, text):
    page = browser.get(PAGE, {"month": text})
    today = timezone.now().astimezone(family.owner.zone).date()
    assert page.status_code == 200
    assert f'<h1 id="month">{say_month(today)}</h1>' in page.text
    assert "There is no such month in the calendar" in page.text
    assert "There is no such month" not in browser.get(PAGE).text


@pytest.mark.parametrize(
    ("language", "title", "weekday"),
    [("en", "March 2027", "Mon"), ("es", "marzo de 2027", "lun"), ("zh-hans", "2027年3月", "周一")],
)
def test_month_speaks_the_members_language(family, browser, language, title, weekday):
    family.owner.language = language
    family.owner.save()
    page = browser.get(PAGE, {"month": "2027-03"})
    heads = re.findall(r'<th scope="col" abbr="[^"]+">([^<]+)</th>', page.text)
    assert f'<h1 id="month">{title}</h1>' in page.text
    assert (len(heads), heads[0]) == (7, weekday)


def test_name_is_shown_as_it_is_and_does_nothing(family, browser):
    add_card(family, name="<script>alert(1)</script>", deadline=MARCH)
    page = browser.get(PAGE, {"month": "2027-03"})
    assert "<script>alert" not in page.text
    assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2


def test_viewer_sees_the_same_and_strangers_nothing(family):
    add_card(family, deadline=MARCH)
    ours = list_of(sign_in(family.owner).get(PAGE, {"month": "2027-03"}))
    assert list_of(sign_in(family.viewer).get(PAGE, {"month": "2027-03"})) == ours != []
    assert list_of(sign_in(Family("Pérez").owner).get(PAGE, {"month": "2027-03"})) == []


@pytest.mark.parametrize(("cards", "shown", "more"), [(3, 3, None), (4, 3, "and 1 more"), (300, 3, "and 297 more")])
def test_crowded_day_shows_three_in_the_grid_and_all_below(family, browser, cards, shown, more):
    plan = cubacel()
    Card.objects.bulk_create(
        Card(household=family.household, plan=plan, name=f"Tía {n:03}", number=f"+5355{n:06}", deadline=MARCH)
        for n in range(cards)
    )
    before = every_row()
    page = browser.get(PAGE, {"month": "2027-03"})
    assert grid_of(page)[1].count("deadline") == shown
    assert grid_of(page)[1].endswith(more or "Tía 002 deadline")
    assert ('href="#day-1"' in page.text) == (more is not None)
    assert page.text.count('id="day-1"') == 1
    assert [words for _day, _address, words in list_of(page)] == [
        f"Tía {n:03} …{n:04} · deadline" for n in range(cards)
    ]
    assert every_row() == before


def test_gravest_of_a_day_stands_first(family, browser):
    for name, days in {
        "A": {"safe_on": MARCH},
        "B": {"deadline": MARCH},
        "C": {"deadline": in_days(MARCH, -40), "grace_ends_on": MARCH},
        "D": {"deadline": in_days(MARCH, -40), "lost_on": MARCH},
    }.items():
        family.add_card(name=name, **days)
    words = [words for _day, _address, words in list_of(browser.get(PAGE, {"month": "2027-03"}))]
    assert [each[0] for each in words] == ["D", "C", "B", "A"]


@pytest.mark.parametrize("rows", [1, 30])
def test_month_asks_the_database_equally_often(family, browser, rows, django_assert_num_queries):
    person = PersonFactory(household=family.household)
    for number in range(rows):
        card = family.add_card(safe_on=MARCH, deadline=MARCH, lost_on=MARCH)
        about = {"household": family.household}
        Renewal.objects.create(card=card, state="awaiting", follow_up_at=timezone.now(), **about)
        Document.objects.create(person=person, kind="passport", expires_on=MARCH, **about)
        Trip.objects.create(leaves_on=in_days(MARCH, number), from_country="CU", to_country="CN", **about)
    with django_assert_num_queries(9):
        page = browser.get(PAGE, {"month": "2027-03"})
    assert len(list_of(page)) == 5 * rows


def test_words_of_every_kind_differ_in_every_language(family, browser):
    """What is only a colour to one reader must be a word to another."""
    add_card(family, safe_on=MARCH, deadline=MARCH, grace_ends_on=in_days(MARCH, 1), lost_on=in_days(MARCH, 2))
    for language in ("en", "es", "zh-hans"):
        family.owner.language = language
        family.owner.save()
        words = {words for _day, _address, words in list_of(browser.get(PAGE, {"month": "2027-03"}))}
        assert len(words) == 4
