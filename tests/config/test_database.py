"""Settings of the database."""

import pytest
from pydantic import ValidationError

from optimetal.config.database import DatabaseSettings


@pytest.mark.parametrize("source", ["surrogate", "figshare_full", "figshare_ml"])
def test_only_a_folder_needs_a_folder(source):
    assert DatabaseSettings(source=source).folder is None
    with pytest.raises(ValidationError, match="`folder` must be given with `source: folder`"):
        DatabaseSettings(source=source, folder="here")


def test_a_folder_must_be_named():
    with pytest.raises(ValidationError, match="`folder` must be given with `source: folder`"):
        DatabaseSettings(source="folder")


def test_whole_published_data_are_expected_unless_told_otherwise():
    settings = DatabaseSettings(source="folder", folder="here")
    assert (settings.expected, settings.allow_partial) == ("published", False)


def test_downloads_are_kept_apart_from_results():
    settings = DatabaseSettings(source="figshare_ml")
    assert settings.download_folder == "data"
    assert settings.url == "https://api.figshare.com/v2"
