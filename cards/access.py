"""May they? Every view asks here, so that another household's rows never exist for it."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from .models import HouseholdQuerySet, Member


def member_of(request: HttpRequest) -> Member:
    """Return who asks. Raises PermissionDenied for a login that belongs to no household."""
    member: Member | None = getattr(request, "member", None)
    if member is None:
        raise PermissionDenied("no household")
    return member


def manager_of(request: HttpRequest) -> Member:
    """Return who asks, if they may change things. Raises PermissionDenied for a viewer."""
    member = member_of(request)
    if not member.may_change:
        raise PermissionDenied("viewer")
    return member


def fetch(request: HttpRequest, rows: HouseholdQuerySet, pk: int) -> Any:
    """Return one row of the member's household, else 404: another household's row does not exist for them."""
    return get_object_or_404(rows.for_member(member_of(request)), pk=pk)


def fetch_to_change(request: HttpRequest, rows: HouseholdQuerySet, pk: int) -> Any:
    """Return one row to be changed: 404 for another household's, then PermissionDenied for a viewer."""
    row = fetch(request, rows, pk)
    manager_of(request)
    return row
