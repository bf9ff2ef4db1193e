"""What only a browser can show: passkeys, and that nothing is left on the screen after signing out."""

import re

import pytest

pytestmark = pytest.mark.browser

OWNER, PASSWORD = "owner@example.org", "a sentence that nobody guesses"
PASSKEY_BUTTON = "Use a passkey"


@pytest.fixture(scope="module")
def site(start_server):
    """The app under the name localhost: passkeys belong to names, and to no number."""
    server = start_server()
    server.manage("demo_household", DEMO_PASSWORD=PASSWORD)
    return server.url.replace("127.0.0.1", "localhost")


def sign_in(page, site):
    page.goto(f"{site}/accounts/login/")
    page.get_by_label("Email").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page):
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/accounts/login/")


def path_of(page):
    return re.sub(r"https?://[^/]+", "", page.url)


def give_finger(page):
    """Let the browser have a built-in reader that recognises its owner."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_passkey_is_added_signs_in_proves_and_is_removed(site, page_at):
    page = page_at(360)
    give_finger(page)
    sign_in(page, site)
    page.goto(f"{site}/accounts/passkeys/new/")
    page.get_by_label("Name").fill("Lin’s phone")
    page.get_by_role("button", name="Add it").click()
    page.wait_for_url("**/accounts/codes/")
    assert page.locator(".codes li").count() == 10
    page.get_by_role("link", name="I have written them down").click()
    assert "Passkey: Lin’s phone" in page.inner_text("main")

    sign_out(page)
    page.get_by_role("button", name=PASSKEY_BUTTON).click()
    page.wait_for_url(f"{site}/")
    sign_out(page)

    sign_in(page, site)
    assert path_of(page) == "/accounts/factor/"
    page.get_by_role("button", name=PASSKEY_BUTTON).click()
    page.wait_for_url(f"{site}/")

    page.goto(f"{site}/accounts/reauthenticate/passkey/?next=/settings/security/")
    page.get_by_role("button", name=PASSKEY_BUTTON).click()
    page.wait_for_url("**/settings/security/")
    page.get_by_role("link", name="Remove", exact=True).click()
    page.get_by_role("button", name="Remove").click()
    page.wait_for_url("**/settings/security/")
    assert "Lin’s phone" not in page.inner_text("main")
    sign_out(page)
    page.get_by_role("button", name=PASSKEY_BUTTON).click()
    page.wait_for_url("**/accounts/login/")
    page.get_by_text("Incorrect code.").wait_for()


def test_going_back_after_signing_out_shows_nothing_of_the_household(site, page_at):
    page = page_at(360)
    sign_in(page, site)
    page.goto(f"{site}/household/")
    who = page.locator(".who span").inner_text()
    page.goto(f"{site}/")
    sign_out(page)
    for _ in range(3):
        page.go_back()
        assert path_of(page).startswith("/accounts/login/"), path_of(page)
        assert who not in page.content()


def test_without_javascript_all_but_passkeys_works(site, page_at):
    page = page_at(320, javascript=False)
    sign_in(page, site)
    assert not page.get_by_role("button", name=PASSKEY_BUTTON).is_visible()
    page.goto(f"{site}/accounts/app/")
    assert page.locator("svg.qr").is_visible()
    page.goto(f"{site}/accounts/passkeys/new/")
    assert "Passkeys need JavaScript." in page.inner_text("main")
