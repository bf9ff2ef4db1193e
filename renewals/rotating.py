"""Another key for the installation: what its keys have sealed is sealed anew with the newest, row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import models
from django.db.models.functions import Cast

from cards.encryption import EncryptedTextField, KeyLost, reseal
from cards.models import Household

BATCH = 200


def keys_of_households() -> models.Field:
    return Household._meta.get_field("data_key")


def sealed_fields() -> list[models.Field]:
    """Return the fields that are sealed with the installation's key itself."""
    fields = (field for model in apps.get_models() for field in model._meta.local_concrete_fields)
    return [field for field in fields if isinstance(field, EncryptedTextField)]


# How every value begins that the installation's key has sealed.
SEALED = "gAAAA"


@dataclass
class Count:
    """How far a rotation is: `seen` values, of which `resealed` had an older key, and `lost` are opened by none."""

    seen: int = 0
    resealed: int = 0
    lost: int = 0


def reseal_all(field: models.Field, count: Count) -> Iterator[int]:
    """Seal each value of a field with the newest key, adding to `count`; yield after each batch how many are done.

    A value that somebody changed meanwhile is left alone: the next run looks at it.
    """
    # As text, so that the field neither opens what is read nor seals what is compared and written.
    rows = field.model._base_manager.annotate(kept=Cast(field.name, models.TextField())).exclude(kept="")
    done = 0
    for batch in _batches(rows.values_list("pk", "kept")):
        for pk, kept in batch:
            fresh = _again(kept, count)
            if fresh != kept:
                text = Cast(models.Value(fresh), models.TextField())
                count.resealed += rows.filter(pk=pk, kept=kept).update(**{field.name: text})
        done += len(batch)
        yield done


def reseal_factors(count: Count) -> Iterator[int]:
    """Do the same with the secrets of second factors, which stand among other things in one column."""
    done = 0
    for batch in _batches(Authenticator.objects.values_list("pk", "data")):
        for pk, data in batch:
            fresh = _again(data, count)
            if fresh != data:
                count.resealed += Authenticator.objects.filter(pk=pk, data=data).update(data=fresh)
        done += len(batch)
        yield done


def _again(value: Any, count: Count) -> Any:
    """Return a value, and all that is in it, sealed with the newest key; what no key opens stays as it is."""
    if isinstance(value, dict):
        return {name: _again(each, count) for name, each in value.items()}
    if isinstance(value, list):
        return [_again(each, count) for each in value]
    if not isinstance(value, str) or not value.startswith(SEALED):
        return value
    count.seen += 1
    try:
        fresh = reseal(value.encode())
    except KeyLost:
        count.lost += 1
        return value
    return value if fresh is None else fresh.decode()


def _batches(rows: models.QuerySet) -> Iterator[list[Any]]:
    """Yield the rows in parts by their pk, which comes first in them: the table may be written meanwhile."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield batch
        last = batch[-1][0]
