"""How people sign in: allauth's flows, with registration closed. The first login comes from /setup/."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link of the reset mail. Its host comes from SITE_URL, never from the request."""
        path = super().get_reset_password_from_key_url(key)
        return settings.SITE_URL + path[path.index("/", path.index("//") + 2) :] if "//" in path else path
