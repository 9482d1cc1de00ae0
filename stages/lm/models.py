"""Loading Hugging Face models and tokenizers from the folders that stages write."""

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from stages.notes.note_table import batched
from stages.runtime import quiet
from stages.runtime.devices import see_one_gpu
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json
from stages.runtime.stage import Input

# A hub model: its name, commit and file hashes. The weights stay in the hub's own cache.
POINTER = "hub.json"
# A model behind a server: the name by which the server knows it.
SERVED = "server.json"
# Files of a model. Nothing else is copied or downloaded, least of all pickled weights.
FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
Precision = Literal["fp32", "bf16"]
Role = Literal["encoder", "decoder"]
_LANGUAGE_MODELS: dict[Role, str] = {"decoder": "AutoModelForCausalLM", "encoder": "AutoModelForMaskedLM"}


def load_tokenizer(folder: str | Path, offsets: bool = False) -> Any:
    """The tokenizer of a model folder; it has a padding token.

    With `offsets` it tells which characters each token covers, as only fast ones do; UserError for another.
    """
    path = resolve(folder)
    quieten()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    if offsets and not tokenizer.is_fast:
        raise UserError(
            f"{folder}: no fast tokenizer (tokenizer.json), which tells the characters of each token; choose another "
            "base model"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_counter(folder: str | Path, offsets: bool = True) -> Any:
    """The `tokenizers.Tokenizer` of a model folder, for stages that only count and cut.

    If the folder has tokenizer.json, transformers is not imported, which would take four seconds. Without `offsets`,
    it may be a slow tokenizer, which has `encode_batch_fast` only.
    """
    path = Path(resolve(folder)) / "tokenizer.json"
    if not path.is_file():
        tokenizer = load_tokenizer(folder, offsets)
        return tokenizer.backend_tokenizer if tokenizer.is_fast else _Counter(tokenizer)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def context(config: Any) -> int:
    """The most tokens that a model can read, special ones included; 10**9 where its positions are not limited.

    A multimodal checkpoint keeps this in the config of its text model. RoBERTa and its relatives count positions from
    the padding token's number plus one, so two of their 514 are never used.
    """
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None) or 10**9
    return positions - text.pad_token_id - 1 if text.model_type in _RESERVED else positions


def context_of(folder: str | Path) -> int:
    """The `context` of the model in a folder, without loading its weights."""
    from transformers import AutoConfig

    return context(AutoConfig.from_pretrained(resolve(folder)))


def edges(tokenizer: Any) -> tuple[int, int]:
    """Token numbers that begin and end a document: BOS and EOS, or what an encoder has in their place."""
    ends = [number for number in (tokenizer.eos_token_id, tokenizer.sep_token_id) if number is not None]
    begins = [number for number in (tokenizer.bos_token_id, tokenizer.cls_token_id, *ends) if number is not None]
    if not ends:
        raise ValueError("the tokenizer has no token that can end a document")
    return begins[0], ends[0]


def bos(tokenizer: Any) -> list[int]:
    """The token that only ever begins a document, in a list; [] for a tokenizer whose one mark ends documents too.

    A model that has such a token was always shown it at the first position, and some models (Gemma) fail without it.
    """
    begin, end = edges(tokenizer)
    return [] if begin == end else [begin]


def documents(texts: Iterable[str], tokenizer: Any) -> Iterator[list[int]]:
    """The token numbers of every text, without the token that begins a document and with the one that ends it."""
    end = edges(tokenizer)[1]
    for chunk in batched(texts, 256):
        encoded = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False, verbose=False)
        yield from ([*ids, end] for ids in encoded["input_ids"])


def load_decoder(folder: str | Path, precision: Precision = "fp32", **options: Any) -> Any:
    """The causal language model in a folder, on the CPU, its weights in `precision`."""
    return _model("CausalLM", folder, precision, **options)


def load_masked(folder: str | Path) -> Any:
    """The masked language model in a folder, on the CPU in fp32."""
    return _model("MaskedLM", folder)


def load_encoder(folder: str | Path, labels: list[str], classified: Literal["Token", "Sequence"] = "Token") -> Any:
    """The encoder in a folder with a new classification head whose outputs are `labels`, in their order.

    The head's weights are random: seed torch before.
    """
    numbers = {name: number for number, name in enumerate(labels)}
    return _model(f"{classified}Classification", folder, id2label=dict(enumerate(labels)), label2id=numbers)


def load_tagger(folder: str | Path, precision: Precision = "fp32") -> tuple[Any, Any]:
    """A trained token-classification model, on `device()`, and its tokenizer."""
    return _model("TokenClassification", folder, precision).to(device()).eval(), load_tokenizer(folder, offsets=True)


def from_config(architecture: str, config: dict[str, Any], tokenizer: Any, role: Role) -> Any:
    """A language model with random weights (seed torch before), causal or masked, for the tokenizer's tokens.

    UserError for an architecture that does not exist or does not take this config.
    """
    quieten()
    import transformers

    special = ["bos", "eos", "pad"] if role == "decoder" else ["bos", "eos", "pad", "cls", "sep"]
    numbers = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in special}
    try:
        made = transformers.AutoConfig.for_model(architecture, **{"vocab_size": len(tokenizer), **numbers, **config})
        return getattr(transformers, _LANGUAGE_MODELS[role]).from_config(made)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"params.yaml: architecture {architecture} with this config: {error}") from None


