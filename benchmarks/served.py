"""Start servers on this machine with models of ours; shared by benchmarks and tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from stages.shared.errors import UserError

# Loading torch and transformers takes some 20 seconds on a busy machine.
_PATIENCE = 180


@contextmanager
def served(model: str | Path, log: str | Path) -> Iterator[str]:
    """The address of a server that batches continuously, while the block runs; what it prints goes to `log`."""
    port = _free_port()
    command = [
        str(Path(sys.executable).parent / "transformers"), "serve", str(model), "--continuous-batching",
        "--device", "cpu", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}/v1/models", log):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def served_by_mlflow(model: str | Path, log: str | Path) -> Iterator[str]:
    """The address of `mlflow models serve` with a packaged model, while the block runs."""
    port = _free_port()
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "-m", str(model),
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}/ping", log):
        yield f"http://127.0.0.1:{port}/invocations"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _running(command: list[str], address: str, log: str | Path) -> Iterator[None]:
    """A server that answers at `address`, with the processes it starts; all of them end with the block."""
    with open(log, "w", encoding="utf-8") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | {"HF_HUB_OFFLINE": "1"},
            start_new_session=True,
        )  # fmt: skip
    try:
        _await(address, server, log)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def _await(address: str, server: subprocess.Popen, log: str | Path) -> None:
    direct = build_opener(ProxyHandler({}))
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            direct.open(address, timeout=5).read()
            return
        except HTTPError:
            return  # it is there; without a hub cache it cannot list models
        except (URLError, OSError):
            time.sleep(0.5)
    raise UserError(f"the server did not start; {log} says why")
