"""Large files over HTTP: resumed after a failure, right in the end or not there at all.

The small result files of the study are fetched with pooch. It neither goes on with a partial file nor
waits as long as a server asks, and it counts attempts where a file of many GB needs to count attempts
*without progress*; hence requests and the few lines here.
"""

import hashlib
import logging
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeVar

import requests

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHUNK: Final = 1 << 20
"""Bytes read at a time."""

TIMEOUT: Final = (15.0, 60.0)
"""Longest silence of a server in s: until it accepts a connection, and between two pieces."""

LONGEST_WAIT: Final = 600.0
"""Longest pause between two attempts in s, whatever a server asks for."""


class TransientError(OSError):
    """A failure that may be gone at the next attempt; ``wait`` is the pause in s a server asked for."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        """The message names the address."""
        super().__init__(message)
        self.wait = wait


class RefusedError(OSError):
    """An answer that will be the same at the next attempt; ``code`` is its HTTP status, if any."""

    def __init__(self, message: str, code: int | None = None) -> None:
        """The message names the address."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Client:
    """Reads from servers that fail now and then."""

    attempts: int = 6
    """Attempts without progress after which it gives up."""
    sleep: Callable[[float], object] | None = None
    """How it waits; none: really, but not after :attr:`stopped` is set."""
    stopped: Event = field(default_factory=Event)
    """Set it to end all transfers of this client, in other threads too."""

    def json(self, url: str, **query: int) -> Any:
        """Content of a JSON address.

        Raises:
            TransientError: If the server does not answer after all attempts.
            RefusedError: If it refuses, or the answer is no JSON.
        """
        return self._repeat(partial(self._json, url, query))

    def fetch(
        self,
        addresses: Sequence[str],
        path: Path,
        size: int,
        md5: str,
        report: Callable[[int], object] = lambda num_bytes: None,
    ) -> None:
        """Download a file; what an earlier call left in ``<path>.part`` is not fetched again.

        Args:
            addresses: Where the file can be had; the next one is asked when one fails for good.
            path: Where it shall be; it appears when size and checksum are right.
            size: Its size in bytes.
            md5: Its MD5 in hexadecimal digits.
            report: Called with the bytes that were added, less than 0 for those thrown away.

        Raises:
            OSError: If no address delivers the file, or another client stopped this one.
            ValueError: If what was delivered is not the file.
        """
        part = part_of(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        resumed = file_size(part) > 0
        self._fetch_from_any(addresses, part, size, report)
        if (found := md5_of(part)) != md5:
            _throw_away(part, report)
            if resumed:  # the beginning may be that of another file
                logger.warning("%s: wrong MD5 after resuming, starting over", path.name)
                return self.fetch(addresses, path, size, md5, report)
            raise ValueError(
                f"{path.name} from {addresses[0]} is not the listed file: expected MD5 {md5}, got {found}. Nothing "
                "of it was kept; try again later or report it to the owner of the data."
            )
        _flush(part)
        os.replace(part, path)

    def _fetch_from_any(
        self, addresses: Sequence[str], part: Path, size: int, report: Callable[[int], object]
    ) -> None:
        failures = []
        for address in addresses:
            try:
                step = partial(self._continue, address, part, size, report)
                return self._repeat(step, progress=partial(file_size, part))
            except (TransientError, RefusedError) as error:
                failures.append(str(error))
        raise OSError(f"cannot download {part.stem}: {'; '.join(failures)}")

    def _repeat(self, step: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
        """Repeat a step until it succeeds; give up after some attempts in a row without progress."""
        idle, reached = 0, progress()
        while True:
            if self.stopped.is_set():
                raise InterruptedError("the transfer was stopped")
            try:
                return step()
            except TransientError as error:
                idle = 1 if progress() > reached else idle + 1
                reached = max(reached, progress())
                if idle >= self.attempts:
                    raise
                self._pause(error, idle)

    def _pause(self, error: TransientError, idle: int) -> None:
        wait = error.wait
        if wait is None:  # spread, so that parallel transfers do not come back at once
            wait = 2.0**idle * random.uniform(0.75, 1.25)
        wait = min(wait, LONGEST_WAIT)
        logger.warning("%s; next attempt in %.0f s", error, wait)
        (self.sleep or self.stopped.wait)(wait)

    def _json(self, url: str, query: dict[str, int]) -> Any:
        with _get(url, query) as answer:
            try:
                return answer.json()
            except requests.JSONDecodeError as error:
                raise RefusedError(f"expected JSON from {url}, got {error.doc[:80]!r}") from error

    def _continue(
        self, address: str, part: Path, size: int, report: Callable[[int], object]
    ) -> None:
        """One attempt: add what is missing to the partial file."""
        start = file_size(part)
        if start > size:
            _throw_away(part, report)
            start = 0
        if start == size > 0:
            return
        try:
            self._append(address, part, start, size, report)
        except RefusedError as error:
            if error.code != requests.codes.range_not_satisfiable:
                raise
            _throw_away(part, report)
            raise TransientError(f"{error}, starting over", wait=0.0) from error
        if (came := file_size(part)) < size:
            raise TransientError(f"{address} ended after {came} of {size} bytes")
        if came > size:
            _throw_away(part, report)
            raise RefusedError(f"{address} is longer than the listed {size} bytes")

    def _append(
        self, address: str, part: Path, start: int, size: int, report: Callable[[int], object]
    ) -> None:
        """Write what comes behind the first ``start`` bytes, at most one piece too much."""
        with _get(address, start=start) as answer:
            if answer.headers.get("Content-Range", "").split("-")[0] != f"bytes {start}":
                report(-start)  # the server begins at the beginning, whatever was asked for
                start = 0
            with open(part, "ab" if start else "wb") as file:
                for chunk in self._chunks(answer, address):
                    file.write(chunk)
                    report(len(chunk))
                    if file.tell() > size:
                        break

    def _chunks(self, answer: requests.Response, address: str) -> Iterator[bytes]:
        try:
            for chunk in answer.iter_content(CHUNK):
                if self.stopped.is_set():
                    raise InterruptedError("the transfer was stopped")
                yield chunk
        except requests.RequestException as error:
            raise TransientError(f"{address}: {error}") from error


@contextmanager
def _get(
    url: str, query: dict[str, int] | None = None, start: int = 0
) -> Iterator[requests.Response]:
    """An answer with content, from the ``start``-th byte on if the server can do that."""
    headers = {"User-Agent": "optimetal", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        answer = requests.get(url, query, headers=headers, stream=True, timeout=TIMEOUT)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise TransientError(f"{url} does not answer: {error}") from error
    except requests.RequestException as error:
        raise RefusedError(f"{url} cannot be read: {error}") from error
    with answer:
        _check_status(answer, url)
        yield answer


def _check_status(answer: requests.Response, url: str) -> None:
    code = answer.status_code
    if code in (requests.codes.ok, requests.codes.partial_content):
        return
    message = f"{url} answers {code} {answer.reason}"
    if code in (408, 425, 429) or code >= 500:
        raise TransientError(message, _retry_after(answer))
    if "challenge" in answer.headers.get("x-amzn-waf-action", ""):
        message += " (a firewall that lets browsers pass only)"
    raise RefusedError(message, code)


def _retry_after(answer: requests.Response) -> float | None:
    """Pause in s that a server asks for, as a number or a date."""
    value = answer.headers.get("Retry-After", "")
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def part_of(path: Path) -> Path:
    """Where a file is collected until it is whole."""
    return path.with_name(path.name + ".part")


def file_size(path: Path) -> int:
    """Size in bytes; 0 where there is no file."""
    return path.stat().st_size if path.exists() else 0


def md5_of(path: Path) -> str:
    """MD5 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _throw_away(part: Path, report: Callable[[int], object]) -> None:
    report(-file_size(part))
    part.unlink()


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
