"""Who asks: the member behind a request, in their language and time zone."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone, translation

from .access import InOtherHousehold
from .household import is_empty
from .models import Member

# What an empty installation answers without a household.
BEFORE_SETUP = ("/setup/", "/language/", "/healthz", "/static/")
# Where the session keeps which of a login's households is looked at.
HOUSEHOLD = "household"


class MemberRequest(HttpRequest):
    member: Member | None
    memberships: list[Member]


Answer = Callable[[MemberRequest], HttpResponse]


class MemberMiddleware:
    """Set `request.member` (None for anonymous and for logins without a household) and speak their language.

    `request.memberships` holds the member of each of the login's households, the oldest first.
    A login of several households is in the one that was chosen last, else in the one it joined first; a link that
    leads to a thing of another one takes them there. As long as the installation has no login at all, every page
    leads to /setup/.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: MemberRequest) -> HttpResponse:
        request.member, request.memberships = None, []
        if request.user.is_authenticated:
            request.memberships = _memberships_of(request)
            request.member = _chosen(request)
        elif not request.path.startswith(BEFORE_SETUP) and is_empty():
            return redirect("setup")
        if request.member is None:
            return self.get_response(request)
        with translation.override(request.member.language), timezone.override(request.member.zone):
            request.LANGUAGE_CODE = translation.get_language()
            response = self.get_response(request)
            response.headers["Content-Language"] = request.member.language
            return response

    def process_exception(self, request: MemberRequest, error: Exception) -> HttpResponse | None:
        """Follow a link into another household of the same login."""
        if not isinstance(error, InOtherHousehold):
            return None
        request.session[HOUSEHOLD] = error.member.household_id
        return redirect(request.get_full_path())


def _memberships_of(request: MemberRequest) -> list[Member]:
    rows = Member.objects.present().filter(user=request.user.pk)
    return list(rows.select_related("household", "user").order_by("pk"))


def _chosen(request: MemberRequest) -> Member | None:
    members, chosen = request.memberships, request.session.get(HOUSEHOLD)
    return next((member for member in members if member.household_id == chosen), members[0] if members else None)
