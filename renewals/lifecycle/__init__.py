"""The arithmetic of keep rules: which day a number lives until, and why. See docs/keep-rules.md."""

from .facts import (
    DAY,
    HORIZON,
    Because,
    Event,
    Period,
    Reason,
    Rule,
    Stage,
    Standing,
    Step,
    Terms,
)
from .forecast import Charge, Forecast, forecast
from .standing import stage, standing, why_unchanged

__all__ = [
    "DAY",
    "HORIZON",
    "Because",
    "Charge",
    "Event",
    "Forecast",
    "Period",
    "Reason",
    "Rule",
    "Stage",
    "Standing",
    "Step",
    "Terms",
    "forecast",
    "stage",
    "standing",
    "why_unchanged",
]
