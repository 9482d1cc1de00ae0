"""Serve MLflow's pages on this machine, to whoever has the password: `make ui`.

Without a login, every user of the machine could make the server read what only its owner may read.
"""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType

from stages.runtime.errors import UserError, run
from stages.runtime.mlflow_store import page, quoted, tracking_uri

# MLflow's login. Its only user is made anew, with its database, whenever the server starts.
_LOGIN = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{database}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""
_USER = "admin"


def main() -> None:
    """Run MLflow's server until Ctrl-C; PORT chooses another port than 5000."""
    port, password = os.environ.get("PORT", "5000"), secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as folder:
        login = Path(folder) / "login.ini"
        login.write_text(_LOGIN.format(database=quoted(Path(folder) / "login.db").replace("%", "%%")))
        settings = {
            "MLFLOW_AUTH_CONFIG_PATH": str(login),
            "MLFLOW_AUTH_ADMIN_USERNAME": _USER,
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
            # Work that would run in further processes; these pages need none.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            # Of its libraries, which nobody who looks at pages can heed.
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1"]
        command += ["--port", port, "--workers", "1", "--backend-store-uri", tracking_uri()]
        address = f"http://127.0.0.1:{port}"
        print(f"{address} - user {_USER}, password {password}", flush=True)
        charts = page("ner/compare")
        print(f"the arms side by side: {address}{charts}" if charts else "no comparison yet: `make repro` makes one")
        print("Ctrl-C ends the server", flush=True)
        status = serve(command, os.environ | settings)
    if status:
        raise UserError(f"MLflow's server ended with status {status}; is port {port} taken? PORT=5001 make ui")


def serve(command: list[str], environment: dict[str, str]) -> int:
    """Run a server in a process group that ends with this process; return its status, 0 if it was told to end."""
    server = subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=_end_with_parent)
    told = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True
        os.killpg(server.pid, signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    status = server.wait()
    with suppress(ProcessLookupError):
        # What the server has started and left behind.
        os.killpg(server.pid, signal.SIGKILL)
    return 0 if told else status


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, even if that is killed."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


if __name__ == "__main__":
    run(main)
