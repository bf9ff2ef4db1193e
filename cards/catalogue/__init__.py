"""The packaged catalogue: a YAML file per country, its way into the database, and the history of its changes there."""

from .applying import apply_plan
from .checking import check_operator, check_plan
from .history import decide, note_change, revert
from .loader import CATALOGUE, Loaded, load_catalogue
from .reading import CatalogueError
from .writing import Difference, differences, snapshot, write_operator, write_plan

__all__ = [
    "CATALOGUE",
    "CatalogueError",
    "Difference",
    "Loaded",
    "apply_plan",
    "check_operator",
    "check_plan",
    "decide",
    "differences",
    "load_catalogue",
    "note_change",
    "revert",
    "snapshot",
    "write_operator",
    "write_plan",
]
