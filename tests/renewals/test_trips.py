"""To which cards a flight matters, on which side of it, and what is said of them."""

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone, translation
from hypothesis import given, settings
from hypothesis import strategies as st

from cards.models import Card, KeepRule, Operator, PaidFrom, Plan, TopUpStep
from renewals.deadlines import stage_of
from renewals.lifecycle import Stage
from renewals.models import Trip
from renewals.trips import FAR, Lead, When, Why, cards_of_trip
from tests.cards.random_terms import rules as random_rules
from tests.factories import CardFactory, OperatorFactory, PlanFactory, cubacel, giffgaff, starhub, unicom
from tests.family import in_days

pytestmark = pytest.mark.django_db

TODAY = datetime.date(2026, 12, 1)
FLIGHT = datetime.date(2026, 12, 11)
# A deadline after the flight, with time enough to wait for the landing.
LATER = datetime.date(2027, 1, 31)


def ladder(*rungs, country="CU", kind="top_up", acts=("top_up",), **rule):
    """Return a plan with one rule; each rung is an amount (None: not known), where it is paid, days and currency."""
    plan = PlanFactory(operator=OperatorFactory(country=country), currency="CUP")
    row = KeepRule.objects.create(plan=plan, kind=kind, value=330, qualifying_acts=list(acts), **rule)
    for amount, channel, *more in rungs:
        value, currency = [*more, *(330, "CUP")[len(more) :]]
        TopUpStep.objects.create(rule=row, minimum_amount=amount, channel=channel, value=value, currency=currency)
    return plan


def add(plan, deadline=LATER, buffer=7, grace=30, **fields):
    """Add a card that is valid until `deadline`; its other dates are as usual, a grace of None is not known."""
    dates = {"deadline": deadline}
    if deadline:
        dates |= {"due_on": in_days(deadline, -30), "safe_on": in_days(deadline, -buffer)}
        dates["deadline_source"] = {"reason": "act", "rule": plan.rules.first().pk, "act": "top_up"}
        if grace is not None:
            dates |= {"grace_ends_on": in_days(deadline, grace), "lost_on": in_days(deadline, grace + 1)}
    return CardFactory(plan=plan, **(dates | fields))


def fetch_cards():
    return list(Card.objects.select_related("plan__operator").prefetch_related("plan__rules__steps", "linked_accounts"))


def found(start="CU", end="ES", today=TODAY, leaves_on=FLIGHT, **fields):
    """Return what a flight asks for."""
    trip = Trip(leaves_on=leaves_on, from_country=start, to_country=end, **fields)
    return cards_of_trip(trip, fetch_cards(), today)


def verdicts(start="CU", end="ES", **when):
    return [(each.why, each.when) for each in found(start, end, **when)]


def words(start="CU", end="ES", **when):
    [each] = found(start, end, **when)
    return each.words()


def both_ways():
    """Return why a card is listed when the family leaves its country, and when it comes there."""
    return [each.why for each in found()], [each.why for each in found("ES", "CU")]


IN, ABROAD, ANYWHERE = "inside", "abroad", "anywhere"
INSIDE_ONLY = ([Why.ONLY_HERE], [Why.ONLY_THERE])
ABROAD_ONLY = ([Why.ONLY_THERE], [Why.ONLY_HERE])
INSIDE_CHEAPER = ([Why.CHEAPER_HERE], [Why.CHEAPER_THERE])
ABROAD_CHEAPER = ([Why.CHEAPER_THERE], [Why.CHEAPER_HERE])
INSIDE_KNOWN = ([Why.KNOWN_HERE], [Why.KNOWN_THERE])
ABROAD_KNOWN = ([Why.KNOWN_THERE], [Why.KNOWN_HERE])
NOTHING = ([], [])


