"""Serve MLflow's pages on this machine only: `make ui`."""

import os
import sys

from stages.runtime.errors import run
from stages.runtime.mlflow_store import tracking_uri


def main() -> None:
    """Replace this process by MLflow's server; PORT chooses another port."""
    port = os.environ.get("PORT", "5000")
    print(f"http://127.0.0.1:{port} - choose the experiment ner/compare, tick its runs, press Compare", flush=True)
    server = ["mlflow", "ui", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    os.execv(sys.executable, [sys.executable, "-m", *server, "--backend-store-uri", tracking_uri()])


if __name__ == "__main__":
    run(main)
