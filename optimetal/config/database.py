"""Settings of the database: computed here, on disk, or the published one on figshare."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, model_validator

from optimetal.config.base import Settings
from optimetal.config.surrogate import SurrogateSettings


class DatabaseSettings(Settings):
    """Where crystals and spectra come from."""

    source: Literal["surrogate", "folder", "figshare_full", "figshare_ml"] = Field(
        description="surrogate: the embedded tight-binding database (not ab initio). folder: a database on disk. "
        "figshare_full: the published database is downloaded (articles 31111798 and 31112491). figshare_ml: the "
        "published data for learning are downloaded (article 31112554), already split: `splits` has no effect."
    )
    folder: str | None = Field(
        default=None,
        description="With source folder: holds the folders database_*/ of JSON entries. Compression is repeated when "
        "entries are added, removed or changed (name, size or time).",
    )
    expected: Literal["published", "any"] = Field(
        default="published",
        description="With source folder: published: it must be the published database, folder by folder. any: a "
        "database of your own.",
    )
    allow_partial: bool = Field(
        default=False,
        description="Whether entries of the published database may be missing; the log then says which.",
    )
    download_folder: str = Field(
        default="data",
        description="Where downloads go: a source on figshare, which is unpacked there too, in a folder named like "
        "the source; lists of `splits` in published_splits. Not below the results, so that removing those keeps them.",
    )
    url: str = Field(
        default="https://api.figshare.com/v2",
        description="With a source on figshare: address of figshare's interface, or of a mirror of it.",
    )
    surrogate: SurrogateSettings = Field(
        default=SurrogateSettings(), description="With source surrogate: size and chemistry."
    )
    max_bad_share: NonNegativeFloat = Field(
        default=0.01,
        le=1,
        description="Share of bad entries above which compression stops (0 to 1).",
    )

    @model_validator(mode="after")
    def _folder_is_given(self) -> "DatabaseSettings":
        if (self.source == "folder") != (self.folder is not None):
            raise ValueError("`folder` must be given with `source: folder`, and only then")
        return self