@pytest.mark.parametrize(
    ("rungs", "verdict"),
    [
        ([(100, IN)], INSIDE_ONLY),
        ([(None, IN)], INSIDE_ONLY),
        ([(250, ABROAD)], ABROAD_ONLY),
        ([(100, ANYWHERE)], NOTHING),
        ([(None, ANYWHERE)], NOTHING),
        ([], NOTHING),
        ([(100, IN), (250, ABROAD)], INSIDE_CHEAPER),
        ([(250, IN), (100, ABROAD)], ABROAD_CHEAPER),
        ([(100, IN), (250, ANYWHERE)], INSIDE_CHEAPER),
        ([(100, ABROAD), (250, ANYWHERE)], ABROAD_CHEAPER),
        ([(250, IN), (100, ANYWHERE)], NOTHING),
        ([(100, IN), (100, ABROAD)], NOTHING),
        ([(100, IN), (Decimal("100.01"), ABROAD)], INSIDE_CHEAPER),
        ([(100, IN), (None, ABROAD)], INSIDE_KNOWN),
        ([(None, IN), (100, ABROAD)], ABROAD_KNOWN),
        ([(100, IN), (None, ANYWHERE)], INSIDE_KNOWN),
        ([(None, IN), (None, ABROAD)], NOTHING),
        ([(100, IN), (250, ABROAD), (None, ABROAD)], NOTHING),
        ([(100, IN), (None, IN), (250, ABROAD)], INSIDE_CHEAPER),
        ([(100, IN), (5, ABROAD, 330, "USD")], NOTHING),
        ([(100, IN), (250, ABROAD), (5, ABROAD, 330, "USD")], NOTHING),
        ([(100, IN, 330), (250, ABROAD, 329)], INSIDE_CHEAPER),
        ([(100, IN, 329), (250, ABROAD, 330)], NOTHING),
        ([(50, IN, 30), (100, IN, 330), (250, ABROAD, 330)], INSIDE_CHEAPER),
        ([(50, IN, 30), (300, IN, 330), (250, ABROAD, 330)], NOTHING),
    ],
)
def test_ladder_says_on_which_side_the_number_is_better_kept(rungs, verdict):
    add(ladder(*rungs))
    assert both_ways() == verdict


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"acts": ["sms"], "kind": "activity"}, INSIDE_KNOWN),
        ({"acts": ["call", "data"], "kind": "activity"}, INSIDE_KNOWN),
        ({"acts": ["sms", "top_up"], "kind": "activity"}, INSIDE_KNOWN),
        ({"acts": ["sms", "top_up"]}, INSIDE_KNOWN),
        ({"acts": ["sign_in"], "kind": "activity"}, NOTHING),
        ({"acts": ["plan_purchase"], "kind": "activity"}, NOTHING),
        ({"acts": ["fee"], "kind": "fee_paid"}, NOTHING),
    ],
)
def test_without_a_ladder_only_a_use_is_bound_to_a_place(fields, verdict):
    add(ladder(**fields))
    assert both_ways() == verdict


@pytest.mark.parametrize(
    ("rungs", "fields", "verdict"),
    [
        ([(100, IN)], {"acts": ["top_up", "sms"]}, INSIDE_KNOWN),
        ([(100, ABROAD)], {"acts": ["top_up", "sms"]}, NOTHING),
        ([(100, ANYWHERE)], {"acts": ["top_up", "sms"]}, NOTHING),
        ([(100, IN), (250, ABROAD)], {"acts": ["top_up", "sms"]}, INSIDE_CHEAPER),
        ([(100, IN)], {"acts": ["sms"], "kind": "activity"}, INSIDE_KNOWN),
        ([(250, ABROAD)], {"acts": ["sms"], "kind": "activity"}, INSIDE_KNOWN),
        ([(100, IN)], {"acts": ["sign_in"], "kind": "activity"}, NOTHING),
        ([(100, IN)], {"acts": ["plan_purchase"]}, INSIDE_ONLY),
        ([(19, IN), (25, ABROAD)], {"acts": ["fee"], "kind": "fee_paid"}, INSIDE_CHEAPER),
        ([(100, IN)], {"kind": "fee_from_balance"}, NOTHING),
    ],
)
@pytest.mark.parametrize("deadline", [LATER, None])
def test_ladder_counts_only_for_payments_that_count(rungs, fields, verdict, deadline):
    add(ladder(*rungs, **fields), deadline)
    assert both_ways() == verdict


