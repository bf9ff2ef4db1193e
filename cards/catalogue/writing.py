"""From rows and terms back to the mappings of the catalogue's files, in plain values that JSON and YAML can hold.

Equal terms are written equally: a ladder, a list of acts and the channels have one order, whatever theirs was.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _

from cards.models import Act, Feature, KeepRule, Operator, PaidFrom, Plan, StepGuide

from .fields import plain_text
from .forms import DOCUMENT_KINDS, ChannelForm, OperatorForm, PlanForm, RowForm, RuleForm, SourceForm, StepForm
from .terms import OperatorTerms, PlanTerms, RuleTerms, Terms, Values

Mapping = dict[str, Any]
SharedRow = Operator | Plan

_KNOWN: dict[str, Sequence[str]] = {
    "document_kinds": DOCUMENT_KINDS,
    "features": Feature.values,
    "qualifying_acts": Act.values,
    "grace_acts": Act.values,
}
_KEYS = list(
    dict.fromkeys(
        ["operator", "slug", "name", "belongs_to"]
        + [form.key(name) for form in (OperatorForm, PlanForm) for name in form.columns]
        + ["channels", "sources", "rules", "retired_on"]
    )
)


@dataclass(frozen=True)
class Difference:
    """One thing that two mappings say differently.

    path: where, by the keys of the files, such as “rules 1 · value”. label: the same in words for people.
    before, after: what stands there; None is not known.
    """

    path: str
    label: str
    before: str | None
    after: str | None


def write_plan(plan: Plan) -> Mapping:
    """Return the plan as a file has it, and under `operator` the short name of its operator.

    Asks no query when the operator and `rules__steps` were fetched with it.
    """
    return _write_plan(terms_of_plan(plan))


def write_operator(operator: Operator) -> Mapping:
    """Return the operator as a file has it, without its plans.

    Asks no query when `belongs_to` and `channels` were fetched with it.
    """
    return _write_operator(_terms_of_operator(operator))


def write_row(row: SharedRow) -> Mapping:
    return write_plan(row) if isinstance(row, Plan) else write_operator(row)


def write_terms(terms: Terms) -> Mapping:
    """Return the terms as a file has them; a column of a plan that they leave out is not there."""
    return _write_plan(terms) if isinstance(terms, PlanTerms) else _write_operator(terms)


def snapshot(row: SharedRow) -> Mapping:
    """Return what the database says of the row now, and since when it is retired, for the history of changes."""
    fresh: SharedRow
    if isinstance(row, Plan):
        fresh = Plan.objects.select_related("operator").prefetch_related("rules__steps").get(pk=row.pk)
    else:
        fresh = Operator.objects.select_related("belongs_to").prefetch_related("channels").get(pk=row.pk)
    return with_retirement(write_row(fresh), fresh)


def with_retirement(terms: Mapping, row: SharedRow) -> Mapping:
    """Return the terms as a snapshot has them."""
    return {**terms, "retired_on": _plain(row.retired_on)}


def terms_of_plan(plan: Plan) -> PlanTerms:
    """Return the terms of a plan as its rows have them."""
    rules = [
        RuleTerms(_columns_of(rule, RuleForm), [_columns_of(step, StepForm) for step in rule.steps.all()])
        for rule in sorted(plan.rules.all(), key=lambda rule: rule.pk)
    ]
    return PlanTerms(plan.operator.slug, {**_columns_of(plan, PlanForm), "sources": plan.sources}, rules)


def _terms_of_operator(operator: Operator) -> OperatorTerms:
    channels = sorted(operator.channels.all(), key=lambda channel: channel.pk)
    parent = operator.belongs_to.slug if operator.belongs_to else ""
    return OperatorTerms(
        _columns_of(operator, OperatorForm), parent, [_columns_of(channel, ChannelForm) for channel in channels]
    )


def _write_plan(terms: PlanTerms) -> Mapping:
    written = {"operator": terms.operator, **_write(PlanForm, terms.values)}
    if "sources" in terms.values:
        written["sources"] = [_write(SourceForm, source) for source in terms.values["sources"]]
    return {**written, "rules": [_write_rule(rule) for rule in terms.rules]}


def _write_operator(terms: OperatorTerms) -> Mapping:
    written = _write(OperatorForm, terms.values)
    channels = sorted((_write(ChannelForm, channel) for channel in terms.channels), key=lambda each: each["name"])
    slug, name = written.pop("slug"), written.pop("name")
    return {"slug": slug, "name": name, "belongs_to": terms.belongs_to or None, **written, "channels": channels}


def _write_rule(rule: RuleTerms) -> Mapping:
    steps = sorted((_write(StepForm, step) for step in rule.steps), key=_place_in_ladder)
    return {**_write(RuleForm, rule.values), "steps": steps}


def _place_in_ladder(step: Mapping) -> tuple:
    amount = step["minimum_amount"]
    return (step["currency"], PaidFrom.values.index(step["channel"]), amount is None, amount or 0)


def _columns_of(row: Model, form: type[RowForm]) -> Values:
    return {name: getattr(row, name) for name in form.columns}


def _write(form: type[RowForm], values: Values) -> Mapping:
    """Return the values of a row by the keys of the files, in the order of the files."""
    return {
        form.key(name): _in_order(values[name], _KNOWN[name]) if name in _KNOWN else _plain(values[name])
        for name in form.columns
        if name in values
    }


def _in_order(names: Iterable[str], known: Sequence[str]) -> list[str]:
    return sorted(set(names), key=lambda name: (known.index(name) if name in known else len(known), name))


def _plain(value: object) -> object:
    """Return a value that JSON can hold; an empty text says as little as None."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str):
        return plain_text(value) or None
    return value


