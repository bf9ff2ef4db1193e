"""The walk through a renewal: start, take, finish or skip steps, confirm, reject, abandon.

Paid is not renewed: a payment moves no deadline until the operator has been seen to have it.
"""

import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from cards.models import Card, Member

from .bin import save_correction
from .deadlines import recompute_card
from .models import Activity, DocumentCheck, Payment, Reading, Renewal, RenewalStep, plan_terms
from .models.renewal import CLAIM_LASTS
from .reminders.hours import first_instant

Key = RenewalStep.Key

PREPARE = (Key.BALANCE, Key.VALIDITY, Key.DOCUMENTS)
PAY_STEPS = (*PREPARE, Key.VISIT, Key.SIGN_IN, Key.CHOOSE, Key.PAY, Key.CONFIRM)
ACT_STEPS = (*PREPARE, Key.ACT, Key.CONFIRM)
# Where a rejected try can have gone wrong; a new try starts there.
CAN_FAIL = (Key.DOCUMENTS, Key.CHOOSE, Key.PAY, Key.ACT)
# How long to wait before asking again when the operator's usual time is not known.
USUAL_REVIEW = datetime.timedelta(hours=48)


class StaleStep(Exception):
    """The step was saved by somebody else since the form was shown; nothing was written. `step` is as it is now."""

    def __init__(self, step: RenewalStep) -> None:
        super().__init__(step.key)
        self.step = step


class RenewalClosed(Exception):
    """The renewal was finished meanwhile; nothing was written. `renewal` is as it is now."""

    def __init__(self, renewal: Renewal) -> None:
        super().__init__(renewal.state)
        self.renewal = renewal


class _NotRenewed(Exception):
    pass


def start_renewal(card: Card, member: Member, now: datetime.datetime) -> Renewal:
    """Return the card's open renewal, or start one, taken by `member`.

    After a rejected try, the new one starts from the step that failed: what was done before it stays done.
    """
    try:
        with transaction.atomic():
            return card.renewals.open().first() or _new_renewal(card, member, now)
    except IntegrityError:
        return card.renewals.open().get()


def take_renewal(renewal: Renewal, member: Member, now: datetime.datetime) -> None:
    """Say “I am doing it”: shown to the others for a day, so that two members do not pay twice."""
    with transaction.atomic():
        _write(renewal, taken_by=member, taken_at=now)
        _be_quiet(renewal.card, now)


def finish_step(
    step: RenewalStep,
    member: Member,
    revision: int,
    now: datetime.datetime,
    *,
    note: str = "",
    skip: bool = False,
) -> None:
    """Record that `member` did the step, or skipped it for the reason in `note`.

    `revision` is the one the member saw. Raises StaleStep when it is not the present one any more, and
    RenewalClosed when the renewal has ended.
    """
    with transaction.atomic():
        won = RenewalStep.objects.filter(pk=step.pk, revision=revision, renewal__state__in=Renewal.OPEN_STATES).update(
            revision=revision + 1, done_at=now, done_by=member, note=note, is_skipped=skip
        )
        step.refresh_from_db()
        if not won:
            renewal = Renewal.objects.get(pk=step.renewal_id)
            raise StaleStep(step) if renewal.is_open else RenewalClosed(renewal)
        _advance(step.renewal, now)


def record_reading(reading: Reading) -> None:
    """Keep what a member saw at the operator, and let it move the card's dates."""
    with transaction.atomic():
        save_correction(reading)
        recompute_card(reading.card)


def record_checks(renewal: Renewal, member: Member, checks: list[DocumentCheck], now: datetime.datetime) -> None:
    """Keep how ready each paper was; a second look replaces the first within the same renewal."""
    renewal.document_checks.all().delete()
    for check in checks:
        check.household_id, check.renewal = renewal.household_id, renewal
        check.checked_by, check.checked_at = member, now
    DocumentCheck.objects.bulk_create(checks)


def record_order(renewal: Renewal, order: dict[str, Any]) -> None:
    """Keep what is to be bought: plan, act, amount and currency."""
    _write(renewal, **order)


