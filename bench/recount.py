"""What a changed rule costs: does the memory stay flat, and the time per card the same, from 1,000 cards to 100,000?

Every figure is measured in a process of its own and printed as a ratio to the smallest size of the same run.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time

SIZES = (1_000, 10_000, 100_000)
CARDS_PER_HOUSEHOLD = 100
FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def fill(count: int) -> None:
    """Bring the database to `count` cards on one plan, each with a payment."""
    import datetime

    from cards.models import Card, Household, KeepRule, Operator, Plan, TopUpStep
    from renewals.models import Payment

    plan = Plan.objects.first()
    if plan is None:
        operator = Operator.objects.create(slug="bench", name="Bench", country="CU")
        plan = Plan.objects.create(operator=operator, slug="bench", name="Bench")
        rule = KeepRule.objects.create(plan=plan, kind="top_up", value=330, qualifying_acts=["top_up"], grace_value=30)
        TopUpStep.objects.create(rule=rule, minimum_amount=100, currency="CUP", value=330)
    days = [datetime.date(2026, 1, 1) + datetime.timedelta(days=number) for number in range(300)]
    for start in range(Card.objects.count(), count, 10 * CARDS_PER_HOUSEHOLD):
        numbers = range(start, start + 10 * CARDS_PER_HOUSEHOLD)
        households = Household.objects.bulk_create(Household(name="Bench") for _number in range(10))
        cards = Card.objects.bulk_create(
            Card(household=households[number % 10], plan=plan, name=str(number), number=f"+53{number:08d}")
            for number in numbers
        )
        Payment.objects.bulk_create(
            Payment(
                household_id=card.household_id,
                card=card,
                amount=100,
                currency="CUP",
                paid_on=days[number % 300],
                confirmed_on=days[number % 300],
            )
            for number, card in enumerate(cards)
        )


def measure() -> dict[str, float]:
    """Change the rule and compute its cards; return the cards that moved, seconds, and the growth of memory in MB."""
    from django.utils import timezone

    from cards.models import Plan, TopUpStep
    from renewals.rule_changes import mark_for_recount, recount_pending

    step = TopUpStep.objects.get()
    step.value = 300 if step.value == 330 else 330
    step.save()
    mark_for_recount(Plan.objects.get(), timezone.now())
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    moved = recount_pending(timezone.now())
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"moved": moved, "seconds": time.perf_counter() - started, "grown": grown / 1024}


def main() -> None:
    if len(sys.argv) > 1:
        import django

        django.setup()
        act, count = sys.argv[1], int(sys.argv[2])
        print(json.dumps(fill(count) if act == "fill" else measure()))
        return
    with tempfile.TemporaryDirectory() as data:
        environment = os.environ | {
            "DATA_DIR": data,
            "DATABASE_URL": f"sqlite:///{data}/bench.sqlite3",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": FOLDER,
        }

        def call(*arguments: str) -> str:
            command = [sys.executable, *arguments]
            done = subprocess.run(command, cwd=FOLDER, env=environment, check=True, capture_output=True, text=True)
            return done.stdout.splitlines()[-1] if done.stdout else ""

        call("manage.py", "migrate", "--verbosity", "0")
        first = None
        for size in SIZES:
            call(__file__, "fill", str(size))
            found = json.loads(call(__file__, "measure", str(size)))
            per_card = found["seconds"] / found["moved"]
            first = first or (per_card, found["grown"])
            print(
                f"{size:>7} cards: {found['moved']} moved, {per_card * 1e6:.0f} µs a card "
                f"({per_card / first[0]:.2f} × the first), memory grew by {found['grown']:.0f} MB "
                f"({found['grown'] / max(first[1], 1):.2f} × the first)"
            )


if __name__ == "__main__":
    main()
