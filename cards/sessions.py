"""Where a login is signed in: how long a session lasts, what its owner is shown of it, and how it ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from allauth.account.signals import authentication_step_completed
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from .sign_in import PROVED_AT

# What the session keeps, as seconds since 1970: when it began, and when its last use was written down.
STARTED_AT = "started_at"
SEEN_AT = "seen_at"
# A use within the hour is not written down again, so that looking at pages does not write.
SEEN_EVERY = 60 * 60

# What a browser says of itself, and its name; the first that fits is meant, as most also claim to be others.
BROWSERS = {
    "MicroMessenger": "WeChat",
    "Edg": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "Chromebook",
    "Mac OS X": "Mac",
    "Linux": "Linux",
}


@dataclass(frozen=True)
class Place:
    """One browser in which a login is signed in, as its page shows it."""

    row: UserSession
    device: str
    is_this_one: bool


class SessionAgeMiddleware:
    """End a session that is older than SESSION_MOST_AGE, and keep one alive that is in use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = time.time()
            if now - request.session.get(STARTED_AT, now) > settings.SESSION_MOST_AGE:
                request.session.flush()
                request.user = AnonymousUser()
            elif now - request.session.get(SEEN_AT, 0) > SEEN_EVERY:
                request.session.setdefault(STARTED_AT, now)
                _write_down(request, now)
        return self.get_response(request)


def places_of(request: HttpRequest) -> list[Place]:
    """Return where the login of the request is signed in, this browser first, then by last use."""
    live = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    rows = UserSession.objects.filter(user_id=request.user.pk, session_key__in=live).order_by("-last_seen_at")
    here = request.session.session_key
    places = [Place(row, device_of(row.user_agent), row.session_key == here) for row in rows]
    return sorted(places, key=lambda place: not place.is_this_one)


def end_session(user: AbstractBaseUser, pk: int) -> bool:
    """Sign one browser of the login out; return False when there is none of this number."""
    row = UserSession.objects.filter(user_id=user.pk, pk=pk).first()
    if row is None:
        return False
    row.end()
    return True


def end_other_sessions(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Sign the login out everywhere but in the browser of the request, if that one is theirs."""
    here = request.session.session_key if request.user == user else None
    others = UserSession.objects.filter(user_id=user.pk).exclude(session_key=here)
    Session.objects.filter(session_key__in=[row.session_key for row in others]).delete()
    others.delete()


def device_of(user_agent: str) -> str:
    """Return in words what a browser says of itself, such as “Chrome on Android”."""
    browser = next((name for sign, name in BROWSERS.items() if sign in user_agent), None)
    system = next((name for sign, name in SYSTEMS.items() if sign in user_agent), None)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("an unknown device")


@receiver(user_logged_in, dispatch_uid="begin_session")
def begin_session(sender: object, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Start the clocks of a session, as who signs in has just proved who they are; drop those that are over."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    now = time.time()
    request.session.update({PROVED_AT: now, STARTED_AT: now, SEEN_AT: now})
    if "REMOTE_ADDR" in request.META:
        UserSession.objects.create_from_request(request)


@receiver(authentication_step_completed, dispatch_uid="renew_session")
def renew_session(
    sender: object, request: HttpRequest, user: AbstractBaseUser, reauthenticated: bool = False, **kwargs: Any
) -> None:
    """Give a session whose owner has proved again who they are another key, as what it may do is more now."""
    if reauthenticated:
        before = request.session.session_key
        request.session.cycle_key()
        request.session[PROVED_AT] = time.time()
        UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


def _write_down(request: HttpRequest, now: float) -> None:
    request.session[SEEN_AT] = now
    if "REMOTE_ADDR" in request.META:
        UserSession.objects.create_from_request(request)
