"""What the code may not do at all, found by reading it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = [path for folder in ("cards", "renewals", "config") for path in sorted((ROOT / folder).rglob("*.py"))]
TEMPLATES = [path for path in sorted((ROOT / "templates").rglob("*")) if path.is_file()]

# By these a module reaches out of this machine. urllib.parse only reads addresses.
OUTWARDS = re.compile(
    r"^(?:socket|ssl|smtplib|ftplib|telnetlib|poplib|imaplib|xmlrpc|http\.client|urllib\.request|urllib\.error|urllib3"
    r"|requests|httpx|aiohttp|apprise)(?:\.|$)"
)
REACHES_OUT = {
    "config/smtp.py": {"smtplib"},  # the mail server of EMAIL_URL
    "renewals/reminders/postman.py": {"smtplib"},  # what that server can answer
    "renewals/reminders/delivery.py": {"smtplib"},
    "renewals/reminders/monitor.py": {"http.client", "urllib.error", "urllib.request"},  # MONITOR_URL
    "renewals/channels/networks.py": {"socket"},  # is an address in a private network?
    "renewals/channels/transport.py": {"requests", "socket", "urllib3.exceptions", "urllib3.util"},  # members' channels
    "renewals/channels/sending.py": {"apprise"},
    "config/start.py": {"socket"},  # is the port free?
}
# The one-click unsubscribe of RFC 8058: a mail server has neither cookie nor form, and the address is the secret.
EXEMPT_FROM_TOKEN = {("renewals/views/mail_acts.py", "stop")}

FORBIDDEN_NAMES = {
    "mark_safe",
    "eval",
    "exec",
    "pickle",
    "marshal",
    "shelve",
    "fail_silently",
}
FORBIDDEN_NAMES |= {"RawSQL", "csrf_exempt", "html_safe"}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def parsed(path):
    return ast.parse(path.read_text(), str(path))


def imported(tree):
    """Return the modules that a module imports, also the late ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (each.value for each in node.args if isinstance(each, ast.Constant))


def names_in(tree):
    """Return each name that is used, imported, or given as an argument, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value.lineno
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2], node.lineno


def test_there_is_code_to_read():
    assert len(CODE) > 100
    assert len(TEMPLATES) > 50


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_module_uses_nothing_that_runs_or_trusts_text(path):
    found = {(name, line) for name, line in names_in(parsed(path)) if name in FORBIDDEN_NAMES}
    allowed = {name for file, name in ALLOWED if file == name_of(path)}
    assert {each for each in found if each[0] not in allowed} == set()


# csrf_exempt is looked at below; the others say why.
ALLOWED = {("renewals/views/mail_acts.py", "csrf_exempt"), ("config/headers.py", "csrf_exempt")}


def test_only_the_one_click_unsubscribe_is_exempt_from_the_token():
    exempt = {
        (name_of(path), node.name)
        for path in CODE
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef) and "csrf_exempt" in map(ast.unparse, node.decorator_list)
    }
    assert exempt == EXEMPT_FROM_TOKEN


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_module_loads_yaml_and_queries_by_nothing_a_stranger_sent(path):
    text = path.read_text()
    assert re.findall(r"yaml\.(?:unsafe_|full_)?load(?:_all)?\(", text) == []
    assert re.findall(r"\*\*\s*(?:self\.)?request\.\w+|\*\*\s*\w+\.(?:GET|POST|data)\b", text) == []
    assert re.findall(r"(?:order_by|values|values_list|annotate|alias)\([^)]*request\.(?:GET|POST)", text) == []
    assert re.findall(r"\.(?:extra|raw)\(", text) == []
    assert re.findall(r"\bSafe(?:String|Text)\(", text) == []
    assert re.findall(r"shell\s*=\s*True|os\.system\(|os\.popen\(", text) == []


def test_only_the_named_modules_reach_out():
    found = {
        name_of(path): {module for module in imported(parsed(path)) if OUTWARDS.match(module)}
        for path in CODE
        if "/migrations/" not in path.as_posix()
    }
    assert {name: modules for name, modules in found.items() if modules} == REACHES_OUT


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_template_escapes_everything(path):
    text = path.read_text()
    assert re.findall(r"\|\s*(?:safe|safeseq)\b", text) == []
    # A mail's text is no HTML, and is sent as none.
    off = re.findall(r"autoescape\s+off", text)
    assert off == [] or path.suffix == ".txt"


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_template_has_nothing_inline(path):
    text = path.read_text()
    if "mail" in path.relative_to(ROOT / "templates").parts or path.suffix == ".txt":
        return  # A mail has no stylesheet beside it: its styles are put into it when it leaves.
    assert re.findall(r"<style\b|<script(?![^>]*\ssrc=)[^>]*>|javascript:", text) == []
    text = re.sub(r"{%.*?%}|{{.*?}}", "", text)
    assert re.findall(r"""\s(?:style|on[a-z]+)\s*=\s*["']""", text) == []
    assert re.findall(r"""(?:src|srcset)=["'](?:https?:)?//""", text) == []
