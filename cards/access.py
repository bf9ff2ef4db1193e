"""May they? Every view asks here, so that another household's rows never exist for it."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from .models import HouseholdQuerySet, Member
from .rights import Right


class InOtherHousehold(Exception):
    """What is asked for belongs to another household of the same login, in which it is `member`."""

    def __init__(self, member: Member) -> None:
        super().__init__(member.household_id)
        self.member = member


def member_of(request: HttpRequest) -> Member:
    """Return who asks. Raises PermissionDenied for a login that belongs to no household."""
    member: Member | None = getattr(request, "member", None)
    if member is None:
        raise PermissionDenied("no household")
    return member


def allowed(request: HttpRequest, right: Right) -> Member:
    """Return who asks, if their role has the right. Raises PermissionDenied, which says so, when it has not."""
    member = member_of(request)
    if right not in member.rights:
        raise PermissionDenied(right)
    return member


def manager_of(request: HttpRequest) -> Member:
    """Return who asks, if they may change things. Raises PermissionDenied for a viewer."""
    return allowed(request, Right.CHANGE)


def fetch(request: HttpRequest, rows: HouseholdQuerySet, pk: int) -> Any:
    """Return one row of the member's household, else 404: another household's row does not exist for them.

    Raises InOtherHousehold where a link was followed to a row of another household of the same login.
    """
    member = member_of(request)
    row = rows.for_member(member).filter(pk=pk).first()
    if row is not None:
        return row
    if request.method == "GET":
        for other in Member.objects.present().filter(user=member.user_id).exclude(pk=member.pk):
            if rows.for_member(other).filter(pk=pk).exists():
                raise InOtherHousehold(other)
    raise Http404


def fetch_to_change(request: HttpRequest, rows: HouseholdQuerySet, pk: int, right: Right = Right.CHANGE) -> Any:
    """Return one row to be changed: 404 for another household's, then PermissionDenied for who may not."""
    row = fetch(request, rows, pk)
    allowed(request, right)
    return row
