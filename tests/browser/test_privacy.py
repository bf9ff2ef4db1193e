"""What a page asks for, and what it leaves behind in the browser: nobody else's host, and nothing."""

from urllib.parse import urlsplit

import pytest

from tests.browser.pages import ANONYMOUS_PAGES, EMPTY_PAGES, PAGES, VIEWER_PAGES, sign_in, start_demo

pytestmark = pytest.mark.browser

KEPT = """async () => {
  const found = [...Object.keys(localStorage), ...Object.keys(sessionStorage)];
  found.push(...(await indexedDB.databases()).map(each => each.name));
  if ("caches" in window) found.push(...await caches.keys());
  if ("serviceWorker" in navigator) {
    found.push(...(await navigator.serviceWorker.getRegistrations()).map(each => each.scope));
  }
  return found;
}"""
# The session, the token of forms, the chosen language; the message that the next page shows.
COOKIES = {"sessionid", "csrftoken", "django_language", "messages"}


@pytest.fixture(scope="module")
def demo(start_server):
    return start_demo(start_server)


@pytest.fixture(scope="module")
def empty(start_server):
    return start_server()


@pytest.mark.parametrize(
    ("pages", "role"),
    [(PAGES, "owner"), (VIEWER_PAGES, "viewer"), (ANONYMOUS_PAGES, None), (EMPTY_PAGES, None)],
    ids=["member", "viewer", "stranger", "first"],
)
def test_every_page_asks_nobody_else_breaks_no_rule_and_keeps_nothing(demo, empty, page_at, pages, role):
    place = empty if pages is EMPTY_PAGES else demo
    page, asked, complaints = page_at(390), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if role:
        sign_in(page, demo, role)
    for address in [address for addresses in pages.values() for address in addresses]:
        address = address.format(**demo.ids)
        page.goto(place.url + address, wait_until="load")
        assert (address, page.evaluate(KEPT)) == (address, [])
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(place.url).netloc}
    # That a page was refused or is not there, the browser notes as well.
    assert [each for each in complaints if "the server responded with a status of 40" not in each] == []
    assert {cookie["name"] for cookie in page.context.cookies()} <= COOKIES


def test_administration_works_under_the_policy(demo, page_at):
    page, complaints = page_at(1280), []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, demo, "owner")
    for address in ("/admin/", "/admin/cards/plan/", "/admin/cards/plan/add/", "/admin/cards/operator/"):
        assert page.goto(demo.url + address, wait_until="networkidle").status == 200
        assert page.locator("#content h1").count() == 1
    # Its pages name no icon, so the browser looks for one where there is none.
    assert [each for each in complaints if "the server responded with a status of 404" not in each] == []
