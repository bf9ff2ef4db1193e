"""Fill an empty installation with a made-up household, or with many, to look around in and to measure with."""

import os
import secrets
import sys
from argparse import ArgumentParser
from random import Random
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from tqdm import tqdm

from cards.catalogue import CatalogueError, load_catalogue
from cards.household import AlreadyFounded
from cards.models import Household, Plan
from renewals.demo import (
    MOST_CARDS,
    STORY_PLANS,
    Family,
    add_random_cards,
    attach_receipt,
    found_chens,
    found_others,
    tell_story,
)
from renewals.models import Payment

FOUNDED = (
    "This installation already has a household or a login; nothing was changed. "
    "The demo household needs an empty one: set DATA_DIR (or DATABASE_URL) to a new place."
)


class Command(BaseCommand):
    help = (
        "Fill an empty installation with the Chen family: five cards, one in each stage that matters. With --cards, "
        "with random cards instead. Logins owner@, manager@ and viewer@example.org; their password is DEMO_PASSWORD, "
        "else a random one that is printed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cards", type=int, metavar="N", help="N random cards per household, over all plans")
        parser.add_argument(
            "--households",
            type=int,
            default=1,
            metavar="N",
            help="N households; those after the first have random cards, 5 each unless --cards says otherwise",
        )
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="an equal seed gives equal cards on a day")

    def handle(self, *args: Any, **options: Any) -> None:
        count, households = options["cards"], options["households"]
        if count is not None and not 1 <= count <= MOST_CARDS:
            raise CommandError(f"--cards wants a number from 1 to {MOST_CARDS}.")
        if households < 1:
            raise CommandError("--households wants a number, at least 1.")
        chosen = os.environ.get("DEMO_PASSWORD", "")
        password = chosen or secrets.token_urlsafe(12)
        with_receipt: list[Payment] = []
        try:
            with transaction.atomic():
                first = self.fill(password, count, households, options["seed"], with_receipt)
        except BaseException:
            # The database forgets by itself; a file does not.
            for payment in with_receipt:
                payment.receipt.delete(save=False)
            raise
        self.tell(first, households, "as in DEMO_PASSWORD" if chosen else password)

    def fill(self, password: str, count: int | None, households: int, seed: int, with_receipt: list[Payment]) -> Family:
        """Make everything and return the first family; what gets a receipt is put into `with_receipt` before it does.

        Raises CommandError on an installation that is not empty.
        """
        now = timezone.now()
        random = Random(seed)  # noqa: S311 (made-up cards, no secrets)
        if Household.objects.exists():
            raise CommandError(FOUNDED)
        try:
            first = found_chens(password)
        except AlreadyFounded as error:
            raise CommandError(FOUNDED) from error
        if Plan.objects.filter(household=None, slug__in=STORY_PLANS).count() < len(STORY_PLANS):
            self.load()
        if count is None:
            with_receipt.append(tell_story(first, now))
            attach_receipt(with_receipt[0])
        crowds = [found_others(number, first) for number in range(2, households + 1)]
        if count is not None:
            crowds.insert(0, first)
        total = len(crowds) * (count or 5)
        with tqdm(total=total, unit="card", disable=not (total and sys.stderr.isatty())) as bar:
            for family in crowds:
                for made in add_random_cards(family, count or 5, random, now):
                    bar.update(made)
        return first

    def load(self) -> None:
        try:
            load_catalogue()
        except CatalogueError as error:
            for message in error.messages:
                self.stderr.write(message)
            raise CommandError("The catalogue cannot be loaded; nothing was made.") from error

    def tell(self, first: Family, households: int, password: str) -> None:
        """Print who can sign in, with what and where."""
        self.stdout.write(f"{first.household}: {first.household.cards.count()} cards")
        for member in (first.owner, first.manager, first.viewer):
            self.stdout.write(f"  {member.user.email:<22}{member.name} ({member.get_role_display()})")
        if households > 1:
            self.stdout.write(f"  and so on, up to owner{households}@example.org")
        self.stdout.write(f"Password: {password}")
        self.stdout.write(f"Open {settings.SITE_URL}")
