"""The whole pipeline with real stages at toy size, in a clone, on a corpus that a person has added."""

import subprocess
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
import yaml

from scripts.study import merged
from stages.lm import models
from tests import graph, tiny

CORPUS = "toy"
# It is in every raw note, once as a patient's name and once in running text. Written here in two parts, so that a
# search does not find it in this file.
MARKER = "".join(("Vwqk", "zelt"))

CHECK = {"stop": False, "length": [0.0, 1000.0], "numbers": 0.0, "measures": 0.0, "language": 1.0, "repeated": 1.0}
MODEL = {
    "source": "scratch",
    "text": [CORPUS],
    "vocab_size": 600,
    "pretrain": {"steps": 30, "batch": 2, "context": 64},
}
SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}

# What the toy changes in params.yaml: sizes, and gates that models of two steps cannot pass.
OVERLAY = {
    "grid": {
        "demos": ["demo-es"],
        "corpora": [CORPUS],
        "synthesized": [CORPUS],
        "folds": [0],
        "seeds": [1],
        "arms": ["real", "synthetic", "mixed"],
        "ensembled": [CORPUS],
        "selftrained": [CORPUS],
        "rewritten": [CORPUS],
        "sources": ["real"],
        "rephrasers": ["tiny"],
        "prompts": ["encyclopedia"],
        "mixtures": ["real"],
    },
    "demo": {"notes": {"train": 16, "test": 4, "text_words": 3000}, "pairs": {"pairs": 8}},
    "corpora": {"split": {"prompts": 0.2, "select": 0.2, "audit": 0.2}, "share": {"tagger": "selftrained"}},
    "ner": {
        "train": {"length": 64, "overlap": 16, "steps": 3, "batch": 4, "probes": 1},
        "ensemble": {"members": 2},
        "selftrain": {"teacher": "ensemble"},
    },
    "synthesis": {
        "adapt": {"epochs": 1, "context": 64, "batch": 4, "evaluations": 1},
        "generate": {
            "max_new_tokens": 60,
            "volume": 0.3,
            # Only the likeliest tokens: rare bytes would make broken characters.
            "temperature": 0.2,
            "chunk": 16,
            "drop": {"unfinished": False, "min_words": 1, "repetition": 1.0},
        },
        "check": {"stop": False},
    },
    "models": {"rephraser": {"tiny": {"source": "folder", "path": "tiny"}}},
    "pretraining": {
        "probe": {
            "tasks": {"ner": {"corpus": CORPUS, "train": {"length": 64, "overlap": 16, "steps": 2, "batch": 4}}}
        },
        "pieces": {"total": 1500},
        "mix": {"tokens": None},
        "rephrase": {"sampling": {"max_new_tokens": 60}},
        # A random model's answers are useless, but enough of them must be left to mix.
        "check": CHECK,
        "pretrain": {"context": 64, "epochs": 1, "evaluations": 1},
        "perplexity": {"context": 64},
    },
}

# Every Python process of the run loads this. It records each connection and each look-up of a host name.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[0] if event.startswith("socket.get") else arguments[1]
        if not isinstance(address, (str, bytes)) or event.startswith("socket.get"):
            with open(os.environ["CONNECTIONS"], "a") as file:
                file.write(f"{event} {address!r} {sys.argv}\\n")
sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class Toy:
    """A project in which the toy has run, its output, and the home folder and connections of its processes."""

    project: Path
    home: Path
    connections: Path
    output: str

    def run(self, *command: str, check: bool = True, **more: str) -> subprocess.CompletedProcess:
        """Run a command in the project, watched as the toy was."""
        settings = {
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "PYTHONPATH": str(self.home / "watch"),
            "CONNECTIONS": str(self.connections),
            "OMP_NUM_THREADS": "1",
            "DEIDSYNTH_TRACKING": "",
        }
        return graph.run(self.project, *command, check=check, **settings | more)


def settings(base: dict) -> dict:
    """params.yaml of the toy: the demo's with the overlay and a corpus of its own."""
    demo = base["catalog"]["demo-es"]
    corpus = {
        "raw": demo["raw"],
        "encoder": merged(demo["encoder"], MODEL | {"config": SIZE}),
        "decoder": merged(demo["decoder"], MODEL | {"config": SIZE}),
    }
    rewriting = {"rewriting": demo["rewriting"] | {"unseen": [CORPUS]}}
    return merged(merged(base, OVERLAY), {"catalog": {CORPUS: merged(demo, corpus | rewriting)}})


def make(folder: Path, store: Path) -> Toy:
    """Clone, set up, write and add a corpus with the marker, and run the whole pipeline."""
    project = graph.clone(folder / "project")
    home = folder / "home"
    for name in ("tmp", "watch"):
        (home / name).mkdir(parents=True)
    (home / "watch" / "sitecustomize.py").write_text(WATCH)
    # Experiments are commits, and git wants to know whose.
    (home / ".gitconfig").write_text("[user]\n\tname = t\n\temail = t@t\n")
    toy = Toy(project, home, folder / "connections", "")
    file = project / "params.yaml"
    file.write_text(yaml.safe_dump(settings(yaml.safe_load(file.read_text())), sort_keys=False))
    (project / "mlflow.db").write_bytes(store.read_bytes())
    toy.run("python", "-m", "scripts.setup")
    raw, public = f"data/raw/{CORPUS}", f"data/public/{CORPUS}"
    toy.run("python", "-m", "stages.demo.notes", "--corpus", "demo-es", "--out", raw, "--text", public)
    plant(project / raw)
    instruct(project / "data/hub/tiny")
    toy.run("dvc", "add", "--quiet", raw, public, "data/hub/tiny")
    graph.commit(project)
    done = toy.run("dvc", "repro", check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-6000:]
    output += toy.run("python", "-m", "scripts.docs").stdout
    graph.commit(project)
    return Toy(project, home, toy.connections, output)


def instruct(folder: Path, kind: str = "llama") -> None:
    """A decoder with a chat template: it follows no instruction, but answers with a few words and ends."""
    model = models.load_decoder(tiny.decoder(folder, kind, max_position_embeddings=1024))
    # Some classes bring a tokenizer class of their own, with tokens of its own.
    tokenizer = models.load_tokenizer(folder)
    model.resize_token_embeddings(len(tokenizer))
    words = " ".join(tiny.texts(60)).split()
    said = [" ".join(words[first : first + 5]) for first in range(0, len(words), 5)]
    rows = [[*ids, tokenizer.eos_token_id] for ids in tokenizer(said)["input_ids"]]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for first in (first for _ in range(2) for first in range(0, len(rows), 8)):
        stream = torch.tensor([list(chain(*rows[first : first + 8]))])
        model(input_ids=stream, labels=stream).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.chat_template = "{% for turn in messages %}{{ turn.content }}{% endfor %}"
    tokenizer.save_pretrained(folder)


def plant(raw: Path) -> None:
    """Put the marker at the end of every brat note, tagged and untagged."""
    for file in sorted(raw.rglob("*.txt")):
        text = file.read_text(encoding="utf-8")
        start = len(text) + 1
        file.write_text(f"{text}\n{MARKER} acude. {MARKER.lower()}\n", encoding="utf-8")
        tags = file.with_suffix(".ann")
        row = f"T900\tPATIENT {start} {start + len(MARKER)}\t{MARKER}\n"
        tags.write_text(tags.read_text(encoding="utf-8") + row, encoding="utf-8")
