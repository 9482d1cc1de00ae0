"""Peak memory of adapting a model of 0.3 billion weights with a vocabulary of 262,144 tokens, as Gemma 3 270M has."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import RESULTS, markdown, report
from benchmarks.memory import CORPUS, peak, text
from stages.runtime.errors import run

VOCABULARY = 262_144
SHAPE = {
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
}
ADAPT: dict[str, Any] = {
    "method": "lora",
    "lora": {"r": 8, "alpha": 32, "embeddings": False},
    "unit": "note",
    "context": 512,
    "steps": 2,
    "epochs": None,
    "batch": 8,
    "optimizer": "adamw",
    "learning_rate": 0.0001,
    "evaluations": 1,
}
EIGHT = {"DEIDSYNTH_MICRO_BATCH": "8"}
# What differs between the runs: settings, and the environment.
RUNS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "LoRA": ({}, {}),
    "LoRA, micro-batch of 8": ({}, EIGHT),
    "LoRA, micro-batch of 8, gradient checkpointing": ({}, EIGHT | {"DEIDSYNTH_GRADIENT_CHECKPOINTING": "1"}),
    "LoRA, micro-batch of 8, base in bf16": ({"precision": "bf16"}, EIGHT),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=RESULTS, help="folder for the record")
    args = parser.parse_args()
    peaks = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = make(folder)
        for kind, (changes, environment) in RUNS.items():
            params = {"synthesis": {"adapt": ADAPT | changes}}
            (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
            paths = {"base": "base", "notes": "notes", "select": "select", "out": f"out/{kind}", "metrics": "m.json"}
            axes = {"corpus": CORPUS, "fold": "0", "seed": "1"}
            arguments = [part for key, value in (axes | paths).items() for part in (f"--{key}", value)]
            peaks[kind] = round(peak(folder, ["stages.synthesis.adapt", *arguments], environment) / 1e9, 2)
    rows = [[kind, f"{value:.2f}"] for kind, value in peaks.items()]
    report("large_vocabulary", markdown(["adaptation", "peak memory, GB"], rows), {"gb": peaks, **weights}, args.out)


def make(folder: Path) -> dict[str, int]:
    """Write the random base and notes; return the number of weights and tokens of the vocabulary."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from stages.lm import models
    from stages.models import tokenizers
    from stages.notes import note_table
    from stages.notes.note_table import Note
    from stages.runtime import lineage
    from stages.runtime.lineage import Read

    models.quieten()
    tokenizer = tokenizers.train((text(number)[0] for number in range(100)), 400, "decoder", 512)
    torch.manual_seed(0)
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config = AutoConfig.for_model("gemma3_text", vocab_size=VOCABULARY, **special, **SHAPE)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    for name, numbers in {"notes": range(60), "select": range(60, 70)}.items():
        note_table.write(folder / name, [Note(str(number), str(number), text(number)[0]) for number in numbers])
    for name in ("base", "notes", "select"):
        lineage.write(folder / name, [Read("bench", "invented", "content")])
    return {"weights": sum(weight.numel() for weight in model.parameters()), "vocabulary": VOCABULARY}


if __name__ == "__main__":
    run(main)
