"""Every answer of every address has the same strict headers, and nothing inside that they forbid."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from cards.models import Member
from config.headers import HEADERS, NEEDED, NEVER, POLICY, SANDBOX
from renewals.feeds import make_feed
from renewals.models import CalendarFeed
from renewals.reminders.links import stop_url
from tests.family import Family, every_row, sign_in
from tests.test_isolation import EMPTY, PAGES, addresses, admin_addresses, give_files

# What has its own word about one of them, and which.
OWN = {
    "invitations/<str:token>/": {"Referrer-Policy": "strict-origin"},
    "calendar/<str:token>.ics": {"Cache-Control": "private, no-cache"},
    "mail/act/<str:token>/": {"Referrer-Policy": "strict-origin"},
    "mail/stop/<str:token>/": {"Referrer-Policy": "strict-origin"},
}
STRICT = "max-age=31536000; includeSubDomains; preload"
ATTRIBUTE = re.compile(r"""<[^>"']*(?:"[^"]*"|'[^']*'|[^>"'])*?\s(style|on[a-z]+)\s*=""", re.IGNORECASE)
LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source|video|audio|object|embed|use)\b[^>]*?\s(?:src|href|data|srcset)="([^"]*)\"""",
    re.IGNORECASE,
)


@pytest.fixture
def family(db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    family = Family("Chen").fill()
    give_files(family)
    return family


@pytest.fixture
def on_the_web(settings):
    """As an installation has it whose address begins with https://."""
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.ALLOWED_HOSTS = ["testserver"]


def differs(answer, route=""):
    """Return the headers that are not what they must be: {} for a good answer."""
    own, expected = OWN.get(route, {}), HEADERS | {"Strict-Transport-Security": STRICT}
    if answer.headers.get("Content-Disposition", "").startswith("attachment"):
        expected |= {"Content-Security-Policy": SANDBOX}
    found = {name: answer.headers.get(name) for name, value in expected.items() if answer.headers.get(name) != value}
    if "no-store" in found.get("Cache-Control", ""):
        del found["Cache-Control"]  # Django's never_cache says it in more words.
    return {name: value for name, value in found.items() if own.get(name) != value}


def test_policy_is_this_and_no_other():
    assert POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "object-src 'none'"
    )


def test_no_feature_of_the_browser_is_given_but_those_that_are_used():
    features = dict(each.split("=") for each in HEADERS["Permissions-Policy"].split(", "))
    assert features == dict.fromkeys(NEEDED, "(self)") | dict.fromkeys(NEVER, "()")
    assert set(NEEDED) == {"publickey-credentials-create", "publickey-credentials-get", "clipboard-write"}


@pytest.mark.parametrize("route", PAGES)
def test_headers_are_the_same_on_every_route(family, on_the_web, route):
    """Signed in and out, for a page, a wrong form, a wrong method and a thing that is not there."""
    for address in addresses(route, family):
        for client in (sign_in(family.owner), sign_in(family.viewer), Client()):
            missing = re.sub(r"/\d+/", "/987654321/", address)
            answers = [client.get(address, secure=True), client.head(address, secure=True)]
            answers += [client.get(missing, secure=True), client.put(address, secure=True)]
            answers += [client.options(address, secure=True), client.post(address, EMPTY, secure=True)]
            assert [
                (each.request["REQUEST_METHOD"], differs(each, route)) for each in answers if differs(each, route)
            ] == []


def test_headers_are_the_same_in_the_administration(family, on_the_web):
    family.owner.user.is_staff = family.owner.user.is_superuser = True
    family.owner.user.save()
    clients = (sign_in(family.owner), sign_in(family.manager), Client())
    found = {
        (address, str(differs(client.get(address, secure=True)))) for address in admin_addresses() for client in clients
    }
    assert {each for each in found if each[1] != "{}"} == set()


