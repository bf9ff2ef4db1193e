"""From values to the shapes of a picture: pure arithmetic, for inline SVG of any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

# The part of a column that stays empty between two bars, and the least that can still be seen.
GAP = 0.25
THINNEST = 1.0


@dataclass(frozen=True)
class Bar:
    """An upright bar: what it stands for, and its rectangle from the upper left corner."""

    label: str
    value: Decimal
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Strip:
    """A lying bar, with its length in the picture."""

    label: str
    value: Decimal
    length: float


def bars(values: Sequence[tuple[str, Decimal]], width: float, height: float) -> list[Bar]:
    """Return a bar for each (label, value), side by side, in a picture of this size; the largest is as high as it.

    Zero and less has no height; whatever is more than zero can be seen.
    """
    if not values:
        return []
    column = width / len(values)
    drawn = []
    for place, ((label, value), size) in enumerate(zip(values, _scaled(values, height), strict=True)):
        x = round((place + GAP / 2) * column, 1)
        drawn.append(Bar(label, value, x, round(height - size, 1), round(column * (1 - GAP), 1), size))
    return drawn


def strips(values: Sequence[tuple[str, Decimal]], length: float) -> list[Strip]:
    """Return a lying bar for each (label, value), the largest of this length."""
    scaled = zip(values, _scaled(values, length), strict=True)
    return [Strip(label, value, size) for (label, value), size in scaled]


def _scaled(values: Sequence[tuple[str, Decimal]], size: float) -> list[float]:
    largest = max((value for _label, value in values), default=Decimal(0))
    if largest <= 0:
        return [0.0] * len(values)
    shares = [max(float(value / largest), 0.0) * size for _label, value in values]
    return [round(max(share, min(THINNEST, size)), 1) if share else 0.0 for share in shares]
