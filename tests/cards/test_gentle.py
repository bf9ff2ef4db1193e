"""A gentle word where a secret is typed into a note."""

import re

import pytest
from django import forms
from django.apps import apps

import cards.forms
import cards.secret_forms
import renewals.forms.changes
import renewals.forms.records
import renewals.forms.steps
from cards.gentle import looks_secret, passes_luhn
from renewals.models import SignalCheck
from tests.family import Family, is_answered, save_step, sign_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PUK 12345678", "PIN or PUK"),
        ("puk: 1234 5678", "PIN or PUK"),
        ("the PIN is 4711", "PIN or PUK"),
        ("PIN2=12345678", "PIN or PUK"),
        ("password: hunter2", "password"),
        ("my password hunter2", "password"),
        ("Contraseña: Habana", "password"),
        ("la contraseña es habana59", "password"),
        ("clave 8841", "password"),
        ("密码：abcd", "password"),
        ("密码是 a1b2", "password"),
        ("口令 0000", "password"),
        ("4111 1111 1111 1111", "bank card"),
        ("card 5500-0000-0000-0004 until 2030", "bank card"),
        ("89530123456789012" + "39", "SIM"),
    ],
)
def test_secret_in_a_note_is_recognised(text, found):
    assert found in looks_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ask grandmother for the PUK",
        "PIN and PUK are in the drawer",
        "password reset through the app",
        "forgot the password, used the shop",
        "clave",
        "+8613012345678",
        "+53 5 234 5678",
        "4111 1111 1111 1112",
        "Receipt 88231, 100 CUP on 2026-01-31",
        "spinning 12345678",
        "密码找回",
    ],
)
def test_harmless_note_is_left_alone(text):
    assert looks_secret(text) is None


@pytest.mark.parametrize(("digits", "fits"), [("4111111111111111", True), ("4111111111111112", False), ("0", True)])
def test_check_digit(digits, fits):
    assert passes_luhn(digits) is fits


@pytest.fixture
def family(db):
    return Family().fill()


def test_card_notes_are_asked_about_once_and_then_kept(family):
    client, card = sign_in(family.owner), family.card
    page = f"/cards/{card.pk}/edit/"
    typed = {"name": card.name, "number": card.number, "plan": card.plan_id, "form": "sim", "notes": "PUK 12345678"}
    answer = client.post(page, typed)
    assert is_answered(answer, "notes", "This looks like a PIN or PUK", "PUK 12345678")
    assert "“Codes of the SIM”" in answer.text
    assert '<input type="hidden" name="anyway" value="on"' in answer.text
    card.refresh_from_db()
    assert card.notes == ""
    assert client.post(page, typed | {"anyway": "on"}).status_code == 302
    card.refresh_from_db()
    assert card.notes == "PUK 12345678"
    assert client.post(page, typed | {"name": "Abuela"}).status_code == 302, "a note that was kept is not asked about"


def test_note_of_a_signal_check_is_asked_about_once(family):
    client = sign_in(family.owner)
    page = f"/cards/{family.card.pk}/log/?kind=signal"
    typed = {"kind": "signal", "bars": "4", "checked_on": family.signal.checked_on, "note": "clave: habana"}
    assert is_answered(client.post(page, typed), "note", "This looks like a password", "clave: habana") is True
    assert SignalCheck.objects.count() == 1
    client.post(page, typed | {"anyway": "on"})
    assert SignalCheck.objects.exclude(pk=family.signal.pk).get().note == "clave: habana"


def test_note_of_a_step_is_asked_about_once(family):
    client, renewal = sign_in(family.owner), family.renewal
    answer = save_step(client, renewal, "sign_in", note="password: habana")
    assert "This looks like a password" in answer.text
    assert not renewal.steps.get(key="sign_in").note
    save_step(client, renewal, "sign_in", note="password: habana", anyway="on")
    assert renewal.steps.get(key="sign_in").note == "password: habana"


# No field of the project is one for a password at the operator, or for a bank card.
INVITES = re.compile(
    r"passwor|passcode|contraseñ|clave|密码|口令|\bcvv|\bcvc|card number|secret|\bpin\b|\bpuk\b", re.IGNORECASE
)
# The login's own, what the operator offers to reset its, and a word that says it does not belong here.
KNOWN = {
    "cards.User.password",
    "cards.Operator.password_reset_url",
    "cards.Card.account_username",
    "cards.Household.requires_second_factor",
    "cards.Card.pin",
    "cards.Card.puk",
}
KNOWN_IN_FORMS = {
    "SetupForm.password",
    "NewLoginForm.password",
    "SecondFactorForm.requires_second_factor",
    "CardForm.account_username",
    "CardSecretsForm.pin",
    "CardSecretsForm.puk",
}


def test_no_column_invites_a_password():
    ours = [model for model in apps.get_models() if model._meta.app_label in {"cards", "renewals"}]
    found = {
        f"{model._meta.label}.{field.name}"
        for model in ours
        for field in model._meta.concrete_fields
        if INVITES.search(f"{field.name.replace('_', ' ')} {field.verbose_name} {field.help_text}")
    }
    assert found == KNOWN


def all_forms(kind):
    for each in kind.__subclasses__():
        yield each
        yield from all_forms(each)


def test_no_field_of_a_form_invites_a_password():
    ours = [form for form in all_forms(forms.BaseForm) if form.__module__.startswith(("cards.", "renewals."))]
    found = {
        f"{form.__name__}.{name}"
        for form in ours
        for name, field in getattr(form, "base_fields", {}).items()
        if INVITES.search(f"{name} {field.label} {field.help_text}")
    }
    assert {cards.forms.CardForm, cards.secret_forms.CardSecretsForm, renewals.forms.records.SignalForm} <= set(ours)
    assert found == KNOWN_IN_FORMS
