from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cards.encryption import holds_sealed, installation_keys
from cards.models import Card
from config.keys import new_encryption_key, write_keys
from renewals.models import Document, Payment
from renewals.old_secrets import seal_fields_anew, seal_files_anew
from renewals.rotating import Count, keys_of_households, reseal_all, reseal_factors, sealed_fields


class Command(BaseCommand):
    help = (
        "Seal what the installation's keys open with the newest of them, while everything goes on running. A run that "
        "was cut off is simply started again; at no moment is anything unreadable."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new-key", action="store_true", help="make a new key first and put it before the others")

    def handle(self, *args: Any, **options: Any) -> None:
        keys = installation_keys()
        if not keys and holds_sealed():
            raise CommandError("The key is missing. Put back ENCRYPTION_KEY, or the file encryption_key.")
        if options["new_key"]:
            keys = self._add_key(keys)
        count = Count()
        for field in [keys_of_households(), *sealed_fields()]:
            for done in reseal_all(field, count):
                self.stdout.write(f"{field.model._meta.label}: {done} done")
        for done in reseal_factors(count):
            self.stdout.write(f"second factors: {done} done")
        count.lost += seal_fields_anew(Document, "number") + seal_fields_anew(Card, "iccid", "pin", "puk")
        count.lost += seal_files_anew(Payment, "receipt")
        if count.lost:
            raise CommandError(
                f"{count.lost} values are opened by none of the keys. Remove no key. Put back the one they were sealed "
                "with, after the others and a comma, and run this again."
            )
        self.stdout.write(f"{count.seen} values are sealed with the newest key, {count.resealed} of them since now.")
        if count.resealed:
            self.stdout.write("Run this once more in a few minutes. When it says 0, the older keys may go.")
        elif len(keys) > 1:
            self.stdout.write(
                "The older keys are needed only by backups made before today. Keep a copy of them with those backups; "
                f"then leave only the first key in {self._place()}."
            )

    def _add_key(self, keys: list[str]) -> list[str]:
        """Put a new key before the others. Running servers read the file anew each time, so they take it up at once."""
        if settings.ENCRYPTION_KEYS:
            raise CommandError(
                "The keys are in the environment, which only you can change. Set ENCRYPTION_KEY to the line below, "
                "start Keepnumber again, and run rotate_keys without --new-key:\n"
                f"{','.join([new_encryption_key(), '<the value it has now>'])}"
            )
        keys = [new_encryption_key(), *keys]
        write_keys(Path(settings.ENCRYPTION_KEY_FILE), keys)
        self.stdout.write(f"A new key is the first in {settings.ENCRYPTION_KEY_FILE}. Copy this file to a safe place.")
        return keys

    def _place(self) -> str:
        return "ENCRYPTION_KEY" if settings.ENCRYPTION_KEYS else str(settings.ENCRYPTION_KEY_FILE)
