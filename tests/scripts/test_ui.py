"""MLflow's pages are for whoever has the password, and nothing of the server is left behind."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from stages.ner.cells import COLOURS
from stages.runtime import mlflow_store, tracking
from tests.graph import ROOT
from tests.release.test_report import words

pytestmark = pytest.mark.slow
Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture
def server(store: str, tmp_path: Path, loopback: None) -> Iterator[tuple[subprocess.Popen, str, Ask]]:
    """The server on an empty store, its password, and a function that asks it."""
    yield from serving(tmp_path, "no comparison yet: `make repro` makes one")


def serving(tmp_path: Path, second: str) -> Iterator[tuple[subprocess.Popen, str, Ask]]:
    """What `server` yields, where the second line that `make ui` prints begins with `second`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PORT": str(port), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.ui"], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout
    first = process.stdout.readline()
    password = first.split()[-1]
    assert first == f"http://127.0.0.1:{port} - user admin, password {password}\n"
    charts = process.stdout.readline()
    assert charts.startswith(second)

    def ask(path: str, password: str = "", body: Any = None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        if password:
            headers["Authorization"] = f"Basic {base64.b64encode(f'admin:{password}'.encode()).decode()}"
        request = Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode() if body else None, headers)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=30) as reply:
                return reply.status, reply.read()
        except HTTPError as error:
            return error.code, error.read()

    for _ in range(240):
        try:
            ask("/health")
            break
        except URLError:
            time.sleep(0.5)
    ask.charts = charts.split()[-1]  # type: ignore[attr-defined]
    yield process, password, ask
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_page_of_an_experiment_is_that_of_its_charts(store):
    """As a browser was seen to open it: for model training, with charts."""
    from mlflow import MlflowClient

    assert mlflow_store.page("ner/compare") is None
    made = MlflowClient(store).create_experiment("ner/compare")
    view = "compareRunsMode=CHART&workflowType=machine_learning"
    assert mlflow_store.page("ner/compare") == f"/#/experiments/{made}/runs?{view}"
    mlflow_store.describe("ner/compare", "How much?", [], ["test/f1", "test/leaks", "training/loss"], columns=2)
    assert mlflow_store.page("ner/compare") == f"/#/experiments/{made}/runs?{view}&viewStateShareKey=deidsynth"
    tag = MlflowClient(store).get_experiment(made).tags["mlflow.sharedViewState.deidsynth"]
    state = json.loads(tag)
    assert [card["metricKey"] for card in state["compareRunCharts"]] == ["test/f1", "test/leaks", "training/loss"]
    assert [card["metricSectionId"] for card in state["compareRunCharts"]] == ["test", "test", "training"]
    assert [section["uuid"] for section in state["compareRunSections"]] == ["test", "training"]
    assert state["selectedColumns"] == ["metrics.`test/f1`", "metrics.`test/leaks`"]


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs a browser: apt-get install chromium")
def test_a_browser_shows_the_scores_of_every_arm(store, tmp_path, loopback):
    """The page that `make ui` prints, as Chromium draws it."""
    for arm, score in {"real": 0.984, "synthetic": 0.901}.items():
        tags = {"mlflow.runColor": COLOURS[arm]}
        with tracking.track("ner/compare", arm, {}, tags, replace=True, name=f"{arm}, seed 1") as run:
            run.log({"test": {"precision": score, "strict_f1": score, "leaks_per_note": 1 - score}})
    charts = ["test/strict_f1", "test/leaks_per_note", "test/precision"]
    mlflow_store.describe("ner/compare", "How much does it cost?", [], charts, columns=2)
    with contextmanager(serving)(tmp_path, "the arms side by side: ") as (_, password, ask):
        server, _, path = ask.charts.partition("/#")
        with logged_in(server, password) as address:
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--virtual-time-budget=60000"]
            options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
            options += [f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1400,1600", "--dump-dom"]
            shown = subprocess.run(
                ["chromium", *options, f"{address}/#{path}"], capture_output=True, text=True, timeout=180
            )
    page = words(shown.stdout)
    assert "How much does it cost?" in page
    drawn = re.findall(r"test/(\w+) ([\d.]+) ([\d.]+) [\d. ]+ real, seed 1 synthetic, seed 1", page)
    assert drawn == [("strict_f1", "0.98", "0.90"), ("leaks_per_note", "0.02", "0.10"), ("precision", "0.98", "0.90")]


@contextmanager
def logged_in(server: str, password: str) -> Iterator[str]:
    """The address of the server for a browser that cannot type: what it asks is passed on with the login."""
    login = f"Basic {base64.b64encode(f'admin:{password}'.encode()).decode()}"

    class PassOn(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            headers = {"Authorization": login, "Content-Type": self.headers.get("Content-Type", "")}
            try:
                reply = build_opener(ProxyHandler({})).open(
                    Request(f"{server}{self.path}", body, headers), timeout=60
                )
            except HTTPError as error:
                reply = error
            with reply:
                content = reply.read()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), PassOn) as between:
        threading.Thread(target=between.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{between.server_port}"
        between.shutdown()


def alive(folder: Path) -> list[str]:
    """The processes that were started in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return [name for name in found if int(name) != os.getpid()]


def test_nobody_reads_through_the_server_without_the_password(server, tmp_path, store):
    """What another user of the machine could do: make an experiment whose artifacts are links to somebody's notes."""
    process, password, ask = server
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data/note.txt").write_text("Zzyxmarker")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/link").symlink_to(tmp_path / "data")
    experiment = {"name": "theirs", "artifact_location": (tmp_path / "theirs").as_uri()}
    for wrong in ("", "admin", password[:-1]):
        for path, body in [
            ("/api/2.0/mlflow/experiments/create", experiment),
            ("/api/2.0/mlflow/experiments/search?max_results=5", None),
            ("/ajax-api/2.0/mlflow/experiments/search?max_results=5", None),
            ("/get-artifact?path=link/note.txt&run_uuid=0", None),
            ("/api/2.0/mlflow-artifacts/artifacts/link/note.txt", None),
            ("/api/2.0/mlflow/users/create", {"username": "eve", "password": "eve-eve-eve-eve"}),
            ("/signup", None),
            ("/graphql", {"query": "{ __typename }"}),
            ("/v1/traces", {"resourceSpans": []}),
            ("/", None),
        ]:
            status, content = ask(path, wrong, body)
            assert status in (401, 403), path
            assert b"Zzyxmarker" not in content
    assert ask("/", password)[0] == 200
    status, content = ask("/api/2.0/mlflow/experiments/search?max_results=5", password)
    assert (status, [one["name"] for one in json.loads(content)["experiments"]]) == (200, ["Default"])
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert alive(tmp_path) == []


def test_the_server_ends_with_a_killed_parent(server, tmp_path):
    process, *_ = server
    assert len(alive(tmp_path)) > 1
    process.kill()
    process.wait()
    for _ in range(100):
        if not alive(tmp_path):
            break
        time.sleep(0.2)
    assert alive(tmp_path) == []
