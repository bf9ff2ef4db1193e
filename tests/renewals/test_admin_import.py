"""The catalogue out to a file, and from a file back in after a look at what would change."""

import csv
import datetime
import io
import re

import pytest
import yaml
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile

from cards.catalogue import load_catalogue, snapshot
from cards.catalogue.tables import MOST_BYTES, export_csv, export_yaml
from cards.models import CatalogueChange, Operator, Plan
from renewals.admin import imports
from tests.admin import agree, at, fields_of
from tests.factories import MemberFactory
from tests.family import every_row, said, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/admin/cards/plan/import/"
LISTS = "/admin/cards/plan/"


@pytest.fixture
def shared(used):
    """The plan of the used card and its operator, with all that a file must name."""
    about = {"source_url": "https://www.etecsa.cu/", "checked_on": datetime.date(2026, 11, 1)}
    Plan.objects.filter(pk=used.plan.pk).update(**about, confidence="high")
    Operator.objects.filter(pk=used.plan.operator.pk).update(**about)
    return Plan.objects.get(pk=used.plan.pk)


def upload(client, content, name="catalogue.yaml"):
    content = content if isinstance(content, bytes) else content.encode()
    return client.post(PAGE, {"file": SimpleUploadedFile(name, content)})


def confirm(client, page, **sent):
    return client.post(PAGE, {"signed": fields_of(page).sent["signed"]} | sent, follow=True)


def changed(text, **values):
    """Return an exported file with other values in its only plan or, by `rule_…`, in the plan's first rule."""
    content = yaml.safe_load(text)
    plan = content["operators"][0]["plans"][0]
    for name, value in values.items():
        (plan["rules"][0] if name.startswith("rule_") else plan)[name.removeprefix("rule_")] = value
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def proposed(page):
    return [
        (
            each.slug,
            each.is_new,
            {difference.path: (difference.before, difference.after) for difference in each.differences},
        )
        for each in page.context["proposed"]
    ]


def problems(page):
    return [str(problem) for problem in page.context["problems"]]


def test_export_gives_the_shared_catalogue_as_files(staff, shared, own):
    for ending, kind, expected in (("yaml", "application/yaml", export_yaml()), ("csv", "text/csv", export_csv())):
        answer = staff.get(f"{LISTS}export/{ending}/")
        assert answer["Content-Type"] == f"{kind}; charset=utf-8"
        assert re.fullmatch(
            rf'attachment; filename="keepnumber-catalogue-\d{{4}}-\d\d-\d\d\.{ending}"', answer["Content-Disposition"]
        )
        assert answer.text == expected
        assert shared.slug in answer.text
        assert own.slug not in answer.text
        assert "Secret" not in answer.text


def test_export_is_offered_with_the_plans(staff, shared):
    page = staff.get(LISTS)
    for address in (PAGE, f"{LISTS}export/yaml/", f"{LISTS}export/csv/"):
        assert f'href="{address}"' in page.text


@pytest.mark.parametrize("ending", ["yaml", "csv"])
def test_import_of_an_export_changes_nothing(staff, ending):
    load_catalogue()
    before = every_row()
    page = upload(staff, staff.get(f"{LISTS}export/{ending}/").content, f"catalogue.{ending}")
    assert proposed(page) == []
    assert "All that is in the file is here already." in page.text
    assert 'value="Import"' not in page.text
    assert every_row() == before


def test_import_shows_what_would_change_and_which_cards_move(staff, shared):
    before = every_row()
    page = upload(staff, changed(export_yaml(), extras="From a file", rule_grace_value=60))
    assert proposed(page) == [
        (shared.slug, False, {"extras": (None, "From a file"), "rules 1 · grace_value": ("30", "60")})
    ]
    assert "1 card in one household gets other dates." in page.text
    assert "catalogue.yaml" in page.text
    assert every_row() == before


def test_import_when_confirmed_does_what_was_shown(staff, family, used, shared):
    page = upload(staff, changed(export_yaml(), extras="From a file", rule_grace_value=60))
    page = confirm(staff, page)
    assert said(page) == ["Imported: 0 new, 1 changed, 1 as they were.", "1 card has new dates."]
    assert page.redirect_chain[-1][0] == LISTS
    used.refresh_from_db()
    assert used.grace_ends_on == used.deadline + datetime.timedelta(days=60)
    shared.refresh_from_db()
    assert (shared.extras, shared.recount_since) == ("From a file", None)
    assert shared.edited_at
    change = CatalogueChange.objects.get()
    assert (change.how, change.changed_by, change.plan) == ("import", family.owner.user, shared)


