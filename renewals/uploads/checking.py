"""The one way in for a file: taken by its content, written anew, and only as long as the household has room."""

from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from cards.models import Household
from cards.secrets import KeyLost, opens

from .keeping import files_of, size_of
from .pdfs import HasMore, Locked, write_anew
from .pictures import TooManyPixels, draw_anew

LIMIT = 10 * 1024 * 1024
MOST_FILES = 200
MOST_BYTES = 500 * 1024 * 1024
TYPES = {"pdf": "application/pdf", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
# What a browser offers to choose from.
ACCEPT = ",".join(TYPES.values())


class Clean(NamedTuple):
    """A file as it may be kept: its type, a key of TYPES, and its content. Of the upload itself nothing is left."""

    kind: str
    content: bytes


def check(upload: UploadedFile, household: Household, replaced: str = "") -> Clean:
    """Return a clean file that looks like the uploaded one; its name and its declared type decide nothing.

    `replaced` is the kept file whose place it takes; empty when it is one more. Raises ValidationError, saying what to
    do, for what is too large, locked, no whole PDF, JPEG, PNG or WebP, more than a picture or pages, or too much for
    the household.
    """
    if (upload.size or 0) > LIMIT:
        raise _too_large()
    if not opens(household):
        raise ValidationError(KeyLost.default, code="key")
    _check_room(household, upload.size or 0, replaced)
    clean = _clean(upload.read())
    if len(clean.content) > LIMIT:
        raise _too_large()
    return clean


def _clean(content: bytes) -> Clean:
    kind = _signature(content)
    try:
        if kind == "pdf":
            return Clean(kind, write_anew(content))
        if kind:
            return Clean(*draw_anew(content, kind, LIMIT))
    except TooManyPixels as error:
        raise ValidationError(
            _("The picture has too many pixels. Take it in lower quality, or make a screenshot of it."), code="pixels"
        ) from error
    except Locked as error:
        raise ValidationError(
            _("This PDF is locked with a password. Print it into a new PDF without one, or take a photo of it."),
            code="locked",
        ) from error
    except HasMore as error:
        raise ValidationError(
            _("This PDF carries a program, a form or another file. Print it into a new PDF, or take a photo of it."),
            code="more",
        ) from error
    except Exception as error:  # a parser raises whatever a broken file makes it raise
        raise _unreadable() from error
    raise _unreadable()


def _check_room(household: Household, size: int, replaced: str) -> None:
    names = files_of(household) - {replaced}
    if len(names) >= MOST_FILES or sum(map(size_of, names)) + size > MOST_BYTES:
        raise ValidationError(
            _("Your household keeps as many files as there is room for: 200, or 500 MB. Delete scans and payments that "
              "nobody needs any more, and empty them from the bin."),
            code="room",
        )  # fmt: skip


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


def _too_large() -> ValidationError:
    return ValidationError(_("The file is larger than 10 MB. A photo in lower quality is enough."), code="large")


def _unreadable() -> ValidationError:
    return ValidationError(
        _("This is not a readable PDF, JPEG, PNG or WebP file, whatever its name says. Choose another file."),
        code="content",
    )
