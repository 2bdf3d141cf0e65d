"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folder with the numbers of the published code; tests that need it skip where it is absent."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("OPTIMETAL_PARITY", root / ".." / "shared" / "parity"))
    if not (folder / "optimetal").is_dir():
        pytest.skip(f"no parity numbers at OPTIMETAL_PARITY={folder}: set it to their folder")
    return (folder / "optimetal").resolve()
