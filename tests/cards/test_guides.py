from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cards.catalogue import CATALOGUE, CatalogueError, Loaded, decide, load_catalogue
from cards.catalogue.checking import read_catalogue
from cards.catalogue.forms import GUIDED_STEPS
from cards.models import CatalogueChange, Household, Member, Operator, Plan, StepGuide
from renewals.models import RenewalStep

from .acme import change

pytestmark = pytest.mark.django_db

GUIDES = """\
version: 1
guides:
- operator: acme
  step: balance
  url: https://acme.example/balance
  sources:
  - https://acme.example/terms
  - Acme's leaflet (2026)
  text:
    en: |-
      Dial *222#.
      Write the balance down.
    zh-hans: 拨打 *222#。
    es: Marca *222#.
- plan: acme-line
  step: let_go
  sources: [https://acme.example/terms]
  text: {en: Unbind first., zh-hans: 先解绑。, es: Desvincula primero.}
"""
BALANCE, LET_GO = "balance", "let_go"


@pytest.fixture
def guided(folder: Path) -> Path:
    """The folder of Acme with guides for it."""
    (folder / "guides").mkdir()
    (folder / "guides" / "cu.yaml").write_text(GUIDES, encoding="utf-8")
    return folder


def rewrite(folder: Path, old: str, new: str) -> None:
    path = folder / "guides" / "cu.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def english(step: str) -> StepGuide:
    return StepGuide.objects.get(step=step, language="en")


def contents() -> list[tuple[object, ...]]:
    return list(StepGuide.objects.order_by("pk").values_list())


# Loading


def test_guides_are_loaded_in_every_language(guided: Path) -> None:
    assert load_catalogue(guided) == Loaded(created=2, guides=6, plans_changed=[Plan.objects.get().pk])
    acme, line = Operator.objects.get(), Plan.objects.get()
    assert set(StepGuide.objects.values_list("operator", "plan", "step", "language")) == {
        (owner[0], owner[1], step, language)
        for owner, step in (((acme.pk, None), BALANCE), ((None, line.pk), LET_GO))
        for language in Member.Language.values
    }
    guide = english(BALANCE)
    assert guide.text == "Dial *222#.\nWrite the balance down."
    assert guide.url == "https://acme.example/balance"
    assert guide.sources == ["https://acme.example/terms", "Acme's leaflet (2026)"]
    assert guide.shipped == {"text": guide.text, "url": guide.url, "sources": guide.sources}
    assert guide.offered is None