def test_plans_as_they_are_sold():
    for plan, name in ((cubacel(), "Mamá"), (giffgaff(), "Lucía"), (unicom(), "Papá"), (starhub(), "Wei")):
        add(plan, datetime.date(2026, 12, 31), name=name)
    names = {
        "CU": [("Mamá", Why.CHEAPER_HERE)],
        "GB": [("Lucía", Why.KNOWN_HERE)],
        "CN": [],
        "SG": [],
        "ES": [],
    }
    for start, expected in names.items():
        assert [(each.card.name, each.why) for each in found(start, "FR")] == expected


@pytest.mark.parametrize(
    ("country", "start", "end", "count"),
    [("CU", "CU", "ES", 1), ("CU", "ES", "CU", 1), ("CU", "ES", "FR", 0), ("", "CU", "ES", 0), ("", "", "CU", 0)],
)
def test_only_the_border_of_the_operators_country_decides(country, start, end, count):
    add(ladder((100, IN), country=country))
    assert len(found(start, end)) == count


@pytest.mark.parametrize(
    ("days", "is_listed"), [(-11, True), (-1, True), (0, True), (1, True), (179, True), (180, True), (181, False)]
)
def test_leaving_is_a_reason_to_act_for_deadlines_of_the_next_half_year(days, is_listed):
    add(ladder((100, IN), (250, ABROAD)), in_days(FLIGHT, days))
    assert verdicts() == ([(Why.CHEAPER_HERE, When.BEFORE)] if is_listed else [])


@pytest.mark.parametrize(
    ("days", "is_listed"), [(7, True), (8, True), (179, True), (180, True), (181, False), (330, False)]
)
def test_landing_is_a_reason_to_act_for_deadlines_of_the_next_half_year(days, is_listed):
    add(ladder((100, IN)), in_days(FLIGHT, days))
    assert bool(found("ES", "CU")) == is_listed


@pytest.mark.parametrize("rungs", [[(100, IN)], [(100, IN), (250, ABROAD)], [(100, IN), (None, ABROAD)]])
def test_deadline_that_is_not_known_is_listed_on_both_sides(rungs):
    add(ladder(*rungs), None)
    assert [when for _why, when in verdicts()] == [When.BEFORE]
    assert [when for _why, when in verdicts("ES", "CU")] == [When.AFTER]


@pytest.mark.parametrize(
    ("days", "here", "only", "unsure"),
    [
        # The day of the deadline, counted from the flight; the safe date is two days before it.
        (4, When.AFTER, When.AFTER, When.AFTER),
        (3, When.AFTER, When.AFTER, When.AFTER),
        (2, When.NOT_WAIT, When.AT_ONCE, When.AT_ONCE),
        (1, When.NOT_WAIT, When.AT_ONCE, When.AT_ONCE),
        (0, When.NOT_WAIT, When.ASK, When.ASK),
        (-1, When.NOT_WAIT, When.ASK, When.ASK),
        (-10, When.NOT_WAIT, When.ASK, When.ASK),
        (-11, When.NOT_WAIT, When.ASK, When.ASK),
    ],
)
def test_what_is_better_after_landing_waits_only_if_there_is_time(days, here, only, unsure):
    both = add(ladder((100, IN), (250, ABROAD)), in_days(FLIGHT, days), buffer=2)
    alone = add(ladder((100, IN)), in_days(FLIGHT, days), buffer=2)
    use = add(ladder(kind="activity", acts=["sms"]), in_days(FLIGHT, days), buffer=2)
    assert {each.card: each.when for each in found("ES", "CU")} == {both: here, alone: only, use: unsure}
    before = {When.NOT_WAIT, When.ASK}
    assert all(each.is_before == (each.when in before) for each in found("ES", "CU"))


@pytest.mark.parametrize(
    ("days", "before", "after"),
    [(-1, [When.BEFORE], [When.AFTER]), (0, [When.BEFORE], [When.AFTER]), (1, [], [When.AFTER])],
)
def test_after_the_flight_only_the_side_of_the_landing_is_left(days, before, after):
    add(ladder((100, IN), (250, ABROAD)))
    today = in_days(FLIGHT, days)
    assert [when for _why, when in verdicts(today=today)] == before
    assert [when for _why, when in verdicts("ES", "CU", today=today)] == after


