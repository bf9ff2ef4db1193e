"""What follows from a deadline: stages, grace, recovery, readings, several rules, the limit of a life."""

import dataclasses
import datetime
import itertools
from decimal import Decimal

import pytest

from renewals.lifecycle import (
    DAY,
    HORIZON,
    Because,
    Event,
    Period,
    Reason,
    Rule,
    Stage,
    Standing,
    Step,
    stage,
    standing,
    why_unchanged,
)

day = datetime.date.fromisoformat

# 100 days from the act: an act on 2026-01-01 keeps until 2026-04-11.
SIMPLE = Rule("top_up", Period(days=100), frozenset({"top_up"}), grace=Period(days=30))
ACT = Event(on=day("2026-01-01"), act="top_up")


def act(on, name="top_up", **more):
    return Event(on=day(on), act=name, **more)


def reading(on, valid_until=None, balance=None, **more):
    return Event(
        on=day(on),
        valid_until=valid_until and day(valid_until),
        balance=None if balance is None else Decimal(balance),
        **more,
    )


def with_(rule=SIMPLE, **changes):
    return dataclasses.replace(rule, **changes)


def dates(found):
    """The five dates of a standing, as they are written."""
    listed = (found.deadline, found.due_on, found.safe_on, found.grace_ends_on, found.lost_on)
    return [each and each.isoformat() for each in listed]


def around(boundary):
    return [day(boundary) + offset * DAY for offset in (-1, 0, 1)]


@pytest.mark.parametrize(
    ("boundary", "stages"),
    [
        ("2026-03-12", [Stage.ACTIVE, Stage.DUE, Stage.DUE]),  # due_on
        ("2026-04-04", [Stage.DUE, Stage.DUE, Stage.URGENT]),  # safe_on
        ("2026-04-11", [Stage.URGENT, Stage.URGENT, Stage.GRACE]),  # deadline
        ("2026-05-11", [Stage.GRACE, Stage.GRACE, Stage.RECOVERY]),  # grace_ends_on
        ("2026-07-10", [Stage.RECOVERY, Stage.RECOVERY, Stage.LOST]),  # the day before lost_on
        ("2026-07-11", [Stage.RECOVERY, Stage.LOST, Stage.LOST]),  # lost_on
    ],
)
def test_stage_turns_at_each_boundary(boundary, stages):
    found = standing([with_(recovery=Period(days=60))], [ACT])
    assert dates(found) == ["2026-04-11", "2026-03-12", "2026-04-04", "2026-05-11", "2026-07-11"]
    assert [stage(found, today) for today in around(boundary)] == stages


@pytest.mark.parametrize(
    ("rule", "expected", "boundary", "stages"),
    [
        (with_(), ["2026-05-11", "2026-05-12"], "2026-05-11", [Stage.GRACE, Stage.GRACE, Stage.LOST]),
        (
            with_(recovery=Period()),
            ["2026-05-11", "2026-05-12"],
            "2026-05-11",
            [Stage.GRACE, Stage.GRACE, Stage.LOST],
        ),
        (
            with_(grace=Period()),
            ["2026-04-11", "2026-04-12"],
            "2026-04-11",
            [Stage.URGENT, Stage.URGENT, Stage.LOST],
        ),
        (
            with_(grace=Period(), recovery=Period(months=1)),
            ["2026-04-11", "2026-05-12"],
            "2026-04-11",
            [Stage.URGENT, Stage.URGENT, Stage.RECOVERY],
        ),
        (with_(grace=None), [None, None], "2026-04-11", [Stage.URGENT, Stage.URGENT, Stage.GRACE]),
        (
            with_(grace=None, recovery=Period(days=60)),
            [None, None],
            "2026-04-11",
            [Stage.URGENT, Stage.URGENT, Stage.GRACE],
        ),
    ],
)
def test_grace_and_recovery_follow_the_deadline(rule, expected, boundary, stages):
    found = standing([rule], [ACT])
    assert dates(found) == ["2026-04-11", "2026-03-12", "2026-04-04", *expected]
    assert [stage(found, today) for today in around(boundary)] == stages


def test_grace_that_is_not_known_stays_grace_however_long_ago():
    found = standing([with_(grace=None)], [ACT])
    assert (found.grace_ends_on, found.lost_on, stage(found, day("2056-01-01"))) == (None, None, Stage.GRACE)


