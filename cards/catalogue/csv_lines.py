"""The catalogue's plans as a table: a line for each keep rule, in which the columns of its plan are repeated."""

import csv
import io
from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _

from .forms import PlanForm, RuleForm
from .reading import CatalogueError, Problem, Row
from .writing import Mapping, say_ladder

# The whole packaged catalogue has 70 lines; each of these takes some milliseconds to check.
MOST_LINES = 2000
# By this mark spreadsheets know that a file is UTF-8.
BYTE_ORDER_MARK = "\ufeff"
RULE_COLUMNS = (*map(RuleForm.key, RuleForm.columns), "ladder")
PLAN_COLUMNS = ("operator", *map(PlanForm.key, PlanForm.columns))
# What a table may leave out: the plan keeps what it has.
OPTIONAL = {"features", "extras", "port_out_days", "refund_days", "confidence_reason"}
LISTS = {"features", "qualifying_acts", "grace_acts"}
YES_OR_NO = {"receives_abroad", "grace_receives"}
YES, NO = "yes", "no"
SPELLINGS = {YES: True, "true": True, NO: False, "false": False}
# A spreadsheet takes a cell that begins so for a formula, unless an apostrophe stands before it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(plans: Iterable[Mapping]) -> str:
    """Return the table of plans, each as `write_plan` gives it."""
    out = io.StringIO(newline="")
    out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out)
    writer.writerow([*PLAN_COLUMNS, *RULE_COLUMNS])
    for plan in plans:
        for rule in plan["rules"] or [{}]:
            cells = {**plan, **rule, "ladder": rule.get("steps", [])}
            writer.writerow([_write_cell(column, cells.get(column)) for column in (*PLAN_COLUMNS, *RULE_COLUMNS)])
    return out.getvalue()


def read_csv(name: str, text: str) -> tuple[list[tuple[str, Row]], list[Problem]]:
    """Return the plans of a table, each with the short name of its operator, and what is wrong with the lines.

    Between the cells stand commas or semicolons. Raises CatalogueError when the columns are not the right ones.
    """
    text = text.lstrip(BYTE_ORDER_MARK)
    heading = text.partition("\n")[0]
    lines = _lines(name, text, ";" if heading.count(";") > heading.count(",") else ",")
    _first, header = next(lines, (1, []))
    columns = [cell.strip() for cell in header]
    _check_columns(name, columns)
    table = _Table(name)
    for line, cells in lines:
        if not any(cells):
            continue
        if len(cells) != len(columns):
            where = {"found": len(cells), "wanted": len(columns)}
            message = _("There are %(found)d cells in this line instead of %(wanted)d.") % where
            table.problems.append(Problem(name, line, "", message))
        else:
            table.add(line, dict(zip(columns, map(_without_guard, cells), strict=True)))
    return table.plans, table.problems


