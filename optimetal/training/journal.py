"""What a run tells while it lasts: a progress bar, log lines, TensorBoard, its status."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from optimetal.training.interruption import Interrupted
from optimetal.training.status import Status

log = logging.getLogger(__name__)

TENSORBOARD_TAGS: Final = {
    "train_loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "lr": "train/learning_rate",
    "val_loss": "val/loss",
    "val_eps": "val/eps",
    "val_drude": "val/drude",
}


@contextmanager
def own_log(file: Path | None) -> Iterator[None]:
    """Append the library's log lines, and the error that ends a run, to a file of the run itself.

    A workflow may begin its log anew with each start; this one tells of all of them.

    Args:
        file: The log; none: another process writes it, this one reports only what is wrong.
    """
    library = logging.getLogger("optimetal")
    handler = logging.FileHandler(file) if file else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s"))
    level = library.level
    library.addHandler(handler)
    library.setLevel(logging.INFO if file else logging.WARNING)
    try:
        yield
    except Interrupted as stop:
        log.warning("%s; the state is saved: start again to go on", stop)
        raise
    except Exception:
        log.exception("the training failed")
        raise
    finally:
        library.setLevel(level)
        library.removeHandler(handler)
        handler.close()


class Journal:
    """Shows every epoch to whoever looks.

    Args:
        name: Of the run.
        first_epoch: Epoch to do next, from 0; what TensorBoard knows of later ones is void.
        epochs: How many there will be.
        tensorboard: Folder of TensorBoard's log; none: no log and no bar, another process shows them.
        status: The run's status.
    """

    def __init__(
        self, name: str, first_epoch: int, epochs: int, tensorboard: Path | None, status: Status
    ) -> None:
        """Open the bar and the log."""
        self.status = status
        self.status.update(epoch=first_epoch, epochs=epochs)
        self._writer = tensorboard and SummaryWriter(tensorboard, purge_step=first_epoch)
        self._bar = tqdm(
            desc=name,
            total=epochs,
            initial=first_epoch,
            unit="epoch",
            disable=None if tensorboard else True,
            leave=False,
        )

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done; its row of history."""
        if self._writer:
            for name, tag in TENSORBOARD_TAGS.items():
                self._writer.add_scalar(tag, row[name], row["epoch"])
        self._bar.set_postfix(
            {"train": row["train_loss"], "val": row["val_loss"], "lr": row["lr"]}, refresh=False
        )
        self._bar.update()
        shown = {name: row[name] for name in ("train_loss", "val_loss", "lr", "recoveries")}
        self.status.update(epoch=row["epoch"] + 1, seconds_per_epoch=row["seconds"], **shown)
        log.info(
            "epoch %d: train %.4f, val %.4f, lr %.3g, gradient %.3g, %.2f s",
            *(row[name] for name in ("epoch", "train_loss", "val_loss", "lr", "grad_norm")),
            row["seconds"],
        )

    def flush(self) -> None:
        """Bring TensorBoard's log to disk: what a checkpoint counts as done must not get lost."""
        if self._writer:
            self._writer.flush()

    def close(self) -> None:
        """Close the bar and the log."""
        self._bar.close()
        if self._writer:
            self._writer.close()
