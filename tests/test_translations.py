"""Every text is translated, every translation fits its text, and nothing is shown that cannot be translated."""

import ast
import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import base, engines
from django.template.base import Lexer, TokenType
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils import translation

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in (".html", ".txt"))
MODULES = sorted(
    path
    for folder in ("cards", "config", "renewals")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)

specification = importlib.util.spec_from_file_location("locale_update", ROOT / "locale/update.py")
messages = importlib.util.module_from_spec(specification)
specification.loader.exec_module(messages)

# What Chinese families write as we do.
SAME_IN_CHINESE = {"Keepnumber", "SIM", "eSIM", "%(count)s MB", "%(count)s GB"}
# Shown in every language as it is: the name, and each language's own name, so that its speakers find it.
NEVER_TRANSLATED = {"Keepnumber", "English", "简体中文", "Español"}
# Shown when nothing works any more, translations included; it says everything three times.
WITHOUT_TAGS = {"500.html"}
VISIBLE_ATTRIBUTES = {"alt", "aria-description", "aria-label", "aria-valuetext", "label", "placeholder", "title"}


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def project(tmp_path):
    """Return a function that writes a small project's files."""
    for folder in (*messages.PYTHON_FOLDERS, "templates"):
        (tmp_path / folder).mkdir()

    def write(**files):
        for name, content in files.items():
            folder, _, rest = name.partition("_")
            (tmp_path / folder / ("page.html" if folder == "templates" else f"{rest}.py")).write_text(content)
        return tmp_path

    return write


def fill(root, language, **texts):
    path = messages.catalogue_path(language, root)
    po = messages.read_catalogue(path)
    for entry in po:
        if entry.msgid_plural:
            entry.msgstr_plural = dict(enumerate(texts[entry.msgid]))
        else:
            entry.msgstr = texts[entry.msgid]
    po.save(str(path))
    path.with_suffix(".mo").write_bytes(po.to_binary())


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_catalogue_is_complete_and_right(language):
    assert messages.find_problems(language) == []


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_catalogue_stands_as_make_messages_writes_it(language):
    path = messages.catalogue_path(language)
    merged = messages.merge(messages.collect(), messages.read_catalogue(path), language)
    assert path.read_text(encoding="utf-8") == str(merged)


def test_plural_forms_are_those_of_django_so_that_its_texts_mix_with_ours():
    for language, forms in messages.LANGUAGES.items():
        theirs = Path(translation.__file__).parents[2] / "conf/locale" / language / "LC_MESSAGES/django.po"
        assert messages.polib.pofile(str(theirs)).metadata["Plural-Forms"] == forms


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("en", None),
        ("zh-hans", {0: 0, 1: 0, 2: 0, 5: 0, 1_000_000: 0}),
        ("es", {0: 2, 1: 0, 2: 2, 5: 2, 1_000_000: 1}),
    ],
)
def test_counts_take_the_plural_form_of_their_language(language, forms):
    singular, plural = "%(count)d day", "%(count)d days"
    for count in (0, 1, 2, 5, 1_000_000):
        if forms is None:
            expected = singular if count == 1 else plural
        else:
            po = messages.read_catalogue(messages.catalogue_path(translation.to_locale(language)))
            (entry,) = [entry for entry in po if entry.msgid == singular]
            expected = entry.msgstr_plural[forms[count]]
            assert expected
        with translation.override(language):
            assert translation.ngettext(singular, plural, count) % {"count": count} == expected % {"count": count}