def test_grace_in_months_is_clamped():
    rule = with_(keeps=Period(months=1), grace=Period(months=1), recovery=Period(months=1))
    found = standing([rule], [act("2025-12-31")])
    assert dates(found) == ["2026-01-31", "2026-01-01", "2026-01-24", "2026-02-28", "2026-03-29"]


def test_stage_without_buffer_is_due_until_the_deadline_itself():
    found = standing([with_(lead_days=0, buffer_days=0)], [ACT])
    assert [stage(found, today) for today in around("2026-04-11")] == [Stage.ACTIVE, Stage.DUE, Stage.GRACE]


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        [act("2026-01-01", "call")],
        [act("2026-01-01", is_confirmed=False)],
        [reading("2026-01-01", balance=500)],
    ],
)
def test_standing_of_a_card_without_a_date_is_unknown_and_never_safe(nothing):
    found = standing([SIMPLE], nothing)
    assert found == Standing()
    assert {stage(found, today) for today in around("2026-01-01")} == {Stage.UNKNOWN}


def test_standing_without_rules_is_unknown():
    assert standing([], [ACT, reading("2026-01-02", "2027-01-01")]) == Standing()


@pytest.mark.parametrize(
    ("on", "reason", "expected"),
    [
        ("2026-04-11", None, "2026-07-20"),  # the deadline
        ("2026-04-12", None, "2026-07-21"),  # the first day of grace
        ("2026-05-11", None, "2026-08-19"),  # its last day
        ("2026-05-12", Reason.AFTER_GRACE, "2026-04-11"),
        ("2027-05-12", Reason.AFTER_GRACE, "2026-04-11"),
    ],
)
def test_act_saves_until_the_last_day_of_grace(on, reason, expected):
    assert dates(standing([SIMPLE], [ACT, act(on)]))[0] == expected
    assert why_unchanged([SIMPLE], act(on), [ACT]) is reason


def test_act_in_recovery_does_not_count_and_a_reading_brings_the_number_back():
    rule = with_(recovery=Period(days=300))
    late, back = act("2026-06-01"), reading("2026-06-02", "2026-09-09")
    assert standing([rule], [ACT, late]) == standing([rule], [ACT])
    assert why_unchanged([rule], late, [ACT]) is Reason.AFTER_GRACE
    assert dates(standing([rule], [ACT, late, back]))[0] == "2026-09-09"
    assert why_unchanged([rule], act("2026-06-03"), [ACT, late, back]) is None


def test_act_saves_at_any_time_where_the_grace_is_not_known():
    assert dates(standing([with_(grace=None)], [ACT, act("2030-01-01")]))[0] == "2030-04-11"


def test_grace_acts_save_in_grace_and_only_there():
    rule = Rule(
        "activity",
        Period(days=100),
        frozenset({"sms"}),
        grace=Period(days=30),
        grace_acts=frozenset({"top_up"}),
    )
    sms = act("2026-01-01", "sms")
    refusals = {
        (name, on): why_unchanged([rule], act(on, name), [sms])
        for name, on in itertools.product(["sms", "top_up"], ["2026-04-11", "2026-04-12", "2026-05-12"])
    }
    assert refusals == {
        ("sms", "2026-04-11"): None,
        ("sms", "2026-04-12"): Reason.WRONG_ACT,
        ("sms", "2026-05-12"): Reason.AFTER_GRACE,
        ("top_up", "2026-04-11"): Reason.WRONG_ACT,
        ("top_up", "2026-04-12"): None,
        ("top_up", "2026-05-12"): Reason.AFTER_GRACE,
    }
    assert dates(standing([rule], [sms, act("2026-04-12", "sms")]))[0] == "2026-04-11"
    assert dates(standing([rule], [sms, act("2026-04-12", "top_up")]))[0] == "2026-07-21"


def test_grace_asks_the_same_amount_as_before():
    rule = with_(steps=(Step(Decimal(100), "CUP", "inside", Period(days=100)),), grace_acts=frozenset({"top_up"}))
    first = act("2026-01-01", amount=Decimal(100), currency="CUP")
    saving = act("2026-05-01", amount=Decimal(99), currency="CUP")
    assert why_unchanged([rule], saving, [first]) is Reason.TOO_SMALL
    assert standing([rule], [first, saving]) == standing([rule], [first])


