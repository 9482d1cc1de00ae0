"""No library opens a connection, or writes where others can read, unless a person asked for it."""

import logging
import os

# Read by the libraries when they are imported, so `silence` runs before.
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

    What the environment sets already stands, so a site's own choice is not overridden.
    """
    os.umask(0o077)
    # On some CPUs it asks at its import for a library that would fetch kernels from the hub.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name, value in _HUB_OFF.items():
        if name not in os.environ:
            os.environ[name] = value
            _hub_switched_off.add(name)


def allow_hub() -> None:
    """Let this process reach the model hub, because params name a hub model; call it before importing the library.

    A person's own HF_HUB_OFFLINE=1 stands.
    """
    while _hub_switched_off:
        os.environ.pop(_hub_switched_off.pop(), None)
