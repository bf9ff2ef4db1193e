"""A member's private calendar address: whoever has it may read, so it is shown once and kept as a hash only."""

import datetime
import hashlib
import secrets

from django.conf import settings
from django.urls import reverse

from cards.models import Member

from .models import CalendarFeed


def make_feed(member: Member, now: datetime.datetime) -> str:
    """Make the member's calendar address and return it; the one they had before is no more."""
    token = secrets.token_urlsafe(32)
    made = {"household_id": member.household_id, "token_hash": _hash(token), "created_at": now}
    CalendarFeed.objects.update_or_create(member=member, defaults=made)
    return settings.SITE_URL + reverse("calendar_feed", args=[token])


def revoke_feed(member: Member) -> None:
    """From now on the member's calendar address does not exist."""
    CalendarFeed.objects.filter(member=member).delete()


def reader_of(token: str) -> Member | None:
    """Return the member whose calendar address this is; None when it is nobody's, or their login is closed."""
    feeds = CalendarFeed.objects.filter(token_hash=_hash(token), member__left_at=None, member__user__is_active=True)
    feed = feeds.select_related("member__household").first()
    return feed.member if feed else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
