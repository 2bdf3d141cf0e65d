"""Optical spectra of metals from crystal structure, and how their prediction scales.

    >>> from optimetal import load_model, predict
    >>> predict(structure).plot()

Names are imported when they are first used, so that ``import optimetal`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from optimetal.inference.models import Ensemble, find_models, load_model
    from optimetal.inference.predict import predict
    from optimetal.inference.prediction import Prediction

__all__ = ["Ensemble", "Prediction", "find_models", "load_model", "predict"]

_HOME: Final = {
    "Ensemble": "models",
    "Prediction": "prediction",
    "find_models": "models",
    "load_model": "models",
    "predict": "predict",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'optimetal' has no attribute {name!r}")
    return getattr(import_module(f"optimetal.inference.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
