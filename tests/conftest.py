"""What all tests share: no network, no telemetry, no tracking unless asked for, one thread per process."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

# ruff: noqa: E402 - these stand before the imports of what reads them. Tiny models are fastest on one thread, and two workers do not then compete.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DEIDSYNTH_TRACKING"] = "off"
for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)

import hypothesis
import pytest

from stages.runtime import mlflow_store
from stages.runtime.quiet import silence
from tests.generation.fake_server import Fake
from tests.toy import Toy, make

silence()
# A busy machine is no defect.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers a file's tests stay on one, and so do all that look at the toy run, which start first."""
    for item in items:
        toy = "toy" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("toy" if toy else item.path.name))
    items.sort(key=lambda item: "toy" not in getattr(item, "fixturenames", ()))


@pytest.fixture
def loopback() -> None:
    """Lets a test connect to servers of its own on 127.0.0.1."""


@pytest.fixture
def started(loopback: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Fake]]:
    """Starts fake servers of OpenAI's protocol, which end with the test."""
    servers: list[Fake] = []

    def start(**options: Any) -> Fake:
        servers.append(Fake(monkeypatch, **options))
        return servers[-1]

    yield start
    for each in servers:
        each.shutdown()


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but a socket file (with `loopback`: or 127.0.0.1) fails the test that opens it."""
    allowed = "loopback" in request.fixturenames

    def refuse(self: socket.socket, address: tuple) -> None:
        if allowed and address[0] == "127.0.0.1":
            return connect(self, address)
        raise AssertionError(f"a test connects to {address}")

    connect = socket.socket.connect
    monkeypatch.setattr(
        socket.socket,
        "connect",
        lambda self, address: (connect if self.family == socket.AF_UNIX else refuse)(self, address),
    )


@pytest.fixture(autouse=True)
def home_again() -> Iterator[None]:
    """No test leaves the working directory elsewhere."""
    home = Path.cwd()
    yield
    os.chdir(home)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def prepared_store(request: pytest.FixtureRequest) -> Path:
    """An empty MLflow database, made once per MLflow version: it takes 10 seconds."""
    database = request.config.cache.mkdir(f"mlflow-{version('mlflow')}") / "mlflow.db"
    if not database.is_file():
        making = database.with_suffix(f".{os.getpid()}")
        mlflow_store.prepare(f"sqlite:///{making}")
        making.replace(database)
    return database


@pytest.fixture
def store(prepared_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking switched on, into a database of this test's own; its address."""
    shutil.copy(prepared_store, tmp_path / "mlflow.db")
    monkeypatch.delenv("DEIDSYNTH_TRACKING")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return os.environ["MLFLOW_TRACKING_URI"]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory, prepared_store: Path) -> Toy:
    """The whole pipeline, run once at toy size for all tests that look at what it leaves."""
    return make(tmp_path_factory.mktemp("toy"), prepared_store)
