"""Small promises of docs/asvs.csv that belong to no page in particular."""

import ast
import json
import math
import re
import socket
import ssl
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from allauth.core import context as allauth
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.webauthn.internal import auth as webauthn
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.core.mail import get_connection
from django.test import Client
from django.utils import timezone
from urllib3.util.ssl_ import create_urllib3_context

import config.settings as installed
from cards.membership import invite
from cards.models import Card, Person, User
from config.keys import new_encryption_key, new_secret_key
from renewals.feeds import make_feed
from tests.app import answers, app_environment, wait_until
from tests.factories import PASSWORD, MemberFactory
from tests.family import Family, every_row, sign_in
from tests.test_isolation import EMPTY, PAGES, addresses, give_files
from tests.test_security_page import imports_of, is_of, modules

ROOT = Path(__file__).parents[1]
BITS = 128


@pytest.fixture
def family(db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    family = Family("Chen").fill()
    give_files(family)
    return family


def every_address(family):
    return [address for route in PAGES for address in addresses(route, family)]


def test_every_answer_names_its_type_and_character_set(family):
    texts = {"text/html", "text/csv", "text/calendar", "text/plain"}
    # Of text/plain that names none, it is ASCII (RFC 2046): the word for a monitor.
    good = {f"{text}; charset=utf-8" for text in texts} | {"application/pdf", "text/plain"}
    for address in every_address(family):
        client = sign_in(family.owner)
        for answer in (client.get(address), client.post(address, EMPTY)):
            assert (address, answer.headers["Content-Type"]) in {(address, kind) for kind in good}


def test_trace_sends_nothing_back(family):
    """It would be the headers, and with them the cookie that scripts cannot read."""
    client, before = sign_in(family.owner), every_row()
    for address in every_address(family):
        for browser in (client, Client()):
            answer = browser.trace(address, headers={"X-Canary": "4711"})
            # That a link for a new password is dead is said whatever the method is.
            is_dead_link = address.startswith("/accounts/password/reset/key/1-")
            assert (address, answer.status_code) in {
                (address, 200 if is_dead_link else 405),
                (address, 302),
                (address, 404),
            }
            assert "4711" not in answer.text
    assert every_row() == before


def test_no_other_site_may_read_an_answer(family):
    client = sign_in(family.owner)
    for address in every_address(family):
        for send in (client.get, client.options):
            answer = send(address, headers={"Origin": "https://other.example", "Access-Control-Request-Method": "POST"})
            assert [name for name in answer.headers if name.lower().startswith("access-control-")] == []


def test_every_page_offers_to_sign_out(family):
    client = sign_in(family.viewer)
    pages = {address: client.get(address) for address in every_address(family) if not address.startswith("/mail/")}
    html = {
        address: page.text
        for address, page in pages.items()
        if page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    }
    assert len(html) > 20
    assert [address for address, text in html.items() if "/accounts/logout/" not in text] == []


HEAD = "POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
TWO_LENGTHS = {
    "chunks and a length": f"{HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": f"{HEAD}Content-Length: 0\r\nContent-Length: 30\r\n\r\nGET /healthz HTTP/1.1\r\n",
    "a length of two": f"{HEAD}Content-Length: 0, 30\r\n\r\nGET /healthz HTTP/1.1\r\n",
    "a length with a sign": f"{HEAD}Content-Length: +5\r\n\r\n12345",
    "chunks twice": f"{HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks of another name": f"{HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": f"{HEAD}Content-Length : 5\r\n\r\n12345",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a web server as the Procfile starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = re.search(r"^web: exec python (.+)$", (ROOT / "Procfile").read_text(), re.MULTILINE)[1]
    words = command.replace('"$HOST:$PORT"', f"127.0.0.1:{port}").split()
    environment = app_environment(tmp_path_factory.mktemp("data"), port)
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the server")
        yield port
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("what", TWO_LENGTHS)
def test_request_of_two_lengths_is_refused(server, what):
    """Where a proxy and the server see different ends of a request, a stranger slips a second one in between."""
    with socket.create_connection(("127.0.0.1", server), timeout=20) as client:
        client.sendall(TWO_LENGTHS[what].encode())
        client.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d{3})", said) in ([b"400"], [b"501"]), said


def test_password_fields_hide_what_is_typed_and_help_password_managers(family):
    signed_in = sign_in(family.owner)
    pages = [Client().get("/accounts/login/"), *map(signed_in.get, ("/accounts/password/change/",))]
    fields = [
        field for page in pages for field in re.findall(r"<input[^>]*name=\"[^\"]*password[^\"]*\"[^>]*>", page.text)
    ]
    assert len(fields) >= 4
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        assert not re.search(r"onpaste|readonly", field)
        assert int((re.search(r'maxlength="(\d+)"', field) or ["", "64"])[1]) >= 64


EXACT = {
    "spaces at both ends": ("  one two three four ", str.strip),
    "large and small": ("One Two Three Four", str.lower),
    "128 letters": ("Nine-and-x " * 11 + "1234567", lambda text: text[:-1]),
    "Chinese": ("一句很长很长的中文密码没有人猜得到", lambda text: text[:-1]),
}


@pytest.mark.parametrize("what", EXACT)
def test_password_is_taken_exactly_as_it_was_typed(db, what):
    password, almost = EXACT[what]
    first = {"household": "Chen", "name": "Lin", "email": "lin@example.org", "language": "en", "time_zone": "UTC"}
    assert Client().post("/setup/", first | {"password": password}).status_code == 302
    typed = {"login": "lin@example.org"}
    assert Client().post("/accounts/login/", typed | {"password": almost(password)}).status_code == 200
    assert Client().post("/accounts/login/", typed | {"password": password}).status_code == 302


def test_password_is_changed_by_who_knows_the_one_before(family):
    user, client = family.owner.user, sign_in(family.owner)
    typed = {"password1": "another sentence", "password2": "another sentence"}
    for old in ("", "wrong", PASSWORD.upper()):
        client.post("/accounts/password/change/", typed | {"oldpassword": old})
        user.refresh_from_db()
        assert user.check_password(PASSWORD)
    client.post("/accounts/password/change/", typed | {"oldpassword": PASSWORD})
    user.refresh_from_db()
    assert user.check_password("another sentence")


def test_login_keeps_nothing_else_that_proves_who_one_is():
    """No secret question, no hint, no number to send codes to."""
    assert {field.name for field in User._meta.get_fields() if field.concrete} == {
        "id", "password", "last_login", "is_superuser", "email", "is_staff", "is_active", "created_at", "groups",
        "user_permissions",
    }  # fmt: skip
    assert set(Authenticator.Type.values) == {"recovery_codes", "totp", "webauthn"}


def test_seeds_and_codes_are_random_and_long_enough(db):
    users = [MemberFactory().user for _time in range(2)]
    seeds = [totp.generate_totp_secret() for _time in range(2)]
    assert seeds[0] != seeds[1]
    assert all(len(seed) * 5 >= BITS for seed in seeds)
    codes = [RecoveryCodes.activate(user).generate_codes() for user in users]
    assert [len({*some}) for some in codes] == [10, 10]
    assert not {*codes[0]} & {*codes[1]}
    # ASVS asks for 20 bits.
    assert {len(code) * math.log2(10) >= 20 for some in codes for code in some} == {True}


def test_passkeys_are_of_approved_kinds(rf):
    with allauth.request_context(rf.get("/")):
        server = webauthn.get_server()
        _options, state = server.register_begin(webauthn.build_user_payload(User(pk=1, email="lin@example.org")))
    # ECDSA, EdDSA and RSA with SHA-256 or longer (FIPS 186-5), and ML-DSA (FIPS 204), as COSE numbers them.
    approved = {-7, -35, -36, -8, -9, -19, -51, -52, -53, -37, -38, -39, -257, -258, -259, -48, -49, -50}
    # ECDSA on secp256k1: as strong, but not among what FIPS has for signing in. No browser chooses it unasked.
    assert {int(kind.alg) for kind in server.allowed_algorithms} <= approved | {-47}
    assert server.allowed_algorithms[0].alg in approved
    assert len(state["challenge"]) * 6 >= BITS


def test_login_that_is_switched_off_is_out_at_once(family):
    clients = [sign_in(family.manager) for _time in range(2)]
    User.objects.filter(pk=family.manager.user.pk).update(is_active=False)
    assert [client.get("/").url for client in clients] == ["/accounts/login/?next=/"] * 2


def test_password_of_ten_years_ago_still_signs_in(db):
    member = MemberFactory(user__email="lin@example.org")
    long_ago = timezone.now() - timedelta(days=3650)
    User.objects.update(created_at=long_ago, last_login=long_ago)
    client = Client()
    assert client.post("/accounts/login/", {"login": member.user.email, "password": PASSWORD}).url == "/"
    assert client.get("/").status_code == 200


def test_session_key_is_long_random_and_new_with_each_sign_in(db):
    member = MemberFactory(user__email="lin@example.org")
    keys = []
    for brought in (None, "a" * 32, "b" * 32):
        client = Client()
        if brought:
            client.cookies[settings.SESSION_COOKIE_NAME] = brought
            assert client.get("/").url == "/accounts/login/?next=/"
        client.post("/accounts/login/", {"login": member.user.email, "password": PASSWORD})
        keys.append(client.session.session_key)
    assert len({*keys, "a" * 32, "b" * 32}) == 5
    assert set(Session.objects.values_list("session_key", flat=True)) == set(keys)
    for key in keys:
        assert re.fullmatch("[0-9a-z]+", key)
        assert len(key) * math.log2(36) >= BITS


def test_another_secret_key_ends_every_session(family, settings):
    clients = [sign_in(member) for member in (family.owner, family.manager, family.viewer)]
    assert [client.get("/").status_code for client in clients] == [200] * 3
    settings.SECRET_KEY = "another one " * 5
    assert [client.get("/").url for client in clients] == ["/accounts/login/?next=/"] * 3


@pytest.fixture
def on_the_web(settings, tmp_path):
    """The cookies as an installation has them whose address begins with https://."""
    script = (
        "import json; from config import settings\n"
        "print(json.dumps({name: value for name, value in vars(settings).items() if '_COOKIE_' in name}))"
    )
    environment = app_environment(tmp_path / "data", 8000, SITE_URL="https://keepnumber.example.org")
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True, capture_output=True)
    for name, value in json.loads(run.stdout).items():
        setattr(settings, name, value)
    settings.IS_HTTPS = True


