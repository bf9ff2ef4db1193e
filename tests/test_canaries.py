"""Secrets that are typed into the pages and are found nowhere else: not on the disk, in no list, mail or calendar."""

import json
import re
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from cards.models import Card
from cards.secrets import read_secret, write_secret
from renewals.deadlines import recompute_card
from renewals.models import Document, Reading
from renewals.reminders.delivery import run_once
from tests.app import ROOT, app_environment
from tests.family import Family, sign_in
from tests.test_isolation import PAGES, addresses

CODES = {"iccid": "8953018812345670007", "pin": "77310942", "puk": "66120957"}
NUMBER = "CANARY-K-550127"
CANARIES = {*CODES.values(), NUMBER}


def test_two_hundred_secrets_are_nowhere_on_the_disk_and_in_no_log(tmp_path):
    """Attack: somebody gets hold of the database, its write-ahead log, the uploads, the mails and the log."""
    environment = app_environment(tmp_path, 8000, DJANGO_SETTINGS_MODULE="config.settings")
    run = subprocess.run(
        [sys.executable, "-m", "tests.canaries"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    *printed, last = run.stdout.splitlines()
    found = json.loads(last)
    assert (found["written"], found["read"]) == (200, 200)
    assert {"keepnumber.sqlite3", "keepnumber.sqlite3-wal", "outbox", "uploads"} <= set(found["files"])
    assert found["clear"] >= 2, "the search finds what is kept in clear, in the database and in a mail"
    assert "a page that fails" in run.stderr
    assert found["hits"] == []
    said = "\n".join(printed) + run.stderr
    assert [text for text in found["canaries"] if text in said] == []


@pytest.fixture
def family(db):
    family = Family().fill()
    for card in Card.objects.all():
        for field, text in CODES.items():
            write_secret(card, field, text)
        card.save()
    write_secret(family.document, "number", NUMBER)
    family.document.save()
    assert read_secret(Document.objects.get(), "number") == NUMBER
    return family


def shown(text):
    """Return which canaries a text holds, however they are grouped."""
    plain = re.sub(r"[\s-]", "", text)
    return {canary for canary in CANARIES if canary in text or canary.replace("-", "") in plain}


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_no_page_shows_a_secret_by_itself(family, role):
    """Every address of the project; neither in what is seen nor in what the page's source says besides."""
    seen = {}
    for route in PAGES:
        for address in addresses(route, family):
            answer = sign_in(getattr(family, role)).get(address)
            content = b"".join(answer) if answer.streaming else answer.content
            seen[address] = shown(content.decode(errors="replace") + str(answer.headers))
    assert len(seen) > 60
    assert {address: found for address, found in seen.items() if found} == {}


def make_due(family):
    """Let each card have a day tomorrow, and the document one in a month."""
    today = timezone.now().date()
    for card in Card.objects.all():
        Reading.objects.create(
            household=family.household, card=card, read_on=today, valid_until=today + timedelta(days=1), by=family.owner
        )
        recompute_card(card)
    Document.objects.update(expires_on=today + timedelta(days=30))


def test_no_mail_says_a_secret(family):
    make_due(family)
    run_once(None, lambda: timezone.now() + timedelta(days=1))
    letters = [message.message().as_string() for message in mail.outbox]
    assert len(letters) >= 3
    assert any("Mam" in letter for letter in letters)
    assert [shown(letter) for letter in letters] == [set()] * len(letters)


def test_no_calendar_says_a_secret(family):
    make_due(family)
    client = sign_in(family.owner)
    feed = re.search(r"/calendar/[\w-]+\.ics", client.post("/settings/calendar/", {"do": "new"}).text)[0]
    answers = [
        client.get(address) for address in [feed, *(f"/cards/{card.pk}/calendar.ics" for card in Card.objects.all())]
    ]
    assert ["BEGIN:VEVENT" in answer.text for answer in answers] == [True] * 3
    assert [shown(answer.text) for answer in answers] == [set()] * 3
