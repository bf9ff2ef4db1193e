"""PDFs: refused when they can do anything, and written anew with nothing but what their pages show."""

import io
from collections.abc import Iterator
from typing import Any

import pypdf
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NameObject, StreamObject

MOST_PAGES = 100
MOST_OBJECTS = 500_000

# Actions that run, fetch, send or open something; and what carries scripts, files or films.
ACTIONS = {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToE", "/GoToR", "/GoTo3DView", "/Rendition",
           "/RichMediaExecute", "/Movie", "/Sound"}  # fmt: skip
CARRIERS = {"/JS", "/JavaScript", "/EmbeddedFiles", "/EF", "/AF", "/XFA", "/RichMediaContent", "/RichMediaSettings"}
KINDS = {"/FileAttachment", "/RichMedia", "/Screen", "/Movie", "/Sound", "/3D", "/EmbeddedFile"}
# What of a page is needed to show it, and what of anything below it is not.
SHOWN = {"/Type", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Contents", "/Resources", "/Group", "/Parent"}
UNSEEN = {"/Metadata", "/PieceInfo", "/Thumb", "/LastModified", "/OPI", "/AA", "/Alternates", "/AF", "/StructParent",
          "/StructParents", "/Ref", "/Measure", "/PtData"}  # fmt: skip
# Markers of a JPEG.
_START_OF_SCAN, _COMMENT, _APP = 0xDA, 0xFE, range(0xE0, 0xF0)


class Locked(Exception):
    """The PDF is encrypted."""


class HasMore(Exception):
    """The PDF carries a script, a file, a film, or a form that is sent somewhere."""


def write_anew(content: bytes) -> bytes:
    """Return a PDF of the same pages, without information about them, links, bookmarks or anything else around them.

    What is written into a form or drawn onto a page stays visible. Raises Locked, HasMore, and whatever the parser
    raises for what is not a whole PDF of at most MOST_PAGES pages.
    """
    reader = pypdf.PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        raise Locked
    for each in _walk(reader.trailer):
        _check(each)
    if not 0 < len(reader.pages) <= MOST_PAGES:
        raise ValueError("no page, or too many")
    writer = pypdf.PdfWriter()
    writer.metadata = None
    for page in reader.pages:
        marks = [mark for mark in map(_as_stamp, _at(page, "/Annots") or []) if mark]
        for key in [key for key in page if key not in SHOWN]:
            del page[key]
        if marks:
            page[NameObject("/Annots")] = ArrayObject(marks)
        writer.add_page(page)
    for each in _walk(writer.root_object):
        _strip(each)
    return save(writer)


def save(writer: pypdf.PdfWriter) -> bytes:
    """Return the PDF as a file."""
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _walk(top: Any) -> Iterator[DictionaryObject]:
    """Yield each dictionary and stream that can be reached. Raises ValueError for more than MOST_OBJECTS."""
    waiting, seen = [top], set()
    count = 0
    while waiting:
        each = waiting.pop()
        if isinstance(each, IndirectObject):
            if (each.idnum, each.generation) in seen:
                continue
            seen.add((each.idnum, each.generation))
            each = each.get_object()
        count += 1
        if count > MOST_OBJECTS:
            raise ValueError("too many objects")
        if isinstance(each, DictionaryObject):
            yield each
            waiting.extend(dict.values(each))
        elif isinstance(each, ArrayObject):
            waiting.extend(list.__iter__(each))


def _check(each: DictionaryObject) -> None:
    is_more = _at(each, "/S") in ACTIONS or _at(each, "/Subtype") in KINDS or _at(each, "/Type") in KINDS
    if is_more or each.keys() & CARRIERS:
        raise HasMore


def _at(each: DictionaryObject, key: str) -> Any:
    """Return a value itself where the dictionary only says where it is; None when there is none."""
    value = each.get(key)
    return None if value is None else value.get_object()


def _as_stamp(mark: Any) -> DictionaryObject | None:
    """Return what an annotation looks like and nothing of what it does; None when it shows nothing."""
    mark = mark.get_object()
    look = _at(_at(mark, "/AP") or DictionaryObject(), "/N")
    if isinstance(look, DictionaryObject) and not isinstance(look, StreamObject):
        look = _at(look, _at(mark, "/AS") or "/Off")
    if not isinstance(look, StreamObject) or look.indirect_reference is None or "/Rect" not in mark:
        return None
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/Subtype"): NameObject("/Stamp"),
            NameObject("/Rect"): mark["/Rect"],
            NameObject("/F"): mark.get("/F", pypdf.generic.NumberObject(4)),
            NameObject("/AP"): DictionaryObject({NameObject("/N"): look.indirect_reference}),
        }
    )


def _strip(each: DictionaryObject) -> None:
    for key in each.keys() & UNSEEN:
        del each[key]
    if isinstance(each, StreamObject) and _at(each, "/Filter") in ("/DCTDecode", ["/DCTDecode"]):
        each._data = without_descriptions(each._data)


def without_descriptions(jpeg: bytes) -> bytes:
    """Return a JPEG without EXIF, XMP, IPTC, profiles, small pictures, comments, and what comes after its end.

    It is not decoded: in a PDF its colours depend on things that are written elsewhere. Raises ValueError when it is
    cut off.
    """
    kept, at = bytearray(jpeg[:2]), 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == _START_OF_SCAN:
            end = jpeg.find(b"\xff\xd9", at)
            return bytes(kept + jpeg[at : end + 2 if end > 0 else None])
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        is_jfif = marker == _APP[0] and jpeg[at + 4 : at + 9] == b"JFIF\0"
        is_adobe = marker == _APP[14]
        if is_jfif:
            # The last two bytes say how large the small picture is that follows.
            kept += b"\xff\xe0\x00\x10" + jpeg[at + 4 : at + 16] + b"\0\0"
        elif is_adobe or (marker not in _APP and marker != _COMMENT):
            kept += jpeg[at : at + length]
        at += length
    raise ValueError("a JPEG that is cut off")
