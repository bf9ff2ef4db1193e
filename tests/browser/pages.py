"""Every page of the app, with a demo household in which each of them has something to show."""

import gzip
import http.client
import json
from types import SimpleNamespace
from urllib.parse import urlsplit

import brotli
from django.urls import URLPattern, get_resolver

STEPS = ("balance", "validity", "documents", "visit", "sign_in", "choose", "pay")
STAGES = ("active", "due", "urgent", "grace", "recovery", "lost", "unknown", "closed")
RECORDS = ("payment", "activity", "reading", "signal")

UNPACK = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}

# The addresses of each page by its name in the urls; {words} are filled in by `start_demo`.
PAGES = {
    "dashboard": ["/"],
    "card": [f"/cards/{{{stage}}}/" for stage in STAGES],
    "card_new": ["/cards/new/"],
    "card_edit": ["/cards/{urgent}/edit/"],
    "card_secrets": ["/cards/{urgent}/secrets/"],
    "card_start": ["/cards/{unknown}/start/", "/cards/{due}/start/", "/cards/{grace}/start/"],
    "card_close": ["/cards/{active}/close/", "/cards/{urgent}/close/", "/cards/{closed}/close/"],
    "plan_change": ["/cards/{urgent}/plan/"],
    "balance": ["/cards/{saver}/balance/", "/cards/{saver}/balance/?until=2027-06-01"],
    "log": [f"/cards/{{urgent}}/log/?kind={kind}" for kind in RECORDS],
    "correct": [f"/log/{kind}/{{{kind}}}/correct/" for kind in RECORDS],
    "delete_record": [f"/log/{kind}/{{{kind}}}/delete/" for kind in RECORDS],
    "renewal": [f"/renewals/{{{state}}}/" for state in ("preparing", "awaiting", "renewed", "rejected")],
    "renewal_step": [
        *(f"/renewals/{{preparing}}/{step}/" for step in STEPS),
        "/renewals/{using}/act/",
        "/renewals/{awaiting}/validity/",
        "/renewals/{awaiting}/pay/",
        "/renewals/{awaiting}/confirm/",
    ],
    "plans": [
        "/plans/",
        "/plans/?need=data&where=CN&papers=passport&often=half_year",
        "/plans/?q=nothing-of-this-name",
    ],
    "plans_compare": [
        "/plans/compare/",
        "/plans/compare/?plan=cu-cubacel-permanent&plan=gb-giffgaff-payg&plan=cn-unicom-8&plan=hk-clubsim",
    ],
    "plan": ["/plans/cu-cubacel-permanent/", "/plans/hk-sosim/", "/plans/cu-cubacel-tur-plus/"],
    "payments": ["/payments/", "/payments/?currency=CUP", "/payments/?year=1999"],
    "documents": ["/documents/"],
    "document_new": ["/documents/new/"],
    "document_edit": ["/documents/{document}/edit/"],
    "document_copy": ["/documents/{document}/copy/"],
    "document_delete": ["/documents/{document}/delete/"],
    "household": ["/household/"],
    "household_edit": ["/household/edit/"],
    "household_new": ["/household/new/"],
    "household_leave": ["/household/leave/"],
    "log_of_household": ["/household/log/", "/household/log/?what=deleted", "/household/log/?what=left"],
    "bin": ["/household/bin/"],
    "household_erase": ["/household/erase/"],
    "member_hand_over": ["/household/members/{member}/hand-over/"],
    "member_remove": ["/household/members/{member}/remove/"],
    "household_security": ["/household/security/"],
    "person_edit": ["/household/people/{person}/edit/"],
    "calendar": ["/calendar/", "/calendar/?month=2031-02", "/calendar/?month=x"],
    "trips": ["/travel/"],
    "trip": ["/travel/{trip}/"],
    "mails": ["/mails/"],
    "settings": ["/settings/"],
    "feed_settings": ["/settings/calendar/"],
    "channel": ["/settings/channel/"],
    "account_change_password": ["/accounts/password/change/"],
    "account_set_password": ["/accounts/password/set/"],
    "account_reauthenticate": ["/accounts/reauthenticate/"],
    "security": ["/settings/security/"],
    "email_new": ["/settings/security/email/"],
    "email_confirm": ["/settings/security/email/confirm/{email}/", "/settings/security/email/confirm/x/"],
    "mfa_reauthenticate": ["/accounts/reauthenticate/code/"],
    "mfa_reauthenticate_webauthn": ["/accounts/reauthenticate/passkey/"],
    "mfa_deactivate_totp": ["/accounts/app/remove/"],
    # Shown once, and from then on as a page that says so.
    "mfa_view_recovery_codes": ["/accounts/codes/", "/accounts/codes/"],
    "mfa_generate_recovery_codes": ["/accounts/codes/new/"],
    "mfa_add_webauthn": ["/accounts/passkeys/new/"],
    "mfa_remove_webauthn": ["/accounts/passkeys/{passkey}/remove/"],
    "account_logout": ["/accounts/logout/"],
}
ANONYMOUS_PAGES = {
    "account_login": ["/accounts/login/", "/accounts/login/?next=/cards/new/"],
    "account_inactive": ["/accounts/inactive/"],
    "account_reset_password": ["/accounts/password/reset/"],
    "account_reset_password_done": ["/accounts/password/reset/done/"],
    "account_reset_password_from_key": ["/accounts/password/reset/key/{reset}/", "/accounts/password/reset/key/1-x/"],
    "invitation": ["/invitations/{invitation}/"],
    "mail_act": ["/mail/act/{take}/", "/mail/act/{snooze}/"],
    "mail_stop": ["/mail/stop/{stop}/"],
    "account_reset_password_from_key_done": ["/accounts/password/reset/key/done/"],
}
EMPTY_PAGES = {"setup": ["/setup/"]}
# What a member sees who may only look; 403 and 404 have no address of their own.
VIEWER_PAGES = {
    "viewer": ["/", "/cards/{urgent}/", "/renewals/{awaiting}/", "/renewals/{preparing}/pay/", "/documents/",
               "/household/"],
    "mfa_activate_totp": ["/accounts/app/", "/settings/security/"],
    "403": ["/cards/new/"],
    "404": ["/nothing/"],
}  # fmt: skip
# What answers GET with no page; the test of the list asks each of them.
NOT_PAGES = {
    "healthz": "/healthz",
    "account_add": "/cards/{urgent}/accounts/",
    "account_move": "/linked-accounts/{account}/moved/",
    "receipt": "/payments/{receipt}/receipt/",
    "document_scan": "/documents/{document}/scan/",
    "card_reveal": "/cards/{urgent}/secrets/puk/",
    "document_reveal": "/documents/{document}/number/",
    "payments_csv": "/payments/csv/",
    "plan_change_cancel": "/plan-changes/{planned}/cancel/",
    "task_close": "/cards/{urgent}/tasks/signal_check/",
    "household_task_close": "/household/tasks/copy_papers/",
    "renewal_start": "/renewals/start/{urgent}/",
    "renewal_take": "/renewals/{preparing}/take/",
    "renewal_abandon": "/renewals/{preparing}/abandon/",
    "snooze": "/cards/{urgent}/snooze/",
    "trip_cancel": "/travel/{trip}/cancel/",
    "calendar_feed": "/calendar/x.ics",
    "card_calendar": "/cards/{urgent}/calendar.ics",
    "mail_resume": "/settings/mail/resume/",
    "channel_remove": "/settings/channel/remove/",
    "send_test": "/settings/test/",
    "person_add": "/household/people/",
    "member_invite": "/household/invitations/",
    "member_role": "/household/members/{member}/role/",
    "invitation_again": "/household/invitations/{invited}/again/",
    "invitation_revoke": "/household/invitations/{invited}/revoke/",
    "household_switch": "/household/switch/",
    "household_keep": "/household/keep/",
    "restore": "/bin/payment/{payment}/restore/",
    "account_signup": "/accounts/signup/",
    "set_language": "/language/",
    "session_end": "/settings/security/sessions/1/end/",
    "sessions_end": "/settings/security/sessions/end/",
    # Pages for who has no app yet, and for who has typed the password and is not signed in yet.
    "mfa_activate_totp": "/accounts/app/",
    "mfa_authenticate": "/accounts/factor/",
    "mfa_login_webauthn": "/accounts/passkeys/sign-in/",
    "mfa_index": "/accounts/factors/",
}

