"""What holds for every rule and every history, and oracles that know neither `lifecycle` nor dateutil."""

import calendar
import dataclasses
import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renewals.lifecycle import (
    DAY,
    HORIZON,
    Event,
    Period,
    Rule,
    Stage,
    Standing,
    Step,
    stage,
    standing,
    why_unchanged,
)

KINDS = ["top_up", "activity", "fee_paid", "fee_from_balance"]
COUNTS_FROM = ["event", "expiry", "plan_end", "month_start"]
ACTS = ["top_up", "plan_purchase", "fee", "sms"]
CURRENCIES = ["CUP", "USD"]
STAGES_IN_ORDER = [
    {Stage.UNKNOWN, Stage.ACTIVE},
    {Stage.DUE},
    {Stage.URGENT},
    {Stage.GRACE},
    {Stage.RECOVERY},
    {Stage.LOST},
]
START = datetime.date(2027, 12, 1)
FOUR_YEARS = [datetime.date(2026, 1, 1) + number * DAY for number in range(1461)]
LENGTHS = [(value, "days") for value in (30, 90, 180, 365)] + [(value, "months") for value in (1, 3, 6, 12, 24)]

brief = settings(max_examples=60, deadline=None, database=None)


def months_later(anchor, months):
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return datetime.date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def later(anchor, value, unit):
    if unit == "months":
        return months_later(anchor, value)
    return datetime.date.fromordinal(anchor.toordinal() + value)


def days_from(first, last):
    return st.integers(first, last).map(lambda number: START + number * DAY)


def periods(most_months=30, most_days=800):
    return st.integers(1, most_months).map(lambda months: Period(months=months)) | st.integers(1, most_days).map(
        lambda days: Period(days=days)
    )


def perhaps(values):
    return st.none() | values


amounts = st.sampled_from([Decimal(text) for text in ("0.01", "5", "8", "99", "100", "250")])
channels = st.sampled_from(["inside", "abroad"])
steps = st.builds(Step, perhaps(amounts), st.sampled_from(CURRENCIES), channels | st.just("anywhere"), periods())


@st.composite
def rules(draw, kind=None, lengths=None):
    lengths = periods() if lengths is None else lengths
    buffer_days = draw(st.integers(0, 40))
    return Rule(
        kind=kind or draw(st.sampled_from(KINDS)),
        keeps=draw(lengths),
        qualifying_acts=draw(st.frozensets(st.sampled_from(ACTS), min_size=1)),
        counts_from=draw(st.sampled_from(COUNTS_FROM)),
        stack_limit_days=draw(perhaps(st.integers(0, 1000))),
        steps=tuple(draw(st.lists(steps, max_size=2))),
        grace=draw(perhaps(lengths | st.just(Period()))),
        grace_acts=draw(st.frozensets(st.sampled_from(ACTS), max_size=1)),
        recovery=draw(perhaps(lengths | st.just(Period()))),
        life_limit_days=draw(perhaps(st.integers(0, 3000))),
        lead_days=buffer_days + draw(st.integers(0, 40)),
        buffer_days=buffer_days,
        fee=draw(perhaps(amounts | st.just(Decimal(0)))),
        currency=draw(st.sampled_from(["", *CURRENCIES])),
    )


def acts(on, until=None, *, confirmed=None):
    return st.builds(
        Event,
        on=on,
        act=st.sampled_from(ACTS),
        amount=perhaps(amounts),
        currency=st.sampled_from(CURRENCIES),
        channel=channels,
        covers_until=perhaps(on if until is None else until),
        is_confirmed=st.booleans() if confirmed is None else st.just(confirmed),
    )


def readings(on, until=None):
    return st.builds(
        Event,
        on=on,
        currency=st.sampled_from(["", *CURRENCIES]),
        valid_until=perhaps(on if until is None else until),
        balance=perhaps(amounts),
        is_before_acts=st.booleans(),
        sequence=st.integers(0, 2),
    )


def histories(on, until=None, most=6):
    return st.lists(acts(on, until) | readings(on, until), max_size=most)