def test_every_cookie_is_of_this_host_alone_over_https_and_hidden_from_scripts(db, on_the_web, monkeypatch):
    monkeypatch.setattr("cards.accounts.KNOWN_DEVICE", "__Host-known")
    member, client = MemberFactory(user__email="lin@example.org"), Client()
    typed = {"login": member.user.email, "password": PASSWORD}
    set_by = [
        client.get("/accounts/login/", secure=True),
        client.post("/accounts/login/", typed, secure=True),
        client.get("/settings/", secure=True),
        client.post("/language/", {"language": "es", "next": "/"}, secure=True),
    ]
    cookies = {name: morsel for answer in set_by for name, morsel in answer.cookies.items()}
    assert set(cookies) == {"__Host-session", "__Host-csrf", "__Host-known", "__Host-language"}
    for name, cookie in cookies.items():
        attributes = {key: cookie[key] for key in ("secure", "httponly", "samesite", "path", "domain")}
        assert (name, attributes) == (
            name, {"secure": True, "httponly": True, "samesite": "Lax", "path": "/", "domain": ""},
        )  # fmt: skip
        assert len(name) + len(cookie.value) <= 4096


def test_keys_and_tokens_are_long_enough(db):
    owner, now = Family("Chen").owner, timezone.now()
    feeds = [make_feed(owner, now).split("/")[-1].removesuffix(".ics") for _time in range(2)]
    invitations = [
        invite(owner, name="Bo", email=f"bo{number}@example.org", role="viewer", language="en", now=now)[1]
        for number in range(2)
    ]
    for made in (feeds, invitations, [new_secret_key(), new_secret_key()]):
        assert made[0] != made[1]
        assert all(len(token) * 6 >= 2 * BITS - 2 for token in made)
    key = new_encryption_key()
    assert len(Fernet(key)._signing_key) == len(Fernet(key)._encryption_key) == BITS // 8