def test_paid_is_not_renewed_until_it_is_confirmed():
    waiting = act("2026-03-01", is_confirmed=False)
    assert standing([SIMPLE], [ACT, waiting]) == standing([SIMPLE], [ACT])
    assert why_unchanged([SIMPLE], waiting, [ACT]) is Reason.NOT_CONFIRMED
    assert dates(standing([SIMPLE], [ACT, dataclasses.replace(waiting, is_confirmed=True)]))[0] == "2026-06-09"


@pytest.mark.parametrize("shown", ["2026-02-02", "2026-04-10", "2026-04-11", "2026-04-12", "2027-12-31"])
def test_reading_overrides_what_was_computed_before_it(shown):
    seen = reading("2026-01-15", shown)
    found = standing([SIMPLE], [ACT, seen])
    end = day(shown)
    assert found == Standing(
        deadline=end,
        due_on=end - 30 * DAY,
        safe_on=end - 7 * DAY,
        grace_ends_on=end + 30 * DAY,
        lost_on=end + 31 * DAY,
        because=Because(Reason.READING, seen, SIMPLE),
    )


def test_reading_holds_until_a_later_act():
    seen, later = reading("2026-01-15", "2026-02-02"), act("2026-01-16")
    found = standing([SIMPLE], [ACT, seen, later])
    assert (dates(found)[0], found.because) == ("2026-04-26", Because(Reason.ACT, later, SIMPLE))
    assert dates(standing([SIMPLE], [ACT, later, dataclasses.replace(seen, on=day("2026-01-17"))]))[0] == "2026-02-02"


def test_reading_of_a_later_day_is_not_shortened_by_an_act():
    seen = reading("2026-01-15", "2027-12-31")
    assert standing([SIMPLE], [ACT, seen, act("2026-01-16")]) == standing([SIMPLE], [ACT, seen])


def test_reading_of_a_balance_alone_leaves_the_date_as_it_was():
    assert standing([SIMPLE], [ACT, reading("2026-01-15", balance=3)]) == standing([SIMPLE], [ACT])


def test_reading_that_confirms_the_computed_day_keeps_its_anchor():
    rule = Rule("fee_paid", Period(months=1), frozenset({"fee"}))
    fees = [act("2026-01-31", "fee"), act("2026-02-28", "fee")]
    seen = reading("2026-02-01", "2026-02-28")
    assert standing([rule], [fees[0], seen]).because == Because(Reason.READING, seen, rule)
    assert dates(standing([rule], [fees[0], seen, fees[1]]))[0] == "2026-03-31"


@pytest.mark.parametrize(
    ("is_before_acts", "expected"),
    [
        (False, "2026-02-02"),  # it has seen the act: what it shows counts
        (True, "2026-04-11"),  # it was made before the act, which moves the deadline
    ],
)
def test_reading_on_the_day_of_an_act_counts_after_it_unless_made_before(is_before_acts, expected):
    seen = reading("2026-01-01", "2026-02-02", is_before_acts=is_before_acts)
    assert [dates(standing([SIMPLE], order))[0] for order in ([ACT, seen], [seen, ACT])] == [
        expected,
        expected,
    ]


def test_readings_of_one_day_follow_their_sequence():
    first = reading("2026-01-01", "2026-02-02", sequence=1)
    second = reading("2026-01-01", "2027-02-02", sequence=2)
    before = reading("2026-01-01", "2028-02-02", sequence=3, is_before_acts=True)
    for order in itertools.permutations([first, second, before]):
        assert standing([SIMPLE], order) == standing([SIMPLE], [second])


def test_readings_of_one_day_without_sequence_take_what_promises_less():
    more, less = reading("2026-01-01", "2027-02-02"), reading("2026-01-01", "2026-02-02")
    for order in itertools.permutations([more, less, reading("2026-01-01", balance=9)]):
        assert standing([SIMPLE], order) == standing([SIMPLE], [less])


def test_balances_of_one_day_without_sequence_take_the_smaller():
    rule = Rule("fee_from_balance", Period(months=1), frozenset({"top_up"}), counts_from="month_start", fee=Decimal(8))
    more, less = reading("2026-01-15", balance=80), reading("2026-01-15", balance=8)
    for order in itertools.permutations([more, less]):
        assert standing([rule], order) == standing([rule], [less])


