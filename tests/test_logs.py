"""The log of the processes: one line a record, and nothing in it that a log must not keep."""

import io
import json
import logging
import re
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.test import Client
from django.utils.module_loading import import_string

from config.logs import hide
from tests.factories import PASSWORD
from tests.logs import CANARIES

NUMBER = "+5352345678"


@pytest.fixture
def log():
    """A logger whose lines are written as in an installation; `.lines()` are those so far."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(import_string(settings.LOGGING["formatters"]["line"]["()"])())
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.propagate = False
    logger.lines = lambda: written.getvalue().splitlines()
    yield logger
    logger.removeHandler(handler)
    logger.propagate = True


def test_line_says_when_how_grave_who_and_what(log):
    before = datetime.now(UTC)
    log.warning("Delivery %s failed.", 7)
    line = json.loads(log.lines()[0])
    assert set(line) == {"time", "level", "logger", "message"}
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "tests.logs", "Delivery 7 failed.")
    assert line["time"].endswith("Z")
    assert abs(datetime.fromisoformat(line["time"]) - before).total_seconds() < 5


HOSTILE = [
    "a\nb",
    "a\rb",
    "a\r\nb",
    "a\n2026-01-01 INFO root: forged",
    '"}\n{"level": "INFO", "message": "forged"}',
    "\x1b[2J\x1b[1;1H",
    "\x1b]0;title\x07",
    "\x9b31mred",
    "a\x00b",
    "a\x0bb",
    "a\x0cb",
    "a\x1cb\x1db\x1eb",
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "a\u202eb",
    "%0d%0aforged",
    "a\\nb\\",
    "a\x7f\x08\x08b",
    "王小明\n\ud83d",
    "x" * 100_000 + "\n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("where", ["message", "argument", "error"])
def test_line_feeds_and_terminal_codes_give_exactly_one_line(log, text, where):
    if where == "message":
        log.error(text)
    elif where == "argument":
        log.error("Not found: %s", text)
    else:
        try:
            raise ValueError(text)
        except ValueError:
            log.exception("A run went wrong.")
    (line,) = log.lines()
    assert re.fullmatch(r"[\x20-\x7e]+", line)
    assert json.loads(line)["level"] == "ERROR"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/nothing/%0d%0aINFO forged", "/nothing/%1b[2J", "/nothing/%E2%80%A8x"])
def test_address_that_was_asked_for_begins_no_line(log, path):
    handler = log.handlers[0]
    django = logging.getLogger("django.request")
    django.addHandler(handler)
    try:
        Client().get(path)
    finally:
        django.removeHandler(handler)
    assert all(re.fullmatch(r"[\x20-\x7e]+", line) for line in log.lines())


SECRETS = [
    NUMBER,
    "+53 5 234 5678",
    "+53-5-234-5678",
    "+86 130 1234 5678",
    "+86\u00a0130\u00a01234\u00a05678",
    "+44 (0)20 7946 0958",
    "%2B5352345678",
    "005352345678",
    "53523456789",
    "8953010000000000007",
    "12345678",
    "rosa.chen@example.org",
    "Olga <rosa+cuba@mail.example.org>",
    "rosa%40example.org",
    "/calendar/Zx9_q-Uu83nd7sK2lPq0rTyWvB4mNcXeAfGhJkLoI1s.ics",
    "/mail/act/MTox-Zx9_q:1tAbCd:Uu83nd7sK2lPq0rTyWvB4/",
    "/mail/stop/MTox-Zx9_q:1tAbCd:Uu83nd7sK2lPq0rTyWvB4/",
    "/invitations/Zx9_q-Uu83nd7sK2lPq0rTyWvB4/",
    "/accounts/password/reset/key/4-csd3w8-Uu83nd7sK2lPq0rTyWvB4/",
    "smtp://keepnumber:s3cret-Uu83nd@mail.example.org:587",
    "/x/?token=Uu83nd7sK2lPq0rTyWvB4",
]
TELL = re.compile(r"2345678|234.5678|1234|7946|0958|0000000|rosa|Uu83nd|cuba@|345678|s3cret", re.IGNORECASE)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("where", ["message", "argument", "error", "cause"])
def test_what_is_secret_is_in_no_message_argument_or_traceback(log, secret, where):
    if where == "message":
        log.error(f"It says {secret} there.")
    elif where == "argument":
        log.error("It says %s there, %r.", secret, {"typed": secret})
    else:
        try:
            try:
                raise ValueError(f"cannot use {secret}")
            except ValueError as error:
                raise (RuntimeError("later") if where == "cause" else error) from error
        except (RuntimeError, ValueError):
            log.exception("A run went wrong.")
    (line,) = log.lines()
    assert not TELL.search(line.replace(str(__file__), ""))


@pytest.mark.parametrize(
    "text",
    [
        "Delivery 123456 failed; it will be tried again.",
        "The clock says 2026-11-24 19:43 UTC, and said 2026-11-23 07:00 at the last run.",
        "Not Found: /cards/17/",
        "Not Found: /calendar/",
        "3 due, 3 sent, 0 failed",
        "2026-11-24T19:43:00+00:00",
    ],
)
def test_what_helps_to_find_a_fault_stays(text):
    assert hide(text) == text


def test_every_logger_writes_so():
    """Neither Django's own server nor gunicorn keeps handlers of its own, and no address is logged twice."""
    assert settings.LOGGING["root"]["handlers"] == ["console"]
    assert settings.LOGGING["handlers"] == {"console": {"class": "logging.StreamHandler", "formatter": "line"}}
    loggers = settings.LOGGING["loggers"]
    assert {name: each["handlers"] for name, each in loggers.items()} == {
        "django.server": ["console"],
        "gunicorn.error": ["console"],
        "gunicorn.access": [],
    }
    assert not any(each["propagate"] for each in loggers.values())


@pytest.mark.parametrize("text", [NUMBER, "8613012345678", "user12@example.org", PASSWORD, "/mail/act/" + "x" * 30])
def test_the_suites_own_check_sees_what_it_looks_for(text):
    """The check over all tests would be worth nothing if it found nothing."""
    assert CANARIES.search(text)
