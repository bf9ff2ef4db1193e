"""Scans of documents: who may have them, how they are handed out, and when they are no longer needed."""

import io
import re
from datetime import timedelta

import pypdf
import pytest
from django.test import Client
from PIL import Image

from cards.models import LogEntry
from cards.secrets import forget_key
from renewals.models import Document
from renewals.papers import papers_by_person
from renewals.uploads import content_of, keep
from renewals.views.card import card_today
from tests import files
from tests.family import Family, every_row, field_of, is_answered, said, sign_in

from .test_secrets_views import prove

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def family():
    family = Family().fill()
    keep(family.document, "scan", "png", files.picture("png"))
    family.document.save()
    return family


@pytest.fixture
def browser(family):
    return prove(sign_in(family.owner))


def page(family, what):
    return f"/documents/{family.document.pk}/{what}/"


def test_scan_is_uploaded_with_the_document_and_the_log_says_so(family, store):
    browser = sign_in(family.owner)
    data = {"person": family.person.pk, "kind": "passport", "number": "E1", "scan": io.BytesIO(files.picture("jpeg"))}
    browser.post("/documents/new/", data)
    document = Document.objects.latest("pk")
    assert document.scan_type == "jpeg"
    assert Image.open(io.BytesIO(content_of(document, "scan"))).size == (40, 30)
    assert (store / document.scan.name).exists()
    entry = LogEntry.objects.get(subject=f"document:{document.pk}")
    assert (entry.kind, entry.member) == ("added", family.owner)


def test_scan_is_replaced_removed_and_else_left_alone(family, browser):
    data = {"person": family.person.pk, "kind": "passport", "issued_by": "China", "expires_on": ""}
    kept = family.document.scan.name
    browser.post(page(family, "edit"), data)
    family.document.refresh_from_db()
    assert family.document.scan.name == kept
    browser.post(page(family, "edit"), data | {"scan": io.BytesIO(files.photo_pdf())})
    family.document.refresh_from_db()
    assert (family.document.scan_type, family.document.scan.name != kept) == ("pdf", True)
    browser.post(page(family, "edit"), data | {"remove_scan": "on"})
    family.document.refresh_from_db()
    assert (family.document.scan.name, family.document.scan_type) == ("", "")
    changes = LogEntry.objects.filter(kind="changed", subject=f"document:{family.document.pk}").order_by("pk")
    assert [entry.changed for entry in changes] == [{"issued_by": ["", "China"]}, {"scan": []}, {"scan": []}]


def test_form_offers_to_remove_only_a_scan_that_is_there(family, browser):
    assert "Remove the scan that is kept" in field_of(browser.get(page(family, "edit")), "remove_scan")
    assert "remove_scan" not in browser.get("/documents/new/").text
    assert 'enctype="multipart/form-data"' in browser.get("/documents/new/").text


def test_scan_is_not_taken_where_the_key_is_lost(family, browser, settings):
    settings.ENCRYPTION_KEYS = ["c29tZSBvdGhlciBrZXkgMDEyMzQ1Njc4OTAxMjM0NTY="]
    before = every_row()
    data = {"person": family.person.pk, "kind": "passport", "scan": io.BytesIO(files.picture("png"))}
    assert is_answered(browser.post(page(family, "edit"), data), "scan", "does not have the key")
    assert every_row() == before


# Handed out