def ask_again(renewal: Renewal, day: datetime.date, member: Member) -> None:
    """Ask about the review again on `day`, at the member's mail hour."""
    _write(renewal, follow_up_at=first_instant(member.zone, day, member.remind_at))


def note_deadline_before(renewal: Renewal) -> None:
    """Keep the card's deadline as the one before this renewal; the first steps may have corrected it."""
    _write(renewal, deadline_before=renewal.card.deadline)


def confirm_renewal(
    step: RenewalStep,
    member: Member,
    revision: int,
    now: datetime.datetime,
    today: datetime.date,
    reading: Reading | None,
) -> bool:
    """Confirm what was paid or done by what the operator now shows, and finish the renewal if that moved the deadline.

    `reading` is not yet saved; None only where a use of the line was seen to be charged. Returns False when the
    deadline did not move: then the reading is kept, the payment stays unconfirmed, and the old deadline armed.
    """
    renewal = step.renewal
    seen_on = reading.read_on if reading else today
    try:
        with transaction.atomic():
            finish_step(step, member, revision, now)
            if reading:
                reading.save()
            renewal.payments.kept().filter(confirmed_on=None).update(confirmed_on=seen_on)
            renewal.activities.kept().filter(confirmed_on=None).update(confirmed_on=seen_on)
            after = recompute_card(renewal.card).deadline
            before = renewal.deadline_before
            if after is None or (before is not None and after <= before):
                raise _NotRenewed
            _write(
                renewal,
                state=Renewal.State.RENEWED,
                deadline_after=after,
                finished_at=now,
                finished_by=member,
            )
    except _NotRenewed:
        renewal.refresh_from_db()
        step.refresh_from_db()
        if reading:
            reading.pk = None
            reading._state.adding = True
            record_reading(reading)
        return False
    return True


def reject_renewal(renewal: Renewal, member: Member, failed_step: str, reason: str, now: datetime.datetime) -> None:
    """The operator refused. The reason is kept, the old deadline stays. Raises RenewalClosed when already ended."""
    _close(
        renewal,
        state=Renewal.State.REJECTED,
        failed_step=failed_step,
        reason=reason,
        finished_at=now,
        finished_by=member,
    )


def abandon_renewal(renewal: Renewal, member: Member, reason: str, now: datetime.datetime) -> None:
    """Stop without an outcome. Raises RenewalClosed when already ended."""
    _close(renewal, state=Renewal.State.ABANDONED, reason=reason, finished_at=now, finished_by=member)


def record_quick_renewal(
    act: Payment | Activity,
    reading: Reading | None,
    is_charged: bool,
    member: Member,
    now: datetime.datetime,
    today: datetime.date,
) -> tuple[Renewal, bool]:
    """Record in one go that somebody has already topped up or used the line; return the renewal and if it is renewed.

    An open renewal of the card is used; its steps before the payment count as skipped. Without a `reading`, and for
    a use of the line without `is_charged`, the renewal goes on awaiting its confirmation.
    """
    with transaction.atomic():
        renewal = start_renewal(act.card, member, now)
        last = Key.ACT if isinstance(act, Activity) else Key.PAY
        for step in renewal.steps.filter(done_at=None).exclude(key__in=[last, Key.CONFIRM]):
            finish_step(step, member, step.revision, now, note=_("Recorded afterwards in one form"), skip=True)
        step = renewal.steps.filter(key__in=[Key.PAY, Key.ACT]).get()
        finish_step(step, member, step.revision, now)
        act.renewal = renewal
        act.save()
        confirm = renewal.steps.get(key=Key.CONFIRM)
    if reading is None and not is_charged:
        return renewal, False
    if reading is not None:
        reading.renewal, reading.step = confirm.renewal, Key.CONFIRM
    renewed = confirm_renewal(confirm, member, confirm.revision, now, today, reading)
    return confirm.renewal, renewed


