"""Acts on a household: founding it, adding a member who needs no invitation."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from .models import Household, Member, Person, User


class AlreadyFounded(Exception):
    """The installation has its first household already; /setup/ is closed."""


@transaction.atomic
def found_household(*, household: str, name: str, email: str, password: str, language: str, time_zone: str) -> Member:
    """Make the first household and its owner, who is also the site's administrator; return the owner.

    Raises AlreadyFounded when there is a login already: of two browsers at once, one wins.
    """
    # A row that is always there is the gate: the second browser waits here, then finds a login.
    ContentType.objects.select_for_update().get(app_label="cards", model="household")
    if not is_empty():
        raise AlreadyFounded
    user = User.objects.create_superuser(email, password)
    return found_another(user, household=household, name=name, language=language, time_zone=time_zone)


@transaction.atomic
def found_another(user: User, *, household: str, name: str, language: str, time_zone: str) -> Member:
    """Make a further household (named `household`), of which the login is the owner; return the owner."""
    owner = Member.objects.create(
        household=Household.objects.create(name=household),
        user=user,
        name=name,
        role=Member.Role.OWNER,
        language=language,
        time_zone=time_zone,
    )
    Person.objects.create(household=owner.household, name=name, member=owner)
    return owner


def is_empty() -> bool:
    """Whether the installation has no login yet."""
    return not User.objects.exists()


@transaction.atomic
def add_member(household: Household, email: str, **fields: Any) -> Member:
    """Make a member with a login that has no password yet, as a demo needs it; people are invited."""
    user = User.objects.create_user(email)
    return Member.objects.create(household=household, user=user, **fields)
