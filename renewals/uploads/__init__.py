"""Receipts and scans: one way in, sealed under a random name, one way out."""

from .checking import ACCEPT, LIMIT, TYPES, Clean, check
from .handing import attachment
from .keeping import LOST, content_of, drop, keep, kept_with_rows, sweep_orphans
from .watermark import copy_for_operator, unwritable

__all__ = ["ACCEPT", "LIMIT", "LOST", "TYPES", "Clean", "attachment", "check", "content_of", "copy_for_operator",
           "drop", "keep", "kept_with_rows", "sweep_orphans", "unwritable"]  # fmt: skip