@pytest.mark.parametrize("language", ["en", "es", "zh-hans"])
def test_headers_of_the_calendar_feed_and_of_its_unchanged_answer(family, on_the_web, language):
    family.owner.language = language
    family.owner.save()
    path = make_feed(family.owner, timezone.now()).partition("//")[2].partition("/")[2]
    first = Client().get(f"/{path}", secure=True)
    again = Client().get(f"/{path}", secure=True, headers={"If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert differs(first, "calendar/<str:token>.ics") == {}
    assert differs(again, "calendar/<str:token>.ics") == {}
    assert CalendarFeed.objects.count() == 1


def test_downloads_may_do_nothing_when_they_are_opened(family, on_the_web):
    client = sign_in(family.owner)
    for address in (
        "/payments/csv/",
        f"/payments/{family.payment.pk}/receipt/",
        f"/cards/{family.card.pk}/calendar.ics",
    ):
        answer = client.get(address, secure=True)
        if answer.status_code == 200:
            assert (address, answer["Content-Security-Policy"]) == (address, "default-src 'none'; sandbox")
            assert answer["Content-Disposition"].startswith("attachment")


def test_headers_of_400_403_404_and_500(family, on_the_web, monkeypatch):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    monkeypatch.setattr("config.urls.redirect_to_login", None)
    answers = {
        400: client.get("/", secure=True, headers={"Host": "elsewhere.example"}),
        403: client.post("/accounts/login/", secure=True),
        404: client.get("/nothing/", secure=True),
        500: client.get("/admin/login/", secure=True),
    }
    if answers[404].status_code == 302:  # the sign-in comes before what is not there
        answers[404] = sign_in(family.owner).get("/nothing/", secure=True)
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    assert {status: differs(answer) for status, answer in answers.items()} == {status: {} for status in answers}


def test_headers_of_the_way_from_http_to_https(family, on_the_web, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get("/")
    assert answer.url == "https://testserver/"
    assert "Strict-Transport-Security" not in answer.headers
    assert set(differs(answer)) <= {"Strict-Transport-Security"}


def test_first_visit_has_the_headers_too(db, on_the_web):
    for address in ("/", "/setup/"):
        assert differs(Client().get(address, secure=True)) == {}


def test_static_files_have_the_headers_and_are_kept(db, settings, on_the_web, tmp_path):
    settings.STATIC_ROOT, settings.WHITENOISE_AUTOREFRESH = tmp_path, False
    (tmp_path / "app.css").write_text("body { color: teal }")
    client = Client()
    file = client.get("/static/app.css", secure=True)
    unchanged = client.get("/static/app.css", secure=True, headers={"If-Modified-Since": file["Last-Modified"]})
    assert (file.status_code, unchanged.status_code) == (200, 304)
    for answer in (file, unchanged):
        assert differs(answer) == {"Cache-Control": "max-age=3600, public"}
    assert "Access-Control-Allow-Origin" not in file.headers
    file.close()


@pytest.mark.parametrize("route", PAGES)
def test_page_has_nothing_inline_and_loads_nothing_from_elsewhere(family, route):
    for language in ("en", "es", "zh-hans"):
        Member.objects.update(language=language)
        clients = (sign_in(family.owner), sign_in(family.viewer), Client(headers={"Accept-Language": language}))
        for address in addresses(route, family):
            for client in clients:
                answer = client.get(address)
                if answer.headers.get("Content-Type", "").startswith("text/html"):
                    assert (address, inline_in(answer.text)) == (address, [])
    for address in addresses(route, family):
        answer = sign_in(family.owner).post(address, EMPTY)
        assert (address, inline_in(answer.text)) == (address, [])


def test_administration_has_nothing_inline(family):
    family.owner.user.is_staff = family.owner.user.is_superuser = True
    family.owner.user.save()
    client, pages = sign_in(family.owner), 0
    paths = [f"/admin/cards/{model}/" for model in ("operator", "plan", "promotion", "stepguide")]
    paths += [f"{path}add/" for path in paths] + [f"/admin/cards/plan/{family.card.plan.pk}/change/", "/admin/"]
    for path in paths:
        answer = client.get(path)
        pages += answer.status_code == 200
        assert (path, inline_in(answer.text)) == (path, [])
    assert pages >= 6


def inline_in(text):
    """Return what a page has inside that belongs into a file, and what it loads from another host."""
    found = ATTRIBUTE.findall(text) + re.findall(r"javascript:|<style\b|<base\b", text, re.IGNORECASE)
    # A script whose type no browser runs is data.
    for attributes, inside in re.findall(r"<script\b([^>]*)>(.*?)</script>", text, re.IGNORECASE | re.DOTALL):
        if inside.strip() and "application/json" not in attributes:
            found.append(inside)
    return found + [link for link in LOADED.findall(text) if not link.startswith("/") or link.startswith("//")]


def test_search_for_inline_code_finds_it():
    for code in (
        '<p style="x">',
        '<a href="a>b" onclick="x">',
        "<p\nstyle=x>",
        '<a href="javascript:x">',
        "<style>p{}</style>",
        "<script>x()</script>",
        '<img alt="" src="https://elsewhere.example/x.png">',
        '<script src="//elsewhere.example/x.js"></script>',
        '<link rel="icon" href="data:image/png;base64,x">',
    ):
        assert inline_in(code), code
    assert inline_in('<p title="a style=b on=c">once = 1</p><a href="https://giffgaff.com">x</a>') == []


CHANGING = [route for route, page in PAGES.items() if page.change[1] in {200, 302}]
ELSEWHERE = ("https://elsewhere.example", "null", "http://testserver.elsewhere.example", "http://testserver:8081")


@pytest.mark.parametrize("route", CHANGING)
def test_form_sent_by_another_site_is_refused_by_the_browsers_word(family, route):
    """Even with a token: one that leaked, or of a site under the same domain."""
    client, before = sign_in(family.owner), every_row()
    for address in addresses(route, family):
        for site in ("cross-site", "same-site"):
            for send in (client.post, client.put, client.patch, client.delete):
                answer = send(address, headers={"Sec-Fetch-Site": site})
                assert (address, answer.status_code) == (address, 403)
    assert every_row() == before


@pytest.mark.parametrize("route", CHANGING)
def test_form_of_a_foreign_origin_is_refused(family, route):
    """With a token that is right, so that the origin alone decides."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(family.owner.user)
    token = token_of(client)
    before = every_row()
    for address in addresses(route, family):
        for origin in ELSEWHERE:
            answer = client.post(address, {"csrfmiddlewaretoken": token}, headers={"Origin": origin})
            assert (address, origin, answer.status_code) == (address, origin, 403)
    assert every_row() == before


def token_of(client):
    page = client.get("/cards/new/")
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_own_form_goes_through(family, site):
    client = Client(enforce_csrf_checks=True)
    client.force_login(family.owner.user)
    headers = {"Origin": "http://testserver"} | ({"Sec-Fetch-Site": site} if site else {})
    answer = client.post("/accounts/logout/", {"csrfmiddlewaretoken": token_of(client)}, headers=headers)
    assert answer.status_code == 302


def test_link_from_another_site_is_followed(family):
    assert sign_in(family.owner).get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_mail_program_may_stop_mails_from_wherever_it_is(family):
    path = "/" + stop_url(family.owner).split("/", 3)[3]
    client = Client(enforce_csrf_checks=True)
    answer = client.post(path, {"List-Unsubscribe": "One-Click"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    family.owner.refresh_from_db()
    assert family.owner.mail_stopped_at


@pytest.mark.parametrize("route", PAGES)
def test_looking_changes_no_row(family, route):
    """GET, HEAD and OPTIONS, as mail scanners and browsers that load ahead send them."""
    clients, before = (sign_in(family.owner), sign_in(family.viewer), Client()), every_row()
    for address in addresses(route, family):
        for method in ("get", "head", "options"):
            for client in clients:
                getattr(client, method)(address, headers={"Purpose": "prefetch"})
            assert every_row() == before, f"{method} {address}"
