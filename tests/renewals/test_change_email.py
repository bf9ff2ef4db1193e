import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from cards.models import User
from tests.factories import PASSWORD, MemberFactory

pytestmark = pytest.mark.django_db


def test_changed_address_signs_in_and_is_in_reach_again(client, capsys):
    member = MemberFactory(unreachable_since=timezone.now(), unreachable_reason="550 No such user")
    old = member.user.email
    client.post("/accounts/login/", {"login": old, "password": PASSWORD})
    client.post("/accounts/logout/")
    call_command("change_email", old.upper(), "Olga.New@example.org")
    member.refresh_from_db()
    assert member.user.email == "olga.new@example.org"
    assert (member.unreachable_since, member.unreachable_reason) == (None, "")
    assert client.post("/accounts/login/", {"login": old, "password": PASSWORD}).status_code == 200
    assert client.post("/accounts/login/", {"login": "olga.new@example.org", "password": PASSWORD}).status_code == 302
    assert old not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("nobody@example.org", "new@example.org", "no login with the first address"),
        ("olga@example.org", "not an address", "not an email address"),
        ("olga@example.org", "mario@example.org", "Another login has"),
    ],
)
def test_what_cannot_be_changed_is_said_and_nothing_is_written(old, new, words):
    for email in ("olga@example.org", "mario@example.org"):
        MemberFactory(user__email=email)
    with pytest.raises(CommandError, match=words):
        call_command("change_email", old, new)
    assert set(User.objects.values_list("email", flat=True)) == {"olga@example.org", "mario@example.org"}