@pytest.mark.parametrize(
    ("days", "when"),
    [(-1, [When.AFTER]), (0, [When.AFTER]), (1, [When.AT_ONCE]), (7, [When.AT_ONCE]), (8, [When.AT_ONCE]),
     (37, [When.AT_ONCE]), (38, [])],
)  # fmt: skip
def test_who_has_landed_acts_as_long_as_it_still_saves_the_number(days, when):
    """The safe date is a week before the deadline, grace ends 30 days after it."""
    for rungs in ([(100, IN)], [(100, IN), (250, ABROAD)]):
        Card.objects.all().delete()
        card = add(ladder(*rungs, grace_value=30))
        assert [when for _why, when in verdicts("ES", "CU", today=in_days(card.safe_on, days))] == when


def test_flight_long_ago_asks_for_nothing():
    add(ladder((100, IN)), None)
    assert verdicts("ES", "CU", today=FLIGHT + FAR) == [(Why.ONLY_THERE, When.AFTER)]
    assert verdicts("ES", "CU", today=in_days(FLIGHT + FAR, 1)) == []


def test_cancelled_flight_asks_for_nothing():
    add(ladder((100, IN)))
    assert len(found()) == 1
    assert found(cancelled_at=timezone.now()) == []


@pytest.mark.parametrize(
    ("days", "stage", "is_listed"),
    [
        (0, Stage.URGENT, True),
        (-1, Stage.GRACE, True),
        (-30, Stage.GRACE, True),
        (-31, Stage.RECOVERY, False),
        (-40, Stage.RECOVERY, False),
        (-41, Stage.LOST, False),
    ],
)
@pytest.mark.parametrize("grace", [30, None])
def test_number_that_no_act_brings_back_is_left_out(days, stage, is_listed, grace):
    """Grace lasts 30 days, even where another rule says so; then the number comes back on request for 10 days more."""
    plan = ladder((100, IN), grace_value=grace, recovery_value=10)
    deadline = in_days(TODAY, days)
    card = add(plan, deadline, grace_ends_on=in_days(deadline, 30), lost_on=in_days(deadline, 41))
    assert stage_of(card, TODAY) is stage
    assert bool(found()) == is_listed
    assert bool(found("ES", "CU")) == is_listed
    Card.objects.filter(pk=card.pk).update(closed_on=TODAY)
    assert found() + found("ES", "CU") == []


def test_grace_of_unknown_length_still_counts():
    add(ladder((100, IN)), in_days(TODAY, -400), grace=None)
    assert verdicts() == [(Why.ONLY_HERE, When.BEFORE)]
    assert "nobody knows how long the number can still be saved" in words()


@pytest.mark.parametrize(
    ("days", "grace_acts", "order"),
    [
        (0, ["top_up"], "Send one chargeable SMS"),
        (-1, ["top_up"], "Top up at least 100 CUP"),
        (-1, [], "Send one chargeable SMS"),
    ],
)
def test_in_grace_only_acts_of_grace_are_asked_for(days, grace_acts, order):
    add(ladder((100, IN), acts=["plan_purchase", "sms"], grace_value=30, grace_acts=grace_acts), in_days(TODAY, days))
    assert words().startswith(f"{order} before you leave Cuba")


def test_in_grace_an_act_of_no_known_place_is_nothing_to_say():
    add(ladder(acts=["sms"], kind="activity", grace_value=30, grace_acts=["sign_in"]), in_days(TODAY, -1))
    assert found() == []


@pytest.mark.parametrize(
    ("value", "days", "is_listed"),
    [
        # A use keeps the number for so many days; the deadline is so many days after the flight.
        (183, 153, True),
        (183, 154, False),
        (183, 180, False),
        (60, 30, True),
        (60, 31, False),
        # It is time to renew by the flight: then even a day more is worth it.
        (31, 30, True),
        (30, 30, False),
    ],
)
def test_card_that_an_act_would_hardly_keep_longer_is_left_alone(value, days, is_listed):
    plan = ladder(kind="activity", acts=["sms"])
    plan.rules.update(value=value)
    add(plan, in_days(FLIGHT, days))
    assert bool(found()) == is_listed


