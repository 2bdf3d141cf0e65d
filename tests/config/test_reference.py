"""The page of all settings."""

from optimetal.config import reference


def test_the_page_is_current():
    written = reference.PAGE.read_text(encoding="utf-8")
    message = "config/README.md is out of date: run python -m optimetal.config.reference"
    assert written == reference.page(), message


def test_every_setting_is_explained():
    rows = [line for line in reference.page().splitlines() if line.startswith("| `")]
    unexplained = [row for row in rows if row.endswith("|  |")]
    assert unexplained == []
