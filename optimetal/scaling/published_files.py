"""The files of the published study: what they are called, and how they are fetched.

They belong to the repository MaxGrossmann/optimetal (MIT); nothing of them is kept here but their
checksums.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pooch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFile:
    """A file of the repository: its path below ``research/``, and its SHA-256."""

    path: str
    sha256: str


FILES: Final[dict[str, RemoteFile]] = {
    "scaling_results.json": RemoteFile(
        "scaling_data/scaling_results.json",
        "4f95cc1ea5d4a2febc646c3b27705e3e7df766cccd9012be7a504643ca0fd923",
    ),
    "scaling_grid_results.json": RemoteFile(
        "scaling_data/scaling_grid_results.json",
        "b3a020a9dbf89067b1b393682345edd782e90dda8ac36072593d5cca1cc27b4c",
    ),
    "transformer_scaling_results.json": RemoteFile(
        "scaling_data/transformer_scaling_results.json",
        "de5df067e037f10e2631cc753365c9285ef572fa6d48bdb634f5829a266989aa",
    ),
    "other/mlp_addnorm_results.json": RemoteFile(
        "other_data/mlp_addnorm_results.json",
        "1bbfeb054558a40e54fd85d2ea2e75884f7d1c6535aae3311cab5a601b6b3092",
    ),
    "other/spectra_dim_results.json": RemoteFile(
        "other_data/spectra_dim_results.json",
        "f7e15ed56f28b0f1e946f5ce4ca574d96b265774b042469df5514bda04642174",
    ),
    "ablation/2b_node_embedding_results.json": RemoteFile(
        "ablation_data/2b_node_embedding_results.json",
        "bb5c78eb3bf1877b613eddcee17831ded94a720ce0a31bc80f07c7923b2752e0",
    ),
    "ablation/2b_edge_embedding_results.json": RemoteFile(
        "ablation_data/2b_edge_embedding_results.json",
        "b4f947381eabfdc39d9c9cf797a17b00485ae742e84fab3abc84da1e0433c21d",
    ),
    "ablation/2b_mp_results.json": RemoteFile(
        "ablation_data/2b_mp_results.json",
        "0a54ef85e974dfe2f9b7125ebb4e6e3b873e4586ed7152c83b438005f3976b10",
    ),
    "ablation/2b_pool_results.json": RemoteFile(
        "ablation_data/2b_pool_results.json",
        "afa6726b7c7173b3c7c5b52dc7b3e6a666cb7c0b819aa8f61b81f9b2812d00ec",
    ),
    "ablation/2b_interaction_results.json": RemoteFile(
        "ablation_data/2b_interaction_results.json",
        "f8ee30ad2ee3135a370b215a4341b66e6d67efd68161df52cb2db6af8e80c74f",
    ),
    "ablation/3b_mp_results.json": RemoteFile(
        "ablation_data/3b_mp_results.json",
        "61b3bb53812b110a123e7e7af070e1e80d3d013b2f1c5c33596b30549c3cc32c",
    ),
}
"""Our name of each result file -> where it is and what it must be."""

LISTS: Final[dict[str, RemoteFile]] = {
    "train.txt": RemoteFile(
        "data_splits/train.txt",
        "cf577ce646071910631bbb1f1f887b14e2eacc2180b97508254511ea5bb6b761",
    ),
    "val.txt": RemoteFile(
        "data_splits/val.txt",
        "ef3a4a85d7dff2f1b4e0984cde40891b2cf607563a411a24050af30e666d7854",
    ),
    "test.txt": RemoteFile(
        "data_splits/test.txt",
        "2e380520021f02b5ef621fada03589c0fe97818439cc18900d99f1e06276415b",
    ),
}
"""The same of the lists of identifiers that make up each split."""


def download_published(
    folder: Path,
    url: str,
    commit: str,
    *,
    files: Mapping[str, RemoteFile] = FILES,
    section: str = "published",
    retries: int = 1,
) -> None:
    """Fetch result files or others; those that are there already and right stay.

    Each is written whole, after its checksum has been found right.

    Args:
        folder: Where to put them, under our names.
        url: Address of the repository; files are at ``<url>/<commit>/research/<path>``.
        commit: Full name of the commit.
        files: Our names -> files.
        section: Of the configuration, which errors refer to.
        retries: How often a failed download is tried again.

    Raises:
        OSError: If a file cannot be had; the message names its address.
        ValueError: If a file is not the expected one.
    """
    urls = {name: f"{url}/{commit}/research/{file.path}" for name, file in files.items()}
    # its own handler would write to the terminal besides
    pooch.get_logger().setLevel(logging.WARNING)
    store = pooch.create(
        path=folder,
        base_url="",
        registry={name: f"sha256:{file.sha256}" for name, file in files.items()},
        urls=urls,
        retry_if_failed=retries,
    )
    for name, address in urls.items():
        logger.info("fetching %s", address)
        try:
            store.fetch(name)
        except OSError as error:
            raise OSError(
                f"cannot download {address}: {error}; check the network and the address in "
                f"`{section}`, or name a folder with the files in `{section}.folder`"
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{address} is not the expected file: its SHA-256 is not {files[name].sha256}; "
                f"check the address in `{section}`"
            ) from error