def test_chinese_is_not_english():
    po = messages.read_catalogue(messages.catalogue_path("zh_Hans"))
    same = set()
    for entry in po:
        translations = {entry.msgstr, *entry.msgstr_plural.values()}
        words = messages.PERCENT.sub("", entry.msgid)
        if re.search(r"[a-z]", words, re.IGNORECASE) and translations & {entry.msgid, entry.msgid_plural} - {""}:
            same.add(entry.msgid)
    assert same - SAME_IN_CHINESE == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_template_asks_for_exactly_the_texts_that_are_collected(path, monkeypatch):
    asked = set()
    nodes = []
    for node_class in (TranslateNode, BlockTranslateNode):

        def remember(self, *args, made=node_class.__init__, **kwargs):
            made(self, *args, **kwargs)
            nodes.append(self)

        monkeypatch.setattr(node_class, "__init__", remember)
    # What _("…") in tags and filters becomes, already while the template is compiled.
    monkeypatch.setattr(base, "gettext_lazy", lambda text: asked.add((None, text, "")) or text)
    engines["django"].engine.from_string(path.read_text())
    monkeypatch.undo()
    for node in nodes:
        context = node.message_context.resolve({}) if node.message_context else None
        if isinstance(node, BlockTranslateNode):
            singular, plural = (node.render_token_list(tokens or [])[0] for tokens in (node.singular, node.plural))
            asked.add((context, singular, plural))
        elif node.filter_expression.var.literal is not None:
            asked.add((context, node.filter_expression.var.literal.replace("%", "%%"), ""))
    assert {(text.context, text.singular, text.plural) for text in messages.read_template(path.read_text())} == asked


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_asks_for_exactly_the_texts_that_are_collected(path):
    asked = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", None))
        if name not in messages.KEYWORDS:
            continue
        count = len(messages.KEYWORDS[name] or (1,))
        words = [getattr(argument, "value", None) for argument in node.args[:count]]
        assert all(isinstance(word, str) for word in words), f"line {node.lineno}: only a literal can be collected"
        context = words.pop(0) if "pgettext" in name else None
        asked.add((context, words[0], words[1] if len(words) > 1 else ""))
    assert {(text.context, text.singular, text.plural) for text in messages.read_python(path.read_text())} == asked


class Visible(HTMLParser):
    """Collects what a reader sees or hears of a page."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.is_code = False

    def handle_starttag(self, tag, attrs):
        self.is_code = tag in ("script", "style")
        self.seen += [value for name, value in attrs if name in VISIBLE_ATTRIBUTES and value]
        if tag == "input" and dict(attrs).get("type") in ("submit", "button", "reset"):
            self.seen.append(dict(attrs).get("value") or "")

    def handle_endtag(self, tag):
        self.is_code = False

    def handle_data(self, data):
        if not self.is_code:
            self.seen.append(data)


def find_text_without_tags(source, is_html):
    """Return the pieces of a template that hold letters and are no part of a translated text."""
    rest = ""
    end = None
    for token in Lexer(source).tokenize():
        tag = token.contents.split()[0] if token.token_type == TokenType.BLOCK else ""
        if end:
            end = None if tag == end else end
        elif tag in ("blocktranslate", "blocktrans", "comment"):
            end = f"end{tag}"
        elif token.token_type == TokenType.TEXT:
            rest += token.contents
        else:
            rest += " \0 "
    if not is_html:
        seen = [rest]
    else:
        visible = Visible()
        visible.feed(rest)
        visible.close()
        seen = visible.seen
    pieces = [piece.strip(" \n·–—-:,.()") for text in seen for piece in re.split(r"[\0\n]", text)]
    return [piece for piece in pieces if re.search(r"[^\W\d_]", piece) and piece not in NEVER_TRANSLATED]


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_template_shows_no_text_outside_the_translation_tags(path):
    if path.name not in WITHOUT_TAGS:
        assert find_text_without_tags(path.read_text(), path.suffix == ".html") == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello {{ name }}</p>", ["Hello"]),
        ("<p>{% if a < b %}Hello{% endif %}</p>", ["Hello"]),
        ('<a title="Hello">·</a>', ["Hello"]),
        ('<a href="/en" class="{% if a %}b{% endif %}"{% if c %} aria-current="page"{% endif %}>–</a>', []),
        ('<a aria-label="{% translate "Hello" %}">{% blocktranslate %}Hello{% endblocktranslate %}</a>', []),
        ("<details{% if a %} open{% endif %}><summary>–</summary></details>", []),
        ("<style>p { color: red }</style><p>{# Hello #}{% comment %}Hello{% endcomment %}42</p>", []),
    ],
)
def test_text_outside_the_translation_tags_is_found(source, found):
    assert find_text_without_tags(source, is_html=True) == found


SHOWN_KEYWORDS = {"empty_label", "help_text", "label", "verbose_name", "verbose_name_plural", "violation_error_message"}
SHOWN_SECOND = {"debug", "info", "success", "warning", "error"}


def find_shown_literals(source):
    """Return the literals of a module that stand where people read them, without gettext around them."""
    shown = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = getattr(node.func, "id", getattr(node.func, "attr", ""))
            owner = getattr(getattr(node.func, "value", None), "id", "")
            shown += [keyword.value for keyword in node.keywords if keyword.arg in SHOWN_KEYWORDS]
            shown += node.args[:1] if function == "ValidationError" else []
            shown += node.args[1:2] if owner == "messages" and function in SHOWN_SECOND else []
        elif isinstance(node, ast.ClassDef):
            bases = {getattr(each, "id", getattr(each, "attr", "")) for each in node.bases}
            for line in node.body:
                if isinstance(line, ast.Assign):
                    name = getattr(line.targets[0], "id", "")
                    shown += [line.value] if name in ("verbose_name", "verbose_name_plural") else []
                    if "TextChoices" in bases and isinstance(line.value, ast.Tuple):
                        shown += line.value.elts[1:]
    texts = [node.value for node in shown if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    texts += [ast.unparse(node) for node in shown if isinstance(node, ast.JoinedStr)]
    return [text for text in texts if re.search(r"[^\W\d_]", text) and text not in NEVER_TRANSLATED]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_shows_no_text_without_gettext(path):
    assert find_shown_literals(path.read_text()) == []


def test_text_without_gettext_is_found():
    source = """
