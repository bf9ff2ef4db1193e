"""How sure we are that it is really them: a second factor, and a proof that is not older than fifteen minutes."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from .middleware import Answer, MemberRequest
from .models import User

# Where the session keeps when its owner last proved who they are: by signing in, or by doing so once more.
PROVED_AT = "proved_at"

# What a member without a second factor may still open where their household asks for one: setting it up.
WITHOUT_FACTOR = ("/accounts/", "/settings/security/", "/language/")

View = Callable[..., HttpResponse]


class SecondFactorMiddleware:
    """Lead a member who lacks a second factor to the page that sets one up, if their household asks for it."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: MemberRequest) -> HttpResponse:
        member = request.member
        if (
            member
            and member.household.requires_second_factor
            and not request.path.startswith(WITHOUT_FACTOR)
            and not has_second_factor(member.user)
        ):
            return redirect("security")
        return self.get_response(request)


def login_of(request: HttpRequest) -> User:
    """Return the login of somebody who is signed in."""
    return cast(User, request.user)


def has_second_factor(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the login asks for more than a password. Recovery codes alone are none: they stand in for a lost one."""
    factors = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
    return Authenticator.objects.filter(user_id=user.pk, type__in=factors).exists()


def has_proved(request: HttpRequest) -> bool:
    """Whether who asks has typed a password or shown a factor in the last fifteen minutes."""
    return time.time() - request.session.get(PROVED_AT, 0) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def recently_proved(view: View) -> View:
    """Let a view answer only those who proved in the last fifteen minutes who they are.

    Everybody else is asked to, and comes back to what they asked for; after a POST, to the page with its button.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if has_proved(request):
            return view(request, *args, **kwargs)
        back = request.get_full_path() if request.method in {"GET", "HEAD"} else _page_before(request)
        ways = get_adapter(request).get_reauthentication_methods(request.user)
        return redirect(f"{ways[0]['url']}?{urlencode({'next': back})}")

    return answer


def _page_before(request: HttpRequest) -> str:
    """Return the path of the page a form was sent from; the dashboard's where the browser does not say."""
    page = urlsplit(request.headers.get("Referer", ""))
    return page.path if page.netloc == request.get_host() else reverse("dashboard")
