"""The settings of the suite: a temporary data folder, fixed keys, nothing from a developer's .env.

Named in pyproject.toml, because pytest-django reads the settings before any conftest.
"""

import atexit
import os
import shutil
import sys
import tempfile

import environ

from tests.postgres import start_postgres

FROM_OUTSIDE = [
    "PORT",
    "HOST",
    "DATA_DIR",
    "DATABASE_URL",
    "EMAIL_URL",
    "EMAIL_FROM",
    "SECRET_KEY",
    "ENCRYPTION_KEY",
    "SITE_URL",
    "ALLOWED_HOSTS",
    "DEBUG",
    "MONITOR_URL",
    "PUSH_ALLOW_PRIVATE",
    "TRUSTED_PROXY_COUNT",
]

environ.Env.read_env = lambda *args, **kwargs: None
if "PYTEST_XDIST_WORKER" not in os.environ:  # The workers use the server that their parent started.
    for name in FROM_OUTSIDE:
        os.environ.pop(name, None)
    if "--database=postgres" in sys.argv or os.environ.get("TEST_DATABASE") == "postgres":
        os.environ["DATABASE_URL"] = start_postgres()
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="keepnumber-tests-")
os.environ["SECRET_KEY"] = "only-for-tests-" + "0123456789" * 6
os.environ["ENCRYPTION_KEY"] = "b25seS1mb3ItdGVzdHMtMDEyMzQ1Njc4OTAxMjM0NTY="
atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

from config.settings import *  # noqa: E402, F403
from config.settings import DATA_DIR, DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

STATIC_ROOT.mkdir()
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, as in an installation: threads share a database in memory on other terms. It need not outlive a power cut.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}
    options = DATABASES["default"]["OPTIONS"]
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
