"""What the log of each household of a login says about its sign-in."""

from typing import Any

from allauth.mfa.signals import authentication_failed
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import cache
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from .journal import note
from .models import LogEntry, Member, User


@transaction.atomic
def note_sign_in(user: AbstractBaseUser, kind: LogEntry.Kind, request: HttpRequest, name: str = "") -> None:
    """Write into the log of each household of the login what happened; `name` says what of the sign-in changed."""
    for member in Member.objects.present().filter(user=user.pk):
        note(member, kind, f"member:{member.pk}", name, request=request)


def has_signed_in(user: AbstractBaseUser) -> bool:
    """Whether the log of any household knows of a sign-in of this login."""
    return LogEntry.objects.filter(member__user=user.pk, kind=LogEntry.Kind.SIGNED_IN).exists()


def note_failure(email: str, request: HttpRequest) -> None:
    """Write down a sign-in that failed, where the login is known.

    Where it is not, something else is written: an answer that came sooner would tell so.
    """
    if user := User.objects.filter(email=email.lower()).first():
        note_sign_in(user, LogEntry.Kind.SIGN_IN_FAILED, request)
    else:
        cache.set("sign_in_of_nobody", 1)


@receiver(authentication_failed, dispatch_uid="note_wrong_factor")
def note_wrong_factor(sender: object, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Write down a wrong code: its password was right."""
    note_sign_in(user, LogEntry.Kind.SIGN_IN_FAILED, request)
