"""What an installation on the web must not be without: beside Django's own checks for `check --deploy`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import Error, Tags, register

from config.keys import read_keys

SHORTEST_KEY = 50
YEAR = 31_536_000
# Keys that stand in examples, in ours and in those that people copy from.
SAMPLES = ("django-insecure-", "only-for-tests", "changeme", "change-me", "change_me", "secret", "example", "your-")
SHARED_CACHES = {
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
    "django.middleware.cache.CacheMiddleware",
}

Finding = tuple[bool, str, str]


def _hosts() -> Finding:
    return (
        any(host.startswith(("*", ".")) for host in settings.ALLOWED_HOSTS),
        "ALLOWED_HOSTS lets a request choose the host name.",
        "Name the hosts one by one, as in ALLOWED_HOSTS=keepnumber.example.org.",
    )


def _site() -> Finding:
    return (
        not settings.SITE_URL_IS_GIVEN,
        "SITE_URL is not set, so links in mails lead to this machine.",
        "Set it to the address people type, as in SITE_URL=https://keepnumber.example.org.",
    )


def _mail_timeout() -> Finding:
    return (
        not settings.EMAIL_TIMEOUT,
        "EMAIL_TIMEOUT is not set: a mail server that never answers holds up all reminders.",
        "Set it to some seconds, such as 60.",
    )


def _secret_key() -> Finding:
    keys = {str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)}
    return (
        any(len(key) < SHORTEST_KEY or key.lower().startswith(SAMPLES) for key in keys)
        or bool(keys & {*settings.ENCRYPTION_KEYS, *read_keys(settings.ENCRYPTION_KEY_FILE)}),
        "SECRET_KEY is short, from an example, or the same as an encryption key.",
        "Leave SECRET_KEY out of the environment, and a good one is made and kept in the data folder.",
    )


def _strict_transport() -> Finding:
    return (
        settings.SECURE_HSTS_SECONDS < YEAR or not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS,
        "Browsers are not told for a year to come by https alone.",
        "SITE_URL must begin with https://.",
    )


def _cookies() -> Finding:
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    return (
        not all(name.startswith("__Host-") for name in names),
        "The cookies of the session and of forms can be set by a neighbouring site.",
        "SITE_URL must begin with https://; then their names begin with __Host-.",
    )


def _shared_cache() -> Finding:
    return (
        bool(SHARED_CACHES & set(settings.MIDDLEWARE)),
        "Pages are kept in a cache that all members share.",
        "Take Django's cache middleware out of MIDDLEWARE.",
    )


def _requests_in_transactions() -> Finding:
    return (
        any(_is_sqlite(each) and each.get("ATOMIC_REQUESTS") for each in settings.DATABASES.values()),
        "Each request on SQLite is one transaction, so that one slow page holds up everybody.",
        "Take ATOMIC_REQUESTS out of DATABASES.",
    )


def _immediate() -> Finding:
    options = [each.get("OPTIONS", {}) for each in settings.DATABASES.values() if _is_sqlite(each)]
    return (
        any(each.get("transaction_mode", "").upper() != "IMMEDIATE" for each in options),
        "Writers on SQLite fail with “database is locked” instead of waiting for each other.",
        'Set "transaction_mode": "IMMEDIATE" in the OPTIONS of DATABASES.',
    )


def _debug() -> Finding:
    return (
        settings.DEBUG,
        "DEBUG shows source code and settings to whoever meets an error.",
        "Take DEBUG out of the environment.",
    )


def _uploads() -> Finding:
    served = [settings.STATIC_ROOT, *(_folder(each) for each in settings.STATICFILES_DIRS)]
    uploads = Path(settings.MEDIA_ROOT).resolve()
    return (
        any(uploads.is_relative_to(Path(folder).resolve()) for folder in served),
        "Uploads are kept where files are handed out to everybody.",
        "Keep MEDIA_ROOT out of STATIC_ROOT and STATICFILES_DIRS.",
    )


def _folder(entry: Any) -> Any:
    return entry[1] if isinstance(entry, list | tuple) else entry


def _is_sqlite(database: dict[str, Any]) -> bool:
    return "sqlite" in database["ENGINE"]


# The number of each is its identifier, keepnumber.E001 and so on, so a further one comes last.
CHECKS: list[Callable[[], Finding]] = [
    _hosts,
    _site,
    _mail_timeout,
    _secret_key,
    _strict_transport,
    _cookies,
    _shared_cache,
    _requests_in_transactions,
    _immediate,
    _debug,
    _uploads,
]


@register(Tags.security, deploy=True)
def check_installation(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[Error]:
    """Return what is wrong with the settings of an installation on the web."""
    return list(_errors())


def _errors() -> Iterator[Error]:
    for number, check in enumerate(CHECKS, 1):
        is_wrong, message, hint = check()
        if is_wrong:
            yield Error(message, hint=hint, id=f"keepnumber.E{number:03}")