def test_mail_and_channels_speak_modern_tls_only():
    mail = get_connection("config.smtp.EmailBackend", use_tls=True).ssl_context
    for context in (mail, create_urllib3_context()):
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        weak = re.compile("NULL|EXPORT|RC4|3DES|DES-|MD5|aNULL|PSK")
        assert [cipher["name"] for cipher in context.get_ciphers() if weak.search(cipher["name"])] == []


def test_every_package_is_locked_with_its_hash():
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    others = [package for package in packages if package["name"] != "keepnumber"]
    assert {package["source"].get("registry") for package in others} == {"https://pypi.org/simple"}
    files = [file for package in others for file in [*package.get("wheels", []), package.get("sdist")] if file]
    assert [file["url"] for file in files if not file["hash"].startswith("sha256:")] == []
    assert all(package.get("wheels") or package.get("sdist") for package in others)
    assert "index" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]


def test_folder_and_keys_are_readable_by_their_owner_alone(tmp_path):
    folder = tmp_path / "data"
    script = (
        "import os; os.umask(0); import django; django.setup()\n"
        "from pathlib import Path; from django.conf import settings; from config.keys import *\n"
        "read_or_make_key(settings.ENCRYPTION_KEY_FILE, new_encryption_key)"
    )
    environment = app_environment(folder, 8000, DJANGO_SETTINGS_MODULE="config.settings")
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.iterdir()]}
    assert modes == {"data": 0o700, "secret_key": 0o600, "encryption_key": 0o600}


