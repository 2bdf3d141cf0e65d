"""What had to be left out of a database: collected, counted and written to a table."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path

import pandas as pd

from optimetal.database.entries import BadEntry, Record
from optimetal.files import whole_file

logger = logging.getLogger(__name__)


class Quarantine:
    """Lets good records pass and keeps the bad entries, up to a number; a context manager.

    At its end, with or without an error, the bad ones are written to a CSV table.
    """

    def __init__(self, path: str | Path, max_bad: float) -> None:
        """Table to write, and the number of bad entries above which the run stops."""
        self.path = Path(path)
        self.max_bad = max_bad
        self.bad: list[BadEntry] = []

    def __enter__(self) -> "Quarantine":
        return self

    def __exit__(self, *error: object) -> None:
        table = pd.DataFrame(
            [astuple(bad) for bad in self.bad], columns=["file", "reason", "detail"]
        )
        table["count"] = table.groupby("reason")["file"].transform("size")  # with this reason
        with whole_file(self.path) as temporary:
            table.to_csv(temporary, index=False)
        logger.info("quarantined: %s", self._reasons() or "none")

    def _reasons(self) -> str:
        """How many are bad for each reason, the most frequent first."""
        counts = Counter(bad.reason for bad in self.bad).most_common()
        return ", ".join(f"{count} {reason}" for reason, count in counts)

    def good(self, outcomes: Iterable[Record | BadEntry]) -> Iterator[Record]:
        """The records among the outcomes.

        Raises:
            ValueError: If more entries are bad than allowed.
        """
        for outcome in outcomes:
            if isinstance(outcome, Record):
                yield outcome
                continue
            bad = BadEntry(*map(_as_text, astuple(outcome)))
            self.bad.append(bad)
            logger.warning("%s is left out (%s: %s)", bad.file, bad.reason, bad.detail)
            if len(self.bad) > self.max_bad:
                raise ValueError(
                    f"At least {len(self.bad)} entries are bad ({self._reasons()}), {self.max_bad:g} are allowed "
                    f"(`database.max_bad_share` of all); the last one seen is {bad.file} ({bad.reason}: "
                    f"{bad.detail}), all are in {self.path}: mend or remove them, or raise the share."
                )


def _as_text(value: str) -> str:
    """What can be written to a table or a log: neither a name on disk nor the text of JSON need be of characters."""
    return value.encode(errors="backslashreplace").decode()
