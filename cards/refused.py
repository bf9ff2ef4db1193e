"""What is answered to a member whose role does not allow what they tried."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.defaults import permission_denied

from .journal import note_refusal


def refused(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    """Show the page of a refusal, after an attempt to change something was written into the household's log."""
    note_refusal(request, exception)
    return permission_denied(request, exception)
