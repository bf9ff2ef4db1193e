"""The log of a household: one line for each act that somebody may have to answer for."""

import datetime
import ipaddress
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from .models import LogEntry, Member
from .rights import Right

# The fields whose values the log keeps. Of every other one, and so of a new one, it only says that it was changed:
# numbers, secrets, addresses and notes are nobody's business a year later.
SHOWN: dict[str, frozenset[str]] = {
    "Card": frozenset(
        {"name", "person", "plan", "responsible", "deputy", "reminder_level", "reminder_days", "is_private", "seen_by",
         "form", "activated_on", "closed_on"}
    ),
    "Document": frozenset({"person", "kind", "issued_by", "expires_on"}),
    "Household": frozenset({"name", "currency", "checks_signal", "backs_up_papers", "requires_second_factor"}),
    "Member": frozenset(
        {"name", "role", "language", "time_zone", "remind_at", "reminder_level", "reminder_days", "away_from",
         "away_until"}
    ),
    "Person": frozenset({"name", "member"}),
    "Payment": frozenset(
        {"kind", "amount", "currency", "charged_amount", "charged_currency", "channel", "method", "via", "paid_on",
         "covers_until"}
    ),
    "Activity": frozenset({"kind", "done_on", "cost", "currency"}),
    "Reading": frozenset({"read_on", "balance", "currency", "valid_until"}),
    "SignalCheck": frozenset({"checked_on", "bars"}),
}  # fmt: skip
# A refused member who presses on fills no log: one line in so long a time.
REFUSED_ONCE = datetime.timedelta(minutes=1)


def note(
    member: Member,
    kind: LogEntry.Kind,
    subject: str = "",
    name: str = "",
    changed: dict[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Write down what a member did, in the transaction of the act.

    `subject` is such as card:5 (what hangs on a card names the card), `name` what the family calls it. `changed` holds
    {field: [before, after]}, and [] for a field whose values are not kept. `request` of None: not done through a page,
    so no address is known.
    """
    LogEntry.objects.create(
        household_id=member.household_id,
        member=member,
        kind=kind,
        subject=subject,
        name=name[:200],
        changed=changed or {},
        address=_address_of(request) if request else None,
    )


def note_change(member: Member, before: dict[str, Any], row: Model, request: HttpRequest | None = None) -> None:
    """Write down how a row differs now from what `state_of` returned before; nothing when it does not."""
    if changed := differences(before, row):
        subject = f"{row._meta.model_name}:{row.pk}"
        note(member, LogEntry.Kind.CHANGED, subject, str(row), changed, request)


def state_of(row: Model) -> dict[str, Any]:
    """Return the values of the fields that people change, to be compared with those of another moment.

    It holds secrets, so it is for `differences` only.
    """
    fields = [field for field in row._meta.concrete_fields if field.editable and not field.primary_key]
    values = {field.name: getattr(row, field.attname) for field in fields if not _is_shown_link(row, field)}
    values |= {field.name: _text_of(getattr(row, field.name)) for field in fields if _is_shown_link(row, field)}
    links = [field for field in row._meta.many_to_many if field.name in _shown(row)]
    return values | {field.name: sorted(map(str, getattr(row, field.name).all())) for field in links}


def differences(before: dict[str, Any], row: Model) -> dict[str, Any]:
    """Return {field: [before, after]} of what changed in a row, and [] where the values are not for the log."""
    after, shown = state_of(row), _shown(row)
    return {
        name: [_plain(before[name]), _plain(value)] if name in shown else []
        for name, value in after.items()
        if name in before and before[name] != value
    }


def note_refusal(request: HttpRequest, error: PermissionDenied) -> None:
    """Write down that a member tried to do what their role may not; looking is not trying."""
    member: Member | None = getattr(request, "member", None)
    right = error.args[0] if error.args else None
    if member is None or request.method in {"GET", "HEAD"} or not isinstance(right, Right):
        return
    lately = timezone.now() - REFUSED_ONCE
    if not LogEntry.objects.filter(member=member, kind=LogEntry.Kind.DENIED, at__gt=lately).exists():
        note(member, LogEntry.Kind.DENIED, f"right:{right}", request=request)


def forget_log(before: datetime.datetime) -> int:
    """Delete the lines older than `before`, of every household; return how many. The one place that may."""
    lines = LogEntry.objects.filter(at__lt=before)
    deleted: int = lines._raw_delete(lines.db)
    return deleted


def _address_of(request: HttpRequest) -> str | None:
    address = request.META.get("REMOTE_ADDR", "")
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:  # a server behind a Unix socket knows none
        return None


def _shown(row: Model) -> frozenset[str]:
    return SHOWN.get(type(row).__name__, frozenset())


def _is_shown_link(row: Model, field: Any) -> bool:
    return field.is_relation and field.name in _shown(row)


def _text_of(row: Model | None) -> str | None:
    return None if row is None else str(row)


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value