def test_a_second_load_of_guides_writes_nothing(guided: Path) -> None:
    load_catalogue(guided)
    before = contents()
    with CaptureQueriesContext(connection) as queries:
        assert load_catalogue(guided) == Loaded(unchanged=2)
    assert [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert contents() == before


def test_a_catalogue_without_guides_is_fine(folder: Path) -> None:
    assert load_catalogue(folder).guides == 0
    (folder / "guides").mkdir()
    assert load_catalogue(folder) == Loaded(unchanged=2)


def test_an_untouched_guide_follows_the_release(guided: Path) -> None:
    load_catalogue(guided)
    pk = english(BALANCE).pk
    rewrite(guided, "Write the balance down.", "Write it down.")
    assert load_catalogue(guided) == Loaded(unchanged=2, guides=1)
    guide = english(BALANCE)
    assert (guide.pk, guide.text) == (pk, "Dial *222#.\nWrite it down.")
    assert guide.shipped["text"] == guide.text


def test_a_guide_that_an_administrator_changed_stays_and_the_new_text_is_offered(guided: Path) -> None:
    load_catalogue(guided)
    StepGuide.objects.filter(pk=english(BALANCE).pk).update(text="Mine.")
    assert load_catalogue(guided) == Loaded(unchanged=2)
    rewrite(guided, "Write the balance down.", "Write it down.")
    assert load_catalogue(guided) == Loaded(unchanged=2, offered=1)
    guide = english(BALANCE)
    assert (guide.text, guide.offered["text"]) == ("Mine.", "Dial *222#.\nWrite it down.")
    before = contents()
    assert load_catalogue(guided) == Loaded(unchanged=2, offered=1)
    assert contents() == before
    rewrite(guided, "Write it down.", "Write the balance down.")
    assert load_catalogue(guided) == Loaded(unchanged=2)
    assert english(BALANCE).offered is None


def test_a_change_of_other_line_ends_only_is_none(guided: Path) -> None:
    load_catalogue(guided)
    StepGuide.objects.filter(pk=english(BALANCE).pk).update(text="Dial *222#.\r\nWrite the balance down.\r\n")
    rewrite(guided, "Write the balance down.", "Write it down.")
    assert load_catalogue(guided) == Loaded(unchanged=2, guides=1)


def test_a_guide_that_staff_wrote_before_is_offered_the_text_of_the_release(guided: Path) -> None:
    load_catalogue(guided)
    StepGuide.objects.update(shipped=None)
    StepGuide.objects.filter(pk=english(BALANCE).pk).update(text="Mine.")
    assert load_catalogue(guided) == Loaded(unchanged=2, offered=1)
    assert [guide.text for guide in StepGuide.objects.filter(offered__isnull=False)] == ["Mine."]
    assert StepGuide.objects.filter(shipped__isnull=True).count() == 1


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_guide_that_is_no_longer_shipped_goes_unless_it_was_changed(guided: Path, is_changed: bool) -> None:
    load_catalogue(guided)
    if is_changed:
        StepGuide.objects.filter(step=LET_GO).update(text="Mine.")
    rewrite(guided, GUIDES[GUIDES.index("- plan") :], "")
    assert load_catalogue(guided).guides == (0 if is_changed else 3)
    left = StepGuide.objects.filter(step=LET_GO)
    assert list(left.values_list("text", "shipped", "offered")) == ([("Mine.", None, None)] * 3 if is_changed else [])
    assert load_catalogue(guided) == Loaded(unchanged=2)


@pytest.mark.parametrize("is_offered", [False, True])
def test_the_guide_of_a_plan_that_is_no_longer_shipped_stays_and_follows_it_back(guided: Path, is_offered) -> None:
    load_catalogue(guided)
    files = {path: path.read_text(encoding="utf-8") for path in (guided / "cu.yaml", guided / "guides" / "cu.yaml")}
    if is_offered:
        StepGuide.objects.filter(step=LET_GO).update(text="Mine.")
        rewrite(guided, "Unbind first.", "Unbind first!")
        assert load_catalogue(guided).offered == 1
    before = [(guide.pk, guide.text, guide.shipped) for guide in StepGuide.objects.filter(step=LET_GO)]
    good, guides = files.values()
    (guided / "cu.yaml").write_text(good[: good.index("  plans:")], encoding="utf-8")
    rewrite(guided, (guided / "guides" / "cu.yaml").read_text(encoding="utf-8")[guides.index("- plan") :], "")
    assert load_catalogue(guided) == Loaded(unchanged=1, retired=1)
    left = StepGuide.objects.filter(step=LET_GO)
    assert [(guide.pk, guide.text, guide.shipped) for guide in left] == before
    assert not left.exclude(offered=None).exists()
    assert load_catalogue(guided) == Loaded(unchanged=1)
    for path, text in files.items():
        path.write_text(text.replace("Unbind first.", "Unbind all."), encoding="utf-8")
    load_catalogue(guided)
    assert english(LET_GO).text == ("Mine." if is_offered else "Unbind all.")


def test_guides_that_staff_wrote_are_never_touched(guided: Path) -> None:
    load_catalogue(guided)
    household = Household.objects.create(name="Ours")
    owners = [
        {"operator": Operator.objects.get()},
        {"operator": Operator.objects.create(household=household, slug="acme", name="Our Acme")},
    ]
    for owner in owners:
        StepGuide.objects.create(**owner, step="pay", language="en", text="Mine.")
    before = contents()
    assert load_catalogue(guided) == Loaded(unchanged=2)
    assert contents() == before


@pytest.mark.parametrize("take_offered", [True, False])
def test_a_decision_about_a_guide_settles_it(guided: Path, take_offered: bool) -> None:
    load_catalogue(guided)
    StepGuide.objects.filter(pk=english(BALANCE).pk).update(text="Mine.")
    rewrite(guided, "Write the balance down.", "Write it down.")
    load_catalogue(guided)
    guide = english(BALANCE)
    decide(guide, take_offered, None)
    assert guide.text == ("Dial *222#.\nWrite it down." if take_offered else "Mine.")
    assert (guide.shipped["text"], guide.offered) == ("Dial *222#.\nWrite it down.", None)
    assert load_catalogue(guided) == Loaded(unchanged=2)
    assert english(BALANCE).text == guide.text
    assert not CatalogueChange.objects.exists()
    with pytest.raises(CatalogueError, match="nothing to decide"):
        decide(guide, take_offered, None)


# Bad files

BAD = [
    ("version: 1", "version: 2", "line 1, version: This must be 1."),
    ("version: 1", "version: 1\nauthor: me", "line 2, author: There is no such field."),
    ("operator: acme", "operator: nobody", "line 3, operator: There is no such operator in the files."),
    ("operator: acme", "operator: 7", "line 3, operator: There is no such operator in the files."),
    ("plan: acme-line", "plan: acme", "line 15, plan: There is no such plan in the files."),
    ("operator: acme", "operator: acme\n  plan: acme-line", "line 3: A guide is either for an operator or for a plan."),
    ("operator: acme\n", "colour: red\n", "line 3, colour: There is no such field."),
    ("step: balance", "step: dance", "line 4, step: Select a valid choice. dance is not one of the available choices."),
    ("  step: balance\n", "", "line 3, step: This field is required."),
    ("url: https://acme.example/balance", "url: 'javascript:alert(1)'", "line 5, url: Enter a valid URL."),
    ("sources: [https://acme.example/terms]", "sources: []", "line 17, sources: A guide names its sources in a list."),
    ("sources: [https://acme.example/terms]", "sources: [7]", "line 17, sources: A source is a text"),
    ("  sources: [https://acme.example/terms]\n", "", "line 15, sources: A guide names its sources in a list."),
    ("    es: Marca *222#.\n", "", "line 10, es: A text is missing here."),
    ("es: Marca *222#.", "es: ' '", "line 14, es: A text is missing here."),
    ("es: Marca *222#.", "es: 222", "line 14, es: A text is missing here."),
    ("es: Marca *222#.", "es: Marca.\n    fr: Composez.", "line 15, fr: There is no such language."),
    ("text: {en: Unbind first., zh-hans: 先解绑。, es: Desvincula primero.}", "text: Hello.", "line 18, text: Write"),
    ("  - Acme's leaflet (2026)\n", "  - Acme's leaflet (2026)\n  step: pay\n", "line 9, step: This field is given"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_bad_guide_names_file_line_and_field_and_loads_nothing(guided: Path, old, new, message) -> None:
    rewrite(guided, old, new)
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(guided)
    assert caught.value.messages[0].startswith(f"guides/cu.yaml {message}"), caught.value.messages
    assert not Operator.objects.exists()
    assert not StepGuide.objects.exists()


def test_a_guide_given_twice_is_refused_across_files(guided: Path) -> None:
    (guided / "guides" / "zz.yaml").write_text(GUIDES, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(guided)
    assert caught.value.messages == [
        "guides/zz.yaml line 4, step: “balance” is already in guides/cu.yaml line 4.",
        "guides/zz.yaml line 16, step: “let_go” is already in guides/cu.yaml line 16.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: A file of guides holds “version” and “guides”."),
        ("- a list", "line 1: A file of guides holds “version” and “guides”."),
        ("version: 1\n", "line 1, guides: A file of guides has a guide or more."),
        ("version: 1\nguides: some\n", "line 2, guides: This must be a list of rows."),
        ("version: 1\nguides: [\n", "line 3: This is not YAML"),
    ],
)
def test_a_file_of_guides_of_another_shape_is_refused(guided: Path, text: str, message: str) -> None:
    (guided / "guides" / "cu.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(guided)
    assert caught.value.messages[0].startswith(f"guides/cu.yaml {message}"), caught.value.messages


def test_mistakes_of_plans_and_guides_are_told_at_once(guided: Path) -> None:
    change(guided, "fee: 2\n", "fee: cheap\n")
    rewrite(guided, "step: let_go", "step: dance")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(guided)
    assert [message.split(":")[0] for message in caught.value.messages] == [
        "cu.yaml line 18, fee",
        "guides/cu.yaml line 16, step",
    ]


# The packaged guides


def test_a_guide_may_be_about_every_step_and_about_letting_go() -> None:
    assert set(GUIDED_STEPS) == {*RenewalStep.Key.values, LET_GO}


def test_the_packaged_guides_say_something_in_each_language_and_where_it_is_from() -> None:
    guides = read_catalogue(CATALOGUE).guides
    assert guides
    for guide in guides:
        place = (guide.slug, guide.step, guide.language)
        assert guide.values["text"], place
        assert guide.values["sources"], place
    said = {(guide.owner, guide.slug, guide.step, guide.language) for guide in guides}
    assert len(said) == len(guides)
    assert {place[:3] for place in said} == {place[:3] for place in said if place[3] == "es"}