def test_periods_that_add_up_are_worth_it_until_the_stack_is_full():
    for limit in (None, 400, 200):
        Card.objects.all().delete()
        add(ladder((100, IN), counts_from="expiry", stack_limit_days=limit), in_days(FLIGHT, 180))
        assert bool(found()) == (limit != 200)


@pytest.mark.parametrize("rungs", [[(100, IN)], [(100, IN), (250, ABROAD)]])
@pytest.mark.parametrize("days", [-1, 1, 20])
def test_line_that_ends_whatever_is_paid_is_left_out(rungs, days):
    card = add(ladder(*rungs, life_limit_days=90), in_days(FLIGHT, days), activated_on=in_days(FLIGHT, days - 90))
    assert both_ways() == NOTHING
    assert found("ES", "CU", today=in_days(FLIGHT, 1)) == []
    Card.objects.filter(pk=card.pk).update(activated_on=in_days(FLIGHT, days - 89))
    assert [len(reasons) for reasons in both_ways()] == [1, 1]


@pytest.mark.parametrize(("start", "end"), [("CU", "ES"), ("ES", "CU")])
def test_short_periods_are_worth_it_on_the_day_of_the_deadline(start, end):
    """Today an act would add nothing yet, and on the day of the flight it would be too late."""
    add(ladder((100, IN, 5), (250, ABROAD, 5), grace_value=0), in_days(TODAY, 6), grace=0)
    assert [each.when for each in found(start, end)] == [When.BEFORE if start == "CU" else When.NOT_WAIT]


@pytest.mark.parametrize(("value", "when"), [(51, When.NOT_WAIT), (50, When.AT_ONCE)])
def test_act_from_here_that_keeps_too_short_waits_for_the_landing(value, when):
    add(ladder((100, IN), (250, ABROAD, value)), in_days(FLIGHT, 50), buffer=60, due_on=TODAY)
    assert verdicts("ES", "CU") == [(Why.CHEAPER_THERE, when)]


def test_rule_of_the_deadline_decides_among_several():
    plan = ladder((100, IN))
    second = KeepRule.objects.create(plan=plan, kind="fee_paid", value=1, unit="months", qualifying_acts=["fee"])
    card = add(plan)
    assert [each.why for each in found()] == [Why.ONLY_HERE]
    Card.objects.filter(pk=card.pk).update(deadline_source={"rule": second.pk})
    assert found() == []
    Card.objects.filter(pk=card.pk).update(deadline=None, deadline_source={})
    assert [each.why for each in found()] == [Why.ONLY_HERE]


def test_plan_without_a_rule_is_left_out():
    CardFactory(plan=PlanFactory())
    assert found() == []


def test_what_comes_before_the_flight_and_what_is_only_possible_here_comes_first():
    cheaper, only = ladder((100, IN), (250, ABROAD)), ladder((100, IN))
    arriving = ladder((100, IN), country="ES")
    add(cheaper, in_days(FLIGHT, 1), name="cheaper, soon")
    add(cheaper, in_days(FLIGHT, 100), name="cheaper, late")
    add(only, in_days(FLIGHT, 100), name="only, late")
    add(only, None, name="only, not known")
    add(only, in_days(FLIGHT, 1), name="only, soon")
    add(only, in_days(FLIGHT, -1), name="only, first")
    add(arriving, in_days(FLIGHT, 20), name="there, early")
    add(arriving, in_days(FLIGHT, 90), name="there, late")
    add(arriving, in_days(FLIGHT, -1), name="there, too late")
    assert [each.card.name for each in found()] == [
        "only, first",
        "there, too late",
        "only, not known",
        "only, soon",
        "only, late",
        "cheaper, soon",
        "cheaper, late",
        "there, early",
        "there, late",
    ]


HOW_LONG = "After that it can only be saved, not used, until"


