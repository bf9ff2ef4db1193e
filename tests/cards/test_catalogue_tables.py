import csv
import datetime
import io
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from cards.catalogue import CatalogueError, Difference, Loaded, check_operator, check_plan, load_catalogue, snapshot
from cards.catalogue.applying import create_operator, create_plan
from cards.catalogue.csv_lines import PLAN_COLUMNS, RULE_COLUMNS
from cards.catalogue.reading import DEEPEST, MOST_NODES
from cards.catalogue.tables import MOST_BYTES, export_csv, export_yaml, preview_import, read_import, run_import
from cards.models import CatalogueChange, Household, KeepRule, Operator, Plan, TopUpStep
from tests.factories import OperatorFactory, UserFactory, cubacel, giffgaff, starhub, unicom

from .acme import GOOD, contents
from .random_terms import operators, plans

pytestmark = pytest.mark.django_db

FORMATS = {"acme.yaml": export_yaml, "acme.csv": export_csv}


@pytest.fixture
def user():
    return UserFactory()


def acme() -> Plan:
    operator = OperatorFactory(slug="acme", name="Acme")
    return cubacel(operator=operator, slug="acme-line", name="Line", source_url="Acme's leaflet")


def table(**changed: str) -> str:
    """Return the exported table with other cells in its first line; None takes the column out."""
    lines = list(csv.reader(io.StringIO(export_csv().lstrip("\ufeff"), newline="")))
    cells = dict(zip(lines[0], lines[1], strict=True)) | changed
    lines[1] = [cells[name] for name in lines[0]]
    kept = [place for place, name in enumerate(lines[0]) if cells[name] is not None]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([[line[place] for place in kept] for line in lines])
    return out.getvalue()


def read(text: str, name: str = "acme.csv"):
    return read_import(name, text.encode())


def refusals(text: str | bytes, name: str = "acme.csv") -> list[str]:
    """Return why a file is refused, after a look that nothing of it was saved."""
    before = contents()
    with pytest.raises(CatalogueError) as caught:
        read_import(name, text if isinstance(text, bytes) else text.encode())
    assert contents() == before
    return caught.value.messages


