"""The log of a rule."""

import subprocess
import sys

SCRIPT = """
import logging, warnings
from optimetal.workflow import logged

with logged("logs/rule.log"):
    logging.getLogger("optimetal.here").info("a step")
    logging.getLogger("fontTools.subset").info("a glyph")
    warnings.warn("a warning")
    raise ValueError("a fault")
"""


def test_steps_warnings_and_the_error_are_in_the_log_of_a_rule(tmp_path):
    # in a process of its own: the loggers of this one are pytest's
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True)
    assert done.returncode == 1
    log = (tmp_path / "logs" / "rule.log").read_text()
    for line in ("INFO optimetal.here: a step", "a warning", "ValueError: a fault"):
        assert line in log
    assert "a glyph" not in log
