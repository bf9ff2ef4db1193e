"""`check --deploy` says what is wrong with an installation: each check is broken once, and speaks alone."""

import copy

import pytest
from django.conf import settings as ours
from django.core.checks.registry import registry

from config.checks import CHECKS, check_installation

HASH = "k7_Zp-" * 12
DATABASES = copy.deepcopy(ours.DATABASES)


@pytest.fixture
def installation(settings, tmp_path):
    """Good settings, as an installation on the web has them."""
    settings.ALLOWED_HOSTS = ["keepnumber.example.org"]
    settings.SITE_URL_IS_GIVEN = True
    settings.EMAIL_TIMEOUT = 60
    settings.SECRET_KEY = HASH
    settings.SECRET_KEY_FALLBACKS = []
    settings.ENCRYPTION_KEYS = ["b25seS1mb3ItdGVzdHMtMDEyMzQ1Njc4OTAxMjM0NTY="]
    settings.ENCRYPTION_KEY_FILE = tmp_path / "encryption_key"
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    settings.DEBUG = False
    settings.STATIC_ROOT, settings.STATICFILES_DIRS = tmp_path / "static", [tmp_path / "source"]
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return settings


def found():
    return [error.id for error in check_installation(None)]


def test_good_installation_is_passed_in_silence(installation):
    assert found() == []


def other_database(**changes):
    return {"default": DATABASES["default"] | {"ENGINE": "django.db.backends.sqlite3"} | changes}


IMMEDIATE = {"transaction_mode": "IMMEDIATE"}
BROKEN = {
    "any host": ("E001", lambda folder: {"ALLOWED_HOSTS": ["keepnumber.example.org", "*"]}),
    "any host below one": ("E001", lambda folder: {"ALLOWED_HOSTS": [".example.org"]}),
    "no address of the site": ("E002", lambda folder: {"SITE_URL_IS_GIVEN": False}),
    "no end of waiting for mail": ("E003", lambda folder: {"EMAIL_TIMEOUT": None}),
    "short key": ("E004", lambda folder: {"SECRET_KEY": HASH[:49]}),
    "key of an example": ("E004", lambda folder: {"SECRET_KEY": f"django-insecure-{HASH}"}),
    "short former key": ("E004", lambda folder: {"SECRET_KEY_FALLBACKS": [HASH[:49]]}),
    "one key for both": ("E004", lambda folder: {"ENCRYPTION_KEYS": ["x", HASH]}),
    "one key for both, in its file": ("E004", lambda folder: (folder / "encryption_key").write_text(HASH) and {}),
    "https for less than a year": ("E005", lambda folder: {"SECURE_HSTS_SECONDS": 31_535_999}),
    "https without the names below": ("E005", lambda folder: {"SECURE_HSTS_INCLUDE_SUBDOMAINS": False}),
    "loose session cookie": ("E006", lambda folder: {"SESSION_COOKIE_NAME": "sessionid"}),
    "loose cookie of forms": ("E006", lambda folder: {"CSRF_COOKIE_NAME": "csrftoken"}),
    "pages kept for all": (
        "E007",
        lambda folder: {"MIDDLEWARE": ["django.middleware.cache.UpdateCacheMiddleware", *ours.MIDDLEWARE]},
    ),
    "kept pages handed out": (
        "E007",
        lambda folder: {"MIDDLEWARE": [*ours.MIDDLEWARE, "django.middleware.cache.FetchFromCacheMiddleware"]},
    ),
    "requests in transactions": (
        "E008",
        lambda folder: {"DATABASES": other_database(ATOMIC_REQUESTS=True, OPTIONS=IMMEDIATE)},
    ),
    "writers that fail": ("E009", lambda folder: {"DATABASES": other_database(OPTIONS={})}),
    "writers that fail late": (
        "E009",
        lambda folder: {"DATABASES": other_database(OPTIONS={"transaction_mode": "DEFERRED"})},
    ),
    "pages for developers": ("E010", lambda folder: {"DEBUG": True}),
    "uploads among the static files": ("E011", lambda folder: {"MEDIA_ROOT": folder / "static" / "uploads"}),
    "uploads as the static files": ("E011", lambda folder: {"MEDIA_ROOT": folder / "static"}),
    "uploads in the project": ("E011", lambda folder: {"MEDIA_ROOT": folder / "source" / "up"}),
}


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("what", BROKEN)
def test_one_broken_setting_is_named_and_nothing_else(installation, tmp_path, what):
    number, change = BROKEN[what]
    for name, value in change(tmp_path).items():
        setattr(installation, name, value)
    [error] = check_installation(None)
    assert error.id == f"keepnumber.{number}"
    assert error.hint
    assert error.level == 40


def test_each_check_is_broken_by_one_test():
    assert {number for number, change in BROKEN.values()} == {f"E{number:03}" for number in range(1, len(CHECKS) + 1)}
    assert len(CHECKS) == 11


def test_checks_are_asked_for_by_deploy_alone():
    assert check_installation in registry.get_checks(include_deployment_checks=True)
    assert check_installation not in registry.get_checks()
