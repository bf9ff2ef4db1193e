"""Is this identity document ready for this renewal?"""

import datetime
from collections.abc import Iterable

from cards.models import Operator

from .models import Document, DocumentCheck

Result = DocumentCheck.Result


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
