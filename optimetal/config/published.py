"""The configuration of the published study: its tables and figures from its own measurements."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from optimetal.config.base import Settings
from optimetal.config.project import ScalingSettings, StudySettings, validated
from optimetal.config.repository import COMMIT, URL

_MODELS: Final = ("2b_cgc", "2b_tc", "3b_tc")
_SIZES: Final = (2500, 5000, 10_000, 20_000, 40_000, 80_000, 160_000)
_WIDTHS: Final = (16, 32, 64, 128, 256, 512, 1024)
_EXPONENTS: Final = (0, 0.1, 0.2, 0.5, 0.9, 1, 1.1, 1.2, 1.5, 1.9, 2)

REFERENCE_WIDTH: Final = 256
"""Width at which the learning rates of the study hold."""

STUDIES: Final[dict[str, StudySettings]] = {
    "data_scaling": StudySettings(models=("optimate", *_MODELS), num_train=_SIZES, fit="num_train"),
    "parameter_scaling": StudySettings(
        models=_MODELS, num_train=(20_000,), widths=_WIDTHS, fit="num_params"
    ),
    "grid": StudySettings(models=("2b_tc", "3b_tc"), num_train=_SIZES, widths=_WIDTHS, fit="grid"),
    "learning_rate_scaling": StudySettings(
        models=("2b_tc",),
        num_train=(20_000,),
        widths=_WIDTHS,
        learning_rate_exponents=_EXPONENTS,
    ),
}
"""The scaling studies as they were run."""


class PublishedFiles(Settings):
    """Where the published result files come from."""

    folder: str | None = Field(
        default=None,
        description="Folder with scaling_results.json, ablation/, other/ ...; none: they are downloaded.",
    )
    url: str = Field(
        default=URL,
        description="Without a folder: address of the authors' repository; <url>/<commit>/research/... are files.",
    )
    commit: str = Field(
        default=COMMIT,
        pattern="^[0-9a-f]{40}$",
        description="Without a folder: commit of that repository. Each file must have the known SHA-256.",
    )


class PublishedProject(Settings):
    """The configuration of the published study (a file with the key `published`)."""

    pathvars: dict[str, str] = Field(
        default_factory=dict,
        description="Folders of Snakemake's path variables <results>, <logs> and <benchmarks>.",
    )
    published: PublishedFiles = Field(description="Where the published result files come from.")
    scaling: ScalingSettings = Field(
        default=ScalingSettings(), description="Which scaling laws are fitted."
    )


def read_published_project(config: Mapping[str, Any]) -> PublishedProject:
    """Validate a configuration of the published study.

    Raises:
        ConfigurationError: Naming every key at fault, what was expected there and what came.
    """
    return validated(PublishedProject, config)
