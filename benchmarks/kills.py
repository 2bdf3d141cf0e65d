"""Every step of the data path is killed at random moments, and what it makes in the end compared byte by byte.

``python -m benchmarks.kills FOLDER [--entries N] [--kills N] [--cores N]``

Each step is done once undisturbed. Then, again and again: what it made is removed, it is begun in a process of its own,
``kill -9`` ends that process at a random moment of its work, and the step is done again, to its end. All files must
have the SHA-256 of the undisturbed ones.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from benchmarks.crystals import crystals_of_published_sizes
from benchmarks.full_scale import TEMPLATES, build, scaled_counts, write_entries
from optimetal.database.compress import compress
from optimetal.database.figshare import SOURCES, download, unpack_source
from optimetal.database.splits import SPLITS, split_records
from optimetal.workers import start_server

log = logging.getLogger("benchmarks")

SOURCE: Final = "figshare_full"


class Step(NamedTuple):
    """A step of the data path."""

    name: str
    place: Path
    """Folder of all that it makes."""
    function: Callable[..., Any]
    arguments: tuple

    def run(self) -> None:
        """Do it."""
        self.place.parent.mkdir(parents=True, exist_ok=True)
        self.function(*self.arguments)

    def digests(self) -> dict[str, str]:
        """File that it made -> its SHA-256; names that begin with a dot are unfinished files."""
        files = [path for path in sorted(self.place.rglob("*")) if path.is_file()]
        return {
            str(path.relative_to(self.place)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.name[0] != "."
        }


def main() -> None:
    """Read the arguments, kill, log a table; exit code 1 if a file differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("folder", type=Path, help="is emptied")
    parser.add_argument("--entries", type=int, default=300)
    parser.add_argument("--kills", type=int, default=10, help="of each step")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    logging.getLogger("optimetal").setLevel(logging.ERROR)
    shutil.rmtree(arguments.folder, ignore_errors=True)
    rng, differing = random.Random(0), []
    archives = write_archives(arguments.folder / "archives", arguments.entries, arguments.cores)
    with figshare(archives) as url:
        for step in steps(arguments.folder, url, arguments.cores):
            seconds, digests = undisturbed(step)
            moments = []
            for _ in range(arguments.kills):
                moments.append(killed(step, seconds, rng))
                differing += differences(step, digests, moments[-1])
            row = step.name, seconds, len(digests), len(moments), min(moments), max(moments)
            log.info("%-12s %7.2f s, %4d files, killed %d times after %.2f to %.2f s", *row)
    sys.exit("\n".join(differing) or None)


def write_archives(folder: Path, num_entries: int, cores: int) -> list[Path]:
    """Archives of an invented database, one for each of its folders."""
    crystals = list(crystals_of_published_sizes(TEMPLATES, seed=0))
    first, archives = 0, []
    for name, count in scaled_counts(num_entries).items():
        write_entries(folder / name, crystals, np.arange(first, first := first + count), cores)
        archives.append(folder / f"{name}.zip")
        with zipfile.ZipFile(archives[-1], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted((folder / name).iterdir()):
                archive.write(path, f"{name}/{path.name}")
        shutil.rmtree(folder / name)
    return archives


def steps(folder: Path, url: str, cores: int) -> list[Step]:
    """The data path, from a download to graphs."""
    source, dataset, splits, graphs = (
        folder / name for name in (SOURCE, "dataset", "splits", "graphs")
    )
    database, records = source / SOURCES[SOURCE].folder, dataset / "records.h5"
    files = {name: splits / f"{name}.h5" for name in SPLITS}
    quarantine, table = dataset / "quarantine.csv", splits / "splits.csv"
    return [
        Step("download", source, download, (SOURCE, source, url, cores)),
        Step("unpack", database, unpack_source, (SOURCE, source)),
        Step(
            "compress",
            dataset,
            compress,
            (database.parent / "database", records, quarantine, 0.0, cores),
        ),
        Step("split", splits, split_records, (records, files, table, (0.8, 0.1, 0.1), 42)),
        *(
            Step(f"graphs {name}", graphs / name, build, (file, graphs / name / "graphs.h5", cores))
            for name, file in files.items()
        ),
    ]


def undisturbed(step: Step) -> tuple[float, dict[str, str]]:
    """Seconds that a step takes, and the SHA-256 of all that it makes."""
    start = time.perf_counter()
    step.run()
    return time.perf_counter() - start, step.digests()


def killed(step: Step, seconds: float, rng: random.Random) -> float:
    """Begin a step anew, kill it within some seconds, and do it again; when it was killed, s after its begin."""
    start_server(["benchmarks.full_scale"])  # what takes long to import
    context = multiprocessing.get_context("forkserver")
    while True:
        shutil.rmtree(step.place, ignore_errors=True)
        begun, begins = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(step, begins))
        process.start()
        begins.close()  # if the process ends before it begins, so does the wait
        begun.recv()
        time.sleep(moment := rng.uniform(0, seconds))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            break  # else it was faster
        if process.exitcode:
            raise RuntimeError(f"{step.name} failed by itself, with exit code {process.exitcode}.")
    step.run()
    return moment


def _run(step: Step, begins: Any) -> None:
    begins.send(True)
    step.run()


def differences(step: Step, digests: dict[str, str], moment: float) -> list[str]:
    """Files that are not those of the undisturbed step, missing ones and additional ones too."""
    found = step.digests()
    names = sorted(file for file in digests | found if digests.get(file) != found.get(file))
    return [f"{step.name}, killed after {moment:.3f} s: {file} differs" for file in names]


@contextmanager
def figshare(archives: list[Path]) -> Iterator[str]:
    """Address of a server that answers like figshare, with archives in place of those of the articles."""

    class Handler(_Handler):
        files = archives

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked was killed."""


class _Handler(BaseHTTPRequestHandler):
    files: list[Path]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """A list of files, an article, or a file from any byte on."""
        words = urlsplit(self.path).path.strip("/").split("/")
        if words[0] != "articles":
            self.send_file(self.files[int(words[-1])].read_bytes())
        elif words[2:]:
            self.send(json.dumps(self.listing(int(words[1]))).encode())
        else:
            self.send(json.dumps({"id": int(words[1]), "version": 1}).encode())

    def listing(self, article: int) -> list[dict[str, Any]]:
        """Every article has its share of the files."""
        articles = SOURCES[SOURCE].articles
        mine = range(articles.index(article), len(self.files), len(articles))
        contents = {number: self.files[number].read_bytes() for number in mine}
        return [
            {
                "id": number,
                "name": self.files[number].name,
                "size": len(content),
                "computed_md5": hashlib.md5(content).hexdigest(),
            }
            for number, content in contents.items()
        ]

    def send_file(self, content: bytes) -> None:
        """All of it, or what is asked for."""
        wanted = self.headers.get("Range")
        if wanted is None:
            return self.send(content)
        begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self.send(content[begin:], 206, {"Content-Range": span})

    def send(self, content: bytes, code: int = 200, headers: dict[str, str] | None = None) -> None:
        """An answer."""
        self.send_response(code)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    main()
