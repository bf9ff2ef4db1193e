"""The made-up households and their logins."""

from dataclasses import dataclass

from cards.household import add_member, found_household
from cards.models import Household, Level, Member, Person

# Owner, manager, viewer and surname: of the households after the first, in turn.
OTHERS = (
    ("Ana", "Luis", "Abuela Elena", "Pérez"),
    ("Mei", "Jun", "Abuela Li", "Wang"),
    ("Carmen", "Jorge", "Abuela Nora", "García"),
    ("Inés", "Hao", "Abuela Lan", "Liu"),
)


@dataclass(frozen=True)
class Family:
    """A household with one member of each role."""

    household: Household
    owner: Member
    manager: Member
    viewer: Member


def found_chens(password: str) -> Family:
    """Make the Chen family as /setup/ would: its owner administers the site. All three logins have this password.

    Raises AlreadyFounded when the installation has a login already.
    """
    owner = found_household(
        household="Chen family",
        name="Lucía",
        email="owner@example.org",
        password=password,
        language=Member.Language.ENGLISH,
        time_zone="America/Havana",
    )
    Person.objects.filter(member=owner).update(name="Lucía Chen")
    return _complete(owner, "Wei", "Abuela Rosa", "Chen", "")


def found_others(number: int, chens: Family) -> Family:
    """Make the household of this number, from 2 on: owner2@example.org and so on, with the password of the Chens."""
    name, manager, viewer, surname = OTHERS[number % len(OTHERS)]
    owner = _add_login(
        Household.objects.create(name=f"{surname} family"),
        f"owner{number}@example.org",
        chens.owner.user.password,
        name=name,
        surname=surname,
        role=Member.Role.OWNER,
        time_zone="America/Havana",
    )
    return _complete(owner, manager, viewer, surname, str(number))


def _complete(owner: Member, manager: str, viewer: str, surname: str, number: str) -> Family:
    """Add to an owner's household a manager and a viewer of these names; they sign in with the owner's password."""
    return Family(
        owner.household,
        owner,
        _add_login(
            owner.household,
            f"manager{number}@example.org",
            owner.user.password,
            name=manager,
            surname=surname,
            role=Member.Role.MANAGER,
            language=Member.Language.CHINESE,
            time_zone="Asia/Shanghai",
        ),
        _add_login(
            owner.household,
            f"viewer{number}@example.org",
            owner.user.password,
            name=viewer,
            surname=surname,
            role=Member.Role.VIEWER,
            language=Member.Language.SPANISH,
            time_zone="America/Havana",
            reminder_level=Level.CALM,
        ),
    )


def _add_login(household: Household, email: str, hashed: str, *, name: str, surname: str, **fields: str) -> Member:
    """Add a member and the person they are. The hash is taken over: making one is slow, and all share a password."""
    member = add_member(household, email, name=name, **fields)
    member.user.password = hashed
    member.user.save(update_fields=["password"])
    Person.objects.create(household=household, name=f"{name.removeprefix('Abuela ')} {surname}", member=member)
    return member