TYPED = "%s %(card)s {0} {name!r} {{ 7|add:7 }} {% now 'Y' %} ${7*7}"


def test_placeholders_typed_as_a_name_stay_text(family):
    client = sign_in(family.owner)
    Card.objects.filter(pk=family.card.pk).update(name=TYPED)
    Person.objects.filter(pk=family.person.pk).update(name=TYPED)
    shown = TYPED.replace("'", "&#x27;")
    pages = ["/", f"/cards/{family.card.pk}/", f"/renewals/{family.renewal.pk}/", "/household/", "/documents/"]
    for address in pages:
        assert (address, shown in client.get(address).text) == (address, True)
    client.post(f"/cards/{family.card.pk}/snooze/", {"days": "1"})
    client.post(f"/documents/{family.document.pk}/delete/")
    assert client.get("/").status_code == 200


HUGE = "9" * 40


def test_number_too_large_for_the_database_is_answered(family):
    client, before = sign_in(family.owner), every_row()
    for address in (
        f"/cards/{HUGE}/",
        f"/renewals/{HUGE}/pay/",
        f"/payments/{HUGE}/receipt/",
        f"/documents/{HUGE}/edit/",
    ):
        assert (address, client.get(address).status_code) == (address, 404)
    for query in (f"card={HUGE}", f"page={HUGE}", f"year={HUGE}"):
        assert (query, client.get(f"/payments/?{query}").status_code) in {(query, 200), (query, 302)}
    typed = {"kind": "top_up", "amount": HUGE, "currency": "CUP", "channel": "inside", "paid_on": "2026-01-31"}
    page = client.post(f"/cards/{family.card.pk}/log/?kind=payment", typed)
    assert page.status_code == 200
    assert "errorlist" in page.text
    assert every_row() == before


def test_value_in_the_address_stands_in_for_no_field(family):
    user = family.owner.user
    client = Client()
    assert client.post(f"/accounts/login/?login={user.email}&password={PASSWORD}").status_code == 200
    assert client.get("/").status_code == 302
    client, before = sign_in(family.owner), every_row()
    assert client.post("/household/people/?name=Aunt").status_code == 200
    assert every_row() == before
    client.post("/household/people/?name=Aunt", {"name": ["Uncle", "Cousin"]})
    assert set(Person.objects.values_list("name", flat=True)) == {family.person.name, "Cousin"}


PATHS = [
    "/.git/config", "/.env", "/data/secret_key", "/data/keepnumber.sqlite3", "/keepnumber.sqlite3", "/backup.sqlite3",
    "/uploads/", "/media/", "/receipts/", "/scans/", "/static/", "/static/../config/settings.py", "/static//etc/passwd",
    "/static/%2e%2e/config/settings.py", "/manage.py", "/uv.lock", "/server-status", "/debug/", "/docs/",
]  # fmt: skip


def test_no_file_and_no_folder_of_the_installation_is_handed_out(family):
    family.owner.user.is_staff = family.owner.user.is_superuser = True
    family.owner.user.save()
    client = sign_in(family.owner)
    assert {path: client.get(path).status_code for path in PATHS} == dict.fromkeys(PATHS, 404)
    assert {Client().get(path).status_code for path in PATHS} <= {302, 404}


FAULT = RuntimeError("canary-4711: SELECT * FROM cards_user")


def test_crash_tells_nothing_to_who_meets_it_and_all_to_the_log(family, monkeypatch, caplog):
    def crash(*args, **kwargs):
        raise FAULT

    monkeypatch.setattr("renewals.views.documents.render", crash)
    client = sign_in(family.owner)
    client.raise_request_exception = False
    page = client.get("/documents/")
    assert page.status_code == 500
    inside = ("canary", "SELECT", "Traceback", "RuntimeError", "documents.py")
    assert [word for word in inside if word in page.text] == []
    (line,) = [record for record in caplog.records if record.exc_info]
    assert (line.name, line.levelname, str(line.exc_info[1])) == ("django.request", "ERROR", str(FAULT))
    assert client.get("/").status_code == 200


