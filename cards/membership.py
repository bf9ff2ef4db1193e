"""Acts on who belongs to a household: inviting, joining, roles, handing over, leaving.

Each takes the household's row first, so that of two acts at once the second sees what the first has done.
"""

import datetime
import hashlib
import secrets

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import F
from django.dispatch import Signal
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from .journal import note
from .models import Card, Household, Invitation, LogEntry, Member, Person, User
from .rights import Right

# Sent with `member` and `now`, in the transaction in which somebody leaves: what other apps keep for them ends too.
member_left = Signal()

Kind = LogEntry.Kind
Role = Member.Role


class NotPossible(Exception):
    """The household cannot be changed so; the exception's text says why and what to do, in the active language."""


class InvitationGone(Exception):
    """The invitation does not exist, was used or taken back, or has run out; nobody is told which."""


class LoginExists(Exception):
    """There is a login of the invited address: it has to be signed in with, no second one is made."""


@transaction.atomic
def invite(
    by: Member,
    *,
    name: str,
    email: str,
    role: str,
    language: str,
    now: datetime.datetime,
    request: HttpRequest | None = None,
) -> tuple[Invitation, str]:
    """Write down that somebody is asked to join; return the invitation and its link's token, which is kept nowhere.

    Raises NotPossible when the address is a member's or invited already, PermissionDenied when `by` may not invite.
    """
    _hold(by, Right.MEMBERS)
    email = email.lower()
    if Member.objects.present().for_member(by).filter(user__email=email).exists():
        raise NotPossible(_("This address belongs to a member already."))
    if Invitation.objects.for_member(by).pending().filter(email=email).exists():
        raise NotPossible(_("This address is invited already. You can send that invitation again."))
    token = _new_token()
    invitation = Invitation.objects.create(
        household_id=by.household_id,
        email=email,
        name=name,
        role=role,
        language=language,
        by=by,
        token_hash=_hash(token),
        made_at=now,
    )
    note(by, Kind.INVITED, f"invitation:{invitation.pk}", name, {"role": ["", role]}, request)
    return invitation, token


@transaction.atomic
def invite_again(invitation: Invitation, by: Member, now: datetime.datetime, request: HttpRequest | None = None) -> str:
    """Give an invitation another seven days and a fresh token, which is returned; the link sent before is dead.

    Raises InvitationGone when it was accepted or taken back meanwhile.
    """
    _hold(by, Right.MEMBERS)
    token = _new_token()
    pending = Invitation.objects.for_member(by).pending().filter(pk=invitation.pk)
    if not pending.update(token_hash=_hash(token), made_at=now, by=by):
        raise InvitationGone
    note(by, Kind.INVITED, f"invitation:{invitation.pk}", invitation.name, request=request)
    return token


def send_invitation(invitation: Invitation, token: str) -> None:
    """Send the link by mail, in the invited person's language. Raises OSError when no mail can leave.

    To be called outside any transaction: a mail server takes its time.
    """
    invitation.refresh_from_db()
    with translation.override(invitation.language):
        context = {
            "name": _one_line(invitation.name),
            "by": _one_line(invitation.by or ""),
            "household": _one_line(invitation.household),
            "url": settings.SITE_URL + reverse("invitation", args=[token]),
            "until": invitation.expires_at,
        }
        subject = _one_line(render_to_string("cards/email/invitation_subject.txt", context))
        body = render_to_string("cards/email/invitation.txt", context)
    EmailMessage(subject, body, to=[invitation.email]).send()


@transaction.atomic
def revoke(invitation: Invitation, by: Member, now: datetime.datetime, request: HttpRequest | None = None) -> bool:
    """Take an invitation back: its link is dead. Return False when it was accepted or taken back before."""
    _hold(by, Right.MEMBERS)
    if not Invitation.objects.for_member(by).pending().filter(pk=invitation.pk).update(revoked_at=now):
        return False
    note(by, Kind.DELETED, f"invitation:{invitation.pk}", invitation.name, request=request)
    return True


def read_invitation(token: str, now: datetime.datetime) -> Invitation:
    """Return the invitation that a link's token opens now. Raises InvitationGone."""
    rows = Invitation.objects.open(now).select_related("household", "by")
    invitation = rows.filter(token_hash=_hash(token)).first()
    if invitation is None:
        raise InvitationGone
    return invitation


def login_of(invitation: Invitation) -> User | None:
    """Return the login of the invited address; None when it has none yet."""
    return User.objects.filter(email=invitation.email).first()


@transaction.atomic
def accept(
    token: str, user: User, time_zone: str, now: datetime.datetime, request: HttpRequest | None = None
) -> Member:
    """Make the login a member, and the invitation used; return the member.

    A login that was added meanwhile stays the member it is. Raises InvitationGone, also for another login than that of
    the invited address.
    """
    invitation = _held_invitation(token, now)
    if user.email != invitation.email:
        raise InvitationGone
    Invitation.objects.filter(pk=invitation.pk).update(accepted_at=now)
    household = invitation.household
    if member := Member.objects.filter(household=household, user=user, left_at=None).first():
        return member
    member = Member.objects.create(
        household=household,
        user=user,
        name=invitation.name,
        role=invitation.role,
        language=invitation.language,
        time_zone=time_zone,
    )
    note(member, Kind.JOINED, f"member:{member.pk}", member.name, {"role": ["", member.role]}, request)
    return member


