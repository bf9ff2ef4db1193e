"""What a first visit costs on a slow phone, and what no page may do."""

import re

import pytest

from tests.app import wait_until
from tests.browser.pages import ANONYMOUS_PAGES, EMPTY_PAGES, PAGES, VIEWER_PAGES, fetch, sign_in, start_demo

pytestmark = pytest.mark.browser

# Ten packets of 1,460 bytes: what a server may send at once, before it has to wait for the phone's first answer.
FIRST_FLIGHT = 14 * 1024
ATTRIBUTE = r"""<[^>"']*(?:"[^"]*"|'[^']*'|[^>"'])*?\s({})\s*="""


@pytest.fixture(scope="module")
def demo(start_server):
    return start_demo(start_server)


@pytest.fixture(scope="module")
def empty(start_server):
    return start_server()


def test_dashboard_of_ten_cards_fits_in_the_first_flight(start_server, page_at):
    server = start_server()
    server.manage("demo_household", "--cards", "12", DEMO_PASSWORD="a sentence that nobody guesses")
    page = page_at(320)
    page.goto(server.url)
    page.fill("main [name=login]", "owner@example.org")
    page.fill("main [name=password]", "a sentence that nobody guesses")
    page.click("main .main")
    page.wait_for_url(server.url + "/")
    assert page.locator(".row").count() >= 10
    [cookie] = [each for each in page.context.cookies() if each["name"] == "sessionid"]

    html = fetch(server.url + "/", cookie["value"])
    assert html.headers["Content-Encoding"] in {"gzip", "br"}
    assert html.text.count('class="row"') == page.locator(".row").count()
    css = fetch(server.url + stylesheet_of(html.text))
    assert css.headers["Content-Encoding"] == "br"
    assert "immutable" in css.headers["Cache-Control"]
    assert len(html.packed) + len(css.packed) <= FIRST_FLIGHT, f"HTML {len(html.packed)} + CSS {len(css.packed)} bytes"


def stylesheet_of(html):
    [path] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)
    return path


# An installation keeps no log of requests; here the server is told to say each.
SAYS_REQUESTS = """
def pre_request(worker, request):
    print(f"asked {request.path} {dict(request.headers).get('USER-AGENT')}", flush=True)
"""


def test_first_visit_takes_two_requests_then_an_icon_and_a_script(start_server, page_at, tmp_path):
    """What comes after the page is drawn is tiny and kept for ever; an inlined icon would open the policy to data:."""
    (tmp_path / "says.py").write_text(SAYS_REQUESTS)
    server = start_server(GUNICORN_CMD_ARGS=f"--config {tmp_path / 'says.py'}")
    page = page_at(320)
    page.goto(server.url + "/setup/", wait_until="networkidle")

    def requests():
        return re.findall(r"asked (\S+) [^\n]*Chrome", server.log.read_text())

    wait_until(lambda: any(".svg" in path for path in requests()), "the icon")
    html = fetch(server.url + "/setup/")
    css = stylesheet_of(html.text)
    others = set(requests()) - {"/setup/", css}
    assert {re.sub(r"\.\w{12}\.", ".", path) for path in others} == {"/static/zone.js", "/static/icon.svg"}
    assert '<script src="/static/zone' in html.text
    assert " defer></script>" in html.text
    assert len(html.packed) + len(fetch(server.url + css).packed) <= FIRST_FLIGHT
    for path in others:
        answer = fetch(server.url + path)
        assert len(answer.packed) < 400, path
        assert "immutable" in answer.headers["Cache-Control"], path


@pytest.mark.parametrize(
    ("pages", "role"),
    [(PAGES, "owner"), (VIEWER_PAGES, "viewer"), (ANONYMOUS_PAGES, None), (EMPTY_PAGES, None)],
    ids=["member", "viewer", "stranger", "first"],
)
def test_page_has_nothing_inline_and_a_strict_policy(demo, empty, pages, role):
    place = empty if pages is EMPTY_PAGES else demo
    for address in [address for addresses in pages.values() for address in addresses]:
        answer = fetch(place.url + address.format(**demo.ids), demo.ids.get(role, ""))
        if "Location" in answer.headers:
            answer = fetch(place.url + answer.headers["Location"], demo.ids.get(role, ""))
        text, policy = answer.text, answer.headers["Content-Security-Policy"]
        assert "<h1" in text, address
        assert re.findall(r"<style", text) == [], address
        assert re.findall(r"<script(?![^>]* src=)", text) == [], address
        assert re.findall(ATTRIBUTE.format("style|on[a-z]+"), text) == [], address
        assert "javascript:" not in text, address
        assert "default-src 'none'" in policy, address
        assert "unsafe" not in policy, address


def test_search_for_inline_code_finds_it():
    for code in ['<p style="x">', '<a href="a>b" onclick="x">', "<p\nstyle=x>"]:
        assert re.findall(ATTRIBUTE.format("style|on[a-z]+"), code), code
    assert re.findall(ATTRIBUTE.format("style|on[a-z]+"), '<p title="a style=b on=c">once = 1</p>') == []


def test_dashboard_asks_nobody_else(demo, page_at):
    """`page_at` complains about any request to another host; here is what there is to be asked for at all."""
    page, hosts = page_at(1280), set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    sign_in(page, demo, "owner")
    page.goto(demo.url + "/", wait_until="networkidle")
    assert hosts == {demo.url.split("/")[2]}
