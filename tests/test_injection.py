"""What a stranger puts into a request or a name ends in no link, header, file or table where it does harm."""

import csv
import email
import io
import random
import re
from email import policy
from urllib.parse import urlencode

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from renewals.feeds import make_feed
from renewals.models import Delivery
from renewals.reminders.delivery import run_once
from renewals.reminders.mail import render
from renewals.reminders.planning import queue_test
from renewals.spreadsheet import harmless, to_csv, typed
from tests.family import Family, sign_in

EVIL = "evil.example"
FORGED = [
    EVIL,
    f"{EVIL}:80",
    f"{EVIL}:443",
    f"testserver.{EVIL}",
    f"testserver@{EVIL}",
    f"testserver:80@{EVIL}",
    f"testserver, {EVIL}",
    f"testserver {EVIL}",
    f"testserver\t{EVIL}",
    f"testserver/{EVIL}",
    f"testserver#{EVIL}",
    f"testserver?{EVIL}",
    f"testserver\\{EVIL}",
    f"{EVIL}.",
    f"[{EVIL}]",
    f"http://{EVIL}",
    f"//{EVIL}",
    f"TESTSERVER.{EVIL}",
    "[::1]:evil",
    "0x7f.1",
]
HEADERS = [{"Host": host} for host in FORGED]
HEADERS += [{"X-Forwarded-Host": host} for host in FORGED[:10]]
HEADERS += [{"X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}]
HEADERS += [{"Forwarded": f"host={host};proto=https"} for host in FORGED[:10]]
HEADERS += [
    {name: EVIL}
    for name in (
        "X-Host",
        "X-Original-Host",
        "X-Forwarded-Server",
        "X-HTTP-Host-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "Via",
        "True-Client-IP",
    )
]


@pytest.fixture
def family(db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return Family("Chen").fill()


def said_in_mails():
    return "".join(f"{message.message()}{message.body}" for message in mail.outbox)


def test_there_are_fifty_forged_hosts():
    assert len(HEADERS) == 50


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: " ".join(f"{k}={v!r}" for k, v in headers.items()))
def test_forged_host_is_in_no_mail_and_no_address(family, settings, headers):
    cache.clear()
    client, home = sign_in(family.owner), settings.SITE_URL
    invitation = {"name": "Ines", "email": "ines@example.org", "role": "manager", "language": "en"}
    answers = [
        Client().post("/accounts/password/reset/", {"email": family.viewer.user.email}, headers=headers),
        client.post("/household/invitations/", invitation, headers=headers),
        client.post("/settings/test/", headers=headers),
        client.post("/settings/calendar/", {"do": "new"}, headers=headers),
    ]
    run_once(None)
    statuses = {answer.status_code for answer in answers}
    assert statuses == {400} if "Host" in headers else statuses <= {200, 302}
    shown = said_in_mails() + "".join(answer.text + answer.headers.get("Location", "") for answer in answers)
    assert EVIL not in shown.replace("=\n", "")
    if "Host" not in headers:
        assert len(mail.outbox) >= 2
        assert f"{home}/accounts/password/reset/key/" in said_in_mails()


@pytest.mark.parametrize("headers", HEADERS[20:], ids=lambda headers: " ".join(headers))
def test_forged_host_is_not_in_the_calendar(family, headers):
    path = "/" + make_feed(family.owner, timezone.now()).split("/", 3)[3]
    answer = Client().get(path, headers=headers)
    assert answer.status_code == 200
    assert EVIL not in answer.text


AWAY = [
    "https://evil.example",
    "http://evil.example/",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "\x01https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "http:\\\\evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://evil.example",
    "mailto:x@evil.example",
    "https://testserver@evil.example",
    "https://testserver:80@evil.example",
    "https://evil.example#testserver",
    "https://evil.example?testserver",
    "https://testserver.evil.example",
    "//testserver@evil.example",
    "//evil.example\\@testserver",
    "https://evil。example",
    "//evil%2eexample",
    "//\u2028evil.example",
    "http://[::1]@evil.example",
    "http:///evil.example",
    "//evil.example:80",
]


def test_there_are_forty_ways_away():
    assert len(set(AWAY)) == 40


@pytest.mark.parametrize("away", AWAY)
def test_no_next_leads_to_another_site(family, away):
    client = sign_in(family.owner)
    passport = {"person": family.person.pk, "kind": "passport", "number": "", "issued_by": "", "expires_on": ""}
    answers = [
        client.post("/language/", {"language": "es", "next": away}),
        Client().post("/language/", {"language": "es", "next": away}, headers={"Referer": "https://evil.example/x"}),
        client.post(f"/documents/{family.document.pk}/edit/?{encoded_next(away)}", passport),
        client.get(f"/accounts/login/?{encoded_next(away)}"),
        client.post(f"/accounts/logout/?{encoded_next(away)}", {"next": away}),
        Client().get(f"/admin/login/?{encoded_next(away)}", follow=True),
    ]
    for answer in answers:
        assert leads_here(answer.headers.get("Location", "/")), (
            answer.request["PATH_INFO"],
            answer.headers["Location"],
        )


def encoded_next(away):
    return urlencode({"next": away})


def leads_here(location):
    """Whether a browser stays on this site: it takes a backslash for a slash and leaves out control characters."""
    seen = re.sub(r"[\x00-\x20]", "", location).replace("\\", "/")
    return seen.startswith("/") and not seen.startswith("//")


HEADER_PAYLOADS = [
    f"{lead}{end}{what}"
    for lead in ("Chen", "=?utf-8?q?x?=")
    for end in ("\r\n", "\n", "\r", "\r\n\r\n", "\u2028", "%0d%0a", "\x0b", "\x85")
    for what in ("Bcc: thief@evil.example", "Content-Type: text/html")
][:30]


def test_there_are_thirty_header_payloads():
    assert len(set(HEADER_PAYLOADS)) == 30


def parsed(letter):
    return email.message_from_bytes(letter.message().as_bytes(), policy=policy.default)


def headers_of(letter):
    """Return what must be the same however people are called: names of headers, recipients, and the parts' types."""
    found = parsed(letter)
    return ([*found], letter.recipients(), [part.get_content_type() for part in found.walk()])


@pytest.mark.parametrize("payload", HEADER_PAYLOADS, ids=ascii)
def test_name_adds_no_header_and_no_recipient_to_a_mail(family, payload):
    """In the names of members, people, cards, households and operators, put there past all forms."""
    now = timezone.now()
    clean = headers_of(render(queue_test(family.owner, now), now))
    Delivery.objects.all().delete()
    for row in (family.owner, family.manager, family.person, family.card, family.household, family.card.plan.operator):
        type(row).objects.filter(pk=row.pk).update(name=payload)
    type(family.card).objects.filter(pk=family.card.pk).update(notes=payload)
    family.owner.refresh_from_db()
    letter = render(queue_test(family.owner, now), now)
    assert headers_of(letter) == clean
    assert "evil.example" not in " ".join(letter.recipients())


@pytest.mark.parametrize("payload", HEADER_PAYLOADS, ids=ascii)
def test_invitation_and_reset_have_the_headers_of_clean_ones(family, payload):
    cache.clear()
    type(family.household).objects.filter(pk=family.household.pk).update(name=payload)
    type(family.owner).objects.filter(pk=family.owner.pk).update(name=payload)
    clean = {"name": payload[:100], "email": "ines@example.org", "role": "manager", "language": "en"}
    sign_in(family.owner).post("/household/invitations/", clean)
    sign_in(family.owner).post(
        "/household/invitations/", clean | {"name": "Ines", "email": f"ines@example.org{payload}"}
    )
    Client().post("/accounts/password/reset/", {"email": family.viewer.user.email})
    Client().post("/accounts/password/reset/", {"email": f"{family.viewer.user.email}{payload}"})
    for message in mail.outbox:
        names = {name.lower() for name in parsed(message)}
        assert not names & {"bcc", "cc"}
        assert message.recipients() in (["ines@example.org"], [family.viewer.user.email])


def test_poisoned_address_fails_alone(db):
    """One of twenty members has an address with a line end; the other nineteen get their mail."""
    families = [Family(f"Chen{number}") for number in range(20)]
    poisoned = families[7].owner
    type(poisoned.user).objects.filter(pk=poisoned.user_id).update(email="x@example.org\nBcc: thief@evil.example")
    now = timezone.now()
    for family in families:
        family.owner.refresh_from_db()
        queue_test(family.owner, now)
    run_once(None)
    sent = {message.recipients()[0] for message in mail.outbox}
    assert sent == {family.owner.user.email for family in families if family is not families[7]}
    assert Delivery.objects.filter(state="sent", member__in=[family.owner for family in families]).count() == 19
    assert Delivery.objects.get(member=poisoned).state != "sent"


LEADS = ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "'", "''", " =", "\u3000+", "＝", "＋", "－", "＠", "|", "%", ""]
RUN_BY = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def test_five_thousand_cells_come_back_as_they_were():
    chance = random.Random(28)  # noqa: S311
    signs = "=+-@'\"\t\r\n\0,;|%!()ab1 é我📱\u202e\u3000＝"
    cells = [
        chance.choice(LEADS) + "".join(chance.choice(signs) for _each in range(chance.randrange(12)))
        for _each in range(5_000)
    ]
    written = [harmless(cell) for cell in cells]
    assert [cell for cell in written if cell.lstrip().startswith(RUN_BY) or cell.startswith(RUN_BY)] == []
    table = list(
        csv.reader(io.StringIO(to_csv(["Name"], ([cell] for cell in written)).decode("utf-8-sig"), newline=""))
    )
    assert [typed(row[0] if row else "") for row in table[1:]] == cells


@pytest.mark.parametrize("cell", ["'quoted'", "'", "''", "'=1", "''=1", "=1", "+53 5", "plain", ""])
def test_cell_with_an_apostrophe_of_its_own_keeps_it(cell):
    assert typed(harmless(cell)) == cell
