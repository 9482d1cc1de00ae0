"""Rewritten pieces per second through a server, with 1 and with 16 open requests, on invented notes."""

import argparse
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, alternate, markdown, report
from benchmarks.memory import text
from benchmarks.served import served
from stages.generation.requests import AnswerStore, Request, Sampling, answers
from stages.generation.server import Server
from stages.lm import models
from stages.models import tokenizers
from stages.pretraining.rephrase import chat
from stages.runtime.errors import run

# Large enough that the overhead of a request does not hide the gain of batching.
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

    models.quieten()
    tokenizer = tokenizers.train(texts, 2000, "decoder", 1024)
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, **CONFIG
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(pieces: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Pieces per second at both concurrencies; no answer is used twice."""
    written = [text(number)[0] for number in range(pieces)]
    sampling = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=TOKENS)
    model = make(folder / "model", written)
    seeds = count()

    def at(concurrency: int, size: int) -> float:
        os.environ["DEIDSYNTH_CONCURRENCY"] = str(concurrency)
        seed = next(seeds)  # a new seed makes new requests
        requests = [Request(chat("Reescribe: {text}", one), (seed, n)) for n, one in enumerate(written[:size])]
        engine = Server(str(model), sampling, reads=[], permitted=False)
        return len(list(answers(engine, requests, AnswerStore(folder / f"{seed}.jsonl"))))

    with served(model, folder / "server.log") as address:
        os.environ["DEIDSYNTH_SERVER"] = address
        at(4, 8)  # the model is loaded by its first request
        rates = alternate({"1": lambda: at(1, pieces // 8), "16": lambda: at(16, pieces)}, repeats)
    return {"pieces_per_second": rates, "ratio": round(rates["16"] / rates["1"], 2), "tokens": TOKENS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=96, help="pieces rewritten with 16 open requests")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions of both")
    parser.add_argument("--out", default=RESULTS, help="folder for the numbers")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.pieces, args.repeats, Path(folder))
    rows = [[name, rate] for name, rate in found["pieces_per_second"].items()]
    table = markdown(["open requests", "pieces per second"], [*rows, ["16 / 1", found["ratio"]]])
    report("rephrase_server", table, found | {"pieces": args.pieces, "repeats": args.repeats}, args.out)


if __name__ == "__main__":
    run(main)
