"""The administration of what all households share, as far as it moves no deadline; the rest is in `renewals.admin`."""

from .promotions import PromotionAdmin
from .rates import ExchangeRateAdmin
from .shared import (
    CatalogueForm,
    CountryFilter,
    FieldsAsElsewhere,
    LastingAdmin,
    OperatorFilter,
    OperatorsCountryFilter,
    RetiredFilter,
    SharedAdmin,
    SharedForm,
)

__all__ = [
    "CatalogueForm",
    "CountryFilter",
    "ExchangeRateAdmin",
    "FieldsAsElsewhere",
    "LastingAdmin",
    "OperatorFilter",
    "OperatorsCountryFilter",
    "PromotionAdmin",
    "RetiredFilter",
    "SharedAdmin",
    "SharedForm",
]
