"""What is answered where a page cannot do without a key that is missing."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .encryption import KeyLost
from .middleware import Answer, MemberRequest


class LostKeyMiddleware:
    """Say in words what to put back; the pages that only show a secret among other things say it themselves."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: MemberRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, KeyLost):
            return None
        return render(request, "503.html", {"problem": str(error)}, status=503)
