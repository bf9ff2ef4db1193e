"""Load the packaged catalogue, or another folder like it, and compute the cards anew that it changes."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from tqdm import tqdm

from cards.catalogue import CATALOGUE, CatalogueError, load_catalogue
from renewals.rule_changes import count_pending, recount_pending


class Command(BaseCommand):
    help = "Loads operators, plans and guides from the catalogue's files; a second run changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, default=CATALOGUE, help="where the *.yaml files are")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            loaded = load_catalogue(options["folder"], now=now)
        except CatalogueError as error:
            for message in error.messages:
                self.stderr.write(message)
            raise CommandError(_("Nothing was loaded.")) from error
        # After the load, which marked the plans: what an interruption leaves behind, the next run computes.
        with tqdm(total=count_pending(), unit="card", disable=None) as bar:
            cards = recount_pending(now, report=bar.update)
        self.stdout.write(
            _(
                "Catalogue: %(created)d created, %(updated)d updated, %(unchanged)d unchanged, "
                "%(kept)d kept as edited, %(offered)d to decide, %(retired)d retired, %(guides)d guides changed; "
                "%(cards)d cards have new dates."
            )
            % {
                "created": loaded.created,
                "updated": loaded.updated,
                "unchanged": loaded.unchanged,
                "kept": loaded.kept_edited,
                "retired": loaded.retired,
                "offered": loaded.offered,
                "guides": loaded.guides,
                "cards": cards,
            }
        )
