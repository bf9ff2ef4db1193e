"""The reminders of two families on 730 consecutive days, against a second reading of docs/reminders.md."""

import datetime
from collections import Counter

import pytest

from renewals.models import Reminder
from renewals.reminders.delivery import run_once
from renewals.walkthrough import start_renewal, take_renewal
from tests.family import Family
from tests.renewals import reminder_oracle as oracle
from tests.renewals.reminder_life import Life

DAY = datetime.timedelta(days=1)
CUBACEL = oracle.Dates(*(datetime.date.fromisoformat(day) for day in (
    "2026-12-27", "2026-11-27", "2026-12-20", "2027-01-26", "2027-01-27",
)))  # fmt: skip
GIFFGAFF = oracle.Dates(*(datetime.date.fromisoformat(day) for day in (
    "2026-08-31", "2026-08-01", "2026-08-24", "2026-08-31", "2026-10-01",
)))  # fmt: skip
# Noon in Havana in winter; all of the small family below lives there.
NOON = datetime.time(17, tzinfo=datetime.UTC)
IN_GRACE = [f"2026-12-{day}" for day in (28, 30)] + [f"2027-01-{day:02}" for day in (*range(1, 27, 2), 26)]


class SmallFamily:
    """One card of a responsible, a deputy and a third member, and the oracle that watches it."""

    def __init__(self, dates=CUBACEL):
        since = at("2026-10-01")
        self.home = oracle.Household(1, since, checks_signal=False, copies_papers=False)
        self.responsible, self.deputy, self.third = self.home.members = [
            oracle.Member(number, name, self.home, "America/Havana", datetime.time(8))
            for number, name in enumerate(("responsible", "deputy", "third"), 1)
        ]
        self.card = oracle.Card(
            5, self.home, oracle.Operator(1, "CU"), 1, since, dates=dates,
            responsible=self.responsible, deputy=self.deputy,
        )  # fmt: skip
        self.home.cards = [self.card]
        self.oracle = oracle.Oracle()
        self.oracle.households = [self.home]

    def days(self, member, kind, first="2026-10-01", last="2027-06-30", *, moments=False):
        """Return the days from the first to the last on which a line of the kind is said, a mail going each day.

        With `moments`, the moment of each line instead.
        """
        found, day = [], datetime.date.fromisoformat(first)
        while day.isoformat() <= last:
            lines = self.oracle.lines(member, at(day.isoformat()))
            self.oracle.said |= lines
            found += [str(line.moment_on if moments else day) for line in lines if line.kind == kind]
            day += DAY
        return found


def at(day):
    return datetime.datetime.combine(datetime.date.fromisoformat(day), NOON)


@pytest.fixture
def small():
    return SmallFamily()


BEFORE = {
    ("responsible", "standard"): ["11-27", "12-13", "12-20", "12-21", "12-23", "12-24", "12-25", "12-26", "12-27"],
    ("responsible", "calm"): ["12-13", "12-21", "12-23", "12-24", "12-25", "12-27"],
    ("responsible", "insistent"): [
        "10-28", "11-27", "12-13", "12-20", "12-21", "12-22", "12-23", "12-24", "12-25", "12-26", "12-27",
    ],
    ("deputy", "standard"): ["12-20", "12-21", "12-23", "12-24", "12-25", "12-26", "12-27"],
    ("deputy", "calm"): ["12-20", "12-21", "12-23", "12-24", "12-25", "12-27"],
    ("third", "standard"): ["12-21", "12-23", "12-24", "12-25", "12-26", "12-27"],
    ("third", "calm"): ["12-21", "12-23", "12-24", "12-25", "12-27"],
}  # fmt: skip


@pytest.mark.parametrize(("who", "level"), BEFORE)
def test_deadline_is_said_on_the_days_of_part_and_level(small, who, level):
    member = getattr(small, who)
    member.level = level
    assert small.days(member, "deadline") == [f"2026-{day}" for day in BEFORE[who, level]]


