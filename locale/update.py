"""Collect the project's texts into locale/*/LC_MESSAGES/django.po and compile these, without the gettext tools.

python locale/update.py           update both languages: new texts come in empty, dropped ones go, the rest stays
python locale/update.py --check   change nothing; list what is missing, stale, fuzzy or wrong, and exit 1 if anything is
"""

import argparse
import re
import string
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import polib  # type: ignore[import-untyped]
from babel.messages.extract import extract
from django.template.base import Lexer, Token, TokenType
from django.utils.text import unescape_string_literal
from django.utils.translation import trim_whitespace

ROOT = Path(__file__).resolve().parent.parent
PYTHON_FOLDERS = ["cards", "config", "renewals"]
# The plural forms are those of Django's own catalogues, letter by letter: with others its texts and ours do not mix.
LANGUAGES = {
    "zh_Hans": "nplurals=1; plural=0;",
    "es": "nplurals=3; plural=n == 1 ? 0 : n != 0 && n % 1000000 == 0 ? 1 : 2;",
}
HEADER = "Texts of Keepnumber. Write msgstr only, then run `make messages`, which keeps everything else up to date."

TRANSLATORS = "Translators:"
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_QUOTED = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"
QUOTED = re.compile(_QUOTED)
# The second alternative passes over quoted text, in which _( means nothing.
MARKED = re.compile(rf"\b_\(({_QUOTED})\)|(?:{_QUOTED})")
PERCENT = re.compile(r"%(?:\((?P<name>[^)]*)\))?[-#0+]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?P<type>[diouxXeEfFgGcrsa%])")


@dataclass
class Text:
    """One translatable text, as gettext looks it up, and the files that show it."""

    singular: str
    plural: str = ""
    context: str | None = None
    comments: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str | None, str]:
        """What a catalogue can hold only once."""
        return self.context, self.singular


def read_python(source: str) -> Iterator[Text]:
    """Yield the texts of a Python module."""
    for _line, message, comments, context in extract(
        "python", BytesIO(source.encode()), KEYWORDS, [TRANSLATORS], strip_comment_tags=True
    ):
        singular, plural = (message, "") if isinstance(message, str) else message
        yield Text(singular, plural, context, [" ".join(comments)] if comments else [])


def read_template(source: str) -> Iterator[Text]:
    """Yield the texts of a template, with the msgids that django.templatetags.i18n computes when it renders.

    Raises ValueError for what Django refuses too, and for a context or a placeholder that cannot be known beforehand.
    """
    tokens = iter(Lexer(source).tokenize())
    comments: list[str] = []
    for token in tokens:
        if token.token_type == TokenType.COMMENT and token.contents.startswith(TRANSLATORS):
            comments.append(token.contents.removeprefix(TRANSLATORS).strip())
        if token.token_type not in (TokenType.BLOCK, TokenType.VAR):
            continue
        tag = token.contents.split()[0] if token.token_type == TokenType.BLOCK else ""
        if tag == "comment":
            while token.contents.strip() != "endcomment":
                token = next(tokens)
            continue
        for marked in MARKED.finditer(token.contents):
            if marked[1]:
                yield Text(_literal(marked[1]), comments=comments)
                comments = []
        if tag in ("trans", "translate"):
            bits = token.split_contents()
            if quoted := QUOTED.match(bits[1]):
                yield Text(_literal(quoted[0]), context=_context(bits[2:]), comments=comments)
                comments = []
        elif tag in ("blocktrans", "blocktranslate"):
            yield _read_block(token, tokens, comments)
            comments = []


def _read_block(opening: Token, tokens: Iterator[Token], comments: list[str]) -> Text:
    bits = opening.split_contents()
    parts = [""]
    for token in tokens:
        if token.token_type == TokenType.TEXT:
            parts[-1] += token.contents.replace("%", "%%")
        elif token.token_type == TokenType.VAR:
            if not token.contents.isidentifier():
                raise ValueError(f"blocktranslate takes plain names: write it as “with name={token.contents}”")
            parts[-1] += f"%({token.contents})s"
        elif token.contents == "plural" and len(parts) == 1:
            parts.append("")
        elif token.contents == f"end{bits[0]}":
            break
        else:
            raise ValueError(f"{token.contents!r} may not stand inside {bits[0]}")
    if "trimmed" in bits:
        parts = [trim_whitespace(part) for part in parts]
    return Text(parts[0], "".join(parts[1:]), _context(bits[1:]), comments)