@pytest.mark.parametrize("kind", KINDS)
@brief
@given(data=st.data())
def test_standing_is_never_made_earlier_by_a_later_confirmed_act(kind, data):
    rule = data.draw(rules(kind))
    events = data.draw(histories(days_from(0, 700)))
    activated_on = data.draw(perhaps(days_from(-300, 300)))
    act = data.draw(acts(days_from(701, 2500), confirmed=True))
    before = standing([rule], events, activated_on=activated_on)
    after = standing([rule], [*events, act], activated_on=activated_on)
    assert before.deadline is None or after == before or after.deadline > before.deadline


@brief
@given(
    rule=rules(),
    events=histories(days_from(0, 700)),
    act=acts(days_from(701, 2500)),
    activated_on=perhaps(days_from(-300, 300)),
)
def test_standing_is_not_changed_by_an_act_that_is_refused(rule, events, act, activated_on):
    reason = why_unchanged([rule], act, events, activated_on=activated_on)
    if reason is not None:
        before = standing([rule], events, activated_on=activated_on)
        assert standing([rule], [*events, act], activated_on=activated_on) == before


@brief
@given(data=st.data(), several=st.lists(rules(), max_size=2), events=histories(days_from(0, 2)))
def test_standing_does_not_depend_on_the_order_in_which_events_are_given(data, several, events):
    shuffled = data.draw(st.permutations(events))
    assert standing(several, shuffled) == standing(several, events)
    act = data.draw(acts(days_from(3, 100)))
    assert why_unchanged(several, act, shuffled) is why_unchanged(several, act, events)


@brief
@given(several=st.lists(rules(), min_size=1, max_size=3), events=histories(days_from(0, 400)))
def test_standing_under_several_rules_is_the_earliest_of_each(several, events):
    answers = [standing([rule], events) for rule in several]
    known = [answer for answer in answers if answer.deadline]
    found = standing(several, events)
    if not known:
        assert found == Standing()
        return
    first = min(known, key=lambda answer: answer.deadline)
    lost = [answer.lost_on for answer in known if answer.lost_on]
    graces = [answer.grace_ends_on for answer in known if answer.grace_ends_on] + [day - DAY for day in lost]
    assert found == Standing(
        deadline=first.deadline,
        due_on=min(answer.due_on for answer in known),
        safe_on=min(answer.safe_on for answer in known),
        grace_ends_on=min(graces) if first.grace_ends_on else None,
        lost_on=min(lost, default=None),
        because=first.because,
        is_incomplete=len(known) < len(several),
    )


far = st.dates(datetime.date(1990, 1, 1), datetime.date.max)
near = st.dates(datetime.date(1990, 1, 1), datetime.date(2100, 1, 1))
longest = periods(32767 * 12, 32767)


@brief
@given(
    several=st.lists(rules(lengths=longest), max_size=3),
    events=histories(near, far),
    activated_on=perhaps(near),
    days=st.lists(far | near, min_size=2, max_size=5).map(sorted),
)
def test_standing_answers_for_any_history_and_its_stages_only_go_forward(several, events, activated_on, days):
    found = standing(several, events, activated_on=activated_on)
    stages = [stage(found, day) for day in days]
    places = [place for each in stages for place, names in enumerate(STAGES_IN_ORDER) if each in names]
    assert places == sorted(places)
    assert len(places) == len(days)
    if found.deadline is None:
        assert (found, set(stages)) == (Standing(), {Stage.UNKNOWN})
        return
    assert found.due_on <= found.safe_on <= found.deadline <= HORIZON
    assert found.grace_ends_on is None or found.deadline <= found.grace_ends_on < found.lost_on
    assert found.lost_on is None or found.deadline < found.lost_on
    assert [why_unchanged(several, event, events) for event in events if event.act is None] == [
        None for event in events if event.act is None
    ]


@pytest.mark.parametrize(("value", "unit"), [*LENGTHS, (2, "years")])
@pytest.mark.parametrize(("kind", "act"), [("fee_paid", "fee"), ("activity", "sms"), ("top_up", "top_up")])
def test_deadline_of_every_anchor_day_equals_the_calendar(kind, act, value, unit):
    rule = Rule(kind, Period.of(value, unit), frozenset({act}))
    found = [standing([rule], [Event(on=anchor, act=act)]).deadline for anchor in FOUR_YEARS]
    in_months = (12 * value, "months") if unit == "years" else (value, unit)
    assert found == [later(anchor, *in_months) for anchor in FOUR_YEARS]