def test_scan_is_handed_out_as_a_download_that_no_browser_runs_and_logged(family, browser):
    answer = browser.post(page(family, "scan"))
    assert (answer.status_code, answer.content) == (200, files_of(family))
    wanted = {
        "Content-Type": "image/png",
        "Content-Disposition": f'attachment; filename="scan-{family.document.pk}.png"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert {name: answer.headers[name] for name in wanted} == wanted
    assert "no-store" in answer.headers["Cache-Control"]
    entry = LogEntry.objects.get(kind="downloaded")
    assert (entry.subject, entry.member) == (f"document:{family.document.pk}", family.owner)


def files_of(family):
    return content_of(family.document, "scan")


@pytest.mark.parametrize("what", ["scan", "copy"])
def test_scan_is_for_who_may_look_at_secrets_has_two_factors_and_just_proved_it(family, what):
    data, address = {"purpose": "For Cubacel", "made_on": "2026-11-24"}, page(family, what)
    stranger = Family("Pérez").fill()
    clients = {
        "viewer": (prove(sign_in(family.viewer)), 403),
        "stranger": (prove(sign_in(stranger.owner)), 404),
        "without second factor": (prove(sign_in(family.owner), factor=False), 200),
        "anonymous": (Client(), 302),
    }
    for who, (client, status) in clients.items():
        answer = client.post(address, data)
        assert (who, answer.status_code) == (who, status)
        assert "attachment" not in answer.headers.get("Content-Disposition", "")
    late = prove(sign_in(family.manager))
    session = late.session
    session["proved_at"] -= 15 * 60
    session.save()
    answer = late.post(address, data)
    assert (answer.status_code, "next=" in answer.url) == (302, True)
    assert not LogEntry.objects.filter(kind="downloaded").exists()
    assert prove(sign_in(family.manager)).post(address, data).headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("what", ["scan", "copy"])
def test_document_without_a_scan_or_in_the_bin_has_none_to_hand_out(family, browser, what):
    Document.objects.update(scan="")
    assert browser.post(page(family, what)).status_code == 404
    keep(family.document, "scan", "png", b"x")
    family.document.deleted_at = family.document.changed_at
    family.document.save()
    assert browser.post(page(family, what)).status_code == 404


def test_scan_that_is_gone_changed_or_without_its_key_is_told_in_words(family, browser, store):
    path = store / family.document.scan.name
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert "was changed from outside" in said(browser.post(page(family, "scan"), follow=True))[0]
    path.unlink()
    assert "The file of this scan is gone." in said(browser.post(page(family, "scan"), follow=True))[0]
    path.write_bytes(sealed)
    forget_key(family.household)
    assert "cannot be read any more" in said(browser.post(page(family, "scan"), follow=True))[0]
    assert not LogEntry.objects.filter(kind="downloaded").exists()


def test_scan_of_another_document_put_in_its_place_is_not_handed_out(family, browser, store):
    other = Document(household=family.household, person=family.person, kind="other")
    keep(other, "scan", "png", b"other")
    (store / family.document.scan.name).write_bytes((store / other.scan.name).read_bytes())
    assert "belongs elsewhere" in said(browser.post(page(family, "scan"), follow=True))[0]


# The copy


def test_copy_suggests_a_purpose_that_can_be_written(family, browser):
    operator = family.card.plan.operator
    operator.requires_document, operator.document_kinds = True, ["passport"]
    operator.save()
    assert 'value="Only for Cubacel, SIM renewal"' in field_of(browser.get(page(family, "copy")), "purpose")
    operator.name = "中国联通"
    operator.save()
    assert 'value="Only for the operator, SIM renewal"' in field_of(browser.get(page(family, "copy")), "purpose")


def test_copy_carries_its_purpose_and_is_logged(family, browser):
    answer = browser.post(page(family, "copy"), {"purpose": "Only for Cubacel", "made_on": "2026-11-24"})
    assert answer.headers["Content-Disposition"] == f'attachment; filename="copy-{family.document.pk}.png"'
    assert answer.content != files_of(family)
    assert Image.open(io.BytesIO(answer.content)).size == (40, 30)
    assert LogEntry.objects.filter(kind="downloaded", subject=f"document:{family.document.pk}").count() == 1
    keep(family.document, "scan", "pdf", files.photo_pdf())
    family.document.save()
    assert "In a PDF, somebody who knows how" in browser.get(page(family, "copy")).text
    answer = browser.post(page(family, "copy"), {"purpose": "Sólo para Cubacel", "made_on": "2026-11-24"})
    text = pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    assert "Solo para Cubacel - 2026-11-24" in text


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("purpose", "", "This field is required."),
        ("purpose", "只给联通 SIM", "These cannot be written onto a copy: 只给联通."),
        ("purpose", "x" * 61, "at most 60 characters"),
        ("made_on", "24/11/2026", "Write the day as year-month-day"),
    ],
)
def test_copy_that_cannot_be_made_is_answered_in_words(family, browser, name, typed, words):
    before = every_row()
    data = {"purpose": "Only for Cubacel", "made_on": "2026-11-24"} | {name: typed}
    assert is_answered(browser.post(page(family, "copy"), data), name, words, typed)
    assert every_row() == before


# The page


def test_page_shows_what_depends_on_a_paper_and_that_a_scan_is_kept(family):
    operator = family.card.plan.operator
    operator.requires_document, operator.document_kinds = True, ["passport"]
    operator.save()
    text = sign_in(family.owner).get("/documents/").text
    assert "A scan is kept." in text
    assert re.search(rf'Needed for <a href="/cards/{family.card.pk}/">Mamá Chen</a>', text)
    assert f'action="/documents/{family.document.pk}/scan/"' in text
    text = sign_in(family.viewer).get("/documents/").text
    assert "A scan is kept." in text
    assert "/scan/" not in text
    assert "/copy/" not in text


def papers(family, member, day):
    return {str(person): found for person, found in papers_by_person(member, day)}[str(family.person)]


@pytest.mark.parametrize(("days", "is_asked"), [(29, False), (30, True), (31, True)])
def test_scan_is_asked_to_be_deleted_thirty_days_after_its_last_number_was_closed(family, days, is_asked):
    operator = family.card.plan.operator
    operator.requires_document, operator.document_kinds = True, ["passport"]
    operator.save()
    day = card_today(family.owner, family.card)
    family.card.closed_on = day - timedelta(days=days)
    family.card.save()
    found = papers(family, family.owner, day)
    assert [(paper.cards, paper.is_scan_unneeded) for paper in found] == [([], is_asked)]
    told = "No open number needs this scan any more: delete it." in sign_in(family.owner).get("/documents/").text
    assert told == is_asked


def test_scan_that_an_open_number_needs_stays_needed_even_one_that_the_member_may_not_see(family):
    operator = family.card.plan.operator
    operator.requires_document, operator.document_kinds = True, ["passport"]
    operator.save()
    day = card_today(family.owner, family.card)
    family.card.closed_on = day - timedelta(days=90)
    family.card.save()
    secret = family.add_card(
        family.card.plan, number="+5352000001", person=family.person, is_private=True, name="Secret"
    )
    secret.seen_by.add(family.manager)
    for member, cards in ((family.owner, []), (family.manager, [secret])):
        found = papers(family, member, day)
        assert [(paper.cards, paper.is_scan_unneeded) for paper in found] == [(cards, False)]
    assert "Secret" not in sign_in(family.owner).get("/documents/").text
    assert "Secret" in sign_in(family.manager).get("/documents/").text


def test_paper_without_a_scan_or_that_no_number_ever_needed_is_not_asked_about(family):
    day = card_today(family.owner, family.card)
    family.card.closed_on = day - timedelta(days=90)
    family.card.save()
    assert [paper.is_scan_unneeded for paper in papers(family, family.owner, day)] == [False]
    operator = family.card.plan.operator
    operator.requires_document, operator.document_kinds = True, ["passport"]
    operator.save()
    Document.objects.update(scan="")
    assert [paper.is_scan_unneeded for paper in papers(family, family.owner, day)] == [False]
