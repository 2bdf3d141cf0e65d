"""Test an ensemble."""

from pathlib import Path

import torch

from optimetal.config.training import TrainingSettings
from optimetal.evaluation.evaluate import evaluate, load_members
from optimetal.evaluation.results import save_evaluation
from optimetal.graphs.packed import load
from optimetal.training.devices import resolve_device
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        torch.set_num_threads(snakemake.threads)
        training = TrainingSettings.model_validate(snakemake.params.training)
        evaluation = evaluate(
            load_members(snakemake.input.models),
            load(snakemake.input.graphs),
            training,
            snakemake.params.batch_size,
            resolve_device(training.device),
        )
        save_evaluation(evaluation, Path(snakemake.output.metrics).parent)
