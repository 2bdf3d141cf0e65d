"""Downloads from a server that drops, throttles, lies and changes: the right file or a clear error."""

import hashlib
from email.utils import formatdate

import pytest
import requests

from optimetal.database import transfer
from optimetal.database.transfer import Client, RefusedError, TransientError, part_of

CONTENT = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(transfer, "CHUNK", 1 << 12)


@pytest.fixture
def address(figshare):
    figshare.add(1, {"x.zip": CONTENT})
    return f"{figshare.url}/files/1000"


def fetch(client, address, path, content=CONTENT, addresses=None, report=lambda n: None):
    md5 = hashlib.md5(content).hexdigest()
    client.fetch(addresses or [address], path, len(content), md5, report)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_and_its_bytes_are_counted(client, address, tmp_path):
    counted = []
    fetch(client, address, tmp_path / "x.zip", report=counted.append)
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)
    assert names(tmp_path) == ["x.zip"]


def test_an_empty_file_arrives(client, figshare, tmp_path):
    figshare.add(2, {"empty": b""})
    fetch(client, f"{figshare.url}/files/2000", tmp_path / "empty", b"")
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_dropped_connection_goes_on_where_it_ended(client, address, figshare, tmp_path):
    figshare.faults = ["drop"]
    counted = []
    fetch(client, address, tmp_path / "x.zip", report=counted.append)
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)
    (_, first), (_, second) = figshare.requests
    assert first is None
    begin = int(second.removeprefix("bytes=").removesuffix("-"))
    assert 0.4 * len(CONTENT) < begin <= 0.5 * len(CONTENT)


def test_progress_makes_attempts_count_anew(client, address, figshare, tmp_path):
    figshare.faults = ["drop"] * 4  # half of the rest each time, with 3 attempts
    fetch(client, address, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert len(figshare.requests) == 5


def test_a_later_run_goes_on_too(client, address, figshare, tmp_path):
    part_of(tmp_path / "x.zip").write_bytes(CONTENT[:50_000])
    fetch(client, address, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert figshare.requests[0][1] == "bytes=50000-"


def test_a_server_without_ranges_begins_again(client, address, figshare, tmp_path):
    figshare.faults = ["drop", "no range"]
    counted = []
    fetch(client, address, tmp_path / "x.zip", report=counted.append)
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)
    assert min(counted) < 0


@pytest.mark.parametrize("rest", [b"other" * 10_000, CONTENT + b"more", b"other" * 20_480])
def test_the_rest_of_another_file_is_thrown_away(client, address, tmp_path, rest):
    part_of(tmp_path / "x.zip").write_bytes(rest)
    fetch(client, address, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_servers_is_thrown_away(client, figshare, address, tmp_path):
    figshare.add(1, {"x.zip": CONTENT[:1000]})
    part_of(tmp_path / "x.zip").write_bytes(CONTENT[:50_000])
    with pytest.raises(OSError, match="answers 416"):
        fetch(client, address, tmp_path / "x.zip")
    assert figshare.requests[1][1] is None


def test_a_wrong_file_is_not_kept(client, address, figshare, tmp_path):
    figshare.add(1, {"x.zip": CONTENT[::-1]})
    expected = hashlib.md5(CONTENT).hexdigest()
    with pytest.raises(
        ValueError, match=rf"files/1000 is not the listed.*{expected}, got [0-9a-f]{{32}}"
    ):
        fetch(client, address, tmp_path / "x.zip")
    assert names(tmp_path) == []


def test_a_file_that_is_too_long_is_not_kept(client, address, figshare, tmp_path):
    figshare.add(1, {"x.zip": CONTENT + CONTENT})
    with pytest.raises(OSError, match=f"longer than the listed {len(CONTENT)} bytes"):
        fetch(client, address, tmp_path / "x.zip")
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again_when_it_says(client, address, figshare, pauses, tmp_path):
    figshare.faults = [429, 500]
    fetch(client, address, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert pauses[0] == 7
    assert 3 <= pauses[1] <= 5  # the second failure in a row: 4 s, spread


def test_a_broken_server_is_given_up_after_some_attempts(
    client, address, figshare, pauses, tmp_path
):
    figshare.faults = [503] * 9
    with pytest.raises(OSError, match=r"cannot download x\.zip: .*files/1000 answers 503"):
        fetch(client, address, tmp_path / "x.zip")
    assert (len(figshare.requests), len(pauses)) == (3, 2)


def test_a_refusal_is_final_but_another_address_is_tried(
    client, address, figshare, pauses, tmp_path
):
    figshare.faults = ["challenge"]
    other = f"{figshare.url}/file/download/1000"
    fetch(client, address, tmp_path / "x.zip", addresses=[address, other])
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert [path for path, _ in figshare.requests] == ["/files/1000", "/file/download/1000"]
    assert pauses == []


def test_all_refusals_are_told(client, address, figshare, tmp_path):
    figshare.faults = ["challenge", 403]
    with pytest.raises(OSError, match=r"202 .*lets browsers pass.*403"):
        fetch(client, address, tmp_path / "x.zip", addresses=[address, address])


def test_a_server_that_is_not_there_is_named(client, pauses, tmp_path):
    with pytest.raises(OSError, match=r"127\.0\.0\.1:9/files/1 does not answer"):
        fetch(client, "http://127.0.0.1:9/files/1", tmp_path / "x.zip")
    assert len(pauses) == 2


def test_a_stopped_client_ends(client, address, tmp_path):
    client.stopped.set()
    with pytest.raises(InterruptedError):
        fetch(client, address, tmp_path / "x.zip")


def test_json_is_read_with_retries(client, figshare, pauses):
    figshare.add(1, {})
    figshare.list_faults = [500, 429]
    assert client.json(f"{figshare.url}/articles/1")["version"] == 1
    assert len(pauses) == 2
    figshare.list_faults = ["no json"]
    with pytest.raises(RefusedError, match=r"expected JSON from .*/articles/1, got '<html>'"):
        client.json(f"{figshare.url}/articles/1")


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("12", 12, 12), (formatdate(0, usegmt=True), 0, 0), ("soon", None, None), ("", None, None)],
)
def test_retry_after_is_a_number_or_a_date(value, low, high):
    answer = requests.Response()
    answer.status_code, answer.reason = 503, "busy"
    answer.headers["Retry-After"] = value
    with pytest.raises(TransientError) as caught:
        transfer._check_status(answer, "url")
    wait = caught.value.wait
    assert wait is None if low is None else low <= wait <= high


def test_no_server_makes_it_wait_for_hours(pauses):
    client = Client(sleep=pauses.append)
    client._pause(TransientError("x", wait=86_400.0), 1)
    client._pause(TransientError("x"), 20)
    assert pauses == [transfer.LONGEST_WAIT] * 2
