"""The published data on figshare, from a server on this machine."""

import errno
import io
import json
import logging
import os
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import get_args

import pytest
from typer.testing import CliRunner

from optimetal.cli import app
from optimetal.config.database import DatabaseSettings
from optimetal.database import archives, transfer
from optimetal.database import figshare as figshare_module
from optimetal.database.archives import ArchiveError
from optimetal.database.figshare import (
    SOURCES,
    changes_since,
    download,
    list_article,
    unpack_source,
)
from optimetal.database.transfer import Client

FULL = {
    31111798: {"database_nsite_1_part_1.zip": b"one" * 1000, "README.txt": b"read me"},
    31112491: {"database_nsite_2_part_1.tar.gz": b"two" * 2000},
}


@pytest.fixture
def published(figshare):
    for number, files in FULL.items():
        figshare.add(number, files)
    return figshare


@pytest.fixture
def fetch(figshare, client, tmp_path):
    def run(source="figshare_full", jobs=1):
        return download(source, tmp_path / "data", f"{figshare.url}/", jobs, client)

    return run


def written(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock.json"
    }


WANTED = {
    "31111798/database_nsite_1_part_1.zip": b"one" * 1000,
    "31112491/database_nsite_2_part_1.tar.gz": b"two" * 2000,
}


@pytest.mark.parametrize("jobs", [1, 3])
def test_archives_of_all_articles_arrive(published, fetch, tmp_path, caplog, jobs):
    with caplog.at_level(logging.INFO):
        files = fetch(jobs=jobs)
    assert written(tmp_path / "data") == WANTED
    assert [str(file.relative_to(tmp_path / "data")) for file in files] == list(WANTED)
    assert "not downloaded: README.txt" in caplog.text


def test_the_lock_says_what_is_there(published, fetch, tmp_path):
    fetch()
    (first, second) = json.loads((tmp_path / "data/lock.json").read_text())["articles"]
    assert (first["id"], first["version"], len(first["files"])) == (31111798, 1, 2)
    assert second["files"][0] | {"md5": ""} == {
        "id": 31112491000,
        "name": "database_nsite_2_part_1.tar.gz",
        "size": 6000,
        "md5": "",
    }
    assert published.url not in (tmp_path / "data/lock.json").read_text()


def test_the_list_is_read_page_by_page(figshare, client, monkeypatch):
    monkeypatch.setattr(figshare_module, "PAGE_SIZE", 3)
    figshare.add(5, {f"{n:02}.zip": b"%d" % n for n in range(7)})
    article = list_article(5, figshare.url, client)
    assert [file.name for file in article.files] == [f"{n:02}.zip" for n in range(7)]
    assert sum("page=" in path for path, _ in figshare.requests) == 4


def test_a_busy_list_is_read_again(published, fetch, pauses, tmp_path):
    published.list_faults = [429, 500]
    published.faults = [503, "drop"]
    fetch()
    assert written(tmp_path / "data") == WANTED
    assert (len(pauses), pauses[0]) == (4, 7)


def test_what_is_there_and_right_stays(published, fetch, tmp_path):
    fetch()
    (tmp_path / "data/31112491/database_nsite_2_part_1.tar.gz").write_bytes(b"two" * 1999 + b"xxx")
    published.requests.clear()
    fetch()
    assert written(tmp_path / "data") == WANTED
    assert len(published.downloads()) == 1


def test_files_of_a_browser_are_taken(published, fetch, tmp_path):
    for name, content in WANTED.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_bytes(content)
    fetch()
    assert published.downloads() == []


def new_version(published):
    published.articles[31112491]["version"] = 2
    return ["article 31112491: was version 1, is version 2"]


def new_contents(published):
    published.articles[31111798]["files"]["database_nsite_1_part_1.zip"] = b"new" * 1000
    return ["31111798/database_nsite_1_part_1.zip: was 3000 bytes, MD5 ", ", is 3000 bytes, MD5 "]


def new_size(published):
    published.articles[31111798]["files"]["database_nsite_1_part_1.zip"] = b"new"
    return ["is 3 bytes"]


def new_names(published):
    files = published.articles[31111798]["files"]
    files["README.md"] = files.pop("README.txt")
    return ["31111798/README.txt is gone", "31111798/README.md is new"]


def new_archive(published):
    published.articles[31111798]["files"]["database_nsite_1_part_2.zip"] = b"x"
    return ["31111798/database_nsite_1_part_2.zip is new"]


