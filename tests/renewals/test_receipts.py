"""Receipts: what is taken, what is refused whatever its name says, and how one is handed out."""

import io
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from cards.secrets import forget_key
from renewals.bin import empty_bin
from renewals.models import Payment
from renewals.uploads import LIMIT, check, content_of, keep
from renewals.views.card import card_today
from tests import files
from tests.family import Family, every_row, field_of, is_answered, said, save_step, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def payment(family, **changes):
    paid_on = card_today(family.owner, family.card).isoformat()
    return {"kind": "top_up", "amount": "100", "currency": "CUP", "channel": "inside", "paid_on": paid_on} | changes


def pixels(content):
    return Image.open(io.BytesIO(content)).tobytes()


def opened(row):
    return pixels(content_of(row, "receipt"))


def addresses(family):
    return [f"/cards/{family.card.pk}/log/?kind=payment", f"/log/payment/{family.payment.pk}/correct/"]


REFUSED = {what: files.refused()[what] for what in ("HTML called PDF", "SVG called PNG", "half a JPEG", "half a PDF")}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("which", [0, 1])
def test_file_that_is_not_what_its_name_says_is_refused(family, browser, uploads, what, which):
    name, content_type, content = REFUSED[what]
    upload = SimpleUploadedFile(name, content, content_type)
    before = every_row()
    page = browser.post(addresses(family)[which], payment(family, reference="A-17", receipt=upload))
    assert is_answered(page, "receipt", "This is not a readable PDF, JPEG, PNG or WebP file, whatever its name says.")
    assert is_answered(page, "reference", "", "A-17")
    assert every_row() == before
    assert list(uploads.rglob("*")) == []


def test_file_of_more_than_ten_megabytes_is_refused(family, browser, uploads):
    upload = SimpleUploadedFile("receipt.jpg", files.picture("jpeg") + bytes(LIMIT))
    page = browser.post(addresses(family)[0], payment(family, receipt=upload))
    assert is_answered(page, "receipt", "The file is larger than 10 MB.")
    assert list(uploads.rglob("*")) == []


def test_empty_file_is_refused_in_words(family, browser):
    page = browser.post(addresses(family)[0], payment(family, receipt=SimpleUploadedFile("receipt.pdf", b"")))
    assert is_answered(page, "receipt", "The submitted file is empty.")


def test_pay_step_refuses_it_too_and_is_not_done(family, browser):
    before = every_row()
    upload = SimpleUploadedFile("receipt.png", b"Paid.")
    page = save_step(browser, family.renewal, "pay", **payment(family, reference="A-17", receipt=upload))
    assert is_answered(page, "receipt", "This is not a readable PDF")
    assert 'value="A-17"' in field_of(page, "reference")
    assert every_row() == before