# Run inside the app: adds what the demo household lacks, and prints what the addresses need.
PREPARE = """
import json
from datetime import timedelta
from importlib import import_module
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils import timezone
from cards.email_change import make_token
from cards.membership import invite
from cards.models import Card, LinkedAccount, Member, Person, Plan, PlanChange
from cards.secrets import write_secret
from cards.journal import note
from renewals.bin import put_into_bin
from renewals.deadlines import recompute_card, stage_of, today_for
from renewals.models import Activity, Delivery, Document, Payment, Reading, Renewal, SignalCheck, Trip
from renewals.reminders.links import Action, act_url, stop_url
from renewals.reminders.planning import queue_test
from renewals.uploads import keep
from renewals.walkthrough import start_renewal
from tests.factories import passkey_credential

now = timezone.now()
owner = Member.objects.get(role="owner")
def add(slug, number, days):
    card = Card.objects.create(household=owner.household, name="Tía " + number[-3:], number=number, responsible=owner,
                               plan=Plan.objects.get(household=None, slug=slug))
    if days is not None:
        today = today_for(owner, card.plan.operator.country, now)
        Reading.objects.create(household=owner.household, card=card, by=owner, read_on=today + timedelta(days=days),
                               valid_until=today + timedelta(days=days))
        recompute_card(card)
add("cu-cubacel-permanent", "+5351110001", None)
add("cu-cubacel-permanent", "+5351110002", -300)
add("gb-giffgaff-payg", "+447400111003", -3)
found = {stage_of(card, today_for(owner, card.plan.operator.country, now)).value: card
         for card in Card.objects.select_related("plan__operator")}
start_renewal(found["urgent"], owner, now)
write_secret(found["urgent"], "puk", "12345678")
found["urgent"].save(update_fields=["puk"])
saver = Card.objects.get(plan__slug="cn-unicom-8")
planned = PlanChange.objects.create(household=owner.household, card=saver, plan_before=saver.plan,
                                    plan_after=Plan.objects.get(slug="cn-telecom-5"), by=owner,
                                    starts_on=now.date() + timedelta(days=200))
using = start_renewal(found["due"], owner, now)
ids = {stage: card.pk for stage, card in found.items()}
ids |= {renewal.state: renewal.pk for renewal in Renewal.objects.exclude(pk=using.pk)}
ids |= {"using": using.pk, "document": Document.objects.first().pk, "account": LinkedAccount.objects.first().pk}
ids |= {"saver": saver.pk, "planned": planned.pk, "person": Person.objects.first().pk}
scanned = Document.objects.first()
keep(scanned, "scan", "pdf", b"%PDF-")
scanned.save()
ids |= {"receipt": Payment.objects.exclude(receipt="").first().pk}
for kind, model in {"payment": Payment, "activity": Activity, "reading": Reading, "signal": SignalCheck}.items():
    ids[kind] = model.objects.filter(corrected_by=None).first().pk if kind != "signal" else model.objects.first().pk
invitation, ids["invitation"] = invite(owner, name="Bo", email="bo@example.org", role="viewer", language="en", now=now)
ids |= {"invited": invitation.pk, "member": Member.objects.get(role="manager").pk}
TOTP.activate(owner.user, generate_totp_secret())
RecoveryCodes.activate(owner.user)
ids["passkey"] = WebAuthn.add(owner.user, "Lin’s phone", passkey_credential()).instance.pk
ids["email"] = make_token(owner.user, "other@example.org")
ids["trip"] = Trip.objects.first().pk
thrown = Payment.objects.filter(corrected_by=None).exclude(pk=ids["payment"]).last()
put_into_bin(thrown, owner, now)
note(owner, "deleted", f"card:{thrown.card_id}", str(thrown), {"record": "payment"})
note(owner, "changed", f"card:{saver.pk}", saver.name, {"name": ["Papa", saver.name], "number": []})
mail = queue_test(owner, now)
Delivery.objects.update(state="sent", sent_at=now)
ids["take"] = act_url(mail, found["urgent"], Action.TAKE).split("/")[-2]
ids["snooze"] = act_url(mail, found["active"], Action.SNOOZE).split("/")[-2]
ids["stop"] = stop_url(owner).split("/")[-2]
ids["reset"] = user_pk_to_url_str(owner.user) + "-" + default_token_generator.make_token(owner.user)
for member in Member.objects.all():
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(member.user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = member.user.get_session_auth_hash()
    session["proved_at"] = now.timestamp() + 24 * 60 * 60
    session.create()
    ids[member.role] = session.session_key
print(json.dumps(ids))
"""