def _be_quiet(card: Card, now: datetime.datetime) -> None:
    """Spare the others their reminders for a day; and then not for a day, or taking turns would silence everybody."""
    may_begin = Q(quiet_since=None) | Q(quiet_since__lte=now - 2 * CLAIM_LASTS) | Q(quiet_since__gt=now)
    Card.objects.filter(may_begin, pk=card.pk).update(quiet_since=now)


def _new_renewal(card: Card, member: Member, now: datetime.datetime) -> Renewal:
    rules = list(card.plan.rules.all())
    rule = next((each for each in rules if each.pk == card.deadline_source.get("rule")), rules[0] if rules else None)
    failed = card.renewals.filter(state=Renewal.State.REJECTED, retry=None).first()
    if failed and card.renewals.filter(opened_at__gt=failed.opened_at).exists():
        failed = None
    renewal = Renewal.objects.create(
        household_id=card.household_id,
        card=card,
        rule=rule,
        deadline_before=card.deadline,
        opened_at=now,
        opened_by=member,
        taken_by=member,
        taken_at=now,
        plan_terms=plan_terms(card.plan),
        plan=failed.plan if failed else card.plan,
        act=failed.act if failed else "",
        amount=failed.amount if failed else None,
        currency=failed.currency if failed else "",
        retry_of=failed,
    )
    _be_quiet(card, now)
    keys = ACT_STEPS if rule and rule.kind == "activity" else PAY_STEPS
    steps = [
        RenewalStep(household_id=card.household_id, renewal=renewal, key=key, position=position)
        for position, key in enumerate(keys, 1)
    ]
    if failed:
        _copy_what_stands(failed, renewal, steps)
    RenewalStep.objects.bulk_create(steps)
    _advance(renewal, now)
    return renewal


def _copy_what_stands(failed: Renewal, renewal: Renewal, steps: list[RenewalStep]) -> None:
    """Take over what the failed try had done, but for the step that failed; another choice must be paid anew."""
    undone = {failed.failed_step, Key.CONFIRM} | ({Key.PAY} if failed.failed_step == Key.CHOOSE else set())
    done = {step.key: step for step in failed.steps.exclude(key__in=undone).exclude(done_at=None)}
    for step in steps:
        if old := done.get(step.key):
            step.done_at, step.done_by = old.done_at, old.done_by
            step.note, step.is_skipped = old.note, old.is_skipped
    if Key.PAY in done or Key.ACT in done:
        failed.payments.kept().filter(confirmed_on=None).update(renewal=renewal)
        failed.activities.kept().filter(confirmed_on=None).update(renewal=renewal)


def _advance(renewal: Renewal, now: datetime.datetime) -> None:
    """Let the state follow the steps; going back to correct one does not take the state back."""
    done = set(renewal.steps.exclude(done_at=None).values_list("key", flat=True))
    if done & {Key.PAY, Key.ACT}:
        if renewal.state != Renewal.State.AWAITING:
            hours = renewal.card.plan.operator.review_hours
            wait = datetime.timedelta(hours=hours) if hours else USUAL_REVIEW
            _write(renewal, state=Renewal.State.AWAITING, submitted_at=now, follow_up_at=now + wait)
    elif done.issuperset(PREPARE) and renewal.state == Renewal.State.PREPARING:
        _write(renewal, state=Renewal.State.RENEWING)


def _close(renewal: Renewal, **fields: object) -> None:
    still_open = Renewal.objects.filter(pk=renewal.pk, state__in=Renewal.OPEN_STATES)
    if not still_open.update(**fields, **_next_revision()):
        renewal.refresh_from_db()
        raise RenewalClosed(renewal)
    for name, value in fields.items():
        setattr(renewal, name, value)


def _write(renewal: Renewal, **fields: object) -> None:
    is_news = any(fields[name] != getattr(renewal, name) for name in fields.keys() & {"state", "follow_up_at"})
    Renewal.objects.filter(pk=renewal.pk).update(**fields, **(_next_revision() if is_news else {}))
    for name, value in fields.items():
        setattr(renewal, name, value)


def _next_revision() -> dict[str, Any]:
    """Return what is written with a change that calendars show."""
    return {"revision": F("revision") + 1, "changed_at": timezone.now()}
