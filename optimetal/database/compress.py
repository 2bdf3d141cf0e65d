"""A folder of database entries -> one file of records, and a table of what had to be left out."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from optimetal.database.entries import BadEntry, Record, entry_files, read_entries
from optimetal.database.store import write_records
from optimetal.files import whole_file

log = logging.getLogger(__name__)


def compress(
    folder: str | Path,
    records_file: str | Path,
    quarantine_file: str | Path,
    max_bad_share: float,
    jobs: int = 1,
) -> None:
    """Compress all entries of a folder.

    Args:
        folder: Holds the ``database_*`` folders.
        records_file: Columnar HDF5 file to write.
        quarantine_file: CSV of the files left out, with reason and detail; written in every case.
        max_bad_share: Share of bad files (0 to 1) above which the run stops.
        jobs: Worker processes; the result does not depend on it.

    Raises:
        FileNotFoundError: If the folder holds no entries.
        ValueError: If more than the allowed share of the files is bad.
    """
    files = entry_files(folder)
    bad: list[BadEntry] = []
    outcomes = tqdm(read_entries(files, jobs), "entries", len(files), disable=None)
    try:
        write_records(records_file, _good(outcomes, bad, max_bad_share * len(files)))
    finally:
        with whole_file(quarantine_file) as temporary:
            table = pd.DataFrame(map(asdict, bad), columns=["file", "reason", "detail"])
            table.to_csv(temporary, index=False)
    reasons = table["reason"].value_counts().to_dict()
    log.info(
        "%d of %d entries compressed, quarantined: %s",
        len(files) - len(bad),
        len(files),
        reasons or "none",
    )


def _good(
    outcomes: Iterable[Record | BadEntry], bad: list[BadEntry], max_bad: float
) -> Iterator[Record]:
    """The records; bad entries are collected on the way, and too many of them end the run."""
    for outcome in outcomes:
        if isinstance(outcome, Record):
            yield outcome
            continue
        bad.append(outcome)
        log.warning("%s is left out (%s: %s)", outcome.file, outcome.reason, outcome.detail)
        if len(bad) > max_bad:
            raise ValueError(
                f"{len(bad)} entries are bad, {max_bad:g} are allowed (`database.max_bad_share` of all); the last "
                f"one is {outcome.file} ({outcome.reason}: {outcome.detail}). All are named in the log: mend or "
                "remove them, or raise the share."
            )
