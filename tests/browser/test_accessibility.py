"""Every page, in both colour schemes, on a phone and on a desk: for whoever reads it, in whatever way."""

from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from tests.app import ROOT
from tests.browser.pages import (
    ANONYMOUS_PAGES,
    EMPTY_PAGES,
    NOT_PAGES,
    PAGES,
    VIEWER_PAGES,
    fetch,
    names_of_urls,
    sign_in,
    start_demo,
)

pytestmark = pytest.mark.browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Which rules can tell a difference: all of them between the widths, only contrast between the colour schemes.
EVERYTHING, CONTRAST = ({"type": "tag", "values": TAGS}, {"type": "rule", "values": ["color-contrast"]})
VIEWS = [
    (320, "light", EVERYTHING),
    (320, "dark", CONTRAST),
    (1280, "light", EVERYTHING),
    (1280, "dark", CONTRAST),
]
# Links within a sentence may be as high as their line; everything else that is tapped is 44 pixels high.
SMALL = """() => [...document.querySelectorAll(
    "button, .btn, summary, nav a, .acts a, select, textarea, input:not([type=hidden], [type=radio], [type=checkbox])"
)].filter(each => each.checkVisibility() && each.getBoundingClientRect().height < 43.5).map(each => each.outerHTML)"""
# The forms with something to refuse: where they are, and the button that sends them.
FORMS = {
    "card_new": ("/cards/new/", "main .main"),
    "card_edit": ("/cards/{urgent}/edit/", "main .main"),
    "card_start": ("/cards/{unknown}/start/", "main .main"),
    "let_go": ("/cards/{urgent}/close/", "main .main"),
    "plan_change": ("/cards/{urgent}/plan/", "main .main"),
    "reach": ("/cards/{saver}/balance/?until=1999-01-01", "main .main"),
    "person_edit": ("/household/people/{person}/edit/", "main .main"),
    "household_edit": ("/household/edit/", "main .main"),
    "account": ("/cards/{urgent}/", "form[action$='/accounts/'] button"),
    "reading": ("/cards/{urgent}/log/?kind=reading", "main .main"),
    "payment": ("/cards/{urgent}/log/?kind=payment", "main .main"),
    "activity": ("/cards/{due}/log/?kind=activity", "main .main"),
    "signal": ("/cards/{urgent}/log/?kind=signal", "main .main"),
    "balance": ("/renewals/{preparing}/balance/", "main .main"),
    "validity": ("/renewals/{preparing}/validity/", "main .main"),
    "papers": ("/renewals/{preparing}/documents/", "main .main"),
    "choose": ("/renewals/{preparing}/choose/", "main .main"),
    "pay": ("/renewals/{preparing}/pay/", "main .main"),
    "act": ("/renewals/{using}/act/", "main .main"),
    "skip": ("/renewals/{preparing}/visit/", "main details button"),
    "confirm": ("/renewals/{awaiting}/confirm/", "main .main"),
    "reject": ("/renewals/{awaiting}/confirm/", "main details:last-of-type button"),
    "document": ("/documents/new/", "main .main"),
    "trip": ("/travel/", "main .main"),
    "channel": ("/settings/channel/", "main .main"),
    "person": ("/household/", "form[action$='/people/'] button"),
    "invitation": ("/household/", "form[action$='/household/invitations/'] button"),
    "erase": ("/household/erase/", "main .main"),
    "email": ("/settings/security/email/", "main .main"),
    "settings": ("/settings/", "main .main"),
    "password": ("/accounts/password/change/", "main .main"),
}


@pytest.fixture(scope="module")
def demo(start_server):
    return start_demo(start_server)


@pytest.fixture(scope="module")
def empty(start_server):
    return start_server()


def check(page):
    """Open everything that folds, and look at the page as it is in all views."""
    expect(page.locator("h1")).to_have_count(1)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.evaluate(AXE_SCRIPT)
    found = []
    for width, scheme, rules in VIEWS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        violations = page.evaluate(
            "rules => axe.run({runOnly: rules, resultTypes: ['violations']}).then(all => all.violations)", rules
        )
        view = f"{page.url} at {width} px, {scheme}"
        found += [
            f"{view}: {rule['id']}: {node['html']} {node['failureSummary']}"
            for rule in violations
            for node in rule["nodes"]
        ]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{view}: scrolls sideways")
        if scheme == "light":
            found += [f"{view}: too small to tap: {html}" for html in page.evaluate(SMALL)]
        if page.locator("main .main:visible").count() > 1:
            found.append(f"{view}: more than one main button")
    assert not found, "\n".join(found)