def new_suffix(published):
    files = published.articles[31111798]["files"]
    files["database_nsite_1_part_1.tgz"] = files.pop("database_nsite_1_part_1.zip")
    return ["part_1.zip is gone", "part_1.tgz is new"]


@pytest.mark.parametrize("change", [new_contents, new_size, new_archive, new_suffix])
def test_other_contents_stop_a_later_run(published, fetch, tmp_path, change):
    fetch()
    (tmp_path / "data/31112491/database_nsite_2_part_1.tar.gz").unlink()
    lines = change(published)
    before = written(tmp_path / "data")
    published.requests.clear()
    with pytest.raises(
        ValueError, match=r"figshare has other contents now than those of .*lock\.json"
    ) as error:
        fetch()
    for line in [*lines, "Nothing was downloaded", "database.download_folder"]:
        assert line in str(error.value)
    assert written(tmp_path / "data") == before
    assert published.downloads() == []


@pytest.mark.parametrize("change", [new_version, new_names])
def test_what_is_not_needed_may_change(published, fetch, tmp_path, caplog, change):
    fetch()
    (tmp_path / "data/31112491/database_nsite_2_part_1.tar.gz").unlink()
    lines = change(published)
    with caplog.at_level(logging.INFO):
        fetch()
    assert written(tmp_path / "data") == WANTED
    assert all(line in caplog.text for line in lines)


def test_the_advice_to_take_new_contents_keeps_what_is_right(published, fetch, tmp_path):
    fetch()
    new_contents(published)
    with pytest.raises(ValueError, match=rf"remove {tmp_path}/data/\*\.json"):
        fetch()
    for file in (tmp_path / "data").glob("*.json"):
        file.unlink()
    published.requests.clear()
    fetch()
    assert written(tmp_path / "data")["31111798/database_nsite_1_part_1.zip"] == b"new" * 1000
    assert len(published.downloads()) == 1


@pytest.fixture
def check_download(figshare, monkeypatch, tmp_path):
    """Function: the outcome of the command, for the server on this machine."""
    monkeypatch.setattr(DatabaseSettings.model_fields["url"], "default", figshare.url)
    return lambda: CliRunner().invoke(app, ["check-download", str(tmp_path / "data")])


def test_a_finished_download_is_compared_with_figshare(published, fetch, tmp_path, check_download):
    fetch()
    before = written(tmp_path)
    published.requests.clear()
    result = check_download()
    assert (result.exit_code, result.output) == (
        0,
        f"figshare has the contents of {tmp_path}/data/lock.json\n",
    )
    lines = [*new_version(published), *new_contents(published), *new_archive(published)]
    result = check_download()
    assert result.exit_code == 3
    assert all(line in result.output for line in lines)
    assert result.output.count("\n") == 3
    assert written(tmp_path) == before
    assert published.downloads() == []


def test_a_download_that_is_not_there_is_not_compared(tmp_path, check_download):
    result = check_download()
    assert result.exit_code == 1
    assert f"cannot read the list of contents {tmp_path}/data/lock.json" in result.stderr


def test_what_cannot_be_asked_is_told(published, fetch, tmp_path, client):
    fetch()
    published.list_faults = [500] * 3
    with pytest.raises(OSError, match="cannot list article 31111798"):
        changes_since(tmp_path / "data", published.url, client)


@pytest.fixture
def alone(monkeypatch):
    """Function: let one of the module's functions fail where two are in it, after a while."""

    def watch(name):
        inside, work = [], getattr(figshare_module, name)

        def watched(*arguments):
            inside.append(name)
            time.sleep(0.05)
            assert len(inside) == 1
            result = work(*arguments)
            inside.pop()
            return result

        monkeypatch.setattr(figshare_module, name, watched)

    return watch


def twice(function):
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(function) for _ in range(2)]
    return [task.result() for task in tasks]


def test_two_downloads_into_one_folder_take_turns(published, fetch, tmp_path, alone):
    alone("_fetch_all")
    first, second = twice(fetch)
    assert first == second
    assert written(tmp_path / "data") == WANTED
    assert len(published.downloads()) == 2


def test_two_unpackings_of_one_folder_take_turns(figshare, fetch, zipped, tmp_path, alone):
    figshare.add(31111798, zipped("database_nsite_1_part_1"))
    figshare.add(31112491, zipped("database_nsite_2_part_1"))
    fetch()
    alone("unpack")
    assert twice(lambda: unpack_source("figshare_full", tmp_path / "data")) == [12, 12]
    assert len(list((tmp_path / "data/database").glob("*/*.json"))) == 12


