"""Models in GGUF files, whose few bits per weight are turned into ordinary weights once."""

import copy
from pathlib import Path

from stages.lm import models
from stages.runtime.errors import UserError


def dequantise(file: Path, out: Path) -> None:
    """Write a decoder's GGUF file to `out` as a Hugging Face folder with bfloat16 weights.

    Raises UserError, before any weight is read, for a file that is none and for an architecture that transformers
    cannot read. The weights are those that the file's few bits still know.
    """
    models.quieten()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

    kind = architecture(file)
    if kind not in GGUF_CONFIG_MAPPING:
        raise UserError(f"{file.name}: transformers cannot read a GGUF file of the architecture {kind}; take another")
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16)
    # Without what says that it is quantised, which it no longer is.
    config = copy.deepcopy(read.config)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def architecture(file: Path) -> str:
    """The architecture that a GGUF file names. Raises UserError if it is no GGUF file."""
    from gguf import GGUFReader

    try:
        field = GGUFReader(file).fields["general.architecture"]
        return str(field.contents())
    except (ValueError, KeyError, IndexError, OSError):
        raise UserError(f"{file.name}: not a complete GGUF file; fetch it again") from None