TAKEN = {
    "pdf": (files.pdf, "application/pdf"),
    "jpeg": (lambda: files.picture("jpeg"), "image/jpeg"),
    "png": (lambda: files.picture("png"), "image/png"),
    "webp": (lambda: files.picture("webp"), "image/webp"),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_receipt_is_taken_by_its_content_sealed_and_handed_out_clean(family, browser, uploads, kind):
    make, content_type = TAKEN[kind]
    content = make()
    upload = SimpleUploadedFile("../../etc/pass<wd>.html", content, content_type="text/html")
    browser.post(addresses(family)[0], payment(family, reference="A-17", receipt=upload))
    row = Payment.objects.get(reference="A-17")
    assert row.receipt_type == kind
    stored = [path for path in uploads.rglob("*") if path.is_file()]
    assert [path.parent for path in stored] == [uploads / "receipts"]
    assert "pass" not in stored[0].name
    assert content not in stored[0].read_bytes()
    assert sign_in(family.viewer).get(f"/payments/{row.pk}/receipt/").status_code == 403
    clean = check(SimpleUploadedFile("a", content), family.household).content
    for member in (family.owner, family.manager):
        answer = sign_in(member).get(f"/payments/{row.pk}/receipt/")
        assert (answer.status_code, answer.content) == (200, clean)
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["Content-Disposition"] == f'attachment; filename="receipt-{row.pk}.{kind}"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
    assert f"/payments/{row.pk}/receipt/" in browser.get(f"/cards/{family.card.pk}/").text


def test_viewer_sees_payments_without_their_receipts(family):
    keep(family.payment, "receipt", "pdf", files.pdf())
    family.payment.save()
    for address in (f"/cards/{family.card.pk}/", f"/renewals/{family.renewal.pk}/", "/payments/"):
        pages = [sign_in(member).get(address).text for member in (family.owner, family.viewer)]
        assert [f"/payments/{family.payment.pk}/receipt/" in text for text in pages] == [True, False]


def test_corrected_payment_keeps_its_receipt_unless_a_new_one_comes(family, browser):
    first, second = files.picture("png"), files.picture("jpeg")
    upload = SimpleUploadedFile("a.png", first)
    browser.post(addresses(family)[0], payment(family, reference="A-17", receipt=upload))
    row = Payment.objects.get(reference="A-17")
    browser.post(f"/log/payment/{row.pk}/correct/", payment(family, reference="A-18"))
    kept = Payment.objects.get(corrects=row)
    assert (opened(kept), kept.receipt_type) == (pixels(first), "png")
    upload = SimpleUploadedFile("b.jpg", second)
    browser.post(f"/log/payment/{kept.pk}/correct/", payment(family, reference="A-19", receipt=upload))
    replaced = Payment.objects.get(corrects=kept)
    assert (replaced.receipt.name == kept.receipt.name, replaced.receipt_type) == (False, "jpeg")
    assert opened(row) == pixels(first)


def test_payment_without_a_receipt_has_no_download(family, browser):
    assert browser.get(f"/payments/{family.payment.pk}/receipt/").status_code == 404


def test_receipt_whose_file_is_gone_is_404(family, browser, uploads):
    browser.post(addresses(family)[0], payment(family, reference="A", receipt=SimpleUploadedFile("a.pdf", files.pdf())))
    row = Payment.objects.get(reference="A")
    uploads.joinpath(row.receipt.name).unlink()
    assert browser.get(f"/payments/{row.pk}/receipt/").status_code == 404


def test_receipt_that_cannot_be_opened_is_told_in_words(family, browser, uploads):
    keep(family.payment, "receipt", "pdf", files.pdf())
    family.payment.save()
    path = uploads / family.payment.receipt.name
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-5] + b"AAAAA")
    address = f"/payments/{family.payment.pk}/receipt/"
    assert "was changed from outside" in said(browser.get(address, follow=True))[0]
    path.write_bytes(sealed)
    forget_key(family.household)
    assert "cannot be read any more" in said(browser.get(address, follow=True))[0]


def test_receipt_goes_for_good_with_the_last_payment_that_names_it(family, browser, uploads):
    keep(family.payment, "receipt", "pdf", files.pdf())
    family.payment.save()
    browser.post(f"/log/payment/{family.payment.pk}/correct/", payment(family, amount="120"))
    correction = Payment.objects.get(corrects=family.payment)
    browser.post(f"/log/payment/{correction.pk}/delete/")
    empty_bin(timezone.now() + timedelta(days=31))
    assert content_of(family.payment, "receipt").startswith(b"%PDF-")
    browser.post(f"/log/payment/{family.payment.pk}/delete/")
    empty_bin(timezone.now() + timedelta(days=31))
    assert [path for path in uploads.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", ["payment", "activity"])
def test_a_closed_card_is_not_renewed_by_logging(family, browser, kind):
    family.card.closed_on = card_today(family.owner, family.card)
    family.card.save()
    assert browser.get(f"/cards/{family.card.pk}/log/?kind={kind}").status_code == 404
    assert browser.get(f"/cards/{family.card.pk}/log/?kind=reading").status_code == 200
