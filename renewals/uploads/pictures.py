"""Pictures: opened, turned upright and drawn anew, so that nothing is left of them but what one sees."""

import io
from typing import Any

from PIL import Image, ImageOps

# The longest side that is kept: a page of A4 at 250 dots an inch.
SIDE = 3000
# The most pixels of each kind, so that opening one takes less than 150 MB. A large JPEG is opened at half its size,
# unless it is progressive; what is transparent is held twice to be made smaller; WebP is unpacked four times over.
MOST_PIXELS = {"jpeg": 50_000_000, "png": 12_000_000, "webp": 6_000_000}
MOST_DEMANDING = 9_000_000
HALVED_FROM = 13_000_000
QUALITY = 88
_ORIENTATION = 0x0112


class TooManyPixels(Exception):
    """The picture would take too much memory to open."""


def draw_anew(content: bytes, kind: str, limit: int) -> tuple[str, bytes]:
    """Return the kind and content of a clean picture that looks like this one.

    `kind` is jpeg, png or webp; a PNG that comes to more than `limit` bytes is turned into a JPEG. Of an animation the
    first picture stays. The colour profile goes with all other descriptions: it too can hold text. Raises TooManyPixels
    before anything is unpacked, and whatever the decoder raises for what is not a whole picture of this kind.
    """
    image = open_picture(content, kind)
    drawn = encode(image, kind)
    if kind == "png" and len(drawn) > limit:
        return "jpeg", encode(image, "jpeg")
    return kind, drawn


def open_picture(content: bytes, kind: str) -> Image.Image:
    """Return the picture upright, no side longer than SIDE, as L, RGB or RGBA, with nothing written on it."""
    try:
        opened = Image.open(io.BytesIO(content), formats=[kind])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels from error
    with opened:
        _check_pixels(opened, kind)
        if opened.width * opened.height > HALVED_FROM:
            opened.draft(None, (opened.width // 2, opened.height // 2))
        opened.load()
        orientation = _orientation_of(opened)
        if opened.mode not in {"1", "P"}:
            opened.thumbnail((SIDE, SIDE))
        image = _plain(opened)
    image.thumbnail((SIDE, SIDE))
    image.info = {}
    if orientation in range(2, 9):
        image.getexif()[_ORIENTATION] = orientation
        ImageOps.exif_transpose(image, in_place=True)
    return image


def encode(image: Image.Image, kind: str) -> bytes:
    """Return the picture as a file of this kind. A JPEG has no transparency: what shows through is white."""
    if kind == "jpeg" and image.mode == "RGBA":
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image.getchannel("A"))
        image = page
    options: dict[str, Any] = {} if kind == "png" else {"quality": QUALITY}
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _check_pixels(opened: Any, kind: str) -> None:
    is_demanding = opened.info.get("progressive") or opened.has_transparency_data
    most = min(MOST_DEMANDING, MOST_PIXELS[kind]) if is_demanding else MOST_PIXELS[kind]
    if opened.width * opened.height > most:
        raise TooManyPixels


def _orientation_of(opened: Image.Image) -> int | None:
    """Return how the camera was held; None when the picture does not say so in a way that can be read."""
    try:
        return opened.getexif().get(_ORIENTATION)
    except Exception:  # descriptions can be broken in any way; the picture itself is whole
        return None


def _plain(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I"):
        # Sixteen bits of grey: the upper eight are what one sees.
        return image.point(lambda grey: grey / 256).convert("L")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")