def test_import_of_a_table_makes_and_changes_plans(staff, shared):
    lines = list(csv.DictReader(io.StringIO(export_csv().lstrip("\ufeff"))))
    (line,) = lines
    rows = [line | {"name": "Renamed"}, line | {"slug": "quite-new", "name": "Quite new"}]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(line))
    writer.writeheader()
    writer.writerows(rows)
    page = upload(staff, table.getvalue(), "plans.csv")
    assert [(each[0], each[1]) for each in proposed(page)] == [(shared.slug, False), ("quite-new", True)]
    confirm(staff, page)
    assert set(Plan.objects.values_list("slug", "name")) == {(shared.slug, "Renamed"), ("quite-new", "Quite new")}
    assert Plan.objects.get(slug="quite-new").changes.get().before is None


def test_import_of_wrong_files_tells_every_line_and_saves_nothing(staff, shared):
    before = every_row()
    text = export_yaml()
    for content, name, words in (
        (changed(text, rule_value=0, colour="red"), "a.yaml", {"value", "colour"}),
        (changed(text, rules=[]), "a.yaml", {"A plan needs a keep rule."}),
        ("operators: [", "a.yaml", {"This is not YAML"}),
        (b"\xff\xfe", "a.yaml", {"UTF-8"}),
        ("name,colour\nx,red\n", "a.csv", {"colour"}),
        (text, "a.txt", {".yaml or .csv"}),
    ):
        page = upload(staff, content, name)
        assert page.status_code == 200
        said_here = " ".join(problems(page))
        assert {word for word in words if word in said_here} == words
        assert "Nothing was imported." in page.text
    assert every_row() == before


def test_import_names_a_thousand_mistakes_and_counts_the_rest(staff, shared):
    page = upload(staff, "name,colour\n", "a.csv")
    assert len(problems(page)) < 1000
    text = export_yaml() + "".join(f"colour{number}: red\n" for number in range(1003))
    page = upload(staff, text)
    assert len(problems(page)) == 1001
    assert problems(page)[-1] == "and 3 more"


def test_import_without_a_file_or_with_a_large_one_says_so(staff, shared, monkeypatch):
    page = staff.post(PAGE, {})
    assert page.context["form"].errors["file"] == ["This field is required."]
    page = upload(staff, b"")
    assert page.context["form"].errors["file"] == ["The submitted file is empty."]
    page = upload(staff, b"#" * (MOST_BYTES + 1))
    assert page.context["form"].errors["file"] == ["The file is too large: 2 MB at most."]
    assert "too large" in page.text


def test_import_takes_a_file_of_two_megabytes(staff, shared):
    text = changed(export_yaml(), extras="From a file")
    page = upload(staff, text + "#" * (MOST_BYTES - len(text.encode())))
    confirm(staff, page)
    assert Plan.objects.get().extras == "From a file"


@pytest.mark.parametrize("signed", ["", "x", "a:b:c", "\0", "é:1:x"])
def test_import_takes_nothing_that_was_not_shown(staff, shared, signed):
    before = every_row()
    page = staff.post(PAGE, {"signed": signed})
    assert problems(page) == ["This preview is too old. Choose the file again."]
    assert every_row() == before


def test_import_takes_no_preview_of_yesterday(staff, shared, monkeypatch):
    page = upload(staff, changed(export_yaml(), extras="From a file"))
    monkeypatch.setattr(imports, "KEPT_SECONDS", -1)
    page = confirm(staff, page)
    assert problems(page) == ["This preview is too old. Choose the file again."]
    assert Plan.objects.get().extras == ""


def test_import_shows_the_preview_again_when_something_changed_meanwhile(staff, used, shared):
    shown = upload(staff, changed(export_yaml(), extras="From a file"))
    agree(staff, at(shared), **{"rules-0-grace_value": "60"})
    page = confirm(staff, shown)
    assert said(page) == ["The catalogue has changed meanwhile. Look again."]
    assert proposed(page)[0][2] == {"extras": (None, "From a file"), "rules 1 · grace_value": ("60", "30")}
    assert Plan.objects.get().extras == ""
    confirm(staff, page)
    assert Plan.objects.get().extras == "From a file"


def test_import_says_why_when_what_was_shown_cannot_be_had_any_more(staff, shared):
    before = snapshot(shared)
    signed = signing.dumps(["a.yaml", "eA==", "mark"], salt=imports.SALT, compress=True)
    page = staff.post(PAGE, {"signed": signed})
    assert problems(page)
    assert snapshot(shared) == before


def test_import_keeps_others_out(family, staff, shared):
    for member in (family.manager, family.viewer, MemberFactory(user__is_staff=True)):
        client = sign_in(member)
        for address in (PAGE, f"{LISTS}export/yaml/", f"{LISTS}export/csv/"):
            assert client.get(address, follow=True).status_code in {403, 404}
        assert upload(client, export_yaml()).status_code in {302, 403, 404}
    assert staff.put(PAGE).status_code == 405
    assert staff.post(f"{LISTS}export/csv/").status_code == 405
