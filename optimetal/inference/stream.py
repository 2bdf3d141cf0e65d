"""Predictions for any number of files, which stream through: memory does not grow with them.

Files are read and turned into graphs, in processes of their own if wanted and a bounded number of
crystals ahead; the networks run here, in batches. Outcomes come in the order of the files, whatever
the number of processes. What cannot be read or predicted is an outcome with its reason.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from optimetal.inference.preparation import Prepared, Settings, prepare
from optimetal.inference.structures import Source, StructureFile, read_file, reason

if TYPE_CHECKING:
    from optimetal.inference.models import Ensemble
    from optimetal.inference.prediction import Prediction

AHEAD: Final = 256
"""Crystals that each process may have ready before they are taken."""

_STARTED: Final = "started"
_END_OF_FILE: Final = "end of file"
_END_OF_PROCESS: Final = "end of process"


@dataclass(frozen=True)
class Outcome:
    """One crystal of a file with its prediction, or why it has none."""

    name: str
    file: str
    prediction: "Prediction | None" = None
    error: str = ""


@dataclass(frozen=True)
class Candidate:
    """One crystal of a file ready for the networks, or why it is not."""

    name: str
    file: str
    prepared: Prepared | None = None
    error: str = ""


def predict_files(
    ensemble: "Ensemble",
    files: Sequence[StructureFile],
    *,
    jobs: int = 1,
    batch_size: int = 64,
    passive: bool = False,
    reduce: bool = True,
) -> Iterator[Outcome]:
    """Predictions for the crystals of many files, in their order.

    Names that occur again get a number, "Cu-2".

    Args:
        ensemble: From :func:`optimetal.load_model`.
        files: From :func:`optimetal.inference.structures.find_files`.
        jobs: Processes that read files and build graphs; 1: this one does.
        batch_size: Crystals per forward pass.
        passive: Whether to set negative values of Im ε, of the interband part, to 0.
        reduce: Whether to reduce cells to primitive ones; no prediction depends on it.

    Raises:
        ValueError: If ``jobs`` or ``batch_size`` is not positive.
    """
    for name, value in (("jobs", jobs), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    settings = replace(ensemble.settings, reduce=reduce)
    candidates = _named_apart(prepare_files(files, settings, jobs))
    batches = _batches(candidates, batch_size)
    return chain.from_iterable(_predicted(ensemble, batch, passive) for batch in batches)


def prepare_files(
    files: Sequence[StructureFile], settings: Settings, jobs: int = 1
) -> Iterator[Candidate]:
    """Graphs of the crystals of many files, in their order.

    File n is read by process n modulo ``jobs``; one that crashes costs the file at which it did.
    A script that asks for several jobs must keep its calls below ``if __name__ == "__main__":``.

    Args:
        files: From :func:`optimetal.inference.structures.find_files`.
        settings: Of the ensemble that will see them.
        jobs: Processes; 1: this one.

    Raises:
        ChildProcessError: If the processes cannot start.
    """
    jobs = min(jobs, len(files))
    if jobs <= 1:
        for file in files:
            yield from _prepare_file(file, settings)
        return
    with ExitStack() as stack:
        readers = [
            stack.enter_context(_Reader(files[first::jobs], settings)) for first in range(jobs)
        ]
        for number in range(len(files)):
            yield from readers[number % jobs].next_file()


def _prepare_file(file: StructureFile, settings: Settings) -> Iterator[Candidate]:
    for source in read_file(file):
        yield _prepare(source, settings)


def _prepare(source: Source, settings: Settings) -> Candidate:
    if source.error:
        return Candidate(source.name, source.file, error=source.error)
    try:
        prepared = prepare(source.structure, source.name, settings)
    except Exception as error:  # whatever is odd about one crystal, the others go on
        return Candidate(source.name, source.file, error=reason(error))
    prepared = replace(prepared, warnings=source.doubts + prepared.warnings)
    return Candidate(source.name, source.file, prepared)


class _Reader:
    """A process that prepares its share of the files, and a thread here that takes what it sends.

    The thread's queue bounds how far the process runs ahead: when it is full the pipe fills up,
    and the process waits.
    """

    def __init__(self, files: Sequence[StructureFile], settings: Settings) -> None:
        self.files = files
        self.settings = settings
        self.num_taken = 0
        self._start()

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        while self.thread.is_alive():  # it may wait for room in its queue
            self._drain()
            self.thread.join(0.01)
        self.process.join()

    def next_file(self) -> Iterator[Candidate]:
        """The crystals of the next file; the process is replaced if it dies over them."""
        file = self.files[self.num_taken]
        self.num_taken += 1
        while (item := self.ready.get()) not in (_END_OF_FILE, _END_OF_PROCESS):
            if item == _STARTED:
                self.has_started = True
            else:
                yield item
        if item == _END_OF_PROCESS:
            yield self._crash(file)
            self._start()

    def _crash(self, file: StructureFile) -> Candidate:
        self.process.join()
        ending = f"ended with code {self.process.exitcode}"
        if not self.has_started:
            raise ChildProcessError(
                f"The processes that should read files {ending} before they began: read with one job. "
                'In a script of your own, put its calls below `if __name__ == "__main__":`.'
            )
        cause = f"the process that read it {ending}: it may be too large for the memory"
        return Candidate(file.name, file.path, error=cause)

    def _start(self) -> None:
        spawn = get_context("spawn")  # a fork would copy the locks of torch's threads
        receiver, sender = spawn.Pipe(duplex=False)
        rest = self.files[self.num_taken :]
        self.has_started = False
        self.ready: Queue[Any] = Queue(AHEAD)
        self.process = spawn.Process(
            target=_prepare_share, args=(rest, self.settings, sender), daemon=True
        )
        self.process.start()
        sender.close()  # so that the end of the process is the end of the pipe
        self.thread = Thread(target=_receive, args=(receiver, self.ready), daemon=True)
        self.thread.start()

    def _drain(self) -> None:
        try:
            while True:
                self.ready.get_nowait()
        except Empty:
            pass


def _prepare_share(files: Sequence[StructureFile], settings: Settings, sender: Connection) -> None:
    sender.send(_STARTED)
    for file in files:
        for candidate in _prepare_file(file, settings):
            sender.send(candidate)
        sender.send(_END_OF_FILE)


def _receive(receiver: Connection, ready: Queue) -> None:
    try:
        while True:
            ready.put(receiver.recv())
    except (EOFError, OSError):
        ready.put(_END_OF_PROCESS)


def _named_apart(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    seen: Counter[str] = Counter()
    for candidate in candidates:
        name = candidate.name
        while seen[name]:
            seen[candidate.name] += 1
            name = f"{candidate.name}-{seen[candidate.name]}"
        seen[name] += 1
        if name != candidate.name:
            prepared = candidate.prepared and replace(candidate.prepared, name=name)
            candidate = replace(candidate, name=name, prepared=prepared)
        yield candidate


def _batches(candidates: Iterable[Candidate], batch_size: int) -> Iterator[list[Candidate]]:
    """Batches with so many crystals to predict, and the failed ones between them."""
    batch: list[Candidate] = []
    num_prepared = 0
    for candidate in candidates:
        batch.append(candidate)
        num_prepared += candidate.prepared is not None
        if num_prepared == batch_size:
            yield batch
            batch, num_prepared = [], 0
    yield batch


def _predicted(
    ensemble: "Ensemble", batch: Sequence[Candidate], passive: bool
) -> Iterator[Outcome]:
    """Outcomes of a batch; where it fails as a whole, its crystals are tried one by one."""
    from optimetal.inference.predict import predict_prepared

    prepared = [candidate.prepared for candidate in batch if candidate.prepared]
    size = max(len(prepared), 1)
    try:
        predictions = iter(
            predict_prepared(ensemble, prepared, batch_size=size, passive=passive)
            if prepared
            else ()
        )
    except (RuntimeError, ValueError) as error:  # RuntimeError: too large for the memory
        if len(prepared) > 1:
            for candidate in batch:
                yield from _predicted(ensemble, [candidate], passive)
            return
        batch = [replace(c, error=c.error or reason(error), prepared=None) for c in batch]
        predictions = iter(())
    for candidate in batch:
        prediction = next(predictions) if candidate.prepared else None
        yield Outcome(candidate.name, candidate.file, prediction, candidate.error)
