"""Rewritten pieces per second through a server, with 1 and with 16 requests open, on invented notes."""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, alternate, markdown, report
from benchmarks.memory import text
from benchmarks.served import served
from stages.pretraining import engines, rephrase
from stages.pretraining.server import Server
from stages.shared import models, tokenizers
from stages.shared.errors import run

# Large enough that what a request costs beside the model does not hide what batching gains.
CONFIG = {
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
TEMPLATE = "{% for turn in messages %}{{ turn.content }}{% endfor %}"
TOKENS = 64


def make(folder: Path, texts: list[str]) -> Path:
    """A random-weight decoder with a chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    models.hush()
    tokenizer = tokenizers.train(texts, 2000, "decoder", 1024)
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **CONFIG,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(pieces: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Pieces a second at both concurrencies, asked anew each time."""
    written = [text(number)[0] for number in range(pieces)]
    chats = [rephrase.chat("Reescribe: {text}", each) for each in written]
    settings = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": TOKENS, "chunk": 1, "precision": "fp32"}
    model = make(folder / "model", written)
    asked = iter(range(10**6))

    def at(concurrency: int, count: int) -> float:
        os.environ["DEIDSYNTH_CONCURRENCY"] = str(concurrency)
        # Another seed is another request: nothing comes from what was kept.
        sampling = engines.Sampling(**settings, seed=1000 * next(asked))
        engine = Server(str(model), chats[:count], sampling, permitted=False, private=True)
        engine.check()
        kept = engines.Kept(folder / f"{sampling.seed}.jsonl")
        return len(list(engines.answers(engine, kept, lambda tokens: None)))

    with served(model, folder / "server.log") as address:
        os.environ["DEIDSYNTH_SERVER"] = address
        at(4, 8)  # the model is loaded by its first request
        rates = alternate({"1": lambda: at(1, pieces // 8), "16": lambda: at(16, pieces)}, repeats)
    return {"pieces_per_second": rates, "ratio": round(rates["16"] / rates["1"], 2), "tokens": TOKENS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=96, help="pieces asked for at 16 requests open")
    parser.add_argument("--repeats", type=int, default=3, help="turns of both")
    parser.add_argument("--out", default=RESULTS, help="folder for the numbers")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.pieces, args.repeats, Path(folder))
    rows = [[name, rate] for name, rate in found["pieces_per_second"].items()]
    table = markdown(["requests open", "pieces a second"], [*rows, ["16 / 1", found["ratio"]]])
    report("rephrase_server", table, found | {"pieces": args.pieces, "repeats": args.repeats}, args.out)


if __name__ == "__main__":
    run(main)
