import os
import subprocess
import sys

import pytest

from stages.runtime.devices import see_one_gpu
from stages.runtime.errors import UserError
from tests.graph import ROOT

NAMES = ("DEIDSYNTH_DEVICE", "CUDA_VISIBLE_DEVICES", "LOCAL_RANK")


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [
        (None, None, "0"),
        ("cuda", None, "0"),
        ("cuda:1", None, "1"),
        (None, "3,5", "3"),
        ("cuda:1", "3,5", "5"),
        ("cuda:1", "GPU-a1,MIG-b2", "MIG-b2"),
        ("cpu", None, None),
        ("cpu", "3,5", "3,5"),
        (None, "", ""),
        ("mps", None, None),
    ],
)
def test_a_process_sees_one_gpu(device, visible, expected, monkeypatch):
    for name, value in zip(NAMES, (device, visible, None), strict=True):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    for _ in range(2):  # the second call finds one GPU and keeps it
        see_one_gpu()
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == expected


def test_processes_of_torchrun_keep_all_gpus_and_take_the_one_of_their_rank(monkeypatch):
    for name, value in zip(NAMES, ("cuda", "3,5", "1"), strict=True):
        monkeypatch.setenv(name, value)
    see_one_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,5"


@pytest.mark.parametrize(
    ("device", "visible", "message"),
    [
        ("cuda:2", "3,5", r"DEIDSYNTH_DEVICE is cuda:2, but CUDA_VISIBLE_DEVICES has 2 GPU\(s\)"),
        ("cuda:first", None, "DEIDSYNTH_DEVICE is cuda:first; give cpu, cuda"),
    ],
)
def test_a_gpu_that_is_not_there(device, visible, message, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("DEIDSYNTH_DEVICE", device)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError, match=message):
        see_one_gpu()


def test_a_stage_hides_the_other_gpus_before_it_imports_torch():
    code = """
import os, sys
from stages.runtime.stage import stage

@stage("runtime.probe")
def probe() -> str:
    return f"{os.environ['CUDA_VISIBLE_DEVICES']} {'torch' in sys.modules}"

probe.main()
"""
    environment = os.environ | {"DEIDSYNTH_DEVICE": "cuda:1", "CUDA_VISIBLE_DEVICES": "4,6", "PYTHONPATH": str(ROOT)}
    started = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert started.stdout.strip() == "6 False", started.stderr