def test_levels_and_days_of_the_card_and_the_member_add_up(small):
    small.card.level, small.card.days, small.responsible.days = "calm", (40,), (10, 3)
    expected = ["11-17", "12-13", "12-17", "12-21", "12-23", "12-24", "12-25", "12-27"]
    assert small.days(small.responsible, "deadline") == [f"2026-{day}" for day in expected]


def test_everybody_is_told_of_grace_and_then_of_the_loss_once(small):
    for member in small.home.members:
        assert small.days(member, "grace", last="2027-01-26") == IN_GRACE
        assert small.days(member, "lost", first="2027-01-27") == ["2027-01-27"]


def test_grace_of_unknown_length_goes_on_and_no_grace_goes_over_into_recovery(small):
    small.card.dates = oracle.Dates(CUBACEL.deadline, CUBACEL.due_on, CUBACEL.safe_on)
    days = small.days(small.third, "grace", last="2027-12-31")
    assert (days[:2], days[-1], len(days)) == (["2026-12-28", "2026-12-30"], "2027-12-31", 185)
    small.card.dates = GIFFGAFF
    expected = [f"2026-09-{day:02}" for day in (1, 8, 15, 22, 29)]
    assert small.days(small.third, "recovery", "2026-08-01", "2026-09-30") == expected
    assert small.days(small.third, "lost", first="2026-10-01") == ["2026-10-01"]


def test_day_without_a_run_is_caught_up_with_one_line(small):
    assert small.days(small.responsible, "deadline", "2026-12-15", "2026-12-16", moments=True) == ["2026-12-13"]
    assert small.days(small.responsible, "deadline", "2026-12-26", "2026-12-26", moments=True) == ["2026-12-26"]
    assert small.days(small.deputy, "grace", "2027-01-02", "2027-01-03", moments=True) == ["2027-01-01", "2027-01-03"]


def test_absence_moves_moments_up_to_the_safe_date_and_the_deputy_stands_in(small):
    small.responsible.absence = datetime.date(2026, 12, 10), datetime.date(2026, 12, 22)
    expected = ["11-27", "12-09", "12-21", "12-23", "12-24", "12-25", "12-26", "12-27"]
    assert small.days(small.responsible, "deadline") == [f"2026-{day}" for day in expected]
    # From the first day away; before it nothing but the last week is theirs.
    expected = ["12-10", "12-13", "12-20", "12-21", "12-23", "12-24", "12-25", "12-26", "12-27"]
    assert small.days(small.deputy, "deadline") == [f"2026-{day}" for day in expected]


def test_snooze_is_silent_until_its_end_and_never_after_the_safe_date(small):
    small.card.snoozes = {small.responsible: (CUBACEL.deadline, datetime.date(2026, 12, 17))}
    expected = ["12-17", "12-20", "12-21", "12-23", "12-24", "12-25", "12-26", "12-27"]
    assert small.days(small.responsible, "deadline", "2026-11-20") == [f"2026-{day}" for day in expected]
    again = SmallFamily()
    again.card.snoozes = {again.responsible: (CUBACEL.deadline, datetime.date(2026, 12, 30))}
    assert again.days(again.responsible, "deadline", "2026-11-20")[0] == "2026-12-20"
    other = SmallFamily()
    other.card.snoozes = {other.responsible: (CUBACEL.deadline - DAY, datetime.date(2026, 12, 30))}
    assert other.days(other.responsible, "deadline", "2026-11-20")[0] == "2026-11-27"


def test_who_is_doing_it_silences_the_others_for_a_day(small):
    small.card.take(small.third, at("2026-12-23"))
    small.card.review_at = at("2026-12-23")
    before, after = at("2026-12-24") - datetime.timedelta(minutes=1), at("2026-12-24")
    kinds = {
        (member.name, hour): {line.kind for line in small.oracle.lines(member, hour)} - {"watching"}
        for member in small.home.members
        for hour in (before, after)
    }
    both = {"deadline", "review"}
    assert kinds == {
        ("responsible", before): set(),
        ("deputy", before): set(),
        ("third", before): both,
        ("responsible", after): both,
        ("deputy", after): both,
        ("third", after): both,
    }
    small.third.stopped_at = at("2026-12-20")
    assert {line.kind for line in small.oracle.lines(small.deputy, before)} == {*both, "watching"}


