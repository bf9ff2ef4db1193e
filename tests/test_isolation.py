"""Every address, asked for by everybody: whoever adds one adds it to PAGES and says who may do what there."""

import re
from dataclasses import dataclass, field

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from cards.models import Household, Invitation, Member, User
from cards.secrets import write_secret
from renewals.uploads import keep
from tests.factories import UserFactory
from tests.family import Family, every_row, sign_in


@dataclass
class Page:
    """What a GET and a POST of an otherwise empty form answer to a manager or owner, and to a viewer.

    `variants` fills in the address from a family: {} for one without parts. `is_open`: for anonymous as well. `own` is
    what the owner is answered, where that is something else than what a manager is.
    """

    change: tuple[int, int]
    look: tuple[int, int]
    variants: list = field(default_factory=lambda: [lambda family: {}])
    is_open: bool = False
    own: tuple[int, int] | None = None


def looks(**more):
    return Page((200, 405), (200, 405), **more)


def form(**more):
    return Page((200, 200), (403, 403), **more)


def own_form(**more):
    return Page((200, 200), (200, 200), **more)


def question(**more):
    """A page that asks “are you sure?”, and does it."""
    return Page((200, 302), (403, 403), **more)


def button(**more):
    """No page, only a button on another one."""
    return Page((405, 302), (405, 403), **more)


def open_page(get, post):
    return Page((get, post), (get, post), is_open=True)


CARD = [lambda family: {"pk": family.card.pk}]
MEMBER = [lambda family: {"pk": family.viewer.pk}]
INVITATION = [lambda family: {"pk": family.invitation.pk}]
RENEWAL = [lambda family: {"pk": family.renewal.pk}]
DOCUMENT = [lambda family: {"pk": family.document.pk}]
RECORDS = [
    lambda family: {"kind": "reading", "pk": family.reading.pk},
    lambda family: {"kind": "payment", "pk": family.payment.pk},
    lambda family: {"kind": "activity", "pk": family.activity.pk},
    lambda family: {"kind": "signal", "pk": family.signal.pk},
]
STEPS = [
    lambda family, key=key: {"pk": family.renewal.pk, "key": key} for key in ("balance", "validity", "choose", "pay")
]
KEY = "^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"

