"""The table of OWASP ASVS 5.0 in docs/asvs.csv: what we say to meet, a test proves, or a written reason stands there.

It has every requirement of levels 1 and 2, and those of level 3 that we took upon us.
"""

import ast
import csv
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "asvs.csv"

# Of each chapter, the requirements of level 1, 2 and 3 that the table has.
COUNTS = {
    1: (8, 19, 1), 2: (4, 7, 0), 3: (8, 11, 2), 4: (2, 8, 0), 5: (4, 5, 2), 6: (13, 22, 3), 7: (6, 12, 1), 8: (4, 3, 1),
    9: (4, 3, 0), 10: (5, 24, 0), 11: (3, 11, 0), 12: (3, 6, 0), 13: (1, 12, 0), 14: (2, 7, 3), 15: (3, 10, 1),
    16: (0, 16, 0), 17: (0, 7, 0),
}  # fmt: skip
REASONS = ("not applicable because ", "done otherwise: ", "written down in ", "open: ")
# What falls short today. It may become less, never more.
OPEN = {"12.3.1", "15.2.1"}
LEAST_PROVEN = 0.6
SKIPS = {"skip", "skipif", "xfail", "importorskip"}


def read_table():
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def chapter_of(row):
    return int(row["id"].partition(".")[0])


def place_of(row):
    return [int(part) for part in row["id"].split(".")]


def is_applicable(row):
    return not row["evidence"].startswith(REASONS[0])


@functools.cache
def read_tests(path):
    """Return {name: whether it can be skipped} of the tests of a file; None where there is no such file."""
    if not path.is_file():
        return None
    module = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    marks = [
        node
        for node in module.body
        if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "pytestmark" for name in node.targets)
    ]
    whole = any(map(can_skip, marks))
    return {function.name: whole or can_skip(function) for function in functions}


def can_skip(tree):
    return any(isinstance(node, ast.Attribute) and node.attr in SKIPS for node in ast.walk(tree))


def faults_of(row):
    """Return what is wrong with a row, in words."""
    if row["how"] == "reason":
        text = next((row["evidence"].removeprefix(kind) for kind in REASONS if row["evidence"].startswith(kind)), "")
        return [] if len(text.split()) >= 3 else ["no reason"]
    if row["how"] != "test":
        return [f"“{row['how']}” is neither test nor reason"]
    names = row["evidence"].split()
    if len(set(names)) != len(names) or not names:
        return ["no test, or one named twice"]
    return [fault for name in names if (fault := fault_of_test(name))]


def fault_of_test(name):
    path, _colons, function = name.partition("::")
    found = read_tests(ROOT / path) if path.startswith("tests/") else None
    if found is None:
        return f"{path} is no file of tests"
    if function not in found:
        return f"{path} has no {function}"
    return f"{name} can be skipped" if found[function] else None


def test_table_has_every_requirement_once_and_in_order():
    rows = read_table()
    assert list(rows[0]) == ["id", "level", "what", "how", "evidence"]
    found = {
        chapter: tuple(sum(chapter_of(row) == chapter and row["level"] == level for row in rows) for level in "123")
        for chapter in COUNTS
    }
    assert found == COUNTS
    assert len({row["id"] for row in rows}) == len(rows) == sum(map(sum, COUNTS.values()))
    assert [row["id"] for row in rows] == [row["id"] for row in sorted(rows, key=place_of)]


@pytest.mark.parametrize("chapter", COUNTS)
def test_every_row_rests_on_a_test_that_runs_or_on_a_reason(chapter):
    rows = [row for row in read_table() if chapter_of(row) == chapter]
    assert {row["id"]: faults_of(row) for row in rows if faults_of(row)} == {}
    assert [row["id"] for row in rows if not row["what"].strip()] == []


def test_what_falls_short_is_known():
    assert {row["id"] for row in read_table() if row["evidence"].startswith("open: ")} == OPEN


def test_most_of_what_applies_is_proven_by_a_test():
    applicable = [row for row in read_table() if is_applicable(row)]
    proven = [row for row in applicable if row["how"] == "test"]
    assert len(proven) / len(applicable) >= LEAST_PROVEN


HERE = "tests/test_asvs.py"
SKIPPED = """
import pytest

@pytest.mark.skip
def test_left_out():
    pass

@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.xfail)])
def test_half_left_out(number):
    pass

def test_left_out_later():
    pytest.skip("not today")

def test_that_runs():
    pass
"""


@pytest.mark.parametrize(
    ("how", "evidence", "fault"),
    [
        ("test", f"{HERE}::test_what_falls_short_is_known", None),
        ("test", f"{HERE}::test_of_nothing", f"{HERE} has no test_of_nothing"),
        ("test", "tests/nowhere.py::test_x", "tests/nowhere.py is no file of tests"),
        ("test", "docs/asvs.csv::test_x", "docs/asvs.csv is no file of tests"),
        ("test", "", "no test, or one named twice"),
        ("test", f"{HERE}::test_what_falls_short_is_known " * 2, "no test, or one named twice"),
        ("claimed", "it is so", "“claimed” is neither test nor reason"),
        ("reason", "", "no reason"),
        ("reason", "not applicable because ", "no reason"),
        ("reason", "we are sure of it, trust us", "no reason"),
        ("reason", "not applicable because there is no WebRTC.", None),
    ],
)
def test_wrong_row_is_noticed(how, evidence, fault):
    assert faults_of({"id": "1.1.1", "how": how, "evidence": evidence}) == ([fault] if fault else [])


def test_test_that_can_be_skipped_is_noticed(tmp_path):
    (tmp_path / "test_skipped.py").write_text(SKIPPED)
    (tmp_path / "test_marked.py").write_text(
        "import pytest\npytestmark = [pytest.mark.skipif(True)]\ndef test_x(): 1\n"
    )
    assert read_tests(tmp_path / "test_skipped.py") == {
        "test_left_out": True,
        "test_half_left_out": True,
        "test_left_out_later": True,
        "test_that_runs": False,
    }
    assert read_tests(tmp_path / "test_marked.py") == {"test_x": True}