PARTS = [
    # away, out of reach, doing it; who plays the responsible's part
    ((), (), None, {"responsible"}),
    (("responsible",), (), None, {"responsible", "deputy"}),
    (("deputy",), (), None, {"responsible"}),
    ((), ("responsible",), None, {"responsible", "deputy"}),
    ((), ("deputy",), None, {"responsible"}),
    ((), ("responsible", "deputy"), None, {"responsible", "deputy", "third"}),
    (("responsible",), ("deputy",), None, {"responsible", "deputy"}),
    ((), (), "third", {"responsible", "third"}),
]


@pytest.mark.parametrize(("away", "lost", "doer", "expected"), PARTS)
def test_part_of_each_member(small, away, lost, doer, expected):
    now, day = at("2026-12-01"), datetime.date(2026, 12, 1)
    for name in away:
        getattr(small, name).absence = day, day
    for name in lost:
        getattr(small, name).refused_since = now
    small.card.taken = doer and (getattr(small, doer), now)
    assert {member.name for member in small.card.responsible_members(day, now)} == expected
    if "deputy" not in expected:
        assert small.card.part_of(small.deputy, day, now) == "deputy"


def test_everybody_is_responsible_for_a_card_of_nobody(small):
    small.card.responsible = small.card.deputy = None
    assert small.card.responsible_members(at("2026-12-01").date(), at("2026-12-01")) == set(small.home.members)


def test_card_of_which_nothing_is_known_is_asked_for_each_fortnight(small):
    small.card.dates = oracle.Dates()
    assert datetime.date(2026, 9, 27).toordinal() == 739886 == 14 * 52849
    days = small.days(small.third, "unknown", last="2026-10-31", moments=True)
    assert days == ["2026-09-27", "2026-10-11", "2026-10-25"]


def test_accounts_are_asked_for_around_the_last_day_of_the_number(small):
    small.card.is_closed, small.card.accounts = True, (datetime.date(2026, 12, 31), at("2026-11-20"))
    expected = ["11-20", "12-01", "12-17", "12-24", "12-28", "12-30", "12-31"]
    expected = [f"2026-{day}" for day in expected[1:]] + [f"2027-01-{day:02}" for day in (7, 14, 21, 28)]
    assert small.days(small.responsible, "accounts", "2026-11-20") == expected
    assert small.days(small.third, "accounts", "2026-11-20") == []


def test_papers_are_asked_for_where_nothing_lasts_longer(small):
    holder = small.card.holder = oracle.Person(1)
    small.card.operator.asks_for_papers, small.card.operator.paper_kinds = True, ("passport",)
    paper = oracle.Document(3, holder, "passport", CUBACEL.deadline)
    small.home.documents = [paper, oracle.Document(4, holder, "other", None)]
    assert small.days(small.responsible, "papers") == ["2026-10-28", "2026-12-13"]
    assert small.days(small.deputy, "papers") == []
    paper.expires_on += DAY
    again = SmallFamily()
    again.home.documents = [paper]
    assert again.days(again.responsible, "papers") == []


def test_gentle_lines_come_back_until_they_are_done(small):
    small.home.checks_signal = small.home.copies_papers = True
    small.home.created_at = at("2025-12-01")
    small.card.details_asked_at = at("2026-10-15")
    expected = {
        "reading": ["2026-12-30"],
        "signal": ["2026-12-30", "2027-01-29"],
        "details": ["2026-10-15", "2026-11-14", "2026-12-14", "2027-01-13", "2027-02-12"],
        "copy": ["2026-12-01", "2026-12-31", "2027-01-30"],
        "watching": ["2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01"],
    }
    small.card.dates = oracle.Dates(*(day + 200 * DAY for day in (CUBACEL.deadline, CUBACEL.due_on, CUBACEL.safe_on)))
    found = {}
    for kind in expected:
        small.oracle.said.clear()
        found[kind] = small.days(small.responsible, kind, last="2027-02-15")
    assert found == expected


