"""Receipts: what is taken, what is refused whatever its name says, and how one is handed out."""

import io

import pypdf
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from renewals.models import Payment
from renewals.receipts import LIMIT, attach, content_of
from renewals.views.card import card_today
from tests.family import Family, every_row, field_of, is_answered, save_step, sign_in

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


def picture(kind):
    content = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(content, kind)
    return content.getvalue()


def huge_picture():
    content = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(content, "png")
    return content.getvalue()


def pdf():
    content, writer = io.BytesIO(), pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(content)
    return content.getvalue()


def payment(family, **changes):
    paid_on = card_today(family.owner, family.card).isoformat()
    return {"kind": "top_up", "amount": "100", "currency": "CUP", "channel": "inside", "paid_on": paid_on} | changes


def addresses(family):
    return [f"/cards/{family.card.pk}/log/?kind=payment", f"/log/payment/{family.payment.pk}/correct/"]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
REFUSED = {
    "text called PNG": ("receipt.png", b"Paid. Honestly."),
    "HTML called PDF": ("receipt.pdf", b"<html><script>alert(1)</script></html>"),
    "HTML that starts like a PDF": ("receipt.pdf", b"%PDF-1.7\n<html><script>alert(1)</script></html>"),
    "text that starts like a PNG": ("receipt.png", b"\x89PNG\r\n\x1a\n" + b"Paid. Honestly."),
    "SVG": ("receipt.svg", SVG),
    "SVG called PNG": ("receipt.png", SVG),
    "half a JPEG": ("receipt.jpg", picture("jpeg")[: len(picture("jpeg")) // 2]),
    "half a PNG": ("receipt.png", picture("png")[:300]),
    "half a PDF": ("receipt.pdf", pdf()[:60]),
    "GIF": ("receipt.gif", picture("gif")),
    "program": ("receipt.pdf", b"MZ\x90\0" + bytes(500)),
    "ZIP": ("receipt.png", b"PK\x03\x04" + bytes(500)),
    "picture of 100 megapixels in a few kilobytes": ("receipt.png", huge_picture()),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("which", [0, 1])
def test_file_that_is_not_what_its_name_says_is_refused(family, browser, uploads, what, which):
    name, content = REFUSED[what]
    upload = SimpleUploadedFile(name, content, content_type="application/pdf")
    before = every_row()
    page = browser.post(addresses(family)[which], payment(family, reference="A-17", receipt=upload))
    assert is_answered(page, "receipt", "This is not a readable PDF, JPEG, PNG or WebP file, whatever its name says.")
    assert is_answered(page, "reference", "", "A-17")
    assert every_row() == before
    assert list(uploads.rglob("*")) == []


def test_file_of_more_than_ten_megabytes_is_refused(family, browser, uploads):
    upload = SimpleUploadedFile("receipt.jpg", picture("jpeg") + bytes(LIMIT))
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
    "pdf": (pdf, "application/pdf"),
    "jpeg": (lambda: picture("jpeg"), "image/jpeg"),
    "png": (lambda: picture("png"), "image/png"),
    "webp": (lambda: picture("webp"), "image/webp"),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_receipt_is_taken_by_its_content_sealed_and_handed_out_as_it_was(family, browser, uploads, kind):
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
    for member in (family.owner, family.viewer):
        answer = sign_in(member).get(f"/payments/{row.pk}/receipt/")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["Content-Disposition"] == f'attachment; filename="receipt-{row.pk}.{kind}"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.headers["Cache-Control"] == "no-store"
    assert f"/payments/{row.pk}/receipt/" in browser.get(f"/cards/{family.card.pk}/").text


def test_corrected_payment_keeps_its_receipt_unless_a_new_one_comes(family, browser):
    first, second = picture("png"), picture("jpeg")
    upload = SimpleUploadedFile("a.png", first)
    browser.post(addresses(family)[0], payment(family, reference="A-17", receipt=upload))
    row = Payment.objects.get(reference="A-17")
    browser.post(f"/log/payment/{row.pk}/correct/", payment(family, reference="A-18"))
    kept = Payment.objects.get(corrects=row)
    assert (content_of(kept), kept.receipt_type) == (first, "png")
    upload = SimpleUploadedFile("b.jpg", second)
    browser.post(f"/log/payment/{kept.pk}/correct/", payment(family, reference="A-19", receipt=upload))
    replaced = Payment.objects.get(corrects=kept)
    assert (content_of(replaced), replaced.receipt_type) == (second, "jpeg")
    assert content_of(row) == first


def test_payment_without_a_receipt_has_no_download(family, browser):
    assert browser.get(f"/payments/{family.payment.pk}/receipt/").status_code == 404


def test_receipt_whose_file_is_gone_is_404(family, browser, uploads):
    browser.post(addresses(family)[0], payment(family, reference="A", receipt=SimpleUploadedFile("a.pdf", pdf())))
    row = Payment.objects.get(reference="A")
    uploads.joinpath(row.receipt.name).unlink()
    assert browser.get(f"/payments/{row.pk}/receipt/").status_code == 404


def test_receipt_that_was_changed_on_disk_is_not_handed_out(family, browser, uploads):
    browser.post(addresses(family)[0], payment(family, reference="A", receipt=SimpleUploadedFile("a.pdf", pdf())))
    row = Payment.objects.get(reference="A")
    path = uploads / row.receipt.name
    path.write_bytes(path.read_bytes()[:-5] + b"AAAAA")
    with pytest.raises(ImproperlyConfigured):
        content_of(row)


def test_deleting_a_payment_deletes_its_receipt_but_not_one_that_its_correction_names(family, browser, uploads):
    attach(family.payment, SimpleUploadedFile("r.pdf", pdf()), "pdf")
    family.payment.save()
    browser.post(f"/log/payment/{family.payment.pk}/correct/", payment(family, amount="120"))
    correction = Payment.objects.get(corrects=family.payment)
    browser.post(f"/log/payment/{family.payment.pk}/delete/")
    assert content_of(correction).startswith(b"%PDF-")
    browser.post(f"/log/payment/{correction.pk}/delete/")
    assert [path for path in uploads.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", ["payment", "activity"])
def test_a_closed_card_is_not_renewed_by_logging(family, browser, kind):
    family.card.closed_on = card_today(family.owner, family.card)
    family.card.save()
    assert browser.get(f"/cards/{family.card.pk}/log/?kind={kind}").status_code == 404
    assert browser.get(f"/cards/{family.card.pk}/log/?kind=reading").status_code == 200
