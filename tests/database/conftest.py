"""A database of the published format, made with pymatgen, with known contents."""

import json

import numpy as np
import pytest
from monty.json import MontyEncoder
from pymatgen.core import Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry

from optimetal.database.transfer import Client
from optimetal.optics.grid import ENERGY


def entry(mat_id, symbols, seed=0):
    """A serialisable entry whose three directions differ."""
    generator = np.random.default_rng(seed)
    lattice = Lattice(3.0 * np.eye(3) + generator.uniform(-0.1, 0.1, (3, 3)))
    structure = Structure(lattice, symbols, generator.uniform(0, 1, (len(symbols), 3)))
    columns = generator.normal(size=(2, ENERGY.size, 3))
    real, imaginary = (np.column_stack([ENERGY, column]) for column in columns)
    data = {
        "mat_id": mat_id,
        "e_above_hull": 0.02,
        "drude_freq": np.array([3.0, 4.0, 5.0]) + seed,
        "eps_inter_re": real,
        "eps_inter_im": imaginary,
    }
    return ComputedStructureEntry(structure, energy=-1.0, data=data)


def write_entry(folder, content):
    """Write an entry, or any other content, as the published files are named."""
    number = len(content.structure) if hasattr(content, "structure") else 1
    name = content.data["mat_id"] if hasattr(content, "data") else "agm000000000"
    path = folder / f"database_nsite_{number}_part_1" / f"{name}.json"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(content, cls=MontyEncoder))
    return path


@pytest.fixture(scope="session")
def entries():
    """Twelve entries of ten compositions."""
    formulas = ["Cu", "Al", "Au", "Ag", "CuAu", "CuZn", "NaCl", "AlNi", "Cu", "TiAl", "AuCu", "Pd"]
    symbols = [list(map("".join, _split(formula))) for formula in formulas]
    return [entry(f"agm{n:09d}", s, n) for n, s in enumerate(symbols)]


def _split(formula):
    import re

    return re.findall("[A-Z][a-z]?", formula)


@pytest.fixture(scope="session")
def database(entries, tmp_path_factory):
    """Folder of the entries."""
    folder = tmp_path_factory.mktemp("database")
    for item in entries:
        write_entry(folder, item)
    return folder


@pytest.fixture
def writer():
    """Functions that make and write an entry."""
    return entry, write_entry


class FigshareServer:
    """A figshare on this machine: articles to fill, and faults to order."""

    def __init__(self):
        self.articles = {}
        """Number -> {version, files: name -> bytes}."""
        self.faults = []
        """Faults of the next answers to downloads, one each: a status, "drop", "no range", "challenge"."""
        self.list_faults = []
        """The same for answers of the interface."""
        self.checksums = {}
        """File name -> a checksum that is listed instead of the true one."""
        self.requests = []
        """(path, Range header) of all requests."""
        self.url = ""

    def add(self, number, files, version=1):
        """Publish an article."""
        self.articles[number] = {"version": version, "files": dict(files)}

    def downloads(self):
        """Range headers of the requests for files."""
        return [(path, begin) for path, begin in self.requests if "/articles/" not in path]

    def listing(self, number):
        import hashlib

        return [
            {
                "id": 1000 * number + n,
                "name": name,
                "size": len(content),
                "is_link_only": False,
                "download_url": f"{self.url}/files/{1000 * number + n}",
                "supplied_md5": "",
                "computed_md5": self.checksums.get(name, hashlib.md5(content).hexdigest()),
                "mimetype": "application/zip",
            }
            for n, (name, content) in enumerate(self.articles[number]["files"].items())
        ]

    def content(self, file_id):
        return list(self.articles[file_id // 1000]["files"].values())[file_id % 1000]


def _figshare_handler(figshare):
    from http.server import BaseHTTPRequestHandler
    from urllib.parse import parse_qs, urlsplit

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

        def do_GET(self):
            figshare.requests.append((self.path, self.headers.get("Range")))
            parts = urlsplit(self.path)
            words = parts.path.strip("/").split("/")
            if words[0] == "articles":
                self.list_article(int(words[1]), words[2:], parse_qs(parts.query))
            else:
                self.send_file(int(words[-1]))

        def list_article(self, number, rest, query):
            if figshare.list_faults:
                return self.fail(figshare.list_faults.pop(0))
            if number not in figshare.articles:
                return self.fail(404)
            files = figshare.listing(number)
            if rest:
                page, size = (int(query[key][0]) for key in ("page", "page_size"))
                answer = files[(page - 1) * size : page * size]
            else:
                answer = {"id": number, "version": figshare.articles[number]["version"]}
            self.reply(200, json.dumps(answer).encode())

        def send_file(self, file_id):
            fault = figshare.faults.pop(0) if figshare.faults else None
            if fault is not None and fault not in ("drop", "no range"):
                return self.fail(fault)
            content = figshare.content(file_id)
            total, begin = len(content), 0
            if (wanted := self.headers.get("Range")) and fault != "no range":
                begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if begin >= total:
                    return self.reply(416)
                span = {"Content-Range": f"bytes {begin}-{total - 1}/{total}"}
                self.reply(206, content[begin:], span, cut=fault == "drop")
            else:
                self.reply(200, content, cut=fault == "drop")

        def fail(self, fault):
            if fault == "challenge":
                return self.reply(202, b"", {"x-amzn-waf-action": "challenge"})
            if fault == "no json":
                return self.reply(200, b"<html>")
            self.reply(fault, b"", {"Retry-After": "7"} if fault == 429 else {})

        def reply(self, code, content=b"", headers=None, cut=False):
            self.send_response(code)
            for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)

    return Handler


@pytest.fixture
def figshare():
    """A server that answers like figshare; its ``url`` is the base of the interface."""
    import threading
    from http.server import ThreadingHTTPServer

    figshare = FigshareServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), _figshare_handler(figshare)) as server:
        figshare.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield figshare
        server.shutdown()
        thread.join()


@pytest.fixture
def zipped(database):
    """Function: archives of some folders of the database, name -> bytes."""
    import io
    import zipfile

    def pack(*folders, inside=""):
        archives = {}
        for folder in folders:
            with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted((database / folder).iterdir()):
                    archive.writestr(f"{inside}{folder}/{path.name}", path.read_bytes())
            archives[f"{folder}.zip"] = buffer.getvalue()
        return archives

    return pack


@pytest.fixture
def pauses():
    """Seconds that a client has waited between its attempts."""
    return []


@pytest.fixture
def client(pauses):
    """A client of three attempts that does not really wait."""
    return Client(attempts=3, sleep=pauses.append)