def test_papers_that_expire_are_told_to_their_person_or_to_who_sees_to_the_cards(small):
    holder = small.card.holder = oracle.Person(1)
    small.home.documents = [oracle.Document(3, holder, "passport", datetime.date(2027, 4, 10))]
    expected = ["2026-10-12", "2027-01-10", "2027-03-11", "2027-04-10"]
    assert small.days(small.responsible, "document") == expected
    assert small.days(small.third, "document") == []
    holder.member = small.third
    assert small.days(small.third, "document") == expected
    assert small.days(small.deputy, "document") == []
    small.third.stopped_at = at("2026-10-01")
    assert small.days(small.responsible, "document", "2027-05-11") == []
    assert small.days(small.deputy, "document", "2027-05-10", moments=True) == ["2027-04-10"]


def test_offers_flights_rules_and_members_out_of_reach(small):
    start, end = datetime.date(2026, 11, 3), datetime.date(2026, 11, 20)
    small.oracle.promotions = [
        oracle.Promotion(1, small.card.operator, None, start, end),
        oracle.Promotion(2, small.card.operator, 2, start, end),
        oracle.Promotion(3, oracle.Operator(2, "CU"), None, start, end),
    ]
    small.home.trips = [oracle.Trip(1, end, lambda today: True), oracle.Trip(2, end, lambda today: False)]
    small.card.rule_changes = [(start, None)]
    small.third.refused_since = at("2026-11-01")
    lines = {}
    for day in (*range(1, 31),):
        now = at(f"2026-11-{day:02}")
        for member in (small.responsible, small.third):
            for line in small.oracle.lines(member, now):
                if line.kind in {"promotion", "trip", "rule", "unreachable"}:
                    lines.setdefault((member.name, line.subject, line.kind, str(line.about_on)), []).append(day)
            small.oracle.said |= small.oracle.lines(member, now)
    assert lines == {
        ("responsible", "promotion:1", "promotion", "2026-11-20"): [3],
        ("responsible", "trip:1", "trip", "2026-11-20"): [6, 13, 17, 19],
        ("responsible", "card:5", "rule", "2026-11-03"): [3],
        ("responsible", "member:3", "unreachable", "2026-11-01"): [8, 15, 22, 29],
        ("third", "trip:1", "trip", "2026-11-20"): [6, 13, 17, 19],
        ("third", "card:5", "rule", "2026-11-03"): [3],
    }


HOURS = [
    ("America/Havana", "08:00", "2026-03-07", "2026-03-07T13:00"),
    ("America/Havana", "00:15", "2026-03-07", "2026-03-07T05:15"),
    # Midnight is followed by one o'clock.
    ("America/Havana", "00:15", "2026-03-08", "2026-03-08T05:00"),
    ("America/Havana", "00:15", "2026-03-09", "2026-03-09T04:15"),
    # A quarter past midnight comes twice.
    ("America/Havana", "00:15", "2026-11-01", "2026-11-01T04:15"),
    ("America/Havana", "00:15", "2026-11-02", "2026-11-02T05:15"),
    ("Asia/Shanghai", "21:30", "2026-11-01", "2026-11-01T13:30"),
    ("Europe/Madrid", "08:00", "2026-03-28", "2026-03-28T07:00"),
    ("Europe/Madrid", "02:30", "2026-03-29", "2026-03-29T01:00"),
]


@pytest.mark.parametrize(("zone", "hour", "day", "expected"), HOURS)
def test_mail_hour_is_found_on_the_days_of_summer_time(small, zone, hour, day, expected):
    member = oracle.Member(9, "other", small.home, zone, datetime.time.fromisoformat(hour))
    moment = member.mail_moment(datetime.date.fromisoformat(day))
    assert moment == datetime.datetime.fromisoformat(f"{expected}+00:00")