def _lines(name: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each line's cells, and the line on which they begin: a cell may go over several lines of the file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for number, cells in enumerate(reader):
            if number > MOST_LINES:
                raise CatalogueError([_("The table is too long: %(most)d lines at most.") % {"most": MOST_LINES}])
            yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        message = _("This is not a table: %(error)s.") % {"error": error}
        raise CatalogueError([str(Problem(name, begin, "", message))]) from error


def _check_columns(name: str, columns: list[str]) -> None:
    known = (*PLAN_COLUMNS, *RULE_COLUMNS)
    said = [(column, _("There is no such column.")) for column in columns if column not in known]
    said += [(column, _("This column is given twice.")) for column in known if columns.count(column) > 1]
    missing = [column for column in known if column not in columns and column not in OPTIONAL]
    said += [(column, _("This column is missing.")) for column in missing]
    if said:
        raise CatalogueError([str(Problem(name, 1, column, message)) for column, message in said])


class _Table:
    """The lines of a table so far, gathered to plans."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.plans: list[tuple[str, Row]] = []
        self.problems: list[Problem] = []
        self.first: dict[str, tuple[dict[str, str], Row]] = {}

    def add(self, line: int, cells: dict[str, str]) -> None:
        """Add a line; the columns of a plan must say the same in all its lines."""
        slug = cells["slug"].strip()
        if slug in self.first:
            first, plan = self.first[slug]
            for column in PLAN_COLUMNS:
                if cells.get(column) != first.get(column):
                    message = _("The plan has another value here in line %(line)d.") % {"line": plan.line}
                    self.problems.append(_Line(self.name, line, slug).problem(column, message))
        else:
            plan = self.row(line, slug, {name: cells[name] for name in PLAN_COLUMNS[1:] if name in cells})
            plan["rules"] = []
            self.plans.append((cells["operator"].strip(), plan))
            self.first |= {slug: (cells, plan)} if slug else {}
        if any(cells[column] for column in RULE_COLUMNS):
            rule = self.row(line, slug, {name: cells[name] for name in RULE_COLUMNS[:-1]})
            rule["steps"] = self.ladder(line, slug, cells["ladder"])
            plan["rules"].append(rule)

    def row(self, line: int, slug: str, cells: dict[str, str]) -> Row:
        row = _Line(self.name, line, slug)
        for column, cell in cells.items():
            row[column] = self.value(row, column, cell)
        return row

    def value(self, row: Row, column: str, cell: str) -> object:
        """Return what a cell says; an empty one says nothing."""
        if column in LISTS:
            return [name for each in cell.split(";") if (name := each.strip())]
        if not cell.strip():
            return None
        if column not in YES_OR_NO:
            return cell
        word = cell.strip().lower()
        if word not in SPELLINGS:
            message = _("Write yes, no, or nothing for not known.")
            self.problems.append(row.problem(column, message))
        return SPELLINGS.get(word)

    def ladder(self, line: int, slug: str, cell: str) -> list[Row]:
        """Return the steps that `say_ladder` wrote."""
        steps: list[Row] = []
        for each in cell.split(";"):
            words = each.split()
            if words and len(words) != 5:
                message = _(
                    "Write each step as “100 CUP inside 330 days”, ? for an amount not known, and ; between them."
                )
                self.problems.append(_Rung(self.name, line, slug).problem("", message))
            elif words:
                step = _Rung(self.name, line, slug)
                step |= zip(("minimum_amount", "currency", "channel", "value", "unit"), words, strict=True)
                step["minimum_amount"] = None if words[0] == "?" else words[0]
                steps.append(step)
        return steps


class _Line(Row):
    """What a line says of a plan, `slug`. Its problems name the plan too.

    A spreadsheet counts a cell of several lines as one row, so that there the number of the line finds another plan.
    """

    def __init__(self, file: str, line: int, slug: str) -> None:
        super().__init__(file, line)
        self.slug = slug

    def problem(self, field: str, message: str) -> Problem:
        return Problem(self.file, self.line, " · ".join(name for name in (self.slug, field) if name), message)


class _Rung(_Line):
    """A step that stands in the column of the ladder."""

    def problem(self, field: str, message: str) -> Problem:
        return super().problem("ladder", message)


def _write_cell(column: str, value: object) -> str:
    if column == "ladder":
        text = say_ladder(value) if isinstance(value, list) else ""
    elif isinstance(value, list):
        text = "; ".join(value)
    elif isinstance(value, bool):
        text = YES if value else NO
    else:
        text = "" if value is None else str(value)
    return f"'{text}" if _wants_guard(text) else text


def _wants_guard(text: str) -> bool:
    """Whether a text could be taken for a formula, or its own apostrophe for one that stands before a formula."""
    return text.startswith(FORMULA_STARTS) or (text.startswith("'") and text[1:].startswith(("'", *FORMULA_STARTS)))


def _without_guard(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(("'", *FORMULA_STARTS)) else cell
