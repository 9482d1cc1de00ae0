import pytest
import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers import models as tokenizer_models

from stages.generation import sampling
from stages.generation.engines import InProcess
from stages.generation.prompts import Start, Vocabulary, start
from stages.generation.requests import AnswerStore, Request, Sampling, answers
from stages.generation.sampling import Forced
from stages.lm import models
from tests import tiny


@pytest.fixture(scope="module")
def joining():
    """A tokenizer that joins marks and the line break after them, as Llama 3's and Qwen's do."""
    tokenizer = Tokenizer(tokenizer_models.BPE())
    pieces = Regex(r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+\n*|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pieces, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet, special = pre_tokenizers.ByteLevel.alphabet(), ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(tiny.texts(60), trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


@pytest.fixture(scope="module")
def folder(joining, tmp_path_factory):
    """A model with this tokenizer; it has learned nothing."""
    folder = tiny.decoder(tmp_path_factory.mktemp("joining"), vocab_size=len(joining))
    joining.save_pretrained(folder)
    return folder


TEXT = "Nombre: Ana Ruiz.\nEdad: 20 años.\nAcude por tos seca.\n"


def prompt(joining, size):
    return start(size, TEXT, joining)


def test_a_prompt_is_the_tokens_of_its_note_and_the_characters_after_them(joining):
    whole = joining(TEXT)["input_ids"]
    inside = 0
    for size in range(1, len(TEXT) + 1):
        found = prompt(joining, size)
        assert found.text == TEXT[:size]
        if found.tokens == whole[: len(found.tokens)]:
            assert joining.decode(found.tokens) + found.rest == TEXT[:size]
        else:  # not even the first token is inside
            assert size < len("Nombre") and found.rest == ""
        inside += bool(found.rest)
    name = len("Nombre: Ana Ruiz.")
    assert TEXT[:name] == "Nombre: Ana Ruiz."
    assert prompt(joining, name).rest == "."  # the note has one token for the full stop and the line break
    assert joining(TEXT[:name])["input_ids"] != whole[: len(joining(TEXT[:name])["input_ids"])]
    assert inside > 5


def test_a_slow_tokenizer_gives_up_its_last_token():
    slow = transformers.ByT5Tokenizer(extra_ids=0)
    assert start(3, "Anas", slow) == Start("Ana", slow("An", add_special_tokens=False)["input_ids"], "a")


def test_a_tokenizer_that_loses_characters_forces_none():
    tokenizer = tiny.tokenizer()
    tokenizer.backend_tokenizer.normalizer = __import__("tokenizers").normalizers.Lowercase()
    own = tokenizer("Nombre: Ana", add_special_tokens=False)["input_ids"]
    assert start(11, "Nombre: Ana Ruiz.", tokenizer) == Start("Nombre: Ana", own, "")


@pytest.mark.slow
@pytest.mark.parametrize("echo", [True, False])
def test_every_text_begins_with_the_characters_of_its_prompt(joining, folder, tmp_path, echo):
    engine = InProcess(folder, Sampling(temperature=1.0, top_p=0.95, max_new_tokens=12, chunk=16))
    starts = [prompt(joining, size) for size in range(7, len(TEXT) + 1)]
    requests = [Request(one.text, (1, n), echo, one.tokens, one.rest) for n, one in enumerate(starts)]
    found = list(answers(engine, requests, AnswerStore(tmp_path / "a.jsonl")))
    alone = list(answers(engine, [one._replace(echo=True) for one in requests], AnswerStore(tmp_path / "b.jsonl")))
    for one, answer, whole in zip(starts, found, alone, strict=True):
        assert whole.text.startswith(one.text)
        # The prompt is taken off to the character, forced ones included.
        assert answer.text == (whole.text if echo else whole.text[len(one.text) :])
    assert sum(whole.text[len(one.text) :].startswith("\n") for one, whole in zip(starts, alone, strict=True)) > 0


@pytest.mark.slow
def test_at_the_boundary_tokens_have_the_model_s_probabilities_among_those_that_agree(joining, folder):
    model, vocabulary = models.load_decoder(folder).eval(), Vocabulary(joining)
    ids = [joining.bos_token_id, *prompt(joining, len("Nombre: Ana Ruiz.")).tokens]
    agreeing = vocabulary.agreeing(b".")
    assert {joining.decode([number]) for number in agreeing} >= {".", ".\n"}
    assert all(joining.decode([number]).startswith(".") for number in agreeing)
    with torch.inference_mode():
        probabilities = model(torch.tensor([ids])).logits[0, -1].softmax(0)[agreeing]
    expected = probabilities / probabilities.sum()
    draws = 4000
    options = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 1, "forced": Forced(vocabulary, [b"."] * draws)}
    samples = sampling.sample(model, [ids] * draws, [(5, n) for n in range(draws)], [1], [0], **options)
    shares = torch.bincount(torch.tensor([one.ids[0] for one in samples]), minlength=len(joining))[agreeing] / draws
    assert shares.sum() == 1
    assert (shares - expected).abs().max() < 5 * (0.25 / draws) ** 0.5


def test_characters_of_several_bytes_are_forced_byte_by_byte(joining, folder):
    model, vocabulary = models.load_decoder(folder).eval(), Vocabulary(joining)
    texts = ["ñ😀 é", "日本"]
    forced = Forced(vocabulary, [text.encode() for text in texts])
    options = {"temperature": 1.0, "top_p": 0.9, "max_new_tokens": 14, "forced": forced}
    samples = sampling.sample(model, [[0], [0]], [(1, 1), (1, 2)], [1], [0], **options)
    for text, one in zip(texts, samples, strict=True):
        assert joining.decode(one.ids).startswith(text)


class SentencePiece:
    """A vocabulary in which U+2581 is a blank, and bytes that no token has are written as such."""

    is_fast, all_special_ids = False, [0]
    names = ("<s>", "\u2581Ana", ".", "<0x0A>", "<0xC3>", "<0xB1>", "ñ", ".\u2581", "Ana")

    def __len__(self):
        return len(self.names)

    def convert_ids_to_tokens(self, numbers):
        return [self.names[number] for number in numbers]


def test_tokens_agree_by_their_bytes():
    vocabulary = Vocabulary(SentencePiece())
    assert vocabulary.pieces == [b"", b" Ana", b".", b"\n", b"\xc3", b"\xb1", b"\xc3\xb1", b". ", b"Ana"]
    assert vocabulary.agreeing(b".") == [2, 7]
    assert vocabulary.agreeing("ño".encode()) == [4, 6]
    assert vocabulary.agreeing(b" ") == [1]
    assert vocabulary.after("ño".encode(), 4) == b"\xb1o"
    assert vocabulary.after(b".", 7) == b""
