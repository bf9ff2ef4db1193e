"""Who may do what in a household: the whole table. Whoever adds a right adds it here and nowhere else."""

from enum import StrEnum


class Right(StrEnum):
    """What a page may ask for. Templates write it as `"change" in request.member.rights`."""

    LOOK = "look"
    CHANGE = "change"
    REVEAL = "reveal"
    ARRANGE = "arrange"
    MEMBERS = "members"
    LOG = "log"
    ERASE = "erase"


RIGHTS: dict[Right, frozenset[str]] = {
    # Cards, documents' days, payments, the calendar: all but what is secret.
    Right.LOOK: frozenset({"owner", "manager", "viewer"}),
    # Entering and editing these, and walking through a renewal.
    Right.CHANGE: frozenset({"owner", "manager"}),
    # ICCID, PIN, PUK, a document's number and scan, a receipt.
    Right.REVEAL: frozenset({"owner", "manager"}),
    # The household's name, currency and tasks.
    Right.ARRANGE: frozenset({"owner", "manager"}),
    # Inviting, removing, roles, the second factor, handing the household over.
    Right.MEMBERS: frozenset({"owner"}),
    Right.LOG: frozenset({"owner"}),
    Right.ERASE: frozenset({"owner"}),
}
