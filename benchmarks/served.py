"""Start servers on this machine that serve a model; shared by benchmarks and tests."""

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

from stages.runtime.errors import UserError

# Seconds to wait for a server; loading torch and transformers takes about 20 on a busy machine.
_PATIENCE = 180


@contextmanager
def served(model: str | Path, log: str | Path) -> Iterator[str]:
    """Run a server with continuous batching while the block runs; yield its address. Its output goes to `log`."""
    port = _free_port()
    command = [
        str(Path(sys.executable).parent / "transformers"), "serve", str(model), "--continuous-batching",
        "--device", "cpu", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}/v1/models", log):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def served_by_mlflow(model: str | Path, log: str | Path) -> Iterator[str]:
    """Run `mlflow models serve` with a packaged model while the block runs; yield its address."""
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
    """Run a server until the block ends. It gets a process group, so that processes which it starts end too."""
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
            return  # the server is there, but cannot list models without a hub cache
        except (URLError, OSError):
            time.sleep(0.5)
    raise UserError(f"the server did not start; {log} says why")
