import json
import random
from pathlib import Path

import pytest

from stages.generation.engines import InProcess
from stages.generation.requests import AnswerStore, Request, Sampling, answers
from stages.lm import models
from stages.models import instruct
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.stage import Run
from tests import tiny

PROMPTS = {"first": "Primero: {text}", "last": "Final: {text}"}
WORDS = ("dolor", "fiebre", "tos", "mareo", "reposo", "control")


def settings(**changes) -> instruct.Trained:
    return instruct.Trained.model_validate(
        {"source": "trained", "corpus": "c", "architecture": "llama",
         "config": tiny.DECODERS["llama"], "pairs": ["p"], "steps": 120, "seed": 1, "batch": 16,
         "optimizer": "muon", "learning_rate": 0.02, "schedule": "linear", "warmup": 0.1, "weight_decay": 0.0,
         "precision": "fp32"} | changes
    )  # fmt: skip


def write(rows: list) -> Path:
    folder = Path("pairs/p")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / instruct.FILE).write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return folder


def train(folder: Path, **changes) -> Path:
    out = Path("made")
    out.mkdir()
    base = tiny.decoder(Path("base"))
    with Run("models.rephraser", "r", lambda: "key") as tracked:
        instruct.train(settings(**changes), base, [folder], PROMPTS, out, tracked)
    return out


@pytest.mark.slow
def test_it_follows_the_prompt_that_it_is_given(workdir):
    rng = random.Random(1)
    rows = []
    for number in range(400):
        prompt, words = list(PROMPTS)[number % 2], rng.sample(WORDS, 3)
        answer = words[0] if prompt == "first" else words[-1]
        rows.append({"prompt": prompt, "text": " ".join(words), "answer": answer})
    out = train(write(rows))
    asked = [(prompt, rng.sample(WORDS, 3)) for prompt in PROMPTS for _ in range(10)]
    chats = [
        [{"role": "user", "content": PROMPTS[prompt].replace("{text}", " ".join(words))}] for prompt, words in asked
    ]
    engine = InProcess(out, Sampling(temperature=0.01, top_p=0.9, max_new_tokens=8, chunk=20))
    requests = [Request(chat, (1, number)) for number, chat in enumerate(chats)]
    found = list(answers(engine, requests, AnswerStore(Path("kept.jsonl"))))
    assert all(answer.ended for answer in found)
    right = [words[0] if prompt == "first" else words[-1] for prompt, words in asked]
    assert sum(answer.text == word for answer, word in zip(found, right, strict=True)) >= 18


def test_nothing_but_the_answer_is_learnt_from(workdir):
    tokenizer = models.load_tokenizer(tiny.decoder(Path("base")))
    tokenizer.add_special_tokens({"additional_special_tokens": [instruct.USER, instruct.ASSISTANT]})
    tokenizer.chat_template = instruct.TEMPLATE
    found = instruct.example(instruct.Pair(prompt="last", text="tos seca", answer="seca"), PROMPTS, tokenizer)
    assert (
        tokenizer.decode(found["input_ids"])
        == f"{instruct.USER}Final: tos seca{instruct.ASSISTANT}seca{tokenizer.eos_token}"
    )
    learnt = found["labels"] != -100
    assert tokenizer.decode(found["input_ids"][learnt]) == f"seca{tokenizer.eos_token}"
    assert (found["labels"][learnt] == found["input_ids"][learnt]).all()


@pytest.mark.slow
def test_lineage_has_vocabulary_and_pairs(workdir):
    rows = [{"prompt": "first", "text": "tos", "answer": "tos"}]
    out = train(write(rows), steps=1)
    # Nobody said what the pairs are: they count as real notes.
    assert lineage.read(out) == {Read("story", "public", "vocabulary"), Read("pairs:p", "real", "gradient")}
    lineage.write("pairs/p", [Read("demo/pairs", "invented", "content")])
    assert instruct.reads([Path("pairs/p")]) == {Read("demo/pairs", "invented", "gradient")}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"pairs\.jsonl:2: not valid JSON at column 2"),
        ({"prompt": "first", "text": "x"}, r"pairs\.jsonl:2: expected"),
        ({"prompt": "first", "text": "x", "answer": ""}, r"pairs\.jsonl:2: expected"),
        ({"prompt": "firts", "text": "x", "answer": "y"}, r"pairs\.jsonl:2: .* only first, last"),
    ],
)
def test_a_line_that_is_no_pair(workdir, line, message):
    write([{"prompt": "first", "text": "x", "answer": "y"}, line])
    with pytest.raises(UserError, match=message):
        list(instruct.read(Path("pairs/p"), PROMPTS))


def test_pairs_that_are_not_there(workdir):
    with pytest.raises(UserError, match=r"nowhere/pairs\.jsonl: not there"):
        list(instruct.read(Path("nowhere"), PROMPTS))
