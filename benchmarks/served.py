"""Start `transformers serve` on this machine with a model of ours; shared by a benchmark and a test."""

import os
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(Path(sys.executable).parent / "transformers"), "serve", str(model), "--continuous-batching",
        "--device", "cpu", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with open(log, "w", encoding="utf-8") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | {"HF_HUB_OFFLINE": "1"}
        )
    try:
        _await(f"http://127.0.0.1:{port}/v1/models", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


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