@brief
@given(
    anchor=st.dates(datetime.date(2020, 1, 1), datetime.date(2040, 12, 31)),
    months=st.sampled_from([1, 3, 6, 12, 24]),
    count=st.integers(1, 20),
)
def test_fees_never_drift_from_their_anchor(anchor, months, count):
    rule = Rule("fee_paid", Period(months=months), frozenset({"fee"}))
    fees, found = [], []
    for number in range(count):
        fees.append(Event(on=found[-1] if number else anchor, act="fee"))
        found.append(standing([rule], fees).deadline)
    assert found == [months_later(anchor, months * number) for number in range(1, count + 1)]


@brief
@given(
    anchor=st.dates(datetime.date(2020, 1, 1), datetime.date(2040, 12, 31)),
    months=st.lists(st.integers(1, 24), min_size=1, max_size=12),
)
def test_stacked_months_never_drift_from_their_anchor(anchor, months):
    ladder = tuple(Step(Decimal(number), "EUR", "anywhere", Period(months=number)) for number in range(1, 25))
    rule = Rule("top_up", Period(months=1), frozenset({"top_up"}), counts_from="expiry", steps=ladder)
    payments = [Event(on=anchor, act="top_up", amount=Decimal(number), currency="EUR") for number in months]
    assert standing([rule], payments).deadline == months_later(anchor, sum(months))


@brief
@given(
    anchor=st.dates(datetime.date(2026, 1, 1), datetime.date(2029, 12, 31)),
    length=st.sampled_from(LENGTHS),
    missed=st.integers(0, 2000),
)
def test_late_fee_pays_until_the_next_day_of_the_schedule(anchor, length, missed):
    rule = Rule("fee_paid", Period.of(*length), frozenset({"fee"}))
    first = Event(on=anchor, act="fee")
    late = Event(on=standing([rule], [first]).deadline + missed * DAY, act="fee")
    schedule = [later(anchor, length[0] * number, length[1]) for number in range(2, 100)]
    assert standing([rule], [first, late]).deadline == next(end for end in schedule if end > late.on)


@brief
@given(
    read_on=days_from(0, 100),
    balance=st.integers(0, 60),
    price=st.integers(1, 20),
    waits=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 60)), max_size=5),
    charged_on=st.none() | st.integers(1, 31),
)
def test_fee_from_balance_equals_the_account_kept_day_by_day(read_on, balance, price, waits, charged_on):
    """An account that is charged in the evening of each charge day, and topped up while it still can pay."""
    activated_on = charged_on and datetime.date(2027, 1, charged_on)
    rule = Rule(
        "fee_from_balance",
        Period(months=1),
        frozenset({"top_up"}),
        counts_from="event" if charged_on else "month_start",
        fee=Decimal(price),
        grace=Period(),
    )
    events, today = [Event(on=read_on, balance=Decimal(balance), is_before_acts=True)], read_on
    for wait, amount in waits:
        today += wait * DAY
        events.append(Event(on=today, act="top_up", amount=Decimal(amount)))
    money, today = balance, read_on
    while True:
        money += sum(int(event.amount) for event in events if event.act and event.on == today)
        last = calendar.monthrange(today.year, today.month)[1]
        if today.day == (min(charged_on, last) if charged_on else 1):
            if money < price:
                break
            money -= price
        today += DAY
    assert standing([rule], events, activated_on=activated_on).deadline == today


@brief
@given(rule=rules(), events=histories(days_from(0, 700)))
def test_unconfirmed_acts_change_nothing(rule, events):
    """A life limit that nobody knows the start of counts from the first event, so none is set here."""
    rule = dataclasses.replace(rule, life_limit_days=None)
    counted = [event for event in events if event.act is None or event.is_confirmed]
    assert standing([rule], events) == standing([rule], counted)