def differences(before: Mapping | None, after: Mapping) -> list[Difference]:
    """Return what two mappings say differently, in the order of the files; `before` of None said nothing at all."""
    earlier = before or {}
    others = sorted({*earlier, *after} - set(_KEYS))
    found = []
    for key in [*_KEYS, *others]:
        if key == "rules":
            found += _differences_of_rules(earlier.get(key, []), after.get(key, []))
        elif key in {"channels", "sources"}:
            found += _differences_of_lists(key, earlier.get(key, []), after.get(key, []))
        else:
            texts = (say_value(key, earlier.get(key)), say_value(key, after.get(key)))
            # What both leave empty is no difference, although one of them may not know the key at all.
            if texts[0] != texts[1]:
                found.append(Difference(key, _label(key), *texts))
    return found


def say_value(key: str, value: Any) -> str | None:
    """Return in words what stands under a key; None is not known."""
    if key == "steps":
        return say_ladder(value or []) or None
    if key == "grace_acts" and value == []:
        return _("the same as before the deadline")
    if key == "retired_on" and value is None:
        return _("not retired")
    if key == "belongs_to" and value is None:
        return _("no other operator")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(value) or None
    return None if value is None else str(value)


def say_ladder(steps: list[Mapping]) -> str:
    """Write a ladder in one line: “100 CUP inside 330 days; ? CUP anywhere 30 days”, with ? for not known."""
    return "; ".join(
        " ".join(
            "?" if step[key] is None else str(step[key])
            for key in ("minimum_amount", "currency", "channel", "value", "unit")
        )
        for step in steps
    )


def _differences_of_rules(before: list[Mapping], after: list[Mapping]) -> list[Difference]:
    found = []
    for place in range(max(len(before), len(after))):
        path, label = f"rules {place + 1}", _("keep rule %(number)d") % {"number": place + 1}
        if place >= min(len(before), len(after)):
            texts = [_say_rule(rules[place]) if place < len(rules) else _("not there") for rules in (before, after)]
            found.append(Difference(path, label, *texts))
            continue
        for key in [*map(RuleForm.key, RuleForm.columns), "steps"]:
            one, other = (say_value(key, rules[place].get(key)) for rules in (before, after))
            if one != other:
                found.append(Difference(f"{path} · {key}", f"{label} · {_label(key)}", one, other))
    return found


def _differences_of_lists(key: str, before: list[Mapping | str], after: list[Mapping | str]) -> list[Difference]:
    """Compare channels by their names, sources by their addresses."""
    one, other = ({_name(entry): _say_entry(entry) for entry in entries} for entries in (before, after))
    found = []
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            texts = (one.get(name, _("not there")), other.get(name, _("not there")))
            found.append(Difference(f"{key} · {name}", f"{_label(key)} · {name}", *texts))
    return found


def _say_rule(rule: Mapping) -> str:
    texts = {key: say_value(key, rule.get(key)) for key in [*map(RuleForm.key, RuleForm.columns), "steps"]}
    return ", ".join(f"{_label(key)}: {text}" for key, text in texts.items() if text is not None)


def _name(entry: Mapping | str) -> str:
    """Return what a channel or a source is found by; a guide's source is nothing but a text."""
    return entry if isinstance(entry, str) else str(entry.get("name") or entry.get("url"))


def _say_entry(entry: Mapping | str) -> str:
    """Return what a channel or a source says beside its name."""
    if isinstance(entry, str):
        return _("named")
    texts = [say_value(key, entry.get(key)) for key in ("kind", "date")]
    if "read" in entry:
        texts.append(_("read by us") if entry["read"] else _("not read by us"))
    else:
        texts.append(entry.get("url"))
    return ", ".join(text for text in texts if text)


def _label(key: str) -> str:
    """Return what people call a key of the files; a key that only an older version knew stands for itself."""
    if key == "steps":
        return _("ladder")
    if key == "channels":
        return _("top-up channel")
    if key == "sources":
        return _("source")
    names = {form.key(name): name for form in (OperatorForm, PlanForm, RuleForm) for name in form.columns}
    column = names.get(key, key)
    for model in (Plan, Operator, KeepRule, StepGuide):
        if column in {field.name for field in model._meta.fields}:
            return str(getattr(model._meta.get_field(column), "verbose_name", key))
    return key
