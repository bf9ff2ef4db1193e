from pathlib import Path

import pytest

from .acme import GOOD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of catalogue files with Acme and its one plan."""
    (tmp_path / "cu.yaml").write_text(GOOD, encoding="utf-8")
    return tmp_path
