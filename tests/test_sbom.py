"""The bill of materials names every package that an installation gets, with its hashes."""

import json
import re
import subprocess
import sys
import tomllib

import pytest

from tests.app import ROOT


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sbom")
    files = folder / "sbom.json", folder / "licences.md"
    subprocess.run([sys.executable, ".ci/sbom.py", *files], cwd=ROOT, check=True)
    return [file.read_text() for file in files]


@pytest.fixture(scope="module")
def components(written):
    return {each["name"]: each for each in json.loads(written[0])["components"]}


def direct_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    return {re.match(r"[\w.-]+", each)[0].lower() for each in stated}


def test_every_direct_dependency_is_in_it(components):
    assert direct_dependencies() - components.keys() == set()


def test_what_those_need_is_in_it_and_tools_of_developers_are_not(components):
    assert {"sqlparse", "asgiref", "brotli", "cffi", "psycopg-binary", "psycopg-pool", "requests"} <= components.keys()
    assert components.keys() & {"pytest", "mypy", "ruff", "hypothesis", "playwright", "keepnumber"} == set()


def test_versions_and_hashes_are_those_of_the_lock(components):
    lock = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    for name, component in components.items():
        assert component["version"] == lock[name]["version"]
        assert component["purl"] == f"pkg:pypi/{name}@{component['version']}"
        hashes = {each["content"] for file in component["externalReferences"] for each in file["hashes"]}
        assert hashes
        assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in hashes)


def test_page_of_licences_is_of_today(written):
    """After a change of uv.lock: `make sbom`."""
    assert (ROOT / "docs" / "licences.md").read_text() == written[1]


def test_every_direct_dependency_states_a_licence(components):
    assert {name for name in direct_dependencies() if "licenses" not in components[name]} == set()
