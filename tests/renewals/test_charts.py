"""Bars and strips of any values, in any size."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renewals.charts import bars, strips


def named(*values):
    return [(f"v{place}", Decimal(value)) for place, value in enumerate(values)]


def test_bars_stand_side_by_side_on_the_ground_and_the_largest_fills_the_picture():
    drawn = bars(named(50, 100, 0), 300, 120)
    assert [(bar.label, bar.value) for bar in drawn] == named(50, 100, 0)
    assert [(bar.x, bar.y, bar.width, bar.height) for bar in drawn] == [
        (12.5, 60, 75, 60),
        (112.5, 0, 75, 120),
        (212.5, 120, 75, 0),
    ]


@pytest.mark.parametrize("values", [(), (0,), (0, 0), (-5, 0)])
def test_bars_of_nothing_have_no_height(values):
    assert [bar.height for bar in bars(named(*values), 600, 100)] == [0] * len(values)
    assert [strip.length for strip in strips(named(*values), 600)] == [0] * len(values)


def test_bar_of_less_than_zero_is_drawn_as_zero():
    assert [bar.height for bar in bars(named(-5, 10), 100, 100)] == [0, 100]


def test_smallest_value_can_be_seen():
    assert [bar.height for bar in bars(named("0.01", "9999999999.99"), 100, 100)] == [1, 100]
    assert [strip.length for strip in strips(named("0.01", "9999999999.99"), 600)] == [1, 600]


def test_strips_are_as_long_as_their_share():
    assert [(strip.label, strip.value, strip.length) for strip in strips(named(30, 15), 600)] == [
        ("v0", Decimal(30), 600),
        ("v1", Decimal(15), 300),
    ]


@given(
    st.lists(st.decimals(min_value=-100, max_value=10**12, places=2), max_size=400),
    st.integers(1, 2000),
    st.integers(1, 500),
)
def test_bars_stay_in_the_picture_and_in_order(values, width, height):
    drawn = bars(named(*values), width, height)
    assert len(drawn) == len(values)
    for bar in drawn:
        assert 0 <= bar.height <= height
        assert bar.y + bar.height == pytest.approx(height, abs=0.2)
        assert 0 <= bar.x <= width + 0.1
        assert bar.x + bar.width <= width + 0.2
        assert (bar.height > 0) == (bar.value > 0)
    by_value = sorted(drawn, key=lambda bar: bar.value)
    assert [bar.height for bar in by_value] == sorted(bar.height for bar in drawn)
    assert [bar.x for bar in drawn] == sorted(bar.x for bar in drawn)