def test_acts_of_one_day_stand_in_the_order_of_what_they_are():
    small = act("2026-01-01", amount=Decimal(5), currency="EUR")
    alike = [
        small,
        dataclasses.replace(small, amount=Decimal(6)),
        dataclasses.replace(small, amount=None),
        dataclasses.replace(small, currency="USD"),
        dataclasses.replace(small, channel="abroad"),
        dataclasses.replace(small, covers_until=day("2026-01-02")),
        dataclasses.replace(small, act="plan_purchase"),
    ]
    rule = with_(qualifying_acts=frozenset({"top_up", "plan_purchase"}))
    for pair in itertools.combinations(alike, 2):
        assert standing([rule], pair) == standing([rule], reversed(pair))
    assert standing([rule], alike).because == Because(Reason.ACT, dataclasses.replace(small, act="plan_purchase"), rule)


def test_balance_and_validity_of_one_reading_show_the_validity():
    rule = Rule("fee_from_balance", Period(months=1), frozenset({"top_up"}), counts_from="month_start", fee=Decimal(8))
    seen, top_up = reading("2026-01-15", "2026-02-10", balance=80), act("2026-01-20", amount=Decimal(8))
    assert standing([rule], [seen]).because == Because(Reason.READING, seen, rule)
    assert dates(standing([rule], [seen]))[0] == "2026-02-10"
    assert dates(standing([rule], [seen, top_up]))[0] == "2027-01-01"


def test_several_rules_take_the_earliest_deadline_and_name_its_rule():
    load = with_(keeps=Period(days=365))
    use = Rule("activity", Period(days=100), frozenset({"sms"}), grace=Period(days=60))
    sms = act("2026-01-01", "sms")
    for rules in ([load, use], [use, load]):
        found = standing(rules, [ACT, sms])
        assert found.because == Because(Reason.ACT, sms, use)
        assert dates(found) == ["2026-04-11", "2026-03-12", "2026-04-04", "2026-06-10", "2026-06-11"]
    used = [act(on, "sms") for on in ("2026-04-01", "2026-07-01", "2026-10-01")]
    assert standing([load, use], [ACT, sms, *used]).because == Because(Reason.ACT, ACT, load)


def test_several_rules_of_which_one_has_no_answer_are_not_called_safe():
    use = Rule("activity", Period(days=100), frozenset({"sms"}))
    found = standing([SIMPLE, use], [ACT])
    assert found == dataclasses.replace(standing([SIMPLE], [ACT]), is_incomplete=True)
    stages = [stage(found, day(on)) for on in ("2026-03-11", "2026-03-12", "2026-04-05", "2026-04-12", "2026-05-12")]
    assert stages == [Stage.UNKNOWN, Stage.DUE, Stage.URGENT, Stage.GRACE, Stage.LOST]
    complete = standing([SIMPLE, use], [ACT, act("2026-01-02", "sms")])
    assert (complete.is_incomplete, stage(complete, day("2026-03-11"))) == (False, Stage.ACTIVE)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        # The other rule's deadline is five days later, 2026-04-16, but it may take the number first.
        ({"grace": Period()}, ["2026-03-12", "2026-04-04", "2026-04-16", "2026-04-17"]),
        ({"grace": Period(days=400)}, ["2026-03-12", "2026-04-04", "2026-05-11", "2026-05-12"]),
        (
            {"grace": Period(), "recovery": Period(days=300)},
            ["2026-03-12", "2026-04-04", "2026-04-16", "2026-05-12"],
        ),
        ({"grace": None}, ["2026-03-12", "2026-04-04", "2026-05-11", "2026-05-12"]),
        ({"lead_days": 90, "buffer_days": 60}, ["2026-01-16", "2026-02-15", "2026-05-11", "2026-05-12"]),
        ({"grace": None, "life_limit_days": 110}, ["2026-03-12", "2026-04-04", "2026-04-21", "2026-04-22"]),
    ],
)
def test_several_rules_take_the_earliest_of_each_date(other, expected):
    rules = [SIMPLE, with_(keeps=Period(days=105), **other)]
    for order in (rules, rules[::-1]):
        found = standing(order, [ACT])
        assert dates(found) == ["2026-04-11", *expected]
        assert found.because == Because(Reason.ACT, ACT, SIMPLE)


