"""Load the packaged catalogue, or another folder like it, and compute the cards anew that it changes."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from cards.catalogue import CATALOGUE, CatalogueError, load_catalogue
from cards.models import Card
from renewals.deadlines import recompute_cards


class Command(BaseCommand):
    help = "Loads operators and plans from the catalogue's files; a second run changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, default=CATALOGUE, help="where the *.yaml files are")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            # In one transaction: cards left behind by an interruption would not be found by a second load.
            with transaction.atomic():
                loaded = load_catalogue(options["folder"])
                cards = recompute_cards(Card.objects.filter(plan__in=loaded.plans_changed))
        except CatalogueError as error:
            for message in error.messages:
                self.stderr.write(message)
            raise CommandError(_("Nothing was loaded.")) from error
        self.stdout.write(
            _(
                "Catalogue: %(created)d created, %(updated)d updated, %(unchanged)d unchanged, "
                "%(kept)d kept as edited; %(cards)d cards have new dates."
            )
            % {
                "created": loaded.created,
                "updated": loaded.updated,
                "unchanged": loaded.unchanged,
                "kept": loaded.kept_edited,
                "cards": cards,
            }
        )