@transaction.atomic
def accept_as_new(
    token: str, password: str, time_zone: str, now: datetime.datetime, request: HttpRequest | None = None
) -> Member:
    """Make a login of the invited address with this password, and its member, whom it returns.

    Raises InvitationGone, and LoginExists when the address has a login by now.
    """
    invitation = _held_invitation(token, now)
    try:
        with transaction.atomic():
            user = User.objects.create_user(invitation.email, password)
    except IntegrityError as error:
        raise LoginExists from error
    return accept(token, user, time_zone, now, request)


@transaction.atomic
def change_role(member: Member, role: str, by: Member, request: HttpRequest | None = None) -> bool:
    """Make a member a manager or a viewer (`role`); return False when they are that already.

    Raises NotPossible for the owner, who hands over instead.
    """
    _hold(by, Right.MEMBERS)
    member = _present(member)
    if member.role == Role.OWNER or role == Role.OWNER:
        raise NotPossible(_("A household has one owner. Hand it over to another member instead."))
    if member.role == role:
        return False
    _set_role(member, role, by, request)
    return True


@transaction.atomic
def hand_over(member: Member, by: Member, request: HttpRequest | None = None) -> None:
    """Make a member the owner of the household, and its owner (`by`) a manager. Raises NotPossible for oneself."""
    _hold(by, Right.MEMBERS)
    member = _present(member)
    if member == by:
        raise NotPossible(_("The household is yours already."))
    # First one goes, then the other comes: two owners at once the database refuses.
    _set_role(_present(by), Role.MANAGER, by, request)
    _set_role(member, Role.OWNER, by, request)


@transaction.atomic
def remove_member(member: Member, by: Member, now: datetime.datetime, request: HttpRequest | None = None) -> None:
    """Let a member of the household be none any more. Raises NotPossible for the owner."""
    _hold(by, Right.MEMBERS)
    member = _present(member)
    if member.role == Role.OWNER:
        raise NotPossible(_("The owner cannot be removed. Hand the household over first."))
    note(by, Kind.REMOVED, f"member:{member.pk}", member.name, request=request)
    _depart(member, now)


@transaction.atomic
def leave(member: Member, now: datetime.datetime, request: HttpRequest | None = None) -> None:
    """Let a member go by themselves. Raises NotPossible for the owner: a household without one helps nobody."""
    _hold(member, Right.LOOK)
    member = _present(member)
    if refusal := why_not_leave(member):
        raise NotPossible(refusal)
    note(member, Kind.LEFT, f"member:{member.pk}", member.name, request=request)
    _depart(member, now)


def why_not_leave(member: Member) -> str:
    """Return why the member cannot leave, and what to do; empty when they can."""
    if member.role != Role.OWNER:
        return ""
    if Member.objects.present().for_member(member).exclude(pk=member.pk).exists():
        return _("You are the owner. Hand the household over to another member first; then you can leave.")
    return _(
        "You are the only member: nobody else would see these numbers. Invite somebody, and hand over to them first."
    )


def _depart(member: Member, now: datetime.datetime) -> None:
    """Their cards go to the deputies, what only they saw is seen by all, and nothing reaches them any more."""
    Member.objects.filter(pk=member.pk).update(left_at=now, next_plan_at=None)
    cards = Card.objects.filter(household=member.household_id)
    cards.filter(deputy=member).update(deputy=None)
    cards.filter(responsible=member).update(responsible=F("deputy"), deputy=None)
    Card.seen_by.through.objects.filter(member=member).delete()
    cards.filter(is_private=True, seen_by=None).update(is_private=False)
    Person.objects.filter(member=member).update(member=None)
    member_left.send(Member, member=member, now=now)


def _set_role(member: Member, role: str, by: Member, request: HttpRequest | None) -> None:
    before, member.role = member.role, role
    member.save(update_fields=["role"])
    note(by, Kind.ROLE, f"member:{member.pk}", member.name, {"role": [before, role]}, request)


def _hold(by: Member, right: Right) -> None:
    """Wait for the household's row, and see that who acts still may. Raises PermissionDenied."""
    _lock(by.household_id)
    present = Member.objects.present().filter(pk=by.pk).first()
    if present is None or right not in present.rights:
        raise PermissionDenied(right)


def _held_invitation(token: str, now: datetime.datetime) -> Invitation:
    _lock(read_invitation(token, now).household_id)
    return read_invitation(token, now)


def _lock(household_id: int) -> None:
    """Wait for whoever else changes the household; rows that merely name it can be written meanwhile."""
    Household.objects.select_for_update(no_key=True).get(pk=household_id)


def _present(member: Member) -> Member:
    """Return the member as they are now. Raises NotPossible when they have left."""
    present = Member.objects.select_related("household", "user").filter(pk=member.pk, left_at=None).first()
    if present is None:
        raise NotPossible(_("%(name)s is no member any more.") % {"name": member.name})
    return present


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