@pytest.mark.parametrize(
    ("fields", "trip", "deadline", "sentence"),
    [
        (
            {},
            ("CU", "ES"),
            LATER,
            "Top up at least 100 CUP before you leave Cuba; from abroad it takes 250 CUP. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {},
            ("CU", "ES"),
            FLIGHT,
            "Top up at least 100 CUP before you leave Cuba; from abroad it takes 250 CUP. "
            "Its deadline is Dec 11, 2026.",
        ),
        (
            {},
            ("CU", "ES"),
            None,
            "Top up at least 100 CUP before you leave Cuba; from abroad it takes 250 CUP. Nobody knows until when this "
            "number lives. Look it up at the operator and write it down here.",
        ),
        (
            {},
            ("ES", "CU"),
            LATER,
            "Top up at least 100 CUP once you are in Cuba; from abroad it takes 250 CUP. "
            "There is time until Jan 31, 2027.",
        ),
        (
            {},
            ("ES", "CU"),
            FLIGHT,
            "Top up at least 250 CUP from abroad before the flight; as long as you are in Cuba, 100 CUP are enough. "
            "Do not wait until you land: its deadline is Dec 11, 2026.",
        ),
        (
            {"rungs": [(250, IN), (100, ABROAD)]},
            ("CU", "ES"),
            LATER,
            "Top up at least 100 CUP once you have left Cuba; inside the country it takes 250 CUP. "
            "There is time until Jan 31, 2027.",
        ),
        (
            {"rungs": [(250, IN), (100, ABROAD)]},
            ("CU", "ES"),
            FLIGHT,
            "Top up at least 250 CUP inside Cuba before the flight; as long as you are abroad, 100 CUP are enough. "
            "Do not wait until you land: its deadline is Dec 11, 2026.",
        ),
        (
            {"rungs": [(250, IN), (100, ABROAD)]},
            ("ES", "CU"),
            LATER,
            "Top up at least 100 CUP before you land in Cuba; inside the country it takes 250 CUP. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [(100, IN)]},
            ("CU", "ES"),
            LATER,
            "Top up at least 100 CUP before you leave Cuba: it is only possible there. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [(100, IN)], "acts": ["plan_purchase"]},
            ("ES", "CU"),
            LATER,
            "Buy a plan or package of at least 100 CUP once you are in Cuba: it is only possible there. "
            "There is time until Jan 31, 2027.",
        ),
        (
            {"rungs": [(100, IN)]},
            ("ES", "CU"),
            datetime.date(2026, 12, 12),
            "Top up at least 100 CUP once you are in Cuba: it is only possible there. "
            "Do it as soon as you are there, or ask somebody there before: its deadline is Dec 12, 2026.",
        ),
        (
            {"rungs": [(100, IN)]},
            ("ES", "CU"),
            FLIGHT,
            "Top up at least 100 CUP: it is only possible inside Cuba, so ask somebody there to do it. "
            f"Its deadline, Dec 11, 2026, comes before you land. {HOW_LONG} Jan 10, 2027; then the number is lost.",
        ),
        (
            {"rungs": [(100, IN)], "grace_value": 30},
            ("ES", "CU"),
            datetime.date(2026, 11, 30),
            "Top up at least 100 CUP: it is only possible inside Cuba, so ask somebody there to do it. "
            "The deadline is past; the number can still be saved until Dec 30, 2026.",
        ),
        (
            {"rungs": [(250, ABROAD)]},
            ("CU", "ES"),
            LATER,
            "Top up at least 250 CUP once you have left Cuba: it is only possible from abroad. "
            "There is time until Jan 31, 2027.",
        ),
        (
            {"rungs": [(250, ABROAD)]},
            ("CU", "ES"),
            FLIGHT,
            "Top up at least 250 CUP: it is only possible from abroad, so ask somebody there to do it. "
            f"Its deadline, Dec 11, 2026, comes before you land. {HOW_LONG} Jan 10, 2027; then the number is lost.",
        ),
        (
            {"rungs": [(250, ABROAD)]},
            ("ES", "CU"),
            LATER,
            "Top up at least 250 CUP before you land in Cuba: it is only possible from abroad. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [(100, IN), (None, ABROAD)]},
            ("CU", "ES"),
            LATER,
            "Top up at least 100 CUP before you leave Cuba; from abroad it takes an amount that is not known. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [(100, IN), (None, ABROAD)]},
            ("ES", "CU"),
            FLIGHT,
            "Top up from abroad before the flight; as long as you are in Cuba, 100 CUP are enough. "
            "How much it takes is not known. Do not wait until you land: its deadline is Dec 11, 2026.",
        ),
        (
            {"rungs": [(None, IN)]},
            ("CU", "ES"),
            LATER,
            "Top up before you leave Cuba: it is only possible there. How much it takes is not known. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [(None, IN)], "acts": ["fee"], "kind": "fee_paid"},
            ("CU", "ES"),
            LATER,
            "Pay the fee of the next period before you leave Cuba: it is only possible there. "
            "How much it takes is not known. Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [(19, IN), (25, ABROAD)], "acts": ["fee"], "kind": "fee_paid"},
            ("CU", "ES"),
            LATER,
            "Pay the fee of 19 CUP before you leave Cuba; from abroad it takes 25 CUP. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [], "acts": ["sms", "call"], "kind": "activity"},
            ("CU", "ES"),
            LATER,
            "Send one chargeable SMS before you leave Cuba; whether it counts from abroad is not known. "
            "Its deadline, Jan 31, 2027, comes after the flight.",
        ),
        (
            {"rungs": [(100, IN)], "acts": ["top_up", "data"]},
            ("ES", "CU"),
            LATER,
            "Use a little mobile data once you are in Cuba; whether it counts from abroad is not known. "
            "There is time until Jan 31, 2027.",
        ),
        (
            {"rungs": [], "acts": ["call"], "kind": "activity"},
            ("ES", "CU"),
            datetime.date(2026, 12, 12),
            "Make one chargeable call once you are in Cuba; whether it counts from abroad is not known. "
            "Do it as soon as you are there: its deadline is Dec 12, 2026.",
        ),
        (
            {"rungs": [], "acts": ["sms"], "kind": "activity"},
            ("ES", "CU"),
            FLIGHT,
            "Send one chargeable SMS: whether it counts from abroad is not known, so ask the operator, or somebody "
            f"in Cuba. Its deadline, Dec 11, 2026, comes before you land. {HOW_LONG} Jan 10, 2027; "
            "then the number is lost.",
        ),
    ],
)
def test_words_say_what_to_do_where_and_by_when(fields, trip, deadline, sentence):
    rungs = fields.pop("rungs", [(100, IN), (250, ABROAD)])
    add(ladder(*rungs, **fields), deadline)
    assert words(*trip) == sentence