def start_demo(start_server):
    """Start the app with the demo household; return its `.url`, and `.ids` with a session for each role."""
    server = start_server()
    server.manage("demo_household")
    ids = json.loads(server.manage("shell", "-c", PREPARE).splitlines()[-1])
    return SimpleNamespace(url=server.url, ids=ids, manage=server.manage)


def sign_in(page, demo, role):
    page.context.add_cookies([{"name": "sessionid", "value": demo.ids[role], "url": demo.url}])


def fetch(url, session=""):
    """Return an answer: `.status`, `.headers`, `.packed` as it travels and `.text`."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=30)
    headers = {"Accept-Encoding": "br, gzip", "Cookie": f"sessionid={session}"}
    try:
        connection.request("GET", place._replace(scheme="", netloc="").geturl() or "/", headers=headers)
        answer = connection.getresponse()
        packed = answer.read()
    finally:
        connection.close()
    text = UNPACK[answer.headers["Content-Encoding"]](packed).decode(errors="replace")
    return SimpleNamespace(status=answer.status, headers=answer.headers, packed=packed, text=text)


def names_of_urls():
    """Return the names of all addresses of the app but those of the admin."""

    def walk(patterns):
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                yield pattern.name
            elif pattern.app_name != "admin":
                yield from walk(pattern.url_patterns)

    return {name for name in walk(get_resolver().url_patterns) if name}
