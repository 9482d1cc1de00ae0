"""Libraries open no connection, and write nothing that others can read, unless the user asked for it."""

import logging
import os
from pathlib import Path

# Folders of a checkout that can hold notes.
PRIVATE = ("data", ".dvc")
# Libraries read these when they are imported, so `silence` must run before.
_QUIET = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
_HUB_OFF = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

_hub_switched_off: set[str] = set()


def silence() -> None:
    """Switch telemetry and the model hub off, and make new files readable by their owner only.

    Variables that the environment already sets are kept.
    """
    os.umask(0o077)
    close_private_folders()
    # On some CPUs it warns at import that a library which would fetch kernels from the hub is missing.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name, value in _HUB_OFF.items():
        if name not in os.environ:
            os.environ[name] = value
            _hub_switched_off.add(name)


def close_private_folders() -> None:
    """Make the folders of a checkout that can hold notes accessible to their owner only, who may have filled them."""
    for path in map(Path, PRIVATE if Path("dvc.yaml").is_file() else ()):
        if path.is_dir() and path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o700)


def allow_hub() -> None:
    """Let this process reach the model hub, for a hub model of params.yaml. Call it before importing libraries.

    HF_HUB_OFFLINE=1 in the user's environment is respected.
    """
    while _hub_switched_off:
        os.environ.pop(_hub_switched_off.pop(), None)