def test_day_of_the_deadline_is_not_past():
    add(cubacel(), TODAY)
    assert words().endswith("Its deadline is Dec 1, 2026.")
    Card.objects.update(deadline=in_days(TODAY, -1), grace_ends_on=in_days(TODAY, 29))
    assert words().endswith("The deadline is past; the number can still be saved until Dec 30, 2026.")


def test_who_has_landed_is_not_told_to_ask_somebody_there():
    add(ladder((100, IN)), FLIGHT, grace=90)
    KeepRule.objects.update(grace_value=90)
    assert words("ES", "CU", today=in_days(FLIGHT, 1)) == (
        "Top up at least 100 CUP once you are in Cuba: it is only possible there. "
        "The deadline is past; the number can still be saved until Mar 11, 2027."
    )
    Card.objects.update(deadline=in_days(FLIGHT, 3), safe_on=in_days(FLIGHT, -4), due_on=in_days(FLIGHT, -27))
    assert words("ES", "CU", today=in_days(FLIGHT, 1)).endswith(
        "Do it as soon as you are there: its deadline is Dec 14, 2026."
    )


@pytest.mark.parametrize(
    ("plan", "needs_sim"), [(cubacel, False), (giffgaff, True)], ids=["a top-up needs no SIM", "a use needs it"]
)
def test_use_of_the_line_needs_the_sim(plan, needs_sim):
    add(plan())
    [each] = found("CU" if plan is cubacel else "GB", "ES")
    assert each.needs_sim == needs_sim


