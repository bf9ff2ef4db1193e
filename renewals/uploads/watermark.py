"""A copy for the operator: a scan with its purpose written all over it, so that it is good for nothing else."""

import io
import math
import unicodedata
from collections.abc import Iterator
from functools import cache

import pypdf
from PIL import Image, ImageDraw, ImageFont
from pypdf.generic import DecodedStreamObject, DictionaryObject, FloatObject, NameObject

from .pdfs import save
from .pictures import encode, open_picture

# The writing climbs by so many degrees; a line of it starts every so many letter heights below the last one.
ANGLE = 30
LEADING = 5
# A letter's height as a share of the shorter side, and the most of that side one line of writing may take.
LETTER = 1 / 28
LONGEST = 0.85
# Light letters with a dark edge, half seen through: they show on a dark passport as on white paper.
LIGHT, DARK = (255, 255, 255, 150), (0, 0, 0, 170)


def copy_for_operator(content: bytes, kind: str, words: str) -> bytes:
    """Return a copy of the same kind with `words` written across all of it.

    In a picture they replace what was there; in a PDF they lie on top of each page, where somebody who knows how could
    take them off. `words` have no letter that `unwritable` names.
    """
    words = writable(words)
    if kind == "pdf":
        return _across_pages(content, words)
    image = open_picture(content, kind).convert("RGBA")
    image.alpha_composite(_across(image.size, words))
    return encode(image if kind == "png" else image.convert("RGB"), kind)


def writable(words: str) -> str:
    """Return the words as they can be written: without accents, as the font at hand has none."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", words) if not unicodedata.combining(letter))


def unwritable(words: str) -> str:
    """Return the letters, each once, that cannot be written even so; empty when all can."""
    return "".join(dict.fromkeys(letter for letter in writable(words) if not " " <= letter <= "~"))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _across(size: tuple[int, int], words: str) -> Image.Image:
    """Return a transparent picture of this size with the words climbing across it again and again."""
    width, height = size
    letter = max(8, round(min(size) * LETTER))
    while letter > 8 and _font(letter).getlength(words) > min(size) * LONGEST:
        letter -= 1
    edge = max(1, letter // 14)
    length = math.ceil(_font(letter).getlength(words)) + 2 * letter
    line = Image.new("RGBA", (length, 2 * letter))
    ImageDraw.Draw(line).text(
        (letter, letter // 3), words, fill=LIGHT, font=_font(letter), stroke_width=edge, stroke_fill=DARK
    )
    line = line.rotate(ANGLE, resample=Image.Resampling.BICUBIC, expand=True)
    layer = Image.new("RGBA", size)
    for x, y in _places(width + line.width, height + line.height, length, letter):
        _lay(layer, line, round(x) - line.width, round(y) - line.height)
    return layer


def _places(width: float, height: float, length: float, letter: float) -> Iterator[tuple[float, float]]:
    """Yield where lines of this length begin, so that each goes on where the one beside it ends."""
    climb, advance = length * math.sin(math.radians(ANGLE)), length * math.cos(math.radians(ANGLE))
    step = climb / max(1, round(climb / (LEADING * letter)))
    for row in range(math.ceil(height / step)):
        for column in range(math.ceil(width / advance)):
            yield column * advance, row * step


def _lay(layer: Image.Image, line: Image.Image, x: int, y: int) -> None:
    """Lay the line onto the layer at a place that may begin outside of it."""
    layer.alpha_composite(line, (max(0, x), max(0, y)), (max(0, -x), max(0, -y)))


def _across_pages(content: bytes, words: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.metadata = None
    for page in writer.pages:
        page.transfer_rotation_to_content()
        left, right = sorted(map(float, (page.mediabox.left, page.mediabox.right)))
        bottom, top = sorted(map(float, (page.mediabox.bottom, page.mediabox.top)))
        over = pypdf.PageObject.create_blank_page(width=right - left, height=top - bottom)
        writing = DecodedStreamObject()
        writing.set_data(_writing(right - left, top - bottom, words))
        over[_name("Contents")] = writing
        over[_name("Resources")] = _RESOURCES
        page.merge_transformed_page(over, pypdf.Transformation().translate(left, bottom))
    return save(writer)


def _writing(width: float, height: float, words: str) -> bytes:
    """Return what a PDF has to draw, in its own language, to write the words all over a page of this size in points."""
    side = max(min(width, height), max(width, height) / 20, 1)
    letter = side * min(LETTER, LONGEST / (0.6 * len(words)))
    length, cosine, sine = 0.62 * letter * len(words), math.cos(math.radians(ANGLE)), math.sin(math.radians(ANGLE))
    text = words.encode("ascii").hex()
    lines = [
        f"{cosine:.4f} {sine:.4f} {-sine:.4f} {cosine:.4f} {x - length:.1f} {y - length:.1f} Tm <{text}> Tj"
        for x, y in _places(width + length, height + length, length, letter)
    ]
    start = f"q /Seen gs BT /Plain {letter:.2f} Tf 2 Tr 1 1 1 rg 0 0 0 RG {letter / 30:.2f} w"
    return "\n".join([start, *lines, "ET Q"]).encode()


def _name(text: str) -> NameObject:
    return NameObject(f"/{text}")


_HELVETICA = {
    _name("Type"): _name("Font"),
    _name("Subtype"): _name("Type1"),
    _name("BaseFont"): _name("Helvetica-Bold"),
    _name("Encoding"): _name("WinAnsiEncoding"),
}
_HALF_SEEN = {_name("ca"): FloatObject(0.6), _name("CA"): FloatObject(0.6)}
_RESOURCES = DictionaryObject(
    {
        _name("Font"): DictionaryObject({_name("Plain"): DictionaryObject(_HELVETICA)}),
        _name("ExtGState"): DictionaryObject({_name("Seen"): DictionaryObject(_HALF_SEEN)}),
    }
)
