"""The packaged catalogue: a YAML file per country, and its way into the database."""

from .checking import CatalogueError
from .loader import CATALOGUE, Loaded, load_catalogue

__all__ = ["CATALOGUE", "CatalogueError", "Loaded", "load_catalogue"]