def test_nothing_is_asked_of_the_database(django_assert_num_queries):
    for plan in (cubacel(), giffgaff(), ladder((None, IN)), ladder((100, IN), (None, ABROAD))):
        for days in (-1, 0, 1, 100, 300):
            add(plan, in_days(FLIGHT, days), grace=90)
        add(plan, None)
    cards = fetch_cards()
    with django_assert_num_queries(0):
        for start, end in (("CU", "GB"), ("GB", "CU")):
            listed = cards_of_trip(Trip(leaves_on=FLIGHT, from_country=start, to_country=end), cards, TODAY)
            assert len(listed) > 10
            assert all(each.words() for each in listed)


days = st.integers(-800, 800).map(lambda number: in_days(FLIGHT, number))


@st.composite
def random_cards(draw):
    """Return a card with random rules and dates, in memory and as if it were fetched with all that belongs to it."""
    operator = Operator(pk=1, name="Acme", country=draw(st.sampled_from(["", "CU", "ES", "XX"])))
    fee = draw(st.none() | st.integers(0, 100).map(Decimal))
    plan = Plan(pk=1, operator=operator, name="Plan", fee=fee, currency=draw(st.sampled_from(["", "CUP"])))
    rules, ladder_pk = [], 0
    for pk, columns in enumerate(draw(st.lists(random_rules(), max_size=3)), 1):
        rungs = columns.pop("steps")
        rule = KeepRule(pk=pk, plan=plan, **columns)
        steps = []
        for rung in rungs:
            amount, ladder_pk = rung.pop("minimum_amount"), ladder_pk + 1
            minimum = None if amount is None else Decimal(str(amount))
            steps.append(TopUpStep(pk=ladder_pk, rule=rule, minimum_amount=minimum, **rung))
        rule._prefetched_objects_cache = {"steps": steps}
        rules.append(rule)
    plan._prefetched_objects_cache = {"rules": rules}
    dates = draw(st.fixed_dictionaries(dict.fromkeys(("grace_ends_on", "lost_on", "activated_on"), st.none() | days)))
    deadline = draw(st.none() | days)
    if deadline:
        dates |= {"due_on": in_days(deadline, -30), "safe_on": in_days(deadline, -draw(st.integers(0, 30)))}
    source = {"rule": draw(st.integers(0, 4))} if draw(st.booleans()) else {}
    closed_on = draw(st.none() | st.none() | days)
    return Card(pk=draw(st.integers(1, 99)), name="Mamá", plan=plan, deadline=deadline, deadline_source=source,
                closed_on=closed_on, **dates)  # fmt: skip


@given(
    cards=st.lists(random_cards(), max_size=4),
    today=days,
    language=st.sampled_from(["en", "es", "zh-hans"]),
    countries=st.sampled_from([("CU", "ES"), ("ES", "CU"), ("CU", "FR")]),
)
@settings(max_examples=400, deadline=None)
def test_no_mixture_of_cards_and_days_is_too_much(cards, today, language, countries):
    start, end = countries
    with translation.override(language):
        there = cards_of_trip(Trip(leaves_on=FLIGHT, from_country=start, to_country=end), cards, today)
        back = cards_of_trip(Trip(leaves_on=FLIGHT, from_country=end, to_country=start), cards, today)
        assert all(each.words() and "%(" not in each.words() for each in [*there, *back])
    assert [each.is_before for each in there] == sorted((each.is_before for each in there), reverse=True)
    assert all(each.card.closed_on is None for each in there)
    assert not any(each.card.lost_on and each.card.deadline and each.card.lost_on <= today for each in there)
    assert not any(each.when is When.BEFORE for each in there if today > FLIGHT)
    reasons = {id(each.card): each.why for each in back}
    for each in there:
        edge = each.edge
        channels = {step.channel for step in edge.rule.steps.all()}
        if edge.lead is Lead.ONLY:
            assert channels == {edge.side.value}
            assert not edge.acts & {"sms", "call", "data"}
        if edge.lead is Lead.CHEAPER:
            assert edge.rung.minimum_amount < edge.other.minimum_amount
            assert edge.rung.currency == edge.other.currency
            assert edge.rung.channel in {edge.side, PaidFrom.ANYWHERE}
            assert edge.other.channel != edge.side
        if id(each.card) in reasons:
            assert reasons[id(each.card)].endswith("_there") == each.why.endswith("_here")
