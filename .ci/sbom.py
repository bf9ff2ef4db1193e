"""Write what an installation consists of: a bill of materials in CycloneDX, and the licences as a page.

    python .ci/sbom.py SBOM LICENCES

Versions and hashes are those of uv.lock, licences those that the installed packages state. The same lock gives the
same files.
"""

import json
import sys
import tomllib
import uuid
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "keepnumber"
FREE_TEXT = 80


def main(bill: Path, page: Path) -> None:
    packages = runtime_packages((ROOT / "uv.lock").read_text())
    licences = {package["name"]: licence_of(package["name"]) for package in packages}
    bill.write_text(json.dumps(bill_of(packages, licences), indent=2) + "\n")
    page.write_text(page_of(packages, licences))


def runtime_packages(lock: str) -> list[dict[str, Any]]:
    """Return the packages of a uv.lock that an installation with all its extras needs, by name."""
    known = {package["name"]: package for package in tomllib.loads(lock)["package"]}
    extras = known[PROJECT].get("optional-dependencies", {})
    found: set[str] = set()
    todo = [(PROJECT, extra) for extra in (None, *extras)]
    done = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        found.add(name)
        package = known[name]
        needed = package.get("optional-dependencies", {}).get(extra, []) if extra else package.get("dependencies", [])
        for each in needed:
            todo += [(each["name"], extra) for extra in (None, *each.get("extra", []))]
    return [known[name] for name in sorted(found - {PROJECT})]


def licence_of(name: str) -> str:
    """Return the licence that an installed package states; empty when it is not installed here or states none."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = [each.split(" :: ")[-1] for each in about.get_all("Classifier", []) if each.startswith("License")]
    stated = about.get("License-Expression") or ", ".join(classifiers) or about.get("License") or ""
    return stated.splitlines()[0][:FREE_TEXT] if stated else ""


def bill_of(packages: list[dict[str, Any]], licences: dict[str, str]) -> dict[str, Any]:
    listed = " ".join(f"{package['name']}=={package['version']}" for package in packages)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, listed)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": PROJECT, "name": PROJECT}},
        "components": [component_of(package, licences[package["name"]]) for package in packages],
    }


def component_of(package: dict[str, Any], licence: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{package['name']}@{package['version']}"
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package["name"],
        "version": package["version"],
        "purl": purl,
        **({"licenses": [{"license": {"name": licence}}]} if licence else {}),
        "externalReferences": [
            {
                "type": "distribution",
                "url": file["url"],
                "hashes": [{"alg": "SHA-256", "content": file["hash"].removeprefix("sha256:")}],
            }
            for file in files
        ],
    }


def page_of(packages: list[dict[str, Any]], licences: dict[str, str]) -> str:
    rows = [
        f"| {package['name']} | {package['version']} | {licences[package['name']] or 'see its own files'} |"
        for package in packages
    ]
    head = [
        "# Licences",
        "",
        "Keepnumber is under the AGPL, version 3 or later. These packages come with an installation; `make sbom`",
        "writes this page from what `uv.lock` names and what the packages state.",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