def _literal(quoted: str) -> str:
    return unescape_string_literal(quoted).replace("%", "%%")


def _context(bits: list[str]) -> str | None:
    if "context" not in bits:
        return None
    context = bits[bits.index("context") + 1]
    if not QUOTED.fullmatch(context):
        raise ValueError(f"the context {context} is no literal")
    return unescape_string_literal(context)


def collect(root: Path = ROOT) -> list[Text]:
    """Return every text of the project once, by the first file that shows it and its place there.

    Raises ValueError, with the file's name, for what cannot be translated.
    """
    paths = [path for folder in PYTHON_FOLDERS for path in (root / folder).rglob("*.py")]
    paths += [path for path in (root / "templates").rglob("*") if path.suffix in (".html", ".txt")]
    texts: dict[tuple[str | None, str], Text] = {}
    for path in sorted(paths):
        name = path.relative_to(root).as_posix()
        read = read_python if path.suffix == ".py" else read_template
        try:
            for found in read(path.read_text(encoding="utf-8")):
                text = texts.setdefault(found.key, found)
                if text.plural and found.plural and text.plural != found.plural:
                    raise ValueError(f"{found.singular!r} has another plural in {text.files[0]}: {text.plural!r}")
                text.plural = text.plural or found.plural
                text.comments += [comment for comment in found.comments if comment not in text.comments]
                text.files += [name] if name not in text.files else []
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return list(texts.values())


def catalogue_path(language: str, root: Path = ROOT) -> Path:
    """Return where the language's .po stands; its .mo stands beside it."""
    return root / "locale" / language / "LC_MESSAGES" / "django.po"


def read_catalogue(path: Path) -> polib.POFile:
    """Return what stands in a .po file, or an empty catalogue when there is none."""
    return polib.pofile(str(path), wrapwidth=0, encoding="utf-8") if path.exists() else polib.POFile()


def merge(texts: list[Text], before: polib.POFile, language: str) -> polib.POFile:
    """Return the language's catalogue: the texts as they are now, with the translations of before for the same ones.

    A translation for a text that has changed, however little, is not taken over.
    """
    after = polib.POFile(wrapwidth=0, encoding="utf-8")
    after.header = HEADER
    after.metadata = {
        "Project-Id-Version": "Keepnumber",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": LANGUAGES[language],
    }
    known = {key_of(entry): entry for entry in before if not entry.obsolete}
    for text in texts:
        old = known.get((text.context, text.singular))
        if old and old.msgid_plural != text.plural:
            old = None
        entry = polib.POEntry(
            msgid=text.singular,
            msgctxt=text.context,
            comment="\n".join(text.comments),
            tcomment=old.tcomment if old else "",
            occurrences=[(name, "") for name in text.files],
            flags=find_formats(text) + (["fuzzy"] if old and old.fuzzy else []),
        )
        if text.plural:
            entry.msgid_plural = text.plural
            entry.msgstr_plural = {
                form: old.msgstr_plural.get(form, "") if old else "" for form in range(count_forms(language))
            }
        else:
            entry.msgstr = old.msgstr if old else ""
        after.append(entry)
    return after


def key_of(entry: polib.POEntry) -> tuple[str | None, str]:
    """Return the key of the Text an entry translates."""
    return entry.msgctxt, entry.msgid


def count_forms(language: str) -> int:
    """Return how many plural forms the language has."""
    return int(LANGUAGES[language].removeprefix("nplurals=").partition(";")[0])


def find_formats(text: Text) -> list[str]:
    """Return the flags that tell a translator's editor which placeholders to watch."""
    both = text.singular + text.plural
    flags = ["python-format"] if PERCENT.search(both) else []
    return flags + (["python-brace-format"] if _brace_names(both) else [])