def test_a_log_without_terminal_shows_that_it_goes_on(figshare, fetch, monkeypatch, caplog):
    monkeypatch.setattr(transfer, "CHUNK", 1000)
    figshare.add(31111798, {"a.zip": bytes(200_000)})
    figshare.add(31112491, {"empty.zip": b""})
    with caplog.at_level(logging.INFO):
        fetch()
    lines = [message for message in caplog.messages if message.endswith("GB are there")]
    assert len(lines) == 100


@pytest.mark.parametrize("name", ["database.tar.zst", "database.7z", "database_a.json.gz"])
def test_archives_that_cannot_be_unpacked_are_named_before_the_download(published, fetch, name):
    published.articles[31111798]["files"][name] = b"x"
    with pytest.raises(
        ValueError, match=rf"article 31111798 has {name}, but only \.zip, .*by hand"
    ):
        fetch()
    assert published.downloads() == []


def test_all_changes_are_told_at_once(published, fetch):
    fetch()
    lines = [
        line for change in (new_version, new_contents, new_names) for line in change(published)
    ]
    with pytest.raises(ValueError) as error:
        fetch()
    assert all(line in str(error.value) for line in lines)


def test_a_spoilt_lock_is_named(published, fetch, tmp_path):
    fetch()
    (tmp_path / "data/lock.json").write_text("{")
    with pytest.raises(ValueError, match=r"cannot read the list of contents .*lock\.json"):
        fetch()


@pytest.mark.parametrize("jobs", [1, 3])
def test_one_wrong_file_does_not_stop_the_others(published, fetch, tmp_path, jobs):
    wrong = "0" * 32
    published.checksums["database_nsite_1_part_1.zip"] = wrong
    with pytest.raises(ValueError, match=rf"database_nsite_1_part_1\.zip .*{wrong}"):
        fetch(jobs=jobs)
    assert written(tmp_path / "data") == dict([list(WANTED.items())[1]])


def test_all_failures_are_told_at_once(published, fetch):
    published.faults = ["challenge"] * 4
    with pytest.raises(OSError, match=r"(?s)nsite_1_part_1\.zip.*nsite_2_part_1\.tar\.gz"):
        fetch()


def test_a_closed_address_is_gone_round(published, fetch, tmp_path):
    published.faults = ["challenge", None, "challenge"]
    fetch()
    assert written(tmp_path / "data") == WANTED
    asked = [path for path, _ in published.downloads()]
    assert asked[:2] == ["/files/31111798000", "/file/download/31111798000"]


def test_a_full_disk_is_told_before_the_download(published, fetch, monkeypatch):
    free = 3 * sum(map(len, WANTED.values()))
    monkeypatch.setattr(
        figshare_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=free)
    )
    with pytest.raises(OSError, match=r"GB free, but the download needs .*download_folder"):
        fetch()
    assert published.downloads() == []


FULL_DISKS = pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
"""A disk, or the share that someone may use of it, which no look at the disk tells."""


def fail_with(number):
    def fail(*args):
        raise OSError(number, os.strerror(number))

    return fail


@FULL_DISKS
def test_a_disk_that_gets_full_is_named(published, fetch, monkeypatch, tmp_path, number):
    monkeypatch.setattr(Client, "fetch", fail_with(number))
    place = rf"`database\.download_folder` to a larger disk: '{tmp_path}/data/31111798'"
    with pytest.raises(OSError, match=rf"{os.strerror(number)}: make room .*{place}"):
        fetch()


@FULL_DISKS
def test_a_disk_that_gets_full_keeps_the_archives(
    figshare, fetch, zipped, monkeypatch, tmp_path, number
):
    figshare.add(31111798, zipped("database_nsite_1_part_1"))
    figshare.add(31112491, zipped("database_nsite_2_part_1"))
    fetch()
    monkeypatch.setattr(archives.shutil, "copyfileobj", fail_with(number))
    with pytest.raises(OSError, match=rf"make room .*: '{tmp_path}/data'"):
        unpack_source("figshare_full", tmp_path / "data")
    assert len(written(tmp_path / "data")) == 2


