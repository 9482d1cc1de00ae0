"""Pretrained models with a smaller vocabulary: the tokens that public texts need.

Of Gemma 3 270M, 168 million weights are embeddings, one row for each of 262,144 tokens of a hundred languages, and
every loss and every sampled token computes with all of them. Public texts choose what is kept, never the notes: a
vocabulary that is released would tell their rare words.
"""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from stages.lm import models
from stages.notes.note_table import batched
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json, write_json
from stages.runtime.params import Section

# The tokens by which a BPE tokenizer with byte fallback spells characters that it does not know.
_BYTES = {f"<0x{number:02X}>" for number in range(256)}


class Trimming(Section):
    """What is kept of a vocabulary."""

    text: list[str] = Field(min_length=1)
    """Public texts, folders of data/public, whose tokens are kept. Include texts with names and streets, which case
    reports lack: what is not in the texts is spelled in shorter tokens."""


def trim(folder: Path, texts: Iterable[str], out: Path) -> tuple[int, int]:
    """Write the model in `folder` to `out` with the tokens that `texts` need; return their number before and after.

    Special tokens are kept too, and what spells any other text: all bytes or, if the tokenizer has none, all single
    characters. A text whose tokens are all kept has the same tokens as before, and the logits of kept tokens do not
    change. Raises UserError for a tokenizer other than BPE and Unigram.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from tokenizers import Tokenizer

    path = Path(models.resolve(folder))
    if not (path / "tokenizer.json").is_file():
        raise UserError(f"{folder}: no fast tokenizer (tokenizer.json), whose vocabulary could be trimmed")
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    content = json.loads(tokenizer.to_str())
    pieces = content["model"]
    if pieces["type"] not in ("BPE", "Unigram"):
        raise UserError(f"{folder}: a tokenizer of the kind {pieces['type']} cannot be trimmed, only BPE and Unigram")
    needed = {token["content"] for token in content["added_tokens"]}
    for chunk in batched(texts, 256):
        for encoding in tokenizer.encode_batch(chunk, add_special_tokens=False):
            needed.update(encoding.tokens)
    if pieces["type"] == "BPE":
        needed |= _merged_on_the_way(pieces, needed) | (_BYTES if pieces["byte_fallback"] else _characters(pieces))
    else:
        needed |= _characters(pieces)
    kept = sorted(number for token, number in tokenizer.get_vocab().items() if token in needed)
    numbers = {old: new for new, old in enumerate(kept)}
    if pieces["type"] == "BPE":
        pieces["vocab"] = {token: numbers[old] for token, old in pieces["vocab"].items() if token in needed}
        pieces["merges"] = [pair for pair in pieces["merges"] if {*pair, "".join(pair)} <= needed]
    else:
        pieces["vocab"] = [pieces["vocab"][old] for old in kept]
        pieces["unk_id"] = numbers[pieces["unk_id"]]
    for token in content["added_tokens"]:
        token["id"] = numbers[token["id"]]
    for token in ((content["post_processor"] or {}).get("special_tokens") or {}).values():
        token["ids"] = [numbers[old] for old in token["ids"]]
    config = read_json(path / "config.json")
    size = config.get("text_config", config)["vocab_size"]
    weights: dict[str, Any] = {}
    for file in sorted(path.glob("*.safetensors")):
        weights |= load_file(file)
    # Rows of embeddings and output layers, and biases of the latter. Tied weights are in the file once.
    rows = torch.tensor(kept)
    weights = {name: tensor[rows] if tensor.shape[:1] == (size,) else tensor for name, tensor in weights.items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    (out / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    for name in models.hashes(path):
        if name in ("config.json", "generation_config.json"):
            write_json(out / name, _renumbered(read_json(path / name), numbers))
        elif name.endswith((".jinja", "tokenizer_config.json", "special_tokens_map.json")):
            (out / name).write_bytes((path / name).read_bytes())
    return size, len(kept)


def _merged_on_the_way(pieces: dict[str, Any], tokens: set[str]) -> set[str]:
    """What BPE merges on the way from characters to these tokens, the characters included."""
    ranks = {(first, second): rank for rank, (first, second) in enumerate(pieces["merges"])}
    found: set[str] = set()
    for token in tokens & pieces["vocab"].keys():
        parts = list(token)
        found.update(parts)
        while len(parts) > 1:
            pairs = ((ranks.get(pair, len(ranks)), place) for place, pair in enumerate(itertools.pairwise(parts)))
            rank, place = min(pairs)
            if rank == len(ranks):  # a special token, which no merges lead to
                break
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
            found.add(parts[place])
    return found


def _characters(pieces: dict[str, Any]) -> set[str]:
    """The tokens of one character: all bytes of a byte-level tokenizer, all letters that a Unigram one knows."""
    tokens = pieces["vocab"] if pieces["type"] == "BPE" else (token for token, _ in pieces["vocab"])
    return {token for token in tokens if len(token) == 1}


def _renumbered(config: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    """A model's config with the new numbers of its special tokens."""

    def new(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return _renumbered(value, numbers)
        if key == "vocab_size":
            return len(numbers)
        if key.endswith(("token_id", "token_index")):
            return [numbers.get(old) for old in value] if isinstance(value, list) else numbers.get(value)
        return value

    return {key: new(key, value) for key, value in config.items()}
