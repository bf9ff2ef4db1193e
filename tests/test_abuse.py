"""Strangers who look for what was left lying around, and who send too much."""

import re
from pathlib import Path

import pytest
from django.conf import settings as ours
from django.test import Client

from tests.family import Family, every_row, sign_in

ROOT = Path(__file__).parent.parent
BASES = ["keepnumber", "backup", "db", "database", "data", "dump", "site", "www", "app", "old"]
ENDINGS = ["zip", "tar.gz", "sql", "sqlite3", "sqlite", "db", "bak", "7z", "json", "log"]
PATHS = [f"/{base}.{ending}" for base in BASES for ending in ENDINGS]
PATHS += (ROOT / "tests" / "leak_paths.txt").read_text().splitlines()


def test_there_are_two_hundred_paths():
    assert len(set(PATHS)) >= 200
    assert sum(path.startswith("/static/") for path in PATHS) >= 20


@pytest.mark.parametrize("is_member", [False, True], ids=["stranger", "member"])
def test_nothing_is_left_lying_around(db, is_member):
    """Who is not signed in is told 404 as well: there is no page that a sign-in would lead to."""
    family = Family("Chen")
    client = sign_in(family.owner) if is_member else Client()
    assert {path: answer for path in PATHS if (answer := client.get(path).status_code) not in {400, 404}} == {}


def test_files_of_the_installation_are_in_no_folder_that_is_handed_out():
    handed_out = [ours.STATIC_ROOT, *ours.STATICFILES_DIRS]
    for kept in (ours.DATA_DIR, ours.MEDIA_ROOT, ours.OUTBOX_DIR, ours.ENCRYPTION_KEY_FILE):
        assert not any(Path(kept).is_relative_to(folder) for folder in handed_out), kept


FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"


def part(name, content, file=""):
    file = f'; filename="{file}"' if file else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{content}\r\n'


TOO_MUCH = {
    "a field beyond the limit": (FORM, lambda: "name=" + "x" * (ours.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)),
    "a part beyond the limit": (
        PARTS,
        lambda: part("name", "x" * (ours.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)) + "--b--\r\n",
    ),
    "too many fields": (FORM, lambda: "&".join("a=1" for _each in range(ours.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))),
    "too many parts": (
        PARTS,
        lambda: "".join(part("a", "1") for _each in range(ours.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)) + "--b--\r\n",
    ),
    "too many files": (
        PARTS,
        lambda: (
            "".join(part("a", "1", "x.pdf") for _each in range(ours.DATA_UPLOAD_MAX_NUMBER_FILES + 1)) + "--b--\r\n"
        ),
    ),
}


@pytest.mark.parametrize("what", TOO_MUCH)
@pytest.mark.parametrize("path", ["/accounts/login/", "/cards/new/", "/documents/new/", "/language/"])
def test_too_much_is_refused_and_breaks_nothing(db, what, path):
    family = Family("Chen")
    kind, make = TOO_MUCH[what]
    client = Client(raise_request_exception=False) if path == "/accounts/login/" else sign_in(family.owner)
    client.raise_request_exception = False
    before = every_row()
    answer = client.generic("POST", path, make().encode(), content_type=kind)
    assert answer.status_code in {400, 413}
    assert every_row() == before


@pytest.mark.parametrize(
    "body",
    [
        "",
        "--b",
        "--b\r\n",
        "--b\r\nContent-Disposition: form-data\r\n\r\n",
        part("a", "x"),
        "\0" * 100,
        part("a", "x") * 2,
    ],
)
def test_broken_parts_break_nothing(db, body):
    client = sign_in(Family("Chen").owner)
    client.raise_request_exception = False
    for path in ("/cards/new/", "/documents/new/", "/settings/"):
        assert client.generic("POST", path, body.encode(), content_type=PARTS).status_code < 500


def test_server_waits_for_no_slow_client_with_a_whole_worker_and_reads_no_endless_line():
    """Threads wait for slow uploads, not processes; a request's line and headers have an end."""
    [command] = re.findall(r"^web: (.*)$", (ROOT / "Procfile").read_text(), re.MULTILINE)
    given = dict(re.findall(r"--([\w-]+)[ =](\w+)", command))
    assert given["worker-class"] == "gthread"
    assert int(given["threads"]) >= 4
    assert int(given["timeout"]) <= 60
    assert int(given["keep-alive"]) <= 15
    assert 0 < int(given["limit-request-line"]) <= 4094
    assert 0 < int(given["limit-request-fields"]) <= 100
    assert 0 < int(given["limit-request-field_size"]) <= 8190
    assert ours.DATA_UPLOAD_MAX_MEMORY_SIZE <= 16 * 2**20
    assert ours.DATA_UPLOAD_MAX_NUMBER_FIELDS <= 1_000
    assert ours.DATA_UPLOAD_MAX_NUMBER_FILES <= 20
