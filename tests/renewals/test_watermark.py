"""The copy for the operator: its purpose stands all over it, on dark and on bright pictures."""

import io

import pypdf
import pytest
from PIL import Image, ImageChops

from renewals.uploads import copy_for_operator, unwritable
from tests import files

WORDS = "Only for Cubacel, SIM renewal - 2026-11-24"


def plain(kind, colour, size=(900, 600)):
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, kind)
    return content.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content)).convert("RGB")


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("colour", ["black", "white", "grey"])
def test_writing_is_seen_in_every_part_of_a_picture(kind, colour):
    before = plain(kind, colour)
    after = copy_for_operator(before, kind, WORDS)
    assert Image.open(io.BytesIO(after)).format.lower() == kind
    difference = ImageChops.difference(opened(before), opened(after)).convert("L")
    for left in range(0, 900, 225):
        for top in range(0, 600, 200):
            part = difference.crop((left, top, left + 225, top + 200))
            # Seen: a fifth of the range of grey apart, on a hundredth of the part.
            changed = sum(part.histogram()[50:]) / (225 * 200)
            assert changed > 0.01, f"nothing to be seen at {left}, {top}"


@pytest.mark.parametrize("size", [(1, 1), (60, 45), (3_000, 20), (20, 3_000), (3_000, 2_250)])
def test_pictures_of_any_shape_get_their_writing(size):
    before = plain("png", "white", size)
    after = copy_for_operator(before, "png", WORDS)
    assert opened(after).size == size
    assert size == (1, 1) or opened(after).tobytes() != opened(before).tobytes()


def test_picture_that_is_seen_through_stays_so():
    content = io.BytesIO()
    Image.new("RGBA", (300, 200)).save(content, "png")
    after = Image.open(io.BytesIO(copy_for_operator(content.getvalue(), "png", WORDS)))
    assert after.mode == "RGBA"
    assert after.getchannel("A").getextrema()[1] > 100


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_every_page_of_a_pdf_gets_its_writing(turn):
    def change(writer, page):
        for _each in range(2):
            writer.add_blank_page(300, 400)
        for each in writer.pages:
            each.rotate(turn)

    copy = copy_for_operator(files.changed_pdf(change), "pdf", WORDS)
    reader = pypdf.PdfReader(io.BytesIO(copy))
    assert len(reader.pages) == 3
    assert [page.extract_text().count("Cubacel") > 3 for page in reader.pages] == [True] * 3
    assert reader.metadata is None


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (300, 400, 0, 0), (-50, -50, 50, 50), (0, 0, 20_000, 1)])
def test_pages_of_odd_shapes_get_their_writing(box):
    def change(writer, page):
        page[files.name("MediaBox")] = files.RectangleObject(box)

    copy = copy_for_operator(files.changed_pdf(change), "pdf", WORDS)
    assert len(copy) < 1_000_000
    assert "Cubacel" in pypdf.PdfReader(io.BytesIO(copy)).pages[0].extract_text()


@pytest.mark.parametrize(
    ("words", "letters"),
    [
        ("Only for Cubacel", ""),
        ("Sólo para Cubacel, año 2026", ""),
        ("只给联通 SIM", "只给联通"),
        ("Ｃｕｂａ", ""),
        ("a\u202eb\nc", "\u202e\n"),
        ("Киев", "Киев"),
        ("", ""),
    ],
)
def test_letters_that_cannot_be_written_are_named(words, letters):
    assert unwritable(words) == unwritable(letters)
    assert set(unwritable(words)) <= set(words)


def test_words_with_accents_are_written_without():
    copy = copy_for_operator(files.pdf(), "pdf", "Sólo para el año")
    assert "Solo para el ano" in pypdf.PdfReader(io.BytesIO(copy)).pages[0].extract_text()
