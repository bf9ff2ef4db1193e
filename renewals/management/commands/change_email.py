"""Give a login another email address, for a member whom no mail reaches any more."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import IntegrityError

from cards.email_change import change_email
from cards.models import User


class Command(BaseCommand):
    help = "Give a login another email address. Reminders and the sign-in use it from now on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("old", help="the address as it is now")
        parser.add_argument("new", help="the address as it shall be")

    def handle(self, *args: Any, **options: Any) -> None:
        old, new = options["old"].lower(), options["new"].lower()
        user = User.objects.filter(email=old).first()
        if user is None:
            raise CommandError("There is no login with the first address.")
        try:
            validate_email(new)
            change_email(user, new)
        except ValidationError as error:
            raise CommandError("The second one is not an email address.") from error
        except IntegrityError as error:
            raise CommandError("Another login has the second address.") from error
        self.stdout.write("Changed. Mails go to the new address from the next run on.")
