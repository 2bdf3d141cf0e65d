"""Bad entries are listed by file, reason and number, and stop a run when they are too many."""

import logging

import pandas as pd
import pytest

from optimetal.database.entries import BadEntry
from optimetal.database.quarantine import Quarantine

BAD = [
    BadEntry("a.json", "unreadable", "no JSON"),
    BadEntry("b.json", "not finite", "drude_freq"),
    BadEntry("c.json", "not finite", "positions"),
]


def test_the_table_counts_by_reason(tmp_path, caplog):
    with caplog.at_level(logging.INFO), Quarantine(tmp_path / "bad.csv", 3) as quarantine:
        assert list(quarantine.good(BAD)) == []
    table = pd.read_csv(tmp_path / "bad.csv")
    assert table.columns.tolist() == ["file", "reason", "detail", "count"]
    assert table["file"].tolist() == ["a.json", "b.json", "c.json"]
    assert table["count"].tolist() == [1, 2, 2]
    assert caplog.messages[-1] == "quarantined: 2 not finite, 1 unreadable"
    assert "b.json is left out (not finite: drude_freq)" in caplog.messages


def test_too_many_stop_the_run_but_are_listed(tmp_path):
    message = (
        r"At least 3 entries are bad \(2 not finite, 1 unreadable\), 2.5 are allowed \(`database\.max_bad_share` of "
        r"all\); the last one seen is c\.json \(not finite: positions\), all are in .*bad\.csv"
    )
    with pytest.raises(ValueError, match=message), Quarantine(tmp_path / "bad.csv", 2.5) as bad:
        list(bad.good([*BAD, BadEntry("d.json", "unreadable", "")]))
    assert pd.read_csv(tmp_path / "bad.csv")["file"].tolist() == ["a.json", "b.json", "c.json"]


def test_no_bad_entries_are_an_empty_table(tmp_path, caplog):
    with caplog.at_level(logging.INFO), Quarantine(tmp_path / "bad.csv", 0):
        pass
    assert pd.read_csv(tmp_path / "bad.csv").empty
    assert caplog.messages == ["quarantined: none"]