def find_placeholders(text: str) -> set[str]:
    """Return the names and types of everything that is put into a text; a lone % stands for itself."""
    found: set[str] = set()
    for position, match in enumerate(PERCENT.finditer(text)):
        if match["type"] != "%":
            found.add(f"%({position if match['name'] is None else match['name']}){match['type']}")
    return found | {f"{{{name}}}" for name in _brace_names(text)}


def _brace_names(text: str) -> set[str]:
    try:
        return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return set()


def find_faults(entry: polib.POEntry, language: str) -> list[str]:
    """Return what is wrong with the translations in an entry."""
    sources = [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
    forms = count_forms(language) if entry.msgid_plural else 1
    if sorted(entry.msgstr_plural) != list(range(forms if entry.msgid_plural else 0)):
        return [f"has not {forms} plural forms"]
    translations = [entry.msgstr_plural[form] for form in range(forms)] if entry.msgid_plural else [entry.msgstr]
    if not all(translations):
        return ["missing"]
    faults = []
    first, last = find_placeholders(sources[0]), find_placeholders(sources[-1])
    for form, translation in enumerate(translations):
        found = find_placeholders(translation)
        # The form for one alone may leave the count out where English does: “one day left”.
        is_singular = form == 0 and forms > 1
        if not (first & last <= found <= first | last if is_singular else found == last):
            faults.append(f"placeholders {sorted(found)} instead of {sorted(last)}")
        elif PERCENT.search("".join(sources)) and "%" in PERCENT.sub("", translation):
            faults.append("a % that has to be %%")
    return faults


def find_problems(language: str, root: Path = ROOT) -> list[str]:
    """Return one line for everything that keeps the language's catalogue from being complete and right."""
    path = catalogue_path(language, root)
    po = read_catalogue(path)
    missing = {text.key: text for text in collect(root)}
    done = set()
    problems = []
    for entry in po:
        key = key_of(entry)
        text = missing.pop(key, None)
        if key in done:
            problems.append(f"twice: {entry.msgid!r}")
        elif entry.obsolete or text is None or entry.msgid_plural != text.plural:
            problems.append(f"stale: {entry.msgid!r}")
        elif entry.fuzzy:
            problems.append(f"fuzzy: {entry.msgid!r} ({text.files[0]})")
        else:
            problems += [f"{fault}: {entry.msgid!r} ({text.files[0]})" for fault in find_faults(entry, language)]
        done.add(key)
    problems += [f"missing: {text.singular!r} ({text.files[0]})" for text in missing.values()]
    if po.metadata.get("Plural-Forms") != LANGUAGES[language]:
        problems.append(f"Plural-Forms is not {LANGUAGES[language]!r}")
    compiled = path.with_suffix(".mo")
    if not compiled.exists() or compiled.read_bytes() != po.to_binary():
        problems.append("django.mo is not what django.po says")
    return problems


def update(language: str, root: Path = ROOT) -> polib.POFile:
    """Write the language's .po and .mo as the code and the translations are now, and return what the .po holds."""
    path = catalogue_path(language, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    po = merge(collect(root), read_catalogue(path), language)
    po.save(str(path), newline="\n")
    path.with_suffix(".mo").write_bytes(po.to_binary())
    return po


def main() -> int:
    """Run as the module's docstring says; return the exit code."""
    parser = argparse.ArgumentParser(description="Collect, merge and compile the translations.")
    parser.add_argument("--check", action="store_true", help="change nothing; list what is missing or wrong")
    is_check = parser.parse_args().check
    count = 0
    for language in LANGUAGES:
        if is_check:
            problems = find_problems(language)
            for problem in problems:
                print(f"{language}: {problem}")
            count += len(problems)
        else:
            po = update(language)
            print(f"{language}: {len(po)} texts, {len(po) - len(po.translated_entries())} to translate")
    if count:
        print(f"{count} problems. Translate in locale/*/LC_MESSAGES/django.po, then run make messages.")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
