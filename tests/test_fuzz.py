"""Nonsense into every field and every address: no error page, and nothing comes back that a browser would run.

An input is one value that a stranger chose. One run has at least 10,000 of them; FUZZ=100000 asks for more.
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.family import Family, sign_in
from tests.test_isolation import PAGES, addresses, give_files

LEAST = int(os.environ.get("FUZZ", "10000"))
ROOT = Path(__file__).parent.parent
# Whatever shows it as it is lets a stranger write into our pages.
MARKER = "<k9\"'>"
ATOMS = [
    MARKER,
    f"{MARKER}{{{{7*7}}}}{{% load %}}%(x)s%n%s{{0.__class__}}${{jndi:x}}",
    f"javascript:alert('{MARKER}')",
    f"//elsewhere.example/{MARKER}",
    "",
    " ",
    "\0",
    "a\0b",
    "%00",
    "\ud800",
    "\udfff<k9\"'>",
    "\u202e\u2066right to left\u2069",
    "\ufeff",
    "é̂" * 50,
    "👨‍👩‍👧‍👦" * 20,
    "我" * 200,
    "x" * 10_000,
    "0",
    "-1",
    "1",
    "9" * 400,
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1e400",
    "1e-400",
    "1E+999999999",
    "NaN",
    "sNaN",
    "-Infinity",
    "0x10",
    "1_000",
    "٣",
    "½",
    "1,5",
    "1.000,00",
    "0.00000000000000000001",
    "0000-00-00",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "2026-02-30",
    "2026-13",
    "-2026-01-01",
    "2026-W01-1",
    "24:00",
    "99:99:99",
    "+53 5 234 5678",
    "+" + "9" * 100,
    "*222#",
    "[]",
    "[1, [2, {}]]",
    '{"$ne": null}',
    "[" * 3_000,
    "null",
    "true",
    "' OR 1=1 --",
    "\\",
    "../../../etc/passwd",
    "..%2f..%2f",
    "a\r\nBcc: thief@elsewhere.example",
    "\x1b[2J",
    "=cmd|' /C calc'!A0",
    "done",
    "skip",
    "new",
    "CUP",
    "top_up",
    "America/Havana",
    "Etc/../UTC",
    "household",
    "__class__",
    "card__household__name",
    "_connector",
    "-pk",
    "?",
]
VALUES = st.sampled_from(ATOMS) | st.sampled_from(ATOMS) | st.text(max_size=30) | st.integers().map(str)
FORM = "application/x-www-form-urlencoded"
TYPES = [FORM] * 12 + [
    f"{FORM}; charset=utf-16",
    f"{FORM}; charset=nothing",
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "",
]

CODE = "".join(path.read_text() for folder in ("cards", "renewals") for path in (ROOT / folder).rglob("*.py"))
QUERY = set(re.findall(r'GET(?:\.get|\.getlist)?[\(\[]\s*"(\w+)"', CODE)) | {"page", "sort", "q", "o", "id"}
PRESSED = set(re.findall(r'POST(?:\.get|\.getlist)?[\(\[]\s*"([\w-]+)"', CODE))
SENDING = [route for route, page in PAGES.items() if 405 not in (page.change[1],)]

sent, seen = [], set()


class Names(HTMLParser):
    """The names of all fields of a page."""

    def __init__(self, html):
        super().__init__()
        self.found = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in {"input", "select", "textarea", "button"} and attrs.get("name"):
            self.found.add(attrs["name"])


@pytest.fixture
def family(db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    # What is limited is tested elsewhere; here every request is to reach the page.
    settings.ACCOUNT_RATE_LIMITS = False
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    family = Family("Chen").fill()
    give_files(family)
    return family


def examples(share):
    """Return the settings of one test: the same nonsense every time, and as much as FUZZ asks for."""
    return settings(
        max_examples=max(1, round(share * LEAST / 10_000)),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def encoded(value):
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


def body_of(pairs):
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs)


def pairs_of(names):
    """Some of the names, perhaps twice, perhaps with brackets, each with nonsense."""
    name = st.sampled_from(sorted(names)) | st.sampled_from(sorted(names)).map(lambda name: f"{name}[]")
    return st.lists(st.tuples(name, VALUES), min_size=3, max_size=14)


def try_it(member, method, path, values, **more):
    """Send one request and take back whatever it did."""
    sent.extend(values)
    with transaction.atomic():
        client = sign_in(member) if member else Client()
        client.raise_request_exception = False
        answer = client.generic(method, path, **more)
        transaction.set_rollback(True)
    what = (method, path[:200], more.get("data", b"")[:2000], answer.status_code)
    assert answer.status_code < 500 or path.startswith("/healthz"), what
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        assert b"<k9" not in answer.content, what
    for name, value in answer.headers.items():
        assert "\n" not in f"{name}{value}"
    location = answer.headers.get("Location", "")
    assert "elsewhere.example" not in location.partition("?")[0], what
    return answer


@pytest.mark.parametrize("route", PAGES)
def test_query_of_nonsense_is_answered(family, route):
    places = list(addresses(route, family))
    names = QUERY | Names(sign_in(family.owner).get(places[0]).text).found

    @examples(8)
    @given(st.sampled_from(places), pairs_of(names), st.booleans())
    def ask(place, pairs, is_member):
        try_it(family.owner if is_member else None, "GET", f"{place}?{body_of(pairs)}", pairs)

    ask()
    seen.add(("GET", route))


@pytest.mark.parametrize("route", SENDING)
def test_form_of_nonsense_is_answered(family, route):
    places = list(addresses(route, family))
    shown = {place: Names(sign_in(family.owner).get(place).text).found - {"csrfmiddlewaretoken"} for place in places}

    @examples(12)
    @given(st.data())
    def send(data):
        place = data.draw(st.sampled_from(places))
        pairs = data.draw(pairs_of(shown[place] | PRESSED))
        # Most fields are filled in, as a form that lacks half of them is refused before anything is looked at.
        rest = data.draw(st.lists(VALUES, min_size=len(shown[place]), max_size=len(shown[place])))
        pairs += [
            (name, value) for name, value in zip(sorted(shown[place]), rest, strict=True) if name not in dict(pairs)
        ]
        kind = data.draw(st.sampled_from(TYPES))
        try_it(family.owner, "POST", place, pairs, data=body_of(pairs).encode(), content_type=kind)

    send()
    seen.add(("POST", route))


@pytest.mark.parametrize("route", [route for route in PAGES if "<" in route])
def test_address_of_nonsense_is_answered(family, route):
    parts = re.compile(r"<[^>]+>|\^?\(\?P<\w+>.*?\)(?=[-/$])")

    @examples(16)
    @given(st.lists(VALUES, min_size=2, max_size=2), st.booleans(), st.sampled_from(["GET", "POST"]))
    def ask(values, is_number, method):
        left = iter(values)
        fill = {"<int:pk>": lambda value: re.sub(r"\D", "", value)[:400] or "0"} if is_number else {}
        path = parts.sub(lambda part: encoded(fill.get(part[0], str)(next(left, "x"))), route.strip("^$"))
        try_it(family.owner, method, f"/{path}".replace("^", "").replace("$", ""), values, data=b"", content_type=FORM)

    ask()
    seen.add(("part", route))


def test_this_was_enough():
    if len(seen) < len(PAGES) + len(SENDING):
        pytest.skip("only some of the routes were asked for")
    assert len(sent) >= LEAST


def test_marker_is_found_where_a_page_does_not_escape_it(family, monkeypatch):
    monkeypatch.setattr("django.template.base.conditional_escape", str)
    family.household.name = MARKER
    family.household.save()
    with pytest.raises(AssertionError):
        try_it(family.owner, "GET", "/household/", [MARKER])


@pytest.mark.parametrize("name", ["sort", "order", "order_by", "o", "q", "filter", "_connector", "card__household"])
def test_no_key_of_a_query_reaches_the_database(family, name):
    """200 keys of sorting and filtering, on every list."""
    lists = ["/", "/payments/", "/payments/csv/", "/plans/", "/plans/compare/", "/documents/", "/calendar/", "/mails/"]
    keys = ["password", "-household__name", "user__password", "?", "pk;drop", "%", "a" * 500, "annotation", "_order"]
    for place in lists:
        for key in keys:
            try_it(family.owner, "GET", f"{place}?{body_of([(name, key), (key, '1')])}", [key])