def open_page(page, url, status=200):
    response = page.goto(url)
    assert response.status == status, f"{url} answers {response.status}"


def test_list_has_every_page(demo):
    listed = PAGES | ANONYMOUS_PAGES | EMPTY_PAGES
    assert names_of_urls() == {*listed, *NOT_PAGES}
    for name, address in NOT_PAGES.items():
        answer = fetch(demo.url + address.format(**demo.ids), demo.ids["owner"])
        is_page = answer.status == 200 and answer.headers.get_content_type() == "text/html"
        assert not is_page, f"{name} is a page"


@pytest.mark.parametrize("name", PAGES)
def test_member_can_use_the_page(demo, page_at, name):
    page = page_at(320)
    sign_in(page, demo, "owner")
    for address in PAGES[name]:
        open_page(page, demo.url + address.format(**demo.ids))
        check(page)


@pytest.mark.parametrize("name", ["dashboard", "payments", "plans", "plans_compare"])
def test_names_of_one_long_word_do_not_widen_the_page(demo, page_at, name):
    page = page_at(320)
    sign_in(page, demo, "owner")
    open_page(page, demo.url + PAGES[name][0].format(**demo.ids))
    lengthen = "all => all.forEach(each => each.textContent = 'W'.repeat(60))"
    page.eval_on_selector_all("main .sheet a:not(.btn), main .strips span:first-child", lengthen)
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.parametrize("name", VIEWER_PAGES)
def test_viewer_can_use_the_page(demo, page_at, name):
    page = page_at(320)
    sign_in(page, demo, "viewer")
    for address in VIEWER_PAGES[name]:
        open_page(page, demo.url + address.format(**demo.ids), status=int(name) if name.isdigit() else 200)
        check(page)


@pytest.mark.parametrize("name", ANONYMOUS_PAGES)
def test_stranger_can_use_the_page(demo, page_at, name):
    page = page_at(320)
    for address in ANONYMOUS_PAGES[name]:
        open_page(page, demo.url + address.format(**demo.ids))
        check(page)


def test_first_visitor_can_use_the_page(empty, page_at):
    page = page_at(320)
    open_page(page, empty.url)
    check(page)
    send_empty(page, "main .main")
    check(page)


@pytest.mark.parametrize("name", FORMS)
def test_refused_form_can_be_used(demo, page_at, name):
    page = page_at(320)
    sign_in(page, demo, "owner")
    address, button = FORMS[name]
    open_page(page, demo.url + address.format(**demo.ids))
    send_empty(page, button)
    check(page)


def test_refused_sign_in_can_be_used(demo, page_at):
    page = page_at(320)
    open_page(page, demo.url + "/accounts/login/")
    page.fill("main [name=login]", "nobody@example.org")
    page.fill("main [name=password]", "wrong")
    page.click("main .main")
    expect(page.locator(".errorlist")).to_be_visible()
    check(page)


def test_expired_form_can_be_used(demo, page_at):
    page = page_at(320)
    sign_in(page, demo, "owner")
    open_page(page, demo.url + "/documents/new/")
    page.locator("main [name=csrfmiddlewaretoken]").evaluate("field => field.value = 'gone'")
    send_empty(page, "main .main", errors=0)
    check(page)


def test_page_of_a_crash_can_be_used(page_at):
    page = page_at(320)
    page.set_content(Path(ROOT, "templates/500.html").read_text())
    check(page)


def send_empty(page, button, errors=1):
    """Empty the form behind the button and send it past the browser's own checks."""
    page.locator(button).evaluate("""button => {
        button.form.noValidate = true;
        for (const field of button.form.elements) {
            if (field.type === "radio") field.checked = false;
            else if (!["hidden", "submit", "button", "fieldset", "file"].includes(field.type)) field.value = "";
        }
    }""")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    with page.expect_navigation():
        page.click(button)
    if errors:
        expect(page.locator("main .errorlist").first).to_be_visible()