def test_later_day_of_member_and_operator_counts_for_a_card(small):
    late = datetime.datetime(2026, 11, 27, 3, 30, tzinfo=datetime.UTC)
    assert str(small.card.date_of(small.responsible, late)) == "2026-11-26"
    small.card.operator.country = "CN"
    assert str(small.card.date_of(small.responsible, late)) == "2026-11-27"
    small.responsible.zone, small.card.operator.country = "Asia/Shanghai", "CU"
    assert str(small.card.date_of(small.responsible, late)) == "2026-11-27"


def test_run_after_more_than_a_week_holds_and_the_next_one_goes_on(small):
    first = at("2026-10-01")
    assert len(small.oracle.run(first)) == 3
    assert small.oracle.run(first + 8 * DAY) == []
    assert [mail.to.name for mail in small.oracle.run(first + 32 * DAY)] == []
    assert len(small.oracle.run(first + 33 * DAY)) == 3
    assert small.oracle.run(first + 33 * DAY) == []


def test_refused_mail_says_its_lines_again_and_tells_the_others_once(small):
    small.deputy.hour, small.third.hour = datetime.time(9), datetime.time(10)
    morning = datetime.datetime(2026, 10, 1, 12, 30, tzinfo=datetime.UTC)
    refused = frozenset({"responsible"})
    assert [mail.to.name for mail in small.oracle.run(morning, refused)] == ["deputy", "third"]
    assert small.responsible.refused_since == morning
    # The others' hours come later; so it is the next day's run that looks at them first, which is late.
    assert [mail.to.name for mail in small.oracle.run(morning + DAY, refused)] == ["deputy", "third"]
    mails = small.oracle.run(morning + 2 * DAY)
    assert [(mail.to.name, {line.kind for line in mail.lines}) for mail in mails] == [("responsible", {"watching"})]
    assert small.responsible.refused_since is None


def test_line_of_a_refused_mail_is_said_when_it_is_due_again(smtp_server, transactional_db):
    """The member was to be told as long as they were doing it; between that and the next time other mails failed."""
    family = Family()
    family.household.created_at = at("2026-01-01")
    family.household.save()
    dates = {"deadline": "2027-01-01", "due_on": "2026-12-01", "safe_on": "2026-12-20"}
    card = family.add_card(responsible=family.owner, created_at=at("2026-01-01"), **dates)
    is_refusing = True
    smtp_server.answer = lambda command, argument: "550 No such user" if command == "RCPT" and is_refusing else None
    renewal = start_renewal(card, family.manager, at("2026-04-10"))
    for day in ("2026-04-10", "2026-04-12", "2026-04-13"):
        run_once(60, lambda day=day: at(day))
    is_refusing = False
    take_renewal(renewal, family.manager, at("2026-04-14"))
    run_once(60, lambda: at("2026-04-14"))
    said = Reminder.objects.filter(member=family.manager, delivery__state="sent")
    assert sorted(said.values_list("kind", flat=True)) == ["reading", "signal", "watching"]


FIRST_DAY = datetime.date(2026, 3, 1)
# Before and after the mail hours of the next day, so that a day of “I am doing it” ends on either side of them.
ACT_HOURS = [datetime.time(*hour, tzinfo=datetime.UTC) for hour in ((5, 0), (12, 20), (20, 0))]
# Days of UTC without a run: the first of each and how many. Ten days are more than a clock is trusted with.
WITHOUT_RUNS = {
    "2026-03-20": 1, "2026-04-17": 2, "2026-06-05": 1, "2026-07-12": 3, "2026-08-20": 1, "2026-11-10": 10,
    "2027-01-05": 1, "2027-03-13": 2, "2027-05-02": 1, "2027-08-11": 6, "2027-10-31": 1, "2027-12-24": 3,
}  # fmt: skip
# Whose mails the server refuses: from a day on, until the next one.
REFUSED = {
    "2026-05-10": {"Mario"}, "2026-06-20": set(), "2026-09-05": {"Olga", "Ana"}, "2026-09-27": {"Ana"},
    "2026-10-15": set(), "2027-02-01": {"Vera"}, "2027-02-20": {"Vera", "Olga"}, "2027-04-01": set(),
    "2027-06-10": {"Ana", "Mario"}, "2027-07-20": set(), "2027-09-07": {"Mario", "Olga"}, "2027-10-08": set(),
}  # fmt: skip


