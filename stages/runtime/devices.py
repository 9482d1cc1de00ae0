"""The device of a process: the CPU or one GPU, never several at once."""

import os

from stages.runtime.errors import UserError


def see_one_gpu() -> None:
    """Hide all GPUs from this process but the one of DEIDSYNTH_DEVICE: cuda:1 is the second visible one.

    Trainer would otherwise multiply the batch size by the number of GPUs that it sees and spread batches over them.
    It must run before anything asks CUDA for its devices. The processes of torchrun are left alone: each takes the
    GPU of its rank. Raises UserError for a GPU that CUDA_VISIBLE_DEVICES does not have.
    """
    device, _, number = os.environ.get("DEIDSYNTH_DEVICE", "cuda").partition(":")
    if device != "cuda" or "LOCAL_RANK" in os.environ:
        return
    if not (number or "0").isdecimal():
        raise UserError(f"DEIDSYNTH_DEVICE is cuda:{number}; give cpu, cuda, or cuda: and a whole number")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = int(number or 0)
    names = [str(chosen)] * (chosen + 1) if visible is None else [name for name in visible.split(",") if name]
    if names and chosen >= len(names):
        raise UserError(f"DEIDSYNTH_DEVICE is cuda:{chosen}, but CUDA_VISIBLE_DEVICES has {len(names)} GPU(s)")
    if names:
        os.environ["CUDA_VISIBLE_DEVICES"] = names[chosen]
        if number:  # the only one left
            os.environ["DEIDSYNTH_DEVICE"] = "cuda"