PAGES = {
    "": looks(),
    "healthz": Page((503, 405), (503, 405), is_open=True),
    "cards/new/": form(),
    "cards/<int:pk>/": looks(variants=CARD),
    "cards/<int:pk>/edit/": form(variants=CARD),
    "cards/<int:pk>/start/": form(variants=CARD),
    "cards/<int:pk>/close/": form(variants=CARD),
    "cards/<int:pk>/plan/": form(variants=CARD),
    "plan-changes/<int:pk>/cancel/": button(variants=[lambda family: {"pk": family.plan_change.pk}]),
    "cards/<int:pk>/balance/": looks(variants=[lambda family: {"pk": family.balance_card.pk}]),
    "cards/<int:pk>/tasks/<slug:kind>/": button(
        variants=[
            lambda family, kind=kind: {"pk": family.card.pk, "kind": kind}
            for kind in ("update_details", "move_accounts", "signal_check")
        ]
    ),
    "cards/<int:pk>/accounts/": Page((405, 200), (405, 403), variants=CARD),
    "linked-accounts/<int:pk>/moved/": button(variants=[lambda family: {"pk": family.account.pk}]),
    "cards/<int:pk>/secrets/": question(variants=CARD),
    # Without a second factor, a page says that one is needed.
    "cards/<int:pk>/secrets/<slug:field>/": Page(
        (405, 200), (405, 403), [lambda family: {"pk": family.card.pk, "field": "puk"}]
    ),
    "cards/<int:pk>/log/": form(variants=CARD),
    "log/<slug:kind>/<int:pk>/correct/": form(variants=RECORDS),
    "log/<slug:kind>/<int:pk>/delete/": question(variants=RECORDS),
    "payments/": looks(),
    "payments/csv/": looks(),
    "payments/<int:pk>/receipt/": Page((200, 405), (403, 405), [lambda family: {"pk": family.payment.pk}]),
    "renewals/start/<int:pk>/": button(variants=CARD),
    "renewals/<int:pk>/": looks(variants=RENEWAL),
    "renewals/<int:pk>/take/": button(variants=RENEWAL),
    "renewals/<int:pk>/abandon/": Page((405, 200), (405, 403), variants=RENEWAL),
    "renewals/<int:pk>/<slug:key>/": Page((200, 200), (200, 403), variants=STEPS),
    "plans/": looks(),
    "plans/compare/": looks(),
    "plans/<slug:slug>/": looks(variants=[lambda family: {"slug": family.card.plan.slug}]),
    "documents/": looks(),
    "documents/new/": form(),
    "documents/<int:pk>/edit/": form(variants=DOCUMENT),
    # Without a second factor, a page says that one is needed.
    "documents/<int:pk>/scan/": Page((405, 200), (405, 403), variants=DOCUMENT),
    "documents/<int:pk>/copy/": Page((200, 200), (403, 403), variants=DOCUMENT),
    "documents/<int:pk>/number/": Page((405, 200), (405, 403), variants=DOCUMENT),
    "documents/<int:pk>/delete/": question(variants=DOCUMENT),
    "calendar/": looks(),
    "calendar/<str:token>.ics": Page((404, 405), (404, 405), [lambda family: {"token": "x"}], is_open=True),
    # A card without a day has no file yet.
    "cards/<int:pk>/calendar.ics": Page((302, 405), (302, 405), variants=CARD),
    "travel/": Page((200, 200), (200, 403)),
    "travel/<int:pk>/": looks(variants=[lambda family: {"pk": family.trip.pk}]),
    "travel/<int:pk>/cancel/": button(variants=[lambda family: {"pk": family.trip.pk}]),
    "mail/act/<str:token>/": Page((404, 404), (404, 404), [lambda family: {"token": "x"}], is_open=True),
    "mail/stop/<str:token>/": Page((404, 404), (404, 404), [lambda family: {"token": "x"}], is_open=True),
    "cards/<int:pk>/snooze/": Page((405, 302), (405, 302), variants=CARD),
    "mails/": looks(),
    "settings/test/": Page((405, 302), (405, 302)),
    "settings/mail/resume/": Page((405, 302), (405, 302)),
    "settings/calendar/": own_form(),
    "settings/channel/": own_form(),
    "settings/channel/remove/": Page((405, 302), (405, 302)),
    "setup/": open_page(404, 404),
    "household/": looks(),
    "household/edit/": form(),
    "household/log/": Page((403, 405), (403, 405), own=(200, 405)),
    "household/bin/": Page((200, 405), (403, 405)),
    "bin/<slug:kind>/<int:pk>/restore/": button(
        variants=[*RECORDS, lambda family: {"kind": "document", "pk": family.document.pk}]
    ),
    "household/erase/": Page((403, 403), (403, 403), own=(200, 200)),
    "household/keep/": Page((405, 403), (405, 403), own=(405, 302)),
    "household/people/<int:pk>/edit/": form(variants=[lambda family: {"pk": family.person.pk}]),
    "household/tasks/<slug:kind>/": button(variants=[lambda family: {"kind": "copy_papers"}]),
    "household/people/": Page((405, 200), (405, 403)),
    # Only for who runs the installation.
    "household/new/": Page((404, 404), (404, 404)),
    "household/switch/": Page((405, 404), (405, 404)),
    "household/leave/": Page((200, 302), (200, 302)),
    "household/members/<int:pk>/role/": Page((405, 403), (405, 403), variants=MEMBER, own=(405, 302)),
    "household/members/<int:pk>/hand-over/": Page((403, 403), (403, 403), variants=MEMBER, own=(200, 302)),
    "household/members/<int:pk>/remove/": Page((403, 403), (403, 403), variants=MEMBER, own=(200, 302)),
    "household/invitations/": Page((405, 403), (405, 403), own=(405, 200)),
    "household/invitations/<int:pk>/again/": Page((405, 403), (405, 403), variants=INVITATION, own=(405, 302)),
    "household/invitations/<int:pk>/revoke/": Page((405, 403), (405, 403), variants=INVITATION, own=(405, 302)),
    "invitations/<str:token>/": Page((404, 404), (404, 404), [lambda family: {"token": "x"}], is_open=True),
    "household/security/": Page((403, 403), (403, 403), own=(200, 302)),
    "settings/": own_form(),
    "settings/security/": looks(),
    "settings/security/sessions/<int:pk>/end/": Page((405, 404), (405, 404), [lambda family: {"pk": 1}]),
    "settings/security/sessions/end/": Page((405, 302), (405, 302)),
    "settings/security/email/": own_form(),
    "settings/security/email/confirm/<str:token>/": own_form(variants=[lambda family: {"token": "x"}]),
    "accounts/login/": Page((302, 302), (302, 302), is_open=True),
    "accounts/logout/": Page((200, 302), (200, 302)),
    "accounts/signup/": open_page(404, 404),
    "accounts/inactive/": open_page(200, 405),
    "accounts/password/change/": own_form(),
    "accounts/password/set/": Page((302, 302), (302, 302)),
    "accounts/password/reset/": open_page(200, 200),
    "accounts/password/reset/done/": open_page(200, 405),
    f"accounts/{KEY}": Page((200, 200), (200, 200), [lambda family: {"uidb36": "1", "key": "no"}], is_open=True),
    "accounts/password/reset/key/done/": open_page(200, 405),
    "accounts/reauthenticate/": own_form(),
    # Nobody in the table has a second factor.
    "accounts/reauthenticate/code/": Page((302, 302), (302, 302)),
    "accounts/reauthenticate/passkey/": Page((302, 302), (302, 302)),
    "accounts/factor/": Page((302, 302), (302, 302)),
    "accounts/factors/": Page((302, 302), (302, 302)),
    "accounts/app/": own_form(),
    "accounts/app/remove/": Page((404, 404), (404, 404)),
    "accounts/codes/": Page((404, 405), (404, 405)),
    "accounts/codes/new/": own_form(),
    "accounts/passkeys/new/": own_form(),
    "accounts/passkeys/sign-in/": Page((302, 302), (302, 302)),
    "accounts/passkeys/<int:pk>/remove/": Page((404, 404), (404, 404), [lambda family: {"pk": 1}]),
    "language/": open_page(302, 302),
    "admin/login/": Page((404, 404), (404, 404)),
    "admin/": Page((404, 404), (404, 404)),
}
CHANGING = [route for route, page in PAGES.items() if page.look[1] == 403]
EMPTY = {"csrfmiddlewaretoken": "x"}


