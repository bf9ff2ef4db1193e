"""Receipts: taken by their content, kept encrypted under a random name, handed out only to the household."""

import io
import secrets
import warnings

import pypdf
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from PIL import Image

from cards.encryption import seal, unseal

from .models import Payment

LIMIT = 10 * 1024 * 1024
PIXELS = 50_000_000
TYPES = {"pdf": "application/pdf", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def recognise(upload: UploadedFile) -> str:
    """Return the type of an uploaded file, a key of TYPES, by what is in it; its name decides nothing.

    Raises ValidationError, saying what to do, for anything that is not a whole PDF, JPEG, PNG or WebP of at most 10 MB.
    """
    if (upload.size or 0) > LIMIT:
        raise ValidationError(_("The file is larger than 10 MB. A photo in lower quality is enough."), code="large")
    content = upload.read()
    upload.seek(0)
    kind = _signature(content)
    if kind is None or not (_is_pdf(content) if kind == "pdf" else _is_image(content, kind)):
        raise ValidationError(
            _("This is not a readable PDF, JPEG, PNG or WebP file, whatever its name says. Choose another file."),
            code="content",
        )
    return kind


def attach(payment: Payment, upload: UploadedFile, kind: str) -> None:
    """Keep the file with the payment, encrypted; the payment is still to be saved."""
    upload.seek(0)
    payment.receipt.save(secrets.token_urlsafe(24), ContentFile(seal(upload.read())), save=False)
    payment.receipt_type = kind


def content_of(payment: Payment) -> bytes:
    """Return the receipt as it was uploaded. Raises FileNotFoundError when the file is gone."""
    with payment.receipt.open("rb") as file:
        return unseal(file.read())


def forget(payment: Payment) -> None:
    """Delete the file of a payment whose row is gone, unless the row that corrected it names the same file."""
    name = payment.receipt.name
    if name and not Payment.objects.filter(receipt=name).exists():
        payment.receipt.storage.delete(name)


def _signature(content: bytes) -> str | None:
    if content.startswith(b"%PDF-"):
        return "pdf"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return None


def _is_pdf(content: bytes) -> bool:
    try:
        return len(pypdf.PdfReader(io.BytesIO(content)).pages) > 0
    except Exception:  # the parser raises whatever a broken file makes it raise
        return False


def _is_image(content: bytes, kind: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=[kind]) as image:
                if image.width * image.height > PIXELS:
                    return False
                image.load()
    except Exception:  # the parser raises whatever a broken file makes it raise
        return False
    return True
