"""Another email address for a login: proved by a link that works for an hour, and dies with the old password."""

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from .models import Member, User

SALT = "email-change"


class LinkIsDead(Exception):
    """The link is not ours, too old, used, or was made before the password was changed."""


@transaction.atomic
def change_email(user: User, new: str) -> None:
    """Let the login sign in and be written to at `new`. Raises IntegrityError when another login has the address."""
    user.email = new.lower()
    user.save(update_fields=["email"])
    # Otherwise the old one would still sign in.
    EmailAddress.objects.filter(user=user).delete()
    Member.objects.filter(user=user).update(unreachable_since=None, unreachable_reason="", next_plan_at=None)


def ask_for_email(request: HttpRequest, user: User, new: str) -> None:
    """Send the link to the address that shall be the new one; to another login's address goes nothing."""
    if User.objects.filter(email=new.lower()).exists():
        return
    link = settings.SITE_URL + reverse("email_confirm", args=[make_token(user, new.lower())])
    get_adapter(request).send_mail("account/email/new_address", new, {"user": user, "link": link})


def make_token(user: User, new: str) -> str:
    """Return what the link that gives the login the address `new` ends with."""
    return signing.dumps([new, _state_of(user)], salt=SALT, compress=True)


def read_token(user: User, token: str) -> str:
    """Return the new address of a link that was sent for this login. Raises LinkIsDead."""
    try:
        new: str = signing.loads(token, salt=SALT, max_age=settings.PASSWORD_RESET_TIMEOUT)[0]
    except signing.BadSignature as error:
        raise LinkIsDead from error
    if not constant_time_compare(signing.loads(token, salt=SALT)[1], _state_of(user)):
        raise LinkIsDead
    return new


def _state_of(user: User) -> str:
    """Return what is another one after the password or the address was changed."""
    return signing.Signer(salt=SALT).signature(f"{user.pk} {user.email} {user.get_session_auth_hash()}")
