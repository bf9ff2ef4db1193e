from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CardsConfig(AppConfig):
    """Named for the administration, where only what all households share is shown."""

    name = "cards"
    verbose_name = _("Catalogue")

    def ready(self) -> None:
        from . import sessions, sign_in_log  # noqa: F401 - connects what follows a sign-in