def routes():
    """Yield the route of every pattern of the resolver; the administration is one group."""

    def walk(patterns, before):
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if getattr(pattern, "app_name", None) == "admin":
                yield "admin/*"
            elif hasattr(pattern, "url_patterns"):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route

    return walk(get_resolver().url_patterns, "")


def addresses(route, family):
    """Return the addresses of a route for what a family owns."""
    for variant in PAGES[route].variants:
        path = route.replace(KEY, "password/reset/key/<uidb36>-<key>/")
        for name, value in variant(family).items():
            path = re.sub(rf"<(\w+:)?{name}>", str(value), path)
        yield f"/{path}"


def without_tokens(page):
    return re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"", page.content)


@pytest.fixture
def family(db):
    return Family("Chen").fill()


@pytest.fixture
def stranger(db):
    return Family("Pérez").fill().owner


@pytest.fixture(autouse=True)
def receipts(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def give_files(family):
    keep(family.payment, "receipt", "pdf", b"%PDF-")
    family.payment.save()
    keep(family.document, "scan", "pdf", b"%PDF-")
    write_secret(family.document, "number", "K1")
    family.document.save()
    write_secret(family.card, "puk", "12345678")
    family.card.save(update_fields=["puk"])


def test_table_names_every_address_and_no_other():
    assert sorted([*PAGES, "admin/*"]) == sorted(routes())


@pytest.mark.parametrize("route", PAGES)
@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_own_household_may_look_and_only_who_may_change_changes(family, role, route):
    give_files(family)
    client, page = sign_in(getattr(family, role)), PAGES[route]
    get, post = page.look if role == "viewer" else page.change
    if role == "owner" and page.own:
        get, post = page.own
    for address in addresses(route, family):
        before = every_row()
        assert (address, client.get(address).status_code) == (address, get)
        assert every_row() == before, f"GET {address} changed a row"
        assert (address, client.post(address, EMPTY).status_code) == (address, post)
        if post in {200, 403, 404, 405}:
            assert every_row() == before, f"an empty POST {address} changed a row"
        client = sign_in(getattr(family, role))


OURS = [route for route in PAGES if not route.startswith(("accounts/", "admin/", "language/"))]


@pytest.mark.parametrize("route", OURS)
def test_other_methods_are_refused(family, route):
    clients = [sign_in(member) for member in (family.owner, family.manager, family.viewer)]
    before = every_row()
    for client in clients:
        for address in addresses(route, family):
            for method in (client.put, client.patch, client.delete):
                assert (address, method(address).status_code) == (address, 405)
    assert every_row() == before


@pytest.mark.parametrize("route", [route for route in PAGES if PAGES[route].change[1] in {200, 302}])
def test_form_of_another_site_is_refused(family, route):
    """A page elsewhere sends our form with the member's cookie, but cannot know its token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(family.owner.user)
    before = every_row()
    for address in addresses(route, family):
        page = client.post(address, EMPTY)
        assert (address, page.status_code) == (address, 403)
        assert "Please send it again" in page.text
    assert every_row() == before


@pytest.mark.parametrize("route", PAGES)
def test_anonymous_is_led_to_the_sign_in(family, route):
    give_files(family)
    page, before = PAGES[route], every_row()
    if route == "accounts/login/":
        return
    for address in addresses(route, family):
        for send, status in zip((Client().get, Client().post), page.change, strict=True):
            answer = send(address)
            if page.is_open:
                assert (address, answer.status_code) == (address, status)
                assert "Chen" not in answer.text
            else:
                assert (address, answer.status_code, answer.url.partition("?")[0]) == (address, 302, "/accounts/login/")
    assert every_row() == before


@pytest.mark.parametrize("route", [route for route in PAGES if "<int:pk>" in route])
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_households_object_is_as_if_it_were_not_there(family, stranger, route, method):
    give_files(family)
    client, before = sign_in(stranger), every_row()
    status = PAGES[route].change[method == "post"]
    for address in addresses(route, family):
        missing = re.sub(r"/\d+/", "/987654321/", address)
        answer, unknown = (getattr(client, method)(each, EMPTY) for each in (address, missing))
        assert (address, answer.status_code) == (address, 405 if status == 405 else 404)
        assert without_tokens(answer) == without_tokens(unknown)
    assert every_row() == before


METHODS = ("get", "head", "post", "put", "patch", "delete")


def rows_of(family):
    """Return all that a household owns, and itself."""
    owned = [model for model in apps.get_models() if "household" in {each.name for each in model._meta.get_fields()}]
    rows = {model._meta.label: model._base_manager.filter(household=family.household) for model in owned}
    rows["household"] = Household.objects.filter(pk=family.household.pk)
    return {label: list(found.order_by("pk").values_list()) for label, found in rows.items()}


def outsiders(family, stranger):
    """Return who has nothing to do with the household (any more), each with a browser that was let in once."""
    invited = UserFactory()
    Invitation.objects.create(
        household=family.household, email=invited.email, name="Ines", role="manager", token_hash="f" * 64
    )
    browsers = {"other owner": sign_in(stranger), "removed": sign_in(family.manager), "closed": sign_in(family.viewer)}
    browsers |= {"anonymous": Client(), "invited": Client()}
    browsers["invited"].force_login(invited)
    Member.objects.filter(pk=family.manager.pk).update(left_at=timezone.now())
    User.objects.filter(pk=family.viewer.user_id).update(is_active=False)
    return browsers


@pytest.mark.parametrize("route", PAGES)
def test_outsider_sees_and_changes_nothing_by_any_method(family, stranger, route):
    """Anonymous, another household's owner, invited but not in yet, removed, and a login that was closed.

    None of them is told anything of the family, and none of its rows is another one afterwards.
    """
    give_files(family)
    browsers = outsiders(family, stranger)
    before = rows_of(family)
    for address in addresses(route, family):
        for actor, browser in browsers.items():
            for method in METHODS:
                answer = getattr(browser, method)(address, **({"data": EMPTY} if method == "post" else {}))
                told = [each for each in ("Chen", "%PDF-") if each.encode() in answer.content]
                assert (actor, method, address, told) == (actor, method, address, [])
                is_own = not re.search(r"/\d+/", address)
                assert is_own or answer.status_code in {302, 403, 404, 405}, (actor, method, address)
    assert rows_of(family) == before


def test_removed_member_is_out_with_the_very_next_request(family):
    """Their session goes on, and shows them nothing, on each of all pages."""
    give_files(family)
    client, asked = sign_in(family.manager), 0
    for address in [address for route in PAGES if "logout" not in route for address in addresses(route, family)]:
        Member.objects.filter(pk=family.manager.pk).update(left_at=None)
        client.get(address)
        Member.objects.filter(pk=family.manager.pk).update(left_at=timezone.now())
        assert b"Chen" not in client.get(address).content, address
        asked += 1
    assert asked >= 100


def test_lowered_role_counts_from_the_very_next_request(family):
    client = sign_in(family.manager)
    assert client.get("/cards/new/").status_code == 200
    Member.objects.filter(pk=family.manager.pk).update(role="viewer")
    assert client.get("/cards/new/").status_code == 403


@pytest.mark.parametrize("route", [route for route in PAGES if "<int:pk>" not in route])
def test_pages_without_a_key_show_nothing_of_another_household(family, stranger, route):
    ours, theirs = sign_in(family.owner), sign_in(stranger)
    for address in addresses(route, family):
        own, others = ours.get(address), theirs.get(address)
        assert ("Pérez" in own.text, "Chen" in others.text) == (False, False)
        assert own.status_code == others.status_code


@pytest.mark.parametrize("address", ["/", "/documents/", "/household/"])
def test_lists_do_show_the_own_household(family, address):
    assert "Rosa Chen" in sign_in(family.owner).get(address).text or address == "/"
    assert "Chen family" in sign_in(family.owner).get(address).text


@pytest.mark.parametrize("key", ["balance", "validity", "documents", "visit", "sign_in", "choose", "pay", "confirm"])
def test_viewer_may_look_at_every_step_and_write_none(family, key):
    client, before = sign_in(family.viewer), every_row()
    for do in ("done", "skip", "reject", "wait", "anything"):
        data = {"do": do, "revision": 0, "skip-reason": "x", "note": "x"}
        assert client.post(f"/renewals/{family.renewal.pk}/{key}/", data).status_code == 403
    assert client.get(f"/renewals/{family.renewal.pk}/{key}/").status_code in {200, 302}
    assert every_row() == before


def test_refused_viewer_reads_why(family):
    page = sign_in(family.viewer).get("/cards/new/")
    assert "You may look, but not change this" in page.text
    assert "Ask the owner of your household" in page.text


def test_refused_manager_reads_why(family):
    page = sign_in(family.manager).get("/household/log/")
    assert (page.status_code, "Only the owner manages members" in page.text) == (403, True)


@pytest.mark.parametrize("route", CHANGING)
def test_login_without_a_household_may_nothing(family, route):
    family.manager.delete()
    for address in addresses(route, family):
        client = Client()
        client.force_login(family.manager.user)
        before = every_row()
        assert client.post(address, EMPTY).status_code in {403, 404}
        assert every_row() == before


def test_login_without_a_household_reads_why(family):
    user = family.manager.user
    family.manager.delete()
    client = Client()
    client.force_login(user)
    page = client.get("/")
    assert page.status_code == 403
    assert "Your login belongs to no household" in page.text


def admin_addresses():
    """Yield every address of the administration, with 1 for each part."""

    def walk(patterns, before):
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                yield from walk(pattern.url_patterns, route)
            else:
                yield "/admin/" + re.sub(
                    r"<[^>]+>|\(\?P<[^)]*\)|\\Z|[\^$]", lambda part: "1" * (part[0][0] in "<("), route
                )

    return walk(admin.site.urls[0], "")


def test_administration_is_closed_to_households(family, stranger):
    found, clients = list(admin_addresses()), [Client(), *map(sign_in, (family.owner, family.viewer, stranger))]
    before = every_row()
    assert "/admin/" in found
    for address in found:
        for client in clients:
            for answer in (client.get(address), client.post(address)):
                assert (address, answer.status_code) in {(address, 302), (address, 404)}
    assert every_row() == before


def test_administration_sends_anonymous_to_the_sign_in(family):
    assert Client().get("/admin/", follow=True).redirect_chain[-1] == ("/accounts/login/?next=/admin/", 302)


def test_administration_is_open_to_staff_only(family):
    assert sign_in(family.owner).get("/admin/", follow=True).status_code == 404
    family.owner.user.is_staff = family.owner.user.is_superuser = True
    family.owner.user.save()
    assert sign_in(family.owner).get("/admin/").status_code == 200