def reinitialised(folder: str | Path, role: Role, changes: Mapping[str, Any]) -> Any:
    """The language model in a folder with new random weights (seed torch before), on the CPU in fp32.

    `changes` are keys of its config with other values. UserError for a key that it does not have, or a shape that its
    architecture does not take.
    """
    quieten()
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(resolve(folder))
    for key, value in changes.items():
        if key not in config.to_dict():
            raise UserError(
                f"{folder}: the config of this {config.model_type} model has no key {key}; correct the name"
            )
        setattr(config, key, value)
    try:
        return getattr(transformers, _LANGUAGE_MODELS[role]).from_config(config, dtype=torch.float32)
    except (ValueError, TypeError) as error:
        raise UserError(f"{folder}: {config.model_type} does not take this shape: {error}") from None


def device() -> str:
    """The device to compute on: DEIDSYNTH_DEVICE, else a GPU if there is one, else the CPU.

    A process of torchrun takes the GPU of its rank.
    """
    see_one_gpu()
    import torch

    named = os.environ.get("DEIDSYNTH_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    return f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ and named.startswith("cuda") else named


def resolve(folder: str | Path) -> str:
    """The local path of a model folder's files: the folder, or the hub cache's copy of the pinned commit.

    UserError if there is no model, if its weights are only pickled, or if a hub model cannot be downloaded or is not
    byte for byte the one that the pointer names.
    """
    folder = Path(folder)
    if (folder / POINTER).is_file():
        pointer = read_json(folder / POINTER)
        path = download(pointer["name"], pointer["revision"])
        if _hashes_once(path) != pointer["files"]:
            raise UserError(
                f"{path}: not the files of {pointer['name']} that {folder / POINTER} names; delete that folder of "
                "the hub's cache, and download it again"
            )
        return path
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no model here (no config.json); run `dvc repro` to make it, or correct the path")
    if not list(folder.glob("*.safetensors")):
        raise UserError(
            f"{folder}: no *.safetensors here; pickled weights can run code and are not loaded. Save the model "
            "with `model.save_pretrained(folder)`, which writes safetensors"
        )
    return str(folder)


def of_cell(folder: str | Path, fold: int, seed: int) -> Path:
    """The model in `folder` or, if that has models by fold and seed (as pretraining writes them), the cell's model.

    Raises UserError if there is no model, before anything heavy is loaded.
    """
    inner = Path(folder, str(fold), str(seed))
    found = inner if inner.is_dir() else Path(folder)
    resolve(found)
    return found


def download(name: str, revision: str, weights: str = "*.safetensors") -> str:
    """The local path of one commit of a hub model, downloaded if it is not in the hub's cache.

    `weights` are the names of the files with the weights; of another format than safetensors, nothing else is taken.
    """
    quiet.allow_hub()
    from huggingface_hub import snapshot_download

    patterns = list(FILES) if weights in FILES else [weights]
    with suppress(Exception):  # not in the cache, or incomplete
        path = snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True)
        if list(Path(path).glob(weights)):
            return path
    try:
        path = snapshot_download(name, revision=revision, allow_patterns=patterns)
    except Exception as error:
        raise UserError(
            f"hub model {name} at {revision[:12]} is not in the local cache and could not be downloaded "
            f"({type(error).__name__}): check name, commit and network (HF_HUB_OFFLINE, proxy), or put the model "
            "into a folder and name it in params.yaml with `source: folder`, or train one with `source: scratch`"
        ) from None
    if not list(Path(path).glob(weights)):
        raise UserError(f"hub model {name} has no {weights} at {revision[:12]}; choose a commit that has")
    return path


def digest(folder: str | Path) -> str:
    """A short hash of a folder's files without the lineage, which identifies the model in provenance."""
    lines = "".join(f"{name} {value}\n" for name, value in hashes(folder).items())
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def hashes(folder: str | Path) -> dict[str, str]:
    """sha256 of each file of a model, by name."""
    result = {}
    for path in sorted({path for pattern in FILES for path in Path(folder).glob(pattern)}):
        if path.name != "lineage.json":
            with path.open("rb") as stream:
                result[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return result


# Model types whose position embeddings begin behind the padding token's number.
_RESERVED = ("camembert", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod")
ModelFolder = Annotated[Path, Input(resolve)]

# A process that loads a model several times hashes its gigabytes of weights once.
_hashes_once = cache(hashes)


def quieten() -> None:
    """Switch off the libraries' progress bars, their advice on weights that a new head rightly lacks, and warnings
    about calls between libraries that no user of a stage can change."""
    from transformers.utils import logging

    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


class _Counter:
    """A slow tokenizer with the method of `tokenizers.Tokenizer` that counting needs."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def encode_batch_fast(self, texts: list[str], add_special_tokens: bool) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=add_special_tokens, verbose=False)["input_ids"]


def _model(task: str, folder: str | Path, precision: Precision = "fp32", **options: Any) -> Any:
    """What transformers' class for the task loads from a model folder."""
    path = resolve(folder)
    quieten()
    import torch
    import transformers

    options["dtype"] = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    return getattr(transformers, f"AutoModelFor{task}").from_pretrained(path, use_safetensors=True, **options)
