"""Identity documents: is one ready for this renewal, which cards need it, and is its scan needed at all?"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Prefetch

from cards.models import Card, Member, Operator, Person

from .models import Document, DocumentCheck

Result = DocumentCheck.Result
# So long after the last number that needed a paper was closed, the household is asked to delete its scan.
ASKED_AFTER = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Paper:
    """A document and the open cards, of those the member may see, whose operators take it.

    `days_left` is below 0 for one that has expired, None for one that does not.
    """

    document: Document
    cards: list[Card]
    days_left: int | None
    is_scan_unneeded: bool


def papers_by_person(member: Member, today: datetime.date) -> list[tuple[Person, list[Paper]]]:
    """Return everybody of the member's household with their papers outside the bin. Four queries."""
    people = Person.objects.for_member(member).prefetch_related(
        Prefetch("documents", Document.objects.kept().order_by("expires_on", "pk")),
        Prefetch("cards", Card.objects.select_related("plan__operator")),
    )
    seen = set(Card.objects.for_member(member).values_list("pk", flat=True))
    return [
        (person, [_paper(document, list(person.cards.all()), seen, today) for document in person.documents.all()])
        for person in people.order_by("name")
    ]


def paper_of(document: Document, member: Member, today: datetime.date) -> Paper:
    """Return one document with what depends on it. Two queries."""
    cards = Card.objects.filter(person=document.person_id).select_related("plan__operator")
    seen = set(Card.objects.for_member(member).filter(person=document.person_id).values_list("pk", flat=True))
    return _paper(document, list(cards), seen, today)


def _paper(document: Document, cards: list[Card], seen: set[int], today: datetime.date) -> Paper:
    """Of a card that the member may not see they do not hear; but its scan stays needed."""
    takers = [card for card in cards if document.kind in wanted_kinds(card.plan.operator)]
    needed_until = max((card.closed_on or datetime.date.max for card in takers), default=datetime.date.max)
    return Paper(
        document,
        [card for card in takers if card.closed_on is None and card.pk in seen],
        None if document.expires_on is None else (document.expires_on - today).days,
        bool(document.scan) and needed_until < datetime.date.max and needed_until + ASKED_AFTER <= today,
    )


def wanted_kinds(operator: Operator) -> list[str]:
    """Return the kinds of paper the operator takes, any one of which is enough; empty when it wants none.

    An operator of whom it is not known is taken to want an identity card or a passport: better one paper too many.
    """
    if operator.requires_document is False:
        return []
    known = [kind for kind in operator.document_kinds if kind in Document.Kind.values]
    return known or [Document.Kind.IDENTITY_CARD.value, Document.Kind.PASSPORT.value]


def judge(document: Document | None, today: datetime.date, needed_until: datetime.date | None) -> str:
    """Return how ready a document is. `needed_until` is the new deadline, None when that is not known yet.

    A document is good on the day it expires. None for a document means that the person has none of its kind.
    """
    if document is None:
        return Result.MISSING
    if document.expires_on is None:
        return Result.READY
    if document.expires_on < today:
        return Result.EXPIRED
    if needed_until is not None and document.expires_on < needed_until:
        return Result.EXPIRES_TOO_SOON
    return Result.READY


def best_of(documents: Iterable[Document], kind: str) -> Document | None:
    """Return the document of this kind that lasts longest; None when there is none."""
    of_kind = [document for document in documents if document.kind == kind]
    return max(of_kind, key=lambda document: document.expires_on or datetime.date.max, default=None)
