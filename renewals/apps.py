from django.apps import AppConfig


class RenewalsConfig(AppConfig):
    name = "renewals"

    def ready(self) -> None:
        from . import farewell  # noqa: F401 - hears who leaves a household
