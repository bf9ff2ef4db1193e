"""Every shipped plan: one card through two keep acts and one lapse, against dates that were computed by hand.

`lives.csv` was reckoned from the catalogue's facts with a calendar, by somebody who had not seen the code that is
tested here; its last column tells how.
"""

import csv
import datetime
from decimal import Decimal
from pathlib import Path

from cards.catalogue import load_catalogue
from cards.models import Plan
from renewals.deadlines import recompute_card, stage_of
from renewals.models import Activity, Payment
from tests.factories import CardFactory

TABLE = Path(__file__).with_name("lives.csv").read_text(encoding="utf-8").splitlines()
LIVES = {row["plan"]: row for row in csv.DictReader(TABLE)}


def day(text):
    return datetime.date.fromisoformat(text) if text else None


def act(card, life, number):
    """Write down the keep act of this number, seen to be charged on its own day."""
    kind, on = life[f"act_{number}"], day(life[f"on_{number}"])
    about = {"card": card, "household": card.household, "kind": kind, "confirmed_on": on}
    if kind in Activity.Kind.values:
        Activity.objects.create(done_on=on, **about)
    else:
        Payment.objects.create(
            paid_on=on,
            amount=Decimal(life[f"amount_{number}"]),
            currency=life[f"currency_{number}"],
            channel=life[f"channel_{number}"] or "inside",
            covers_until=day(life[f"covers_until_{number}"]),
            **about,
        )
    return recompute_card(card)


def test_table_has_every_shipped_plan_once(db):
    load_catalogue()
    assert set(LIVES) == set(Plan.objects.values_list("slug", flat=True))
    assert len(LIVES) == len(TABLE) - 1 == 66


def test_two_acts_and_a_lapse_give_the_days_of_the_table(db):
    load_catalogue()
    wrong = []
    for slug, life in LIVES.items():
        card = CardFactory(plan=Plan.objects.get(slug=slug), activated_on=day(life["activated_on"]))
        first, second = act(card, life, 1), act(card, life, 2)
        found = {
            "deadline_1": first.deadline,
            "deadline_2": second.deadline,
            "due_2": second.due_on,
            "safe_2": second.safe_on,
            "grace_ends_2": second.grace_ends_on,
            "lost_2": second.lost_on,
            "stage_after": stage_of(card, day(life["day_after"])).value,
        }
        for name, value in found.items():
            expected = life[name] if name == "stage_after" else day(life[name])
            if value != expected:
                wrong.append(f"{slug} {name}: {value}, by the table {expected} ({life['derivation']})")
    assert not wrong, "\n".join(wrong)
