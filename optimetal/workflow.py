"""What the scripts of the workflow share."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def logged(path: str) -> Iterator[None]:
    """Send the library's log lines, warnings and any uncaught error of a script to the rule's log file.

    Snakemake removes the log of a rule before each start, so it holds the last one alone.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=path, level=logging.INFO, format=FORMAT, force=True)
    logging.captureWarnings(True)
    # a hundred lines for every figure
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    try:
        yield
    except Exception:
        logging.getLogger("optimetal").exception("The rule failed.")
        raise
