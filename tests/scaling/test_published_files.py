"""Download of the result files, from a server on this machine."""

import gzip
import hashlib
import logging
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from optimetal.scaling.published_files import FILES, LISTS, RemoteFile, download_published

COMMIT = "0" * 40
CONTENTS = {"a.json": b'{"a": 1}', "ablation/b.json": b"[]"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def served(tmp_path):
    """Folder of a served repository with two result files."""
    folder = tmp_path / "server" / COMMIT / "research"
    for name, content in CONTENTS.items():
        (folder / "remote" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "remote" / name).write_bytes(content)
    return folder


@pytest.fixture
def url(tmp_path, served):
    handler = partial(Quiet, directory=str(tmp_path / "server"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def files():
    return {
        name: RemoteFile(f"remote/{name}", hashlib.sha256(content).hexdigest())
        for name, content in CONTENTS.items()
    }


def written(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_arrive_under_our_names(url, files, tmp_path):
    download_published(tmp_path / "here", url, COMMIT, files=files)
    assert written(tmp_path / "here") == CONTENTS


def test_what_is_there_and_right_stays_and_what_is_wrong_is_fetched_again(url, files, tmp_path):
    download_published(tmp_path / "here", url, COMMIT, files=files)
    before = (tmp_path / "here/a.json").stat().st_mtime_ns
    (tmp_path / "here/ablation/b.json").write_bytes(b"[1]")
    download_published(tmp_path / "here", url, COMMIT, files=files)
    assert written(tmp_path / "here") == CONTENTS
    assert (tmp_path / "here/a.json").stat().st_mtime_ns == before


def test_a_wrong_checksum_is_named_and_nothing_is_kept(url, served, files, tmp_path):
    (served / "remote/a.json").write_bytes(b'{"a": 2}')
    with pytest.raises(
        ValueError, match=rf"research/remote/a\.json is not.*{files['a.json'].sha256}"
    ):
        download_published(tmp_path / "here", url, COMMIT, files=files, retries=0)
    assert written(tmp_path / "here") == {}


def test_a_missing_file_is_named(url, served, files, tmp_path):
    (served / "remote/ablation/b.json").unlink()
    with pytest.raises(OSError, match=r"(?s)cannot download .*b\.json: 404.*published\.folder"):
        download_published(tmp_path / "here", url, COMMIT, files=files, retries=0)
    assert written(tmp_path / "here") == {"a.json": CONTENTS["a.json"]}


def test_errors_refer_to_the_section_that_asks(url, served, files, tmp_path):
    (served / "remote/a.json").write_bytes(b"")
    with pytest.raises(ValueError, match="check the address in `splits`"):
        download_published(tmp_path, url, COMMIT, files=files, section="splits", retries=0)
    (served / "remote/a.json").unlink()
    with pytest.raises(OSError, match=r"address in `splits`.*folder .* in `splits\.folder`"):
        download_published(tmp_path, url, COMMIT, files=files, section="splits", retries=0)


def test_no_server_is_an_error_that_says_what_to_do(files, tmp_path):
    with pytest.raises(OSError, match="check the network"):
        download_published(tmp_path, "http://127.0.0.1:9", COMMIT, files=files, retries=0)


def test_a_download_that_fails_once_is_tried_again(url, files, tmp_path, monkeypatch, caplog):
    tries = []
    get = Quiet.do_GET

    def fail_once(self):
        tries.append(self.path)
        return self.send_error(503) if len(tries) == 1 else get(self)

    monkeypatch.setattr(Quiet, "do_GET", fail_once)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    with caplog.at_level(logging.INFO):
        download_published(tmp_path / "here", url, COMMIT, files=files)
    assert written(tmp_path / "here") == CONTENTS
    assert len(tries) == len(CONTENTS) + 1


def test_checksums_are_those_of_the_published_files(parity):
    folder = parity / ".." / ".." / "published"
    if not folder.is_dir():
        pytest.skip(f"no published measurements at {folder}")
    for name, file in FILES.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file.sha256, name


def test_checksums_are_those_of_the_published_lists(parity):
    folder = parity / ".." / ".." / "published" / "data_splits"
    if not folder.is_dir():
        pytest.skip(f"no published lists at {folder}")
    for name, file in LISTS.items():
        content = gzip.decompress((folder / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == file.sha256, name
