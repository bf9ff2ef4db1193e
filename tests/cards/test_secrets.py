"""A household's secrets, sealed with a key of its own and each bound to its place."""

import itertools
import threading

import pytest
from cryptography.fernet import Fernet
from django.db import connection, connections

from cards.models import Card, Household
from cards.secrets import (
    KeyLost,
    Tampered,
    count_lost,
    forget_key,
    has_secret,
    mask,
    open_file,
    opens,
    read_secret,
    seal_file,
    write_secret,
)
from renewals.models import Document
from tests.factories import CardFactory, HouseholdFactory, PersonFactory
from tests.family import Family

pytestmark = pytest.mark.django_db
OTHER_KEY = Fernet.generate_key().decode()


def give(row, **texts):
    for field, text in texts.items():
        write_secret(row, field, text)
    row.save()
    return type(row)._base_manager.get(pk=row.pk)


@pytest.mark.parametrize("text", ["8", "12345678", "口令 0000", "x" * 5000])
def test_secret_is_read_as_it_was_written(text):
    card = give(CardFactory(), puk=text)
    assert card.puk.startswith("1:")
    assert text not in card.puk or text == "8"
    assert (read_secret(card, "puk"), has_secret(card, "puk")) == (text, True)


def test_nothing_stays_nothing_and_makes_no_key():
    card = give(CardFactory(), puk="")
    assert (card.puk, read_secret(card, "puk"), has_secret(card, "puk")) == ("", "", False)
    assert Household.objects.get().data_key == ""


def test_same_text_is_never_sealed_the_same_twice():
    card = CardFactory()
    seen = set()
    for _ in range(100):
        write_secret(card, "puk", "12345678")
        seen.add(card.puk)
    assert len(seen) == 100


def test_row_that_is_not_saved_keeps_no_secret():
    with pytest.raises(ValueError, match="saved first"):
        write_secret(Card(household=HouseholdFactory()), "puk", "12345678")


def test_swapped_ciphertext_is_refused_between_rows_fields_models_and_households():
    """Attack: with write access to the database, move what is sealed to where it can be looked at."""
    places = []
    for household in (HouseholdFactory(), HouseholdFactory()):
        person = PersonFactory(household=household)
        for _ in range(2):
            card = CardFactory(household=household)
            places += [(give(card, **{field: f"{field}{card.pk}"}), field) for field in ("iccid", "pin", "puk")]
            paper = Document.objects.create(household=household, person=person, kind="passport")
            places.append((give(paper, number=f"N{paper.pk}"), "number"))
    swapped = refused = 0
    for (here, field), (there, other) in itertools.permutations(places, 2):
        kept = getattr(here, field)
        setattr(here, field, getattr(there, other))
        swapped += 1
        try:
            read_secret(here, field)
        except Tampered:
            refused += 1
        setattr(here, field, kept)
    assert (swapped, refused) == (240, 240)
    assert all(read_secret(row, field) for row, field in places)


def test_key_of_another_household_is_refused():
    """Attack: copy a household's key over another's, together with what it has sealed."""
    mine, theirs = give(CardFactory(), puk="11111111"), give(CardFactory(), puk="22222222")
    Household.objects.filter(pk=mine.household_id).update(data_key=theirs.household.data_key)
    with pytest.raises(Tampered):
        read_secret(mine, "puk")
    assert not opens(mine.household)


@pytest.mark.parametrize("at", range(2, 60, 3))
def test_changed_byte_is_refused(at):
    card = give(CardFactory(), puk="12345678")
    at %= len(card.puk) - 2
    changed = "A" if card.puk[at + 2] != "A" else "B"
    card.puk = card.puk[: at + 2] + changed + card.puk[at + 3 :]
    with pytest.raises(Tampered):
        read_secret(card, "puk")


@pytest.mark.parametrize("text", ["1:", "1:AAAA", "1:%", "1:" + "A" * 80])
def test_what_was_never_sealed_is_refused(text):
    card = give(CardFactory(), puk="12345678")
    card.puk = text
    with pytest.raises(Tampered):
        read_secret(card, "puk")


def test_file_opens_under_its_name_and_in_its_household_only():
    mine, theirs = HouseholdFactory(), HouseholdFactory()
    sealed = seal_file(mine, "abc", b"%PDF- scan")
    seal_file(theirs, "abc", b"x")
    assert b"scan" not in sealed
    assert open_file(mine, "scans/abc", sealed) == b"%PDF- scan"
    for household, name in ((mine, "scans/abd"), (theirs, "scans/abc")):
        with pytest.raises(Tampered):
            open_file(household, name, sealed)


def test_lost_key_says_what_to_put_back_and_no_second_key_is_made(settings):
    card = give(CardFactory(), puk="12345678")
    before = card.household.data_key
    settings.ENCRYPTION_KEYS = [OTHER_KEY]
    for act in (lambda: read_secret(card, "puk"), lambda: write_secret(card, "pin", "1234")):
        with pytest.raises(KeyLost, match="Put back the ENCRYPTION_KEY"):
            act()
    assert (opens(card.household), count_lost()) == (False, 1)
    assert Household.objects.get().data_key == before


def test_taken_away_key_takes_every_secret_and_file_along():
    card = give(CardFactory(), puk="12345678", pin="1234")
    sealed = seal_file(card.household, "scan", b"scan")
    forget_key(card.household)
    for act in (lambda: read_secret(card, "puk"), lambda: open_file(card.household, "scan", sealed)):
        with pytest.raises(KeyLost, match="taken away"):
            act()
    write_secret(card, "pin", "4321")
    assert read_secret(card, "pin") == "4321"
    with pytest.raises(Tampered):
        read_secret(card, "puk")


def test_save_of_a_stale_household_does_not_take_its_key_away():
    stale = HouseholdFactory()
    card = give(CardFactory(household=stale), puk="12345678")
    stale.name = "Another name"
    stale.save()
    assert Household.objects.get().name == "Another name"
    assert read_secret(card, "puk") == "12345678"


@pytest.mark.django_db(transaction=True)
def test_first_secrets_at_the_same_moment_are_all_sealed_with_one_key():
    household = HouseholdFactory()
    cards = [CardFactory(household=household) for _ in range(8)]
    start = threading.Barrier(len(cards))

    def write(card):
        start.wait()
        give(card, puk=f"0000000{cards.index(card)}")
        connections.close_all()

    threads = [threading.Thread(target=write, args=[card]) for card in cards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = [read_secret(Card.objects.get(pk=card.pk), "puk") for card in cards]
    assert read == [f"0000000{at}" for at in range(8)]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", "••••"),
        ("1234", "••••"),
        ("12345", "••••"),
        ("123456", "•••• 56"),
        ("12345678", "•••• 78"),
        ("123456789", "•••• 789"),
        ("123456789012", "•••• 9012"),
        ("8953011234567890123", "•••• 0123"),
    ],
)
def test_mask_shows_at_most_a_third_and_four_characters(text, masked):
    assert mask(text) == masked


def test_text_is_nowhere_in_the_tables():
    family = Family().fill()
    give(family.card, iccid="8953CANARY", pin="CANARY", puk="CANARY")
    give(family.document, number="CANARY")
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            assert "CANARY" not in str(cursor.fetchall()), table