AROUND = {
    "a form of another site": lambda client: client.post("/settings/", headers={"Sec-Fetch-Site": "cross-site"}),
    "a form without its token": lambda client: client.post("/settings/"),
    "an unknown host": lambda client: client.get("/", headers={"Host": "other.example"}),
    "another household's card": lambda client: client.get("/cards/987654/"),
    "more than the role may": lambda client: client.get("/cards/new/"),
    "a method nobody offers": lambda client: client.put("/settings/"),
}


@pytest.mark.parametrize("what", AROUND)
def test_attempt_around_the_rules_is_a_line_of_the_log(family, caplog, what):
    client = Client(enforce_csrf_checks=what == "a form without its token")
    client.force_login(family.viewer.user)
    assert 400 <= AROUND[what](client).status_code < 500
    lines = [record for record in caplog.records if record.name.startswith(("django.request", "django.security"))]
    assert [record.levelname in {"WARNING", "ERROR"} for record in lines] == [True] * len(lines) != []


def test_installation_keeps_passwords_as_argon2id(settings):
    settings.PASSWORD_HASHERS = installed.PASSWORD_HASHERS
    found = re.match(r"argon2\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$", make_password("one sentence is fine"))
    memory, times = map(int, found.groups())
    assert memory >= 19 * 1024
    assert times >= 2


DANGEROUS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|postMessage|[\"']message[\"']|onmessage"
    r"|localStorage|sessionStorage|indexedDB|\bcaches\b|document\.cookie|__proto__|\.prototype|\bvar\b|import\(|https?:"
)


def test_scripts_of_the_pages_do_nothing_dangerous():
    scripts = {path.name: path.read_text() for path in (ROOT / "static").rglob("*.js")}
    assert {"copy.js", "zone.js"} <= set(scripts)
    assert {name: DANGEROUS.findall(text) for name, text in scripts.items() if DANGEROUS.search(text)} == {}
    loaded = {
        name
        for page in (ROOT / "templates").rglob("*.html")
        for name in re.findall(r"<script[^>]*\{% static '([^']+)' %\}", page.read_text())
    }
    assert loaded <= set(scripts)


def test_pages_embed_nothing():
    found = {
        page.name: re.findall(r"<(?:object|embed|applet|iframe|frame|base|portal)\b", page.read_text())
        for page in (ROOT / "templates").rglob("*.html")
    }
    assert len(found) > 20
    assert {name: tags for name, tags in found.items() if tags} == {}


def test_no_xml_and_no_pickle_is_read():
    never = {"xml", "lxml", "defusedxml", "pickle", "cPickle", "dill", "marshal", "shelve", "jsonpickle", "ctypes"}
    found = {path: [name for name in imports_of(tree) if is_of(name, never)] for path, tree in modules()}
    assert {path: names for path, names in found.items() if names} == {}
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"


def test_no_pattern_is_made_of_data():
    functions = {"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
    calls = [
        (path, node.args[0])
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in functions
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    ]
    made = {(path, ast.unparse(pattern)) for path, pattern in calls if not is_written(pattern)}
    assert len(calls) > 20
    # The first holds whole numbers that are written in the code, the second one of the forms of the service.
    assert made == {
        ("cards/secret_forms.py", "f'[0-9]{{{least},{most}}}'"),
        ("renewals/channels/addresses.py", "form"),
    }


def is_written(pattern):
    """Whether a pattern is text, or put together of constants of its module."""
    names = [node.id for node in ast.walk(pattern) if isinstance(node, ast.Name)]
    return all(name.upper() == name for name in names)


DEVELOPMENT = {"aiosmtpd", "axe_playwright_python", "coverage", "factory", "hypothesis", "mypy", "playwright", "polib",
               "pytest", "ruff", "tests", "bench", "vobject", "unittest", "doctest", "pdb"}  # fmt: skip


def test_nothing_of_development_is_needed_or_installed_to_run():
    found = {path: [name for name in imports_of(tree) if is_of(name, DEVELOPMENT)] for path, tree in modules()}
    assert {path: names for path, names in found.items() if names} == {}
    recipe = (ROOT / "Makefile").read_text().partition(".venv/run.stamp: uv.lock")[2].partition("\n\n")[0]
    assert "--no-dev" in recipe
    assert installed.DEBUG is False
    assert not {"debug_toolbar", "django_extensions", "silk"} & set(installed.INSTALLED_APPS)
