"""Who asks: the member behind a request, in their language and time zone."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone, translation

from .household import is_empty
from .models import Member

# What an empty installation answers without a household.
BEFORE_SETUP = ("/setup/", "/language/", "/healthz", "/static/")


class MemberRequest(HttpRequest):
    member: Member | None


Answer = Callable[[MemberRequest], HttpResponse]


class MemberMiddleware:
    """Set `request.member` (None for anonymous and for logins without a household) and speak their language.

    As long as the installation has no login at all, every page leads to /setup/.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: MemberRequest) -> HttpResponse:
        request.member = None
        if request.user.is_authenticated:
            request.member = Member.objects.select_related("household", "user").filter(user=request.user).first()
        elif not request.path.startswith(BEFORE_SETUP) and is_empty():
            return redirect("setup")
        if request.member is None:
            return self.get_response(request)
        with translation.override(request.member.language), timezone.override(request.member.zone):
            request.LANGUAGE_CODE = translation.get_language()
            response = self.get_response(request)
            response.headers["Content-Language"] = request.member.language
            return response
