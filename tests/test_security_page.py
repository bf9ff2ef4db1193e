"""What docs/security.md says is so: its tables and figures are compared with the code."""

import ast
import re
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import settings
from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    MinimumLengthValidator,
    get_default_password_validators,
)
from django.db import models

from cards.encryption import EncryptedTextField, KeyField, SealedField
from cards.models import LogEntry, Member
from cards.models.invitation import LASTS
from cards.passwords import LONGEST
from cards.rights import RIGHTS
from cards.views import invitations
from renewals import bin as the_bin
from renewals import forgetting
from renewals.channels import transport
from renewals.reminders import delivery, monitor
from renewals.uploads import TYPES, checking, pdfs, pictures
from renewals.views import secrets

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())

# Modules that make or check something secret, and modules that open connections.
CRYPTOGRAPHY = {"cryptography", "hashlib", "hmac", "secrets", "django.core.signing", "django.utils.crypto"}
CONNECTIONS = {"socket", "ssl", "smtplib", "http.client", "urllib.request", "requests", "urllib3", "ftplib", "asyncio"}
# What of these the code takes; anything else is first thought about, then written here and on the page.
TAKEN = {
    "cryptography.exceptions.InvalidTag", "cryptography.fernet.Fernet", "cryptography.fernet.InvalidToken",
    "cryptography.fernet.MultiFernet", "cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "django.core.signing", "django.utils.crypto.constant_time_compare", "django.utils.crypto.get_random_string",
    "django.utils.crypto.salted_hmac", "hashlib", "secrets",
}  # fmt: skip
NO_SECRET = {"renewals/management/commands/demo_household.py"}


def modules():
    """Yield the path and the tree of each module of ours."""
    for path in sorted(path for app in ("cards", "config", "renewals") for path in (ROOT / app).rglob("*.py")):
        if "migrations" not in path.parts:
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def imports_of(tree):
    """Return the dotted names that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_of(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def rows_of(head):
    """Return the cells of the page's table whose first row begins with `head`."""
    lines = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    assert lines, f"no table begins with {head}"
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def named_in(cells):
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_roles_of_the_page_are_those_of_the_code():
    says = {"yes": True, "no": False}
    rows = rows_of("right")
    found = {right.strip("`"): [says[cell] for cell in cells] for right, _what, *cells in rows}
    assert found == {right: [role in RIGHTS[right] for role in ("owner", "manager", "viewer")] for right in RIGHTS}
    assert set(Member.Role.values) == {"owner", "manager", "viewer"}


def test_every_sealed_column_is_on_the_page():
    levels = {level: named_in([what]) for level, what, _how in rows_of("level")}
    kinds = (EncryptedTextField, KeyField, SealedField, models.FileField)
    fields = [field for model in apps.get_models() for field in model._meta.local_concrete_fields]
    sealed = {f"{field.model.__name__}.{field.name}" for field in fields if isinstance(field, kinds)}
    # allauth keeps what it has sealed with our key inside of this one.
    sealed.add(f"{Authenticator.__name__}.data")
    assert levels["sealed by household"] | levels["sealed by installation"] == sealed
    by_household = {
        f"{field.model.__name__}.{field.name}" for field in fields if isinstance(field, (SealedField, models.FileField))
    }
    assert levels["sealed by household"] == by_household


def test_cryptography_is_used_where_the_page_says():
    found = {path: {name for name in imports_of(tree) if is_of(name, CRYPTOGRAPHY)} for path, tree in modules()}
    users = {path for path, names in found.items() if names} - NO_SECRET
    assert named_in(cell for row in rows_of("for what") for cell in row[2:]) == users
    assert set().union(*found.values()) == TAKEN


def test_only_hash_functions_of_256_bits_are_called():
    called = {
        node.attr
        for _path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hashlib"
    }
    assert called == {"sha256"}


def test_every_connection_out_is_on_the_page():
    found = {path: {name for name in imports_of(tree) if is_of(name, CONNECTIONS)} for path, tree in modules()}
    # The port is tried before the server starts; the other two only know what can go wrong.
    at_home = {"config/start.py", "renewals/reminders/postman.py", "renewals/reminders/delivery.py"}
    users = {path for path, names in found.items() if names} - at_home
    assert {name for name in named_in(row[0] for row in rows_of("to")) if name.endswith(".py")} == users


def test_kinds_of_log_lines_are_on_the_page():
    log = next(cells for cells in rows_of("where") if cells[0] == "the log of the household")
    assert log[1].partition(";")[0].split(", ") == LogEntry.Kind.values


def limit(name):
    """Return {what is counted by: (times, seconds)} of one of the sign-in's limits."""
    units = {"m": 60, "h": 3600, "d": 86400}
    parts = (part.split("/") for part in settings.ACCOUNT_RATE_LIMITS[name].split(","))
    return {by: (int(times), units[unit]) for times, unit, by in parts}


