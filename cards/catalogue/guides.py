"""The texts of the steps: read from the files of the catalogue's `guides`, and merged into the database."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from cards.models import Member, Operator, Plan, StepGuide

from .fields import plain_text
from .forms import GuideForm
from .merging import Verdict, is_same, merge
from .reading import Problem, Row, frame_problems, read_file, rows_of, twin_problem
from .terms import GuideTerms

VERSION = 1
LONGEST_SOURCE = 400
OWNERS = ("operator", "plan")


def write_guide(guide: StepGuide) -> dict[str, Any]:
    """Return what a guide says, as its `shipped` and `offered` hold it."""
    return {"text": plain_text(guide.text), "url": guide.url, "sources": guide.sources}


def read_guides(
    folder: Path, operators: Collection[str], plans: Collection[str]
) -> tuple[list[GuideTerms], list[Problem]]:
    """Return the guides of a folder's files, none where there is no folder, and what is wrong with them.

    They may be of these operators and plans (short names) only.
    """
    checker = _Checker({"operator": operators, "plan": plans})
    for path in sorted(folder.glob("*.yaml")):
        name = f"{folder.name}/{path.name}"
        content, problems = read_file(path, name)
        checker.problems += problems
        if not (content is None and problems):
            checker.check_file(name, content)
    return checker.guides, checker.problems


class _Checker:
    """Goes through the files, keeps what is good in `guides` and what is wrong in `problems`."""

    def __init__(self, known: Mapping[str, Collection[str]]) -> None:
        self.known = known
        self.problems: list[Problem] = []
        self.guides: list[GuideTerms] = []
        self.first: dict[tuple[str, str, str], Row] = {}

    def check_file(self, name: str, content: object) -> None:
        if not isinstance(content, Row):
            self.problems.append(Problem(name, 1, "", _("A file of guides holds “version” and “guides”.")))
            return
        rows, problems = rows_of(content, "guides", _("A file of guides has a guide or more."))
        self.problems += [*frame_problems(content, "guides", VERSION), *problems]
        for row in rows:
            self.check_guide(row)

    def check_guide(self, row: Row) -> None:
        form = GuideForm(row)
        self.problems += form.problems()
        owner, step = self.owner_of(row), str(row.get("step"))
        sources, texts = self.sources_of(row), self.texts_of(row)
        if owner is None:
            return
        place = (owner, str(row[owner]), step)
        if self.first.setdefault(place, row) is not row:
            self.problems.append(twin_problem(row, self.first[place], "step", step))
        for language, text in texts.items():
            values = {"text": text, "url": form.cleaned_data.get("url", ""), "sources": sources}
            self.guides.append(GuideTerms(*place, language, values))

    def owner_of(self, row: Row) -> str | None:
        """Return which of the two owners the guide names, None if it does not name one known."""
        named = [owner for owner in OWNERS if row.get(owner) is not None]
        if len(named) != 1:
            self.problems.append(row.problem("", _("A guide is either for an operator or for a plan.")))
            return None
        owner = named[0]
        if not isinstance(row[owner], str) or row[owner] not in self.known[owner]:
            unknown = {
                "operator": _("There is no such operator in the files."),
                "plan": _("There is no such plan in the files."),
            }
            self.problems.append(row.problem(owner, unknown[owner]))
            return None
        return owner

    def sources_of(self, row: Row) -> list[str]:
        sources = row.get("sources")
        if not isinstance(sources, list) or not sources:
            self.problems.append(row.problem("sources", _("A guide names its sources in a list.")))
            return []
        if not all(isinstance(source, str) and 0 < len(source.strip()) <= LONGEST_SOURCE for source in sources):
            self.problems.append(row.problem("sources", _("A source is a text of at most 400 characters.")))
        return sources

    def texts_of(self, row: Row) -> dict[str, str]:
        """Return the text of each language, and note those that are missing, empty or of no language we have."""
        texts = row.get("text")
        if not isinstance(texts, Row):
            self.problems.append(row.problem("text", _("Write the text in each language.")))
            return {}
        for language in texts:
            if language not in Member.Language.values:
                self.problems.append(texts.problem(language, _("There is no such language.")))
        for language in Member.Language.values:
            text = texts.get(language)
            if not isinstance(text, str) or not text.strip() or "\0" in text:
                self.problems.append(texts.problem(language, _("A text is missing here.")))
        return {language: plain_text(str(texts.get(language))) for language in Member.Language.values}


@dataclass
class GuidesLoaded:
    """How many guides are new, changed or gone, and how many wait for a decision."""

    changed: int = 0
    offered: int = 0


def load_guides(wanted: list[GuideTerms], operators: Mapping[str, Operator], plans: Mapping[str, Plan]) -> GuidesLoaded:
    """Merge the guides of a release into those of the shared operators and plans (by short name).

    One that an administrator changed or wrote stays, and what the release says is offered. One that is no longer
    shipped goes, unless it was changed or its operator or plan is no longer shipped either: whoever has a card there
    still needs it. The operators and plans are as this release left them.
    """
    loaded = GuidesLoaded()
    rows = StepGuide.objects.filter(Q(operator__household=None), Q(plan__household=None)).select_for_update(
        of=("self",)
    )
    present = {(row.operator_id, row.plan_id, row.step, row.language): row for row in rows}
    created = []
    for terms in wanted:
        operator = operators[terms.slug].pk if terms.owner == "operator" else None
        plan = plans[terms.slug].pk if terms.owner == "plan" else None
        guide = present.pop((operator, plan, terms.step, terms.language), None)
        if guide is None:
            created.append(
                StepGuide(
                    operator_id=operator,
                    plan_id=plan,
                    step=terms.step,
                    language=terms.language,
                    shipped=terms.values,
                    **terms.values,
                )
            )
        else:
            loaded.changed += _merge_guide(guide, terms.values)
            loaded.offered += guide.offered is not None
    StepGuide.objects.bulk_create(created)
    loaded.changed += len(created)
    left_operators = {row.pk for row in operators.values() if row.shipped is None}
    left_plans = {row.pk for row in plans.values() if row.shipped is None}
    for guide in present.values():
        if guide.operator_id in left_operators or guide.plan_id in left_plans:
            _withdraw_offer(guide)
        else:
            loaded.changed += _drop_guide(guide)
    return loaded


def take_guide(guide: StepGuide, values: Mapping[str, Any]) -> None:
    """Let a guide say what a release says; the caller saves it."""
    guide.text, guide.url, guide.sources = values["text"], values["url"], values["sources"]


def _merge_guide(guide: StepGuide, theirs: dict[str, Any]) -> bool:
    """Return whether the guide's text, address or sources changed."""
    ours = write_guide(guide)
    before = (ours, guide.shipped, guide.offered)
    is_taken = False
    match merge(ours, guide.shipped, theirs, is_edited=True):
        case Verdict.TAKE:
            is_taken = ours != theirs
            take_guide(guide, theirs)
            guide.shipped, guide.offered = theirs, None
        case Verdict.KEEP:
            guide.shipped, guide.offered = theirs, None
        case Verdict.OFFER:
            guide.offered = theirs
    if before != (write_guide(guide), guide.shipped, guide.offered):
        guide.save(update_fields=["text", "url", "sources", "shipped", "offered"])
    return is_taken


def _withdraw_offer(guide: StepGuide) -> None:
    """Leave the guide of a retired operator or plan as it is; no release says anything else of it any more."""
    if guide.offered is not None:
        guide.offered = None
        guide.save(update_fields=["offered"])


def _drop_guide(guide: StepGuide) -> bool:
    """Return whether a guide that is no longer shipped is gone."""
    if guide.shipped is None:
        return False
    if is_same(write_guide(guide), guide.shipped):
        guide.delete()
        return True
    guide.shipped = guide.offered = None
    guide.save(update_fields=["shipped", "offered"])
    return False
