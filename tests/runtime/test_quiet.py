import json
import subprocess
import sys

import pytest

from tests.graph import ROOT, environment

SWITCHES = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TRANSFORMERS_OFFLINE": "1",
}


def settings_after(calls: str, **given: str) -> dict[str, str]:
    code = f"import json, os\nfrom stages.runtime.quiet import *\n{calls}\nprint(json.dumps(dict(os.environ)))"
    clean = {name: value for name, value in environment().items() if name not in SWITCHES}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean | given, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_everything_is_switched_off():
    assert SWITCHES.items() <= settings_after("silence()").items()


def test_the_hub_is_reached_only_when_asked_for():
    after = settings_after("silence(); allow_hub()")
    assert "HF_HUB_OFFLINE" not in after
    assert "TRANSFORMERS_OFFLINE" not in after
    assert after["HF_HUB_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize("calls", ["silence()", "silence(); allow_hub()"])
def test_a_persons_own_choice_stands(calls):
    assert settings_after(calls, HF_HUB_OFFLINE="1")["HF_HUB_OFFLINE"] == "1"


def test_new_files_are_private(tmp_path):
    settings_after(f"silence(); open({str(tmp_path / 'f')!r}, 'w').close()")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_mlflow_and_the_hub_see_it():
    code = (
        "from stages.runtime.quiet import silence; silence()\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "import huggingface_hub.constants as hub\n"
        "print(is_telemetry_disabled(), hub.HF_HUB_OFFLINE, hub.HF_HUB_DISABLE_TELEMETRY)"
    )
    clean = {name: value for name, value in environment().items() if name not in SWITCHES}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True", "True"], done.stderr
