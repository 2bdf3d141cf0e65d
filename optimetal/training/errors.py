"""Why a training ends without what was asked for."""


class TrainingError(RuntimeError):
    """A training cannot go on."""


class Diverged(TrainingError):
    """The loss stays not finite although every material alone is fine: that is what these settings lead to."""