class Kind(models.TextChoices):
    ONE = "one", "One"
    TWO = "two", _("Two")
class Meta:
    verbose_name = "card"
models.CharField(_("name"), help_text="Your name")
raise ValidationError(f"Wrong {value}", code="wrong")
messages.success(request, "Saved")
messages.success(request, _("Saved"))
"""
    found = {"One", "card", "Your name", "f'Wrong {value}'", "Saved"}
    assert set(find_shown_literals(source)) == found


def test_texts_of_a_module_are_read():
    source = """
_("one " "text")
translation.gettext_lazy("%(a)s of %(b)s") % {"a": _("inner")}
ngettext("%(n)d day", "%(n)d days", n)
pgettext("stage", "lost")
npgettext("sea", "%(n)d wave", "%(n)d waves", n)
# Translators: of a bird
gettext("crane")
def gettext(text="no"): ...
"no"
"""
    assert {(text.context, text.singular, text.plural, *text.comments) for text in messages.read_python(source)} == {
        (None, "one text", ""),
        (None, "%(a)s of %(b)s", ""),
        (None, "inner", ""),
        (None, "%(n)d day", "%(n)d days"),
        ("stage", "lost", ""),
        ("sea", "%(n)d wave", "%(n)d waves"),
        (None, "crane", "", "of a bird"),
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{% translate "100 %" as x %}', (None, "100 %%", "")),
        (r"""{% translate 'say \'it\'' context "aloud" %}""", ("aloud", "say 'it'", "")),
        ("{% blocktranslate %}{{ a }} is 5 % {% endblocktranslate %}", (None, "%(a)s is 5 %% ", "")),
        ("{% blocktranslate trimmed %}\n  a\n  b\n{% endblocktranslate %}", (None, "a b", "")),
        (
            '{% blocktranslate count n=a|length context "c" asvar x %}one{% plural %}{{ n }}{% endblocktranslate %}',
            ("c", "one", "%(n)s"),
        ),
        ('{{ a|default:_("no | one") }}', (None, "no | one", "")),
        ('{% include "x" with a=_("b c") %}', (None, "b c", "")),
    ],
)
def test_texts_of_a_template_are_read(source, expected):
    (text,) = messages.read_template(source)
    assert (text.context, text.singular, text.plural) == expected


@pytest.mark.parametrize("source", ["{% comment %}{% translate 'a' %}{% endcomment %}", "{% translate a %}", "_('a')"])
def test_what_is_no_text_in_a_template_is_passed_over(source):
    assert list(messages.read_template(source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "{% blocktranslate %}{{ a.b }}{% endblocktranslate %}",
        "{% blocktranslate %}{% if a %}b{% endif %}{% endblocktranslate %}",
        "{% translate 'a' context b %}",
    ],
)
def test_what_cannot_be_collected_is_refused_with_the_name_of_the_file(project, source):
    with pytest.raises(ValueError, match=r"^templates/page\.html: "):
        messages.collect(project(templates_page=source))


def test_update_keeps_translations_drops_old_ones_and_writes_the_same_again(project):
    root = project(cards_a='_("kept")\n_("dropped")\n_("changed")\n', templates_page='{% translate "kept" %}')
    messages.update("es", root)
    fill(root, "es", kept="guardado", dropped="fuera", changed="cambiado")
    project(cards_a='_("kept")\n_("changed now")\n')
    po = messages.update("es", root)
    assert [(entry.msgid, entry.msgstr, entry.flags) for entry in po] == [
        ("kept", "guardado", []),
        ("changed now", "", []),
    ]
    assert [name for name, _line in po[0].occurrences] == ["cards/a.py", "templates/page.html"]
    path = messages.catalogue_path("es", root)
    before = path.read_bytes(), path.with_suffix(".mo").read_bytes()
    messages.update("es", root)
    assert (path.read_bytes(), path.with_suffix(".mo").read_bytes()) == before


PLURAL = 'ngettext("%(n)d day", "%(n)d days", n)'


@pytest.mark.parametrize(
    ("source", "translations", "problem"),
    [
        ('_("day")', {"day": "día"}, None),
        ('_("day")', {"day": ""}, "missing: 'day' (cards/a.py)"),
        ('_("to %(a)s")', {"to %(a)s": "a %(b)s"}, "placeholders ['%(b)s'] instead of ['%(a)s']: "),
        ('_("{a} off")', {"{a} off": "{a menos"}, "placeholders [] instead of ['{a}']: "),
        ('_("%(a)s at 5 %%")', {"%(a)s at 5 %%": "%(a)s al 5 %"}, "a % that has to be %%: "),
        ('_("5 % off")', {"5 % off": "5 % menos"}, None),
        (PLURAL, {"%(n)d day": ["%(n)d día", "%(n)d de días", "%(n)d días"]}, None),
        ('ngettext("a day", "%(n)d days", n)', {"a day": ["un día", "%(n)d de días", "%(n)d días"]}, None),
        (PLURAL, {"%(n)d day": ["%(n)d día", "%(n)d de días", "días"]}, "placeholders [] instead of ['%(n)d']: "),
        (PLURAL, {"%(n)d day": ["%(n)d día", "%(n)d días"]}, "has not 3 plural forms: "),
    ],
)
def test_check_finds_what_is_wrong_with_a_translation(project, source, translations, problem):
    root = project(cards_a=source)
    messages.update("es", root)
    fill(root, "es", **translations)
    problems = messages.find_problems("es", root)
    assert len(problems) == (problem is not None)
    assert all(each.startswith(problem) for each in problems)


def test_check_finds_stale_new_fuzzy_and_uncompiled_texts(project):
    root = project(cards_a='_("old")\n_("unsure")\n')
    messages.update("es", root)
    fill(root, "es", old="viejo", unsure="dudoso")
    project(cards_a='_("new")\n_("unsure")\n')
    path = messages.catalogue_path("es", root)
    po = messages.read_catalogue(path)
    po[1].flags.append("fuzzy")
    po.save(str(path))
    assert set(messages.find_problems("es", root)) == {
        "stale: 'old'",
        "fuzzy: 'unsure' (cards/a.py)",
        "missing: 'new' (cards/a.py)",
        "django.mo is not what django.po says",
    }