def test_several_rules_do_not_lend_their_grace_to_a_rule_whose_grace_is_not_known():
    rules = [with_(grace=None), with_(keeps=Period(days=150))]
    assert dates(standing(rules, [ACT])) == ["2026-04-11", "2026-03-12", "2026-04-04", None, "2026-07-01"]


@pytest.mark.parametrize(
    ("limit", "reason", "expected"),
    [
        (90, Reason.LIFE_LIMIT, ["2026-04-01", "2026-03-02", "2026-03-25", "2026-04-01", "2026-04-02"]),
        (99, Reason.LIFE_LIMIT, ["2026-04-10", "2026-03-11", "2026-04-03", "2026-04-10", "2026-04-11"]),
        (100, Reason.LIFE_LIMIT, ["2026-04-11", "2026-03-12", "2026-04-04", "2026-04-11", "2026-04-12"]),
        (101, Reason.ACT, ["2026-04-11", "2026-03-12", "2026-04-04", "2026-04-12", "2026-04-13"]),
        (130, Reason.ACT, ["2026-04-11", "2026-03-12", "2026-04-04", "2026-05-11", "2026-05-12"]),
        (10**9, Reason.ACT, ["2026-04-11", "2026-03-12", "2026-04-04", "2026-05-11", "2026-05-12"]),
    ],
)
def test_life_limit_ends_the_line_with_its_grace_whatever_is_paid(limit, reason, expected):
    rule = with_(life_limit_days=limit)
    found = standing([rule], [ACT], activated_on=day("2026-01-01"))
    assert dates(found) == expected
    assert found.because == Because(reason, None if reason is Reason.LIFE_LIMIT else ACT, rule)


def test_life_limit_ends_recovery_too():
    rule = with_(life_limit_days=140, recovery=Period(days=300))
    found = standing([rule], [ACT])
    assert dates(found)[3:] == ["2026-05-11", "2026-05-22"]
    assert [stage(found, today) for today in around("2026-05-21")] == [
        Stage.RECOVERY,
        Stage.RECOVERY,
        Stage.LOST,
    ]


@pytest.mark.parametrize(("limit", "expected"), [(100, ["2026-04-11", "2026-04-12"]), (120, [None, "2026-05-02"])])
def test_life_limit_ends_a_grace_that_is_not_known(limit, expected):
    found = standing([with_(grace=None, life_limit_days=limit)], [ACT])
    assert dates(found)[3:] == expected
    assert stage(found, found.lost_on - DAY) is (Stage.URGENT if limit == 100 else Stage.GRACE)
    assert stage(found, found.lost_on) is Stage.LOST


def test_life_limit_counts_from_activation_or_else_from_the_first_event():
    rule = with_(life_limit_days=50)
    first = reading("2025-12-25", balance=1)
    assert dates(standing([rule], [ACT, first], activated_on=day("2025-12-20")))[0] == "2026-02-08"
    assert dates(standing([rule], [ACT, first]))[0] == "2026-02-13"
    assert dates(standing([rule], [ACT]))[0] == "2026-02-20"


def test_life_limit_is_above_what_the_operator_shows():
    assert dates(standing([with_(life_limit_days=50)], [ACT, reading("2026-01-02", "2027-01-01")]))[0] == "2026-02-20"


def test_life_limit_of_a_tourist_line_of_three_packages():
    tur = Rule("top_up", Period(days=30), frozenset({"plan_purchase"}), counts_from="expiry", life_limit_days=90)
    packages = [act(on, "plan_purchase") for on in ("2026-01-01", "2026-01-20", "2026-02-20", "2026-03-20")]
    found = [standing([tur], packages[:count], activated_on=day("2026-01-01")) for count in range(1, 5)]
    assert [dates(each)[0] for each in found] == ["2026-01-31", "2026-03-02", "2026-04-01", "2026-04-01"]
    assert [each.because.reason for each in found] == [
        Reason.ACT,
        Reason.ACT,
        Reason.LIFE_LIMIT,
        Reason.LIFE_LIMIT,
    ]


def test_dates_at_the_horizon_have_an_end_of_grace_and_a_lost_day():
    found = standing([with_(recovery=Period(days=1))], [reading("2026-01-01", "9999-12-31")])
    assert (found.deadline, found.grace_ends_on, found.lost_on) == (HORIZON, HORIZON, HORIZON + DAY)
    assert stage(found, day("2026-01-01")) is Stage.ACTIVE