def test_two_years_of_two_families_are_said_as_the_specification_reads(smtp_server, transactional_db):
    life = Life(FIRST_DAY, seed=20260301)
    smtp_server.answer = lambda command, argument: (
        "550 No such user" if command == "RCPT" and _name_of(argument) in life.refused else None
    )
    silent = {day + n * DAY for day, days in _by_day(WITHOUT_RUNS) for n in range(days)}
    refused = dict(_by_day(REFUSED))
    kept: set[int] = set()
    kinds: Counter[str] = Counter()
    for number in range(730):
        day = FIRST_DAY + number * DAY
        if day in refused:
            life.refuse(refused[day])
        run_times = [] if day in silent else _run_times(life, day, number)
        expected = _live_a_day(life, day, run_times, catches_up=day - DAY in silent)
        lines = _lines_sent_since(day - 2 * DAY, kept)
        _check(day, life, expected, lines, smtp_server.messages)
        smtp_server.messages.clear()
        kinds.update(line.kind for line in lines)
    assert set(kinds) == set(Reminder.Kind.values)
    assert min(kinds.values()) > 10


def _live_a_day(life, day, run_times, *, catches_up):
    """Let a day of UTC pass, with its acts and runs in their order; return the mails that the oracle expects."""
    mails = []
    acts = [datetime.datetime.combine(day, hour) for hour in ACT_HOURS]
    for now in sorted([*acts, *run_times]):
        if now in acts:
            life.live(now)
        else:
            if catches_up:
                life.settle()
            mails += life.oracle.run(now, frozenset(life.refused))
            run_once(60, lambda now=now: now)
    return mails


def _run_times(life, day, number):
    """Return a minute after each mail hour; each 29th day, every hour beside it."""
    hours = {member.mail_moment(day + n * DAY) for member in life.members for n in (-1, 0, 1)}
    times = {hour + datetime.timedelta(minutes=1) for hour in hours}
    if number % 29 == 0:
        times |= {datetime.datetime.combine(day, datetime.time(hour, 30, tzinfo=datetime.UTC)) for hour in range(24)}
    return [time for time in times if time.date() == day]


def _lines_sent_since(first, kept):
    """Return the lines in mails sent from a day on that are not `kept` by their row's number, and keep them."""
    rows = Reminder.objects.filter(delivery__state="sent", delivery__local_date__gte=first)
    fields = ("pk", "member__name", "subject", "kind", "about_on", "moment_on")
    found = {pk: oracle.Line(*line) for pk, *line in rows.values_list(*fields) if pk not in kept}
    kept.update(found)
    return list(found.values())


def _check(day, life, expected, lines, messages):
    """Compare what was said on a day, and the mails that brought it, with what the oracle expects."""
    problems = []
    arrived = Counter(_name_of(address) for message in messages for address in message.recipients)
    for member in life.members:
        said = {line for line in lines if line.member == member.name}
        mails = [mail for mail in expected if mail.to is member]
        due = {line for mail in mails for line in mail.lines or ()}
        if said != due or arrived[member.name] != len(mails):
            problems += [f"{day} {member.name}: {arrived[member.name]} mails instead of {len(mails)}"]
            problems += [f"  missing: {' '.join(map(str, line[1:]))}" for line in sorted(due - said)]
            problems += [f"  too much: {' '.join(map(str, line[1:]))}" for line in sorted(said - due)]
    assert not problems, "\n".join(problems)
    assert all(len(message.recipients) == 1 for message in messages)


def _name_of(address):
    return address.partition("@")[0].capitalize()


def _by_day(table):
    return [(datetime.date.fromisoformat(day), value) for day, value in table.items()]