@contextmanager
def undone():
    """Take back what was written: hypothesis runs all its examples in one test."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# Out and in again


@pytest.mark.parametrize("name", FORMATS)
def test_the_packaged_catalogue_goes_out_and_in_without_a_change(name: str) -> None:
    load_catalogue()
    before = contents()
    imported = read(FORMATS[name](), name)
    assert {terms.values["slug"] for terms in imported.plans} == set(Plan.objects.values_list("slug", flat=True))
    assert preview_import(imported) == []
    rows = len(imported.operators) + len(imported.plans)
    assert run_import(imported, None) == Loaded(unchanged=rows)
    assert contents() == before
    assert not CatalogueChange.objects.exists()


@settings(max_examples=40, deadline=None, database=None)
@given(st.lists(plans(), min_size=1, max_size=2, unique_by=lambda plan: plan["slug"]), operators())
def test_any_catalogue_goes_out_and_in_without_a_change(sold, operator) -> None:
    with undone():
        create_operator(check_operator(operator | {"slug": "acme"}))
        for plan in sold:
            create_plan(check_plan(plan))
        before = contents()
        for name, export in FORMATS.items():
            imported = read(export(), name)
            assert preview_import(imported) == []
            assert run_import(imported, None).updated == 0
        assert contents() == before


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_into_an_empty_database_makes_the_same_again(name: str) -> None:
    acme(), giffgaff(slug="two"), unicom(slug="three"), starhub(slug="four")
    text, before = FORMATS[name](), {plan.slug: snapshot(plan) for plan in Plan.objects.all()}
    with transaction.atomic():
        Plan.objects.all().delete()
        if name.endswith("yaml"):
            Operator.objects.all().delete()
        loaded = run_import(read(text, name), None)
    assert loaded.created == (8 if name.endswith("yaml") else 4)
    assert {plan.slug: snapshot(plan) for plan in Plan.objects.all()} == before


def test_an_export_in_yaml_is_a_file_of_the_catalogue(folder: Path) -> None:
    load_catalogue(folder)
    (folder / "cu.yaml").write_text(export_yaml(), encoding="utf-8")
    assert load_catalogue(folder) == Loaded(unchanged=2)
    assert "    checked: 2026-11-22\n" in export_yaml()
    assert "      - {minimum_amount: 100, currency: CUP, channel: inside, value: 330, unit: days}\n" in export_yaml()


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_retired_or_a_household_s_own_is_not_exported(name: str) -> None:
    acme()
    cubacel(slug="retired", retired_on=datetime.date(2026, 1, 1))
    cubacel(slug="of-a-retired-operator", operator=OperatorFactory(retired_on=datetime.date(2026, 1, 1)))
    household = Household.objects.create(name="Ours")
    cubacel(slug="own", household=household, operator=OperatorFactory(household=household))
    cubacel(slug="own-of-a-shared-operator", household=household, operator=Operator.objects.get(slug="acme"))
    assert {terms.values["slug"] for terms in read(FORMATS[name](), name).plans} == {"acme-line"}


def test_a_table_has_a_line_for_each_rule_and_says_the_ladder_in_words() -> None:
    plan = acme()
    KeepRule.objects.create(plan=plan, kind="activity", value=90, qualifying_acts=["sms", "call"], grace_receives=False)
    TopUpStep.objects.create(
        rule=plan.rules.first(), minimum_amount=None, currency="CUP", channel="anywhere", value=1, unit="months"
    )
    text = export_csv()
    assert text.startswith("\ufeffoperator,slug,name,")
    first, second = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""))
    assert tuple(first) == (*PLAN_COLUMNS, *RULE_COLUMNS)
    assert {column: first[column] for column in PLAN_COLUMNS} == {column: second[column] for column in PLAN_COLUMNS}
    assert first["ladder"] == "? CUP anywhere 1 months; 100 CUP inside 330 days; 250 CUP abroad 330 days"
    assert (second["kind"], second["qualifying_acts"], second["ladder"]) == ("activity", "sms; call", "")
    assert (second["grace_receives"], first["grace_receives"]) == ("no", "")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@me", "'@me"), ("'=1", "''=1"), ("''", "'''"),
        ("'tis", "'tis"), ("'", "'"), ("a=1", "a=1"),
    ],
)  # fmt: skip
def test_no_cell_of_a_table_is_a_formula_and_each_reads_back(text: str, cell: str) -> None:
    plan = acme()
    Plan.objects.filter(pk=plan.pk).update(extras=text)
    assert next(csv.DictReader(io.StringIO(export_csv(), newline="")))["extras"] == cell
    assert read(export_csv()).plans[0].values["extras"] == text


# What would change, and what changes


@pytest.mark.parametrize("name", FORMATS)
def test_an_import_is_shown_first_and_then_done(name: str, user) -> None:
    plan = acme()
    untouched = giffgaff(slug="other")
    KeepRule.objects.filter(plan=plan).update(value=300)
    Plan.objects.filter(pk=plan.pk).update(name="Long line", fee=Decimal("2.50"), currency="CUP")
    text, after = FORMATS[name](), snapshot(plan)
    KeepRule.objects.filter(plan=plan).update(value=330)
    Plan.objects.filter(pk=plan.pk).update(name="Line", fee=None, currency="")
    before, rows = snapshot(plan), contents()
    proposed = preview_import(read(text, name))
    assert [(each.kind, each.slug, each.name, each.is_new) for each in proposed] == [
        ("plan", "acme-line", "Long line", False)
    ]
    assert proposed[0].differences == [
        Difference("name", "name", "Line", "Long line"),
        Difference("fee", "fee", None, "2.5"),
        Difference("currency", "currency", None, "CUP"),
        Difference("rules 1 · value", "keep rule 1 · keeps for", "330", "300"),
    ]
    assert contents() == rows
    loaded = run_import(read(text, name), user)
    assert (loaded.created, loaded.updated, loaded.plans_changed) == (0, 1, [plan.pk])
    plan.refresh_from_db()
    assert snapshot(plan) == after
    assert plan.recount_since == plan.edited_at
    assert timezone.now() - plan.edited_at < datetime.timedelta(minutes=1)
    entry = CatalogueChange.objects.get()
    assert (entry.plan, entry.how, entry.changed_by) == (plan, "import", user)
    assert (entry.before, entry.after) == (before, after)
    untouched.refresh_from_db()
    assert (untouched.edited_at, untouched.recount_since) == (None, None)


def test_an_import_makes_operators_and_plans(user) -> None:
    imported = read(GOOD, "cu.yaml")
    proposed = preview_import(imported)
    assert [(each.kind, each.slug, each.is_new) for each in proposed] == [
        ("operator", "acme", True),
        ("plan", "acme-line", True),
    ]
    assert ("rules 1", "not there") in {(each.path, each.before) for each in proposed[1].differences}
    assert run_import(imported, user) == Loaded(created=2)
    operator, plan = Operator.objects.get(), Plan.objects.get()
    assert (operator.shipped, plan.shipped, operator.household, plan.recount_since) == (None, None, None, None)
    assert operator.edited_at is not None
    assert plan.edited_at is not None
    assert [(entry.before, entry.after) for entry in CatalogueChange.objects.order_by("pk")] == [
        (None, snapshot(operator)),
        (None, snapshot(plan)),
    ]
    assert run_import(imported, user) == Loaded(unchanged=2)


def test_an_import_changes_an_operator_and_leaves_what_a_release_knows_of_it(folder: Path, user) -> None:
    load_catalogue(folder)
    shipped = Operator.objects.get().shipped
    run_import(read(GOOD.replace("name: Acme app", "name: Shop"), "cu.yaml"), user)
    operator = Operator.objects.get()
    assert (operator.channels.get().name, operator.shipped) == ("Shop", shipped)
    assert load_catalogue(folder) == Loaded(unchanged=1, kept_edited=1)
    assert Operator.objects.get().channels.get().name == "Shop"


def test_a_retired_plan_is_changed_and_stays_retired(user) -> None:
    plan = acme()
    text = table(name="Long line")
    Plan.objects.update(retired_on=datetime.date(2026, 1, 1))
    run_import(read(text), user)
    plan.refresh_from_db()
    assert (plan.name, plan.retired_on) == ("Long line", datetime.date(2026, 1, 1))


def test_an_import_is_all_or_nothing(user) -> None:
    acme()
    imported = read(GOOD.replace("name: Line", "name: Long line").replace("slug: acme\n", "slug: zeta\n"), "cu.yaml")
    imported.plans.append(check_plan(snapshot(Plan.objects.get()) | {"slug": "new", "operator": "gone"}))
    before = contents()
    with pytest.raises(CatalogueError, match="There is no operator “gone” any more"):
        run_import(imported, user)
    assert contents() == before
    assert not CatalogueChange.objects.exists()


def test_a_household_s_own_rows_of_the_same_names_are_not_touched(user) -> None:
    household = Household.objects.create(name="Ours")
    own = cubacel(household=household, operator=OperatorFactory(household=household, slug="acme"), slug="acme-line")
    assert run_import(read(GOOD, "cu.yaml"), user).created == 2
    own.refresh_from_db()
    assert (own.name, own.edited_at) == ("Permanent prepaid line", None)


@pytest.mark.parametrize("name", FORMATS)
def test_the_queries_are_the_same_for_one_plan_and_for_many(name: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            imported = read(FORMATS[name](), name)
            preview_import(imported)
            run_import(imported, None)
        return len(asked)

    acme()
    small = queries()
    for number in range(30):
        plan = unicom(slug=f"many-{number}")
        KeepRule.objects.create(plan=plan, kind="activity", value=90, qualifying_acts=["sms"])
    assert small == queries() == (20 if name.endswith("yaml") else 18)


# Tables


def test_a_table_may_have_semicolons_and_other_line_ends_and_empty_lines() -> None:
    acme()
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", lineterminator="\r").writerows(
        [*csv.reader(io.StringIO(export_csv().lstrip("\ufeff"), newline="")), [], ["", ""]]
    )
    for text in (out.getvalue(), "\ufeff" + out.getvalue()):
        assert preview_import(read(text)) == []


def test_the_columns_of_a_table_may_stand_in_any_order() -> None:
    acme()
    lines = csv.reader(io.StringIO(table(name="Other"), newline=""))
    out = io.StringIO(newline="")
    csv.writer(out).writerows(reversed(line) for line in lines)
    assert [each.path for each in preview_import(read(out.getvalue()))[0].differences] == ["name"]


def test_columns_that_a_table_leaves_out_stay_as_they_are(user) -> None:
    plan = acme()
    sources = [{"url": "https://acme.example", "kind": "press", "date": None, "read": True}]
    values = {"extras": "More.", "features": ["voicemail"], "port_out_days": 30, "refund_days": 0, "sources": sources}
    Plan.objects.update(**values)
    gone = dict.fromkeys(["extras", "features", "port_out_days", "refund_days", "confidence_reason"])
    imported = read(table(name="Long line", **gone))
    assert [each.path for each in preview_import(imported)[0].differences] == ["name"]
    run_import(imported, user)
    plan.refresh_from_db()
    assert {name: getattr(plan, name) for name in ("name", *values)} == {"name": "Long line", **values}
    run_import(read(table(slug="new", **gone)), user)
    assert (Plan.objects.get(slug="new").extras, Plan.objects.get(slug="new").sources) == ("", [])


def test_yes_and_no_are_read_as_spreadsheets_write_them() -> None:
    acme()
    for cell, value in [("yes", True), ("NO", False), ("TRUE", True), ("False", False), ("", None), (" yes ", True)]:
        assert read(table(receives_abroad=cell)).plans[0].values["receives_abroad"] is value


def test_amounts_may_have_a_comma_as_spreadsheets_of_many_countries_write_them() -> None:
    acme()
    plan = read(table(fee="1,50", currency="CUP", ladder="100,5 CUP inside 330 days")).plans[0]
    assert plan.values["fee"] == Decimal("1.50")
    assert [step["minimum_amount"] for step in plan.rules[0].steps] == [Decimal("100.5")]


BAD_CELLS = [
    ({"operator": "nobody"}, "operator: There is no such operator."),
    ({"operator": ""}, "operator: There is no such operator."),
    ({"slug": "a b"}, "slug: Enter a valid “slug”"),
    ({"slug": ""}, "slug: This field is required."),
    ({"name": ""}, "name: This field is required."),
    ({"type": "deluxe"}, "type: Select a valid choice."),
    ({"fee": "cheap"}, "fee: Write an amount in digits, such as 100 or 0.10."),
    ({"checked": "2099-01-01"}, "checked: This day is still to come."),
    ({"fee": "5"}, "currency: A fee needs its currency."),
    ({"fee": "9" * 5000, "currency": "CUP"}, "fee: Ensure that there are no more than 12 digits in total."),
    ({"currency": "XXY"}, "currency: “XXY” is not a currency."),
    ({"period_value": "0", "period_unit": "days"}, "period_value: A period is at least one day"),
    ({"features": "voicemail; tea"}, "features: Not known: tea."),
    ({"receives_abroad": "perhaps"}, "receives_abroad: Write yes, no, or nothing for not known."),
    ({"confidence": "own"}, "confidence: Select a valid choice."),
    ({"checked": "22/11/2026"}, "checked: Write the day as year-month-day"),
    ({"kind": "prayer"}, "kind: Select a valid choice."),
    ({"value": "0"}, "value: A rule keeps a number for at least one day."),
    ({"value": "9" * 5000}, "value: Enter a whole number."),
    ({"qualifying_acts": ""}, "qualifying_acts: Say which acts count."),
    ({"qualifying_acts": "top_up; dance"}, "qualifying_acts: Not known: dance."),
    ({"grace_value": "-1"}, "grace_value: Grace cannot end before the deadline."),
    ({"lead_days": "3"}, "lead_days: The lead cannot be shorter than the buffer."),
    ({"ladder": "100 CUP"}, "ladder: Write each step as “100 CUP inside 330 days”"),
    ({"ladder": "100 CUP moon 330 days"}, "ladder: Select a valid choice. moon is not one of the available choices."),
    ({"ladder": "much CUP inside 330 days"}, "ladder: Write an amount in digits, such as 100 or 0.10."),
    ({"ladder": "0 CUP inside 330 days"}, "ladder: Ensure this value is greater than or equal to 0.01."),
    ({"ladder": "100 CUP inside 0 days"}, "ladder: A step keeps a number for at least one day."),
    ({"ladder": "100 CUP inside 1 days; 100.00 CUP inside 2 days"}, "ladder: The ladder has two equal steps."),
    ({"ladder": "? CUP inside 1 days; ? CUP inside 2 days"}, "ladder: The ladder has two equal steps."),
    (dict.fromkeys(RULE_COLUMNS, ""), "rules: A plan needs a keep rule."),
]


@pytest.mark.parametrize(("cells", "message"), BAD_CELLS)
def test_a_bad_cell_is_refused_with_its_line_and_column(cells, message) -> None:
    acme()
    said = refusals(table(**cells))
    plan = cells.get("slug", "acme-line")
    where = f"{plan} · " if plan else ""
    assert [text for text in said if text.startswith(f"acme.csv line 2, {where}{message}")], said
    assert len(said) == 1


def test_all_bad_lines_are_told_at_once_with_the_line_on_which_each_begins() -> None:
    acme()
    giffgaff(slug="two", name="On two\nlines")
    unicom(slug="zzz")
    text = export_csv().replace(",330,", ",0,").replace(",month_start,", ",never,")
    assert [message.split(":")[0] for message in refusals(text)] == [
        "acme.csv line 2, acme-line · value",
        "acme.csv line 5, zzz · counts_from",
    ]


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (("fee,", "price,"), ["price: There is no such column.", "fee: This column is missing."]),
        (("fee,", "name,"), ["name: This column is given twice.", "fee: This column is missing."]),
        (("operator,", "operator,sources,"), ["sources: There is no such column."]),
        ((",ladder", ""), ["ladder: This column is missing."]),
    ],
)
def test_a_wrong_missing_or_double_column_is_refused(change, messages) -> None:
    acme()
    assert refusals(export_csv().replace(*change, 1)) == [f"acme.csv line 1, {message}" for message in messages]


@pytest.mark.parametrize("text", ["", "\n", "nonsense", "a,b\n1,2\n"])
def test_a_file_that_is_no_such_table_is_refused(text: str) -> None:
    assert "acme.csv line 1, operator: This column is missing." in refusals(text)


def test_lines_of_other_length_and_broken_quotes_are_refused() -> None:
    acme()
    text = table()
    assert refusals(text + "acme,short\r\n") == [
        f"acme.csv line 3: There are 2 cells in this line instead of {len(PLAN_COLUMNS) + len(RULE_COLUMNS)}."
    ]
    assert refusals(text + '"never closed')[0].startswith("acme.csv line 3: This is not a table: ")
    assert refusals(text + "x" * 200_000)[0].startswith("acme.csv line 3: This is not a table: ")


def test_a_table_that_is_too_long_is_refused() -> None:
    acme()
    head, line = table().splitlines()
    text = "\n".join([head, *(line.replace("acme-line", f"line-{number}") for number in range(2001))])
    assert refusals(text) == ["The table is too long: 2000 lines at most."]


def test_the_lines_of_one_plan_must_agree_about_it() -> None:
    plan = acme()
    KeepRule.objects.create(plan=plan, kind="activity", value=90, qualifying_acts=["sms"])
    head, first, second = table().splitlines()
    assert refusals("\n".join([head, first, second.replace(",Line,", ",Other,")])) == [
        "acme.csv line 3, acme-line · name: The plan has another value here in line 2."
    ]
    assert [rule.values["kind"] for rule in read("\n".join([head, second, first])).plans[0].rules] == [
        "activity",
        "top_up",
    ]


# Files of the catalogue


def test_an_import_may_name_operators_of_the_database_only(user) -> None:
    OperatorFactory(slug="etecsa")
    brand = GOOD.replace("  name: Acme\n", "  name: Acme\n  belongs_to: etecsa\n")
    run_import(read(brand, "cu.yaml"), user)
    assert Operator.objects.get(slug="acme").belongs_to.slug == "etecsa"
    assert refusals(brand.replace("etecsa", "nobody"), "cu.yaml") == [
        "cu.yaml line 5, belongs_to: There is no such operator."
    ]


def test_an_import_cannot_make_an_operator_belong_to_itself() -> None:
    acme = OperatorFactory(slug="acme")
    OperatorFactory(slug="zeta", belongs_to=acme)
    text = GOOD.replace("  name: Acme\n", "  name: Acme\n  belongs_to: zeta\n")
    assert refusals(text, "cu.yaml") == ["cu.yaml line 5, belongs_to: An operator cannot belong to itself."]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("grace_value: 30", "grace_value: -1", "line 36, grace_value: Grace cannot end before the deadline."),
        (
            "fee: 2\n",
            "fee: " + "9" * 5000 + "\n",
            "line 18, fee: Ensure that there are no more than 12 digits in total.",
        ),
        ("value: 330\n      unit", "value: " + "9" * 5000 + "\n      unit", "line 32, value: Enter a whole number."),
        ("name: Line", r'name: "half \ud800 a character"', "line 16: A character is only half given here."),
        ("name: Line", r'"na\ud800me": Line', "line 16: A character is only half given here."),
        ("name: Line", r'name: "a\0b"', "line 16, name: Null characters are not allowed."),
        ("name: Line", "name: &anchor Line\n    extras: *anchor", "line 17: This is not YAML: aliases are not taken."),
        ("version: 1", "version: 2", "line 1, version: This must be 1."),
    ],
)
def test_a_bad_file_is_refused_with_line_and_reason(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    said = refusals(GOOD.replace(old, new), "cu.yaml")
    assert f"cu.yaml {message}" in said


def test_facts_checked_on_a_day_to_come_are_refused_but_not_today() -> None:
    today = timezone.localdate()
    tomorrow = today + datetime.timedelta(days=1)
    assert len(read(GOOD.replace("2026-11-22", f"{today}"), "cu.yaml").plans) == 1
    assert refusals(GOOD.replace("2026-11-22", f"{tomorrow}"), "cu.yaml") == [
        "cu.yaml line 13, checked_on: This day is still to come.",
        "cu.yaml line 27, checked: This day is still to come.",
    ]


def test_a_small_file_that_would_grow_large_is_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert refusals(bomb, "a.yaml") == ["a.yaml line 2: This is not YAML: aliases are not taken."]
    too_large = "a.yaml line 1: This is not YAML: this is too large for a catalogue."
    assert refusals("[" * 100_000, "a.yaml") == [too_large]
    assert refusals("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "a.yaml") == [too_large]
    assert refusals("[" + "1," * MOST_NODES + "]", "a.yaml") == [too_large]
    assert refusals("!!python/object/apply:os.getcwd []", "a.yaml")[0].startswith("a.yaml line 1: This is not YAML")


@pytest.mark.parametrize("name", ["acme", "acme.xlsx", "", ".csv", "csv"])
def test_a_file_of_another_kind_is_refused(name: str) -> None:
    assert refusals(GOOD, name) == ["Choose a file whose name ends in .yaml or .csv."]


def test_a_file_that_is_too_large_or_no_text_is_refused() -> None:
    assert refusals(b"#" * (MOST_BYTES + 1), "a.yaml") == ["The file is too large: 2 MB at most."]
    for name in FORMATS:
        assert refusals(b"\xff\xfe\x00", name) == ["The file is not UTF-8 text. Save it as “CSV UTF-8”."]


def test_any_bytes_are_read_or_refused_and_never_worse() -> None:
    acme()

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.sampled_from(["a.csv", "a.yaml"]), st.binary(max_size=60), st.integers(0, 400))
    def attempt(name: str, junk: bytes, place: int) -> None:
        content = FORMATS[f"acme{name[1:]}"]().encode()
        for text in (junk, content[:place] + junk + content[place:]):
            with suppress(CatalogueError):
                read_import(name, text)

    attempt()