def test_a_partial_file_needs_less_room(published, fetch, monkeypatch, tmp_path):
    part = tmp_path / "data/31112491/database_nsite_2_part_1.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"two" * 1000)
    free = 4 * 9000 - 3000
    monkeypatch.setattr(
        figshare_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=free)
    )
    fetch()
    assert written(tmp_path / "data") == WANTED


def test_a_missing_article_is_named(figshare, fetch):
    with pytest.raises(OSError, match=r"/articles/31111798 answers 404.*`database\.url`"):
        fetch()


@pytest.mark.parametrize("name", ["../x.zip", "a/b.zip", "C:x.zip", "lock.json"])
def test_odd_names_are_refused(figshare, client, name):
    figshare.add(5, {name: b"x"})
    with pytest.raises(ValueError, match="expected different plain file names"):
        list_article(5, figshare.url, client)


@pytest.mark.parametrize("checksum", ["", "abc"])
def test_files_without_checksum_are_refused(figshare, client, checksum):
    figshare.add(5, {"x.zip": b"x"})
    figshare.checksums["x.zip"] = checksum
    with pytest.raises(ValueError, match=rf"articles/5 says.*md5: .*, got '{checksum}'"):
        list_article(5, figshare.url, client)


def test_pickles_are_never_downloaded(figshare, fetch, tmp_path, caplog):
    splits = {f"{name}.h5": name.encode() for name in ("train", "val", "test")}
    figshare.add(31112554, splits | {"train.pt": b"x", "graph.zip": b"x", "notes.md": b"x"})
    with caplog.at_level(logging.INFO):
        fetch("figshare_ml")
    assert written(tmp_path / "data") == {f"31112554/{n}": c for n, c in splits.items()}
    assert "graph.zip, notes.md, train.pt (its .pt files are pickles" in caplog.text


def test_an_article_without_use_is_named(figshare, fetch):
    figshare.add(31112554, {"train.pt": b"x"})
    with pytest.raises(
        ValueError, match=r"article 31112554 has no file that can be used.*train\.pt"
    ):
        fetch("figshare_ml")


@pytest.mark.parametrize("inside", ["", "published/all/"])
def test_entries_are_unpacked_side_by_side(figshare, fetch, zipped, database, tmp_path, inside):
    figshare.add(31111798, zipped("database_nsite_1_part_1", inside=inside))
    figshare.add(31112491, zipped("database_nsite_2_part_1", inside=inside))
    fetch()
    assert unpack_source("figshare_full", tmp_path / "data") == 12
    unpacked = written(tmp_path / "data/database")
    assert unpacked == {
        str(path.relative_to(database)): path.read_bytes() for path in database.rglob("*.json")
    }
    shutil.rmtree(tmp_path / "data/31111798")
    with pytest.raises(FileNotFoundError, match=r"nsite_1_part_1\.zip: run `download` again"):
        unpack_source("figshare_full", tmp_path / "data")
    assert written(tmp_path / "data/database") == unpacked


def test_splits_are_unpacked_with_or_without_an_archive(figshare, fetch, tmp_path, caplog):
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for name in ("dataset/train.h5", "dataset/val.h5", "graph/train.pt", "dataset/notes.h5"):
            archive.writestr(name, name)
    figshare.add(31112554, {"data.zip": buffer.getvalue(), "test.h5": b"test"})
    fetch("figshare_ml")
    with caplog.at_level(logging.INFO):
        assert unpack_source("figshare_ml", tmp_path / "data") == 3
    assert "data.zip: 2 files unpacked, 2 left out: graph/train.pt, dataset/notes.h5" in caplog.text
    assert "stays packed: its .pt files are pickles" in caplog.text
    assert written(tmp_path / "data/dataset") == {
        "train.h5": b"dataset/train.h5",
        "val.h5": b"dataset/val.h5",
        "test.h5": b"test",
    }


def test_archives_without_entries_are_named(figshare, fetch, tmp_path):
    empty = b"PK\x05\x06" + bytes(18)  # the end of a list of no files
    figshare.add(31111798, {"a.zip": empty})
    figshare.add(31112491, {"b.zip": empty})
    fetch()
    with pytest.raises(ArchiveError, match=r"nothing of use in .*a\.zip.*b\.zip"):
        unpack_source("figshare_full", tmp_path / "data")
    assert not (tmp_path / "data/database").exists()


def test_sources_are_those_of_the_configuration():
    known = get_args(DatabaseSettings.model_fields["source"].annotation)
    assert set(SOURCES) == {source for source in known if source.startswith("figshare")}