FIGURES = {
    "idle session": (lambda: settings.SESSION_COOKIE_AGE // 86400, "Sessions end {} days after their last use"),
    "whole session": (lambda: settings.SESSION_MOST_AGE // 86400, "and {} days after they began"),
    "proof": (lambda: settings.ACCOUNT_REAUTHENTICATION_TIMEOUT // 60, "not older than {} minutes"),
    "reset": (lambda: settings.PASSWORD_RESET_TIMEOUT // 60, "works once within {} minutes"),
    "invitation": (lambda: LASTS.days, "An invitation is a link that works once, for {} days"),
    "longest password": (lambda: LONGEST, "to {} characters"),
    "shortest password": (
        lambda: next(
            each.min_length for each in get_default_password_validators() if isinstance(each, MinimumLengthValidator)
        ),
        "A password has {} to",
    ),
    "guesses at a login": (lambda: limit("login_failed")["key"][0], "{} an hour for a login"),
    "new passwords": (lambda: limit("reset_password")["key"][0], "{} new passwords an hour for a login"),
    "invitations an hour": (
        lambda: invitations.LIMITS["invite"].split("/")[0],
        "{} invitations an hour",
    ),
    "guesses of an address": (lambda: limit("login_failed")["ip"][0], "{} an hour for a network address"),
    "secret on the screen": (lambda: secrets.SHOWN_FOR, "shown one at a time for {} seconds"),
    "uploads": (lambda: checking.LIMIT // 1024**2, "at most {} MB each"),
    "files of a household": (lambda: checking.MOST_FILES, "{} files or"),
    "bytes of a household": (lambda: checking.MOST_BYTES // 1024**2, "or {} MB a household"),
    "pages": (lambda: pdfs.MOST_PAGES, "{} pages or"),
    "pixels": (lambda: max(pictures.MOST_PIXELS.values()) // 10**6, "or {} megapixels"),
    "log of the household": (lambda: forgetting.LOG_KEPT.days // 365, "the owner | {} years |"),
    "answers of mail servers": (lambda: forgetting.ANSWERS_KEPT.days, "answers {} days"),
    "invitations": (lambda: forgetting.INVITATIONS_KEPT.days, "until they end; {} days"),
    "outbox": (
        lambda: forgetting.OUTBOX_KEPT.days,
        "`DATA_DIR/outbox` | the administrator | {} days |",
    ),
    "common passwords": (
        lambda: f"{len(CommonPasswordValidator().passwords) // 1000 * 1000:,}",
        "the {} most common ones",
    ),
    "bin": (lambda: the_bin.KEPT.days, "owner and managers | {} days |"),
    "runs": (lambda: delivery.RUNS_KEPT.days, "when, how many | the administrator | {} days |"),
    "answer of the mail server": (lambda: settings.EMAIL_TIMEOUT, "{} seconds for an answer"),
    "answer to a whole mail": (lambda: settings.EMAIL_FINAL_TIMEOUT, "{} for a whole message"),
    "channel": (lambda: int(transport.TOTAL_SECONDS), "{} seconds in all"),
    "answer of a channel": (lambda: transport.MOST_BYTES // 1024, "{} KB of answer"),
    "monitor": (lambda: monitor.TIMEOUT, "{} seconds, not retried"),
}


@pytest.mark.parametrize("what", FIGURES)
def test_figures_of_the_page_are_those_of_the_code(what):
    figure, words = FIGURES[what]
    assert words.format(figure()) in TEXT


def test_kinds_of_uploads_are_those_of_the_code():
    assert ("PDF, JPEG, PNG or WebP, by content" in TEXT, set(TYPES)) == (True, {"pdf", "jpeg", "png", "webp"})


def test_limits_are_by_the_hour():
    assert {seconds for by in settings.ACCOUNT_RATE_LIMITS for _times, seconds in limit(by).values()} == {3600}


def test_ways_to_sign_in_are_those_of_the_page():
    assert settings.MFA_SUPPORTED_TYPES == ["totp", "webauthn", "recovery_codes"]
    assert settings.MFA_PASSKEY_LOGIN_ENABLED
    assert {"email"} == settings.ACCOUNT_LOGIN_METHODS
    assert [app for app in settings.INSTALLED_APPS if app.startswith("allauth")] == [
        "allauth", "allauth.account", "allauth.mfa", "allauth.usersessions",
    ]  # fmt: skip
    assert settings.AUTHENTICATION_BACKENDS == ["allauth.account.auth_backends.AuthenticationBackend"]
    for words in ("**An email address and a password**", "a **passkey**", "**code of an app**", "**recovery codes**"):
        assert words in TEXT
