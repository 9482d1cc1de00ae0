"""Byte-level BPE tokenizers trained on public text. Every digit and punctuation mark is a token of its own."""

from collections.abc import Iterable
from typing import Any

from stages.lm.models import Role

SPECIAL = {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "mask": "<mask>"}


def train(texts: Iterable[str], vocab_size: int, role: Role, context: int) -> Any:
    """A Hugging Face fast tokenizer of at most `vocab_size` tokens.

    Decoding gives back every text exactly, white space and line breaks included. An encoder's tokenizer adds `<s>`
    and `</s>` around a text; a decoder's adds nothing (packing and sampling add the edges). Texts longer than
    `context` tokens are reported as too long for the model.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # A span may begin or end inside "(+34" and "1990)": so digits and marks are tokens of their own.
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special, alphabet = list(SPECIAL.values()), pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos, eos = SPECIAL["bos"], SPECIAL["eos"]
    options = {"bos_token": bos, "eos_token": eos, "pad_token": SPECIAL["pad"], "clean_up_tokenization_spaces": False}
    if role == "encoder":
        edges = [(token, tokenizer.token_to_id(token)) for token in (bos, eos)]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A {eos}", pair=f"{bos} $A {eos} $B {eos}", special_tokens=edges
        )
        options |= {"mask_token": SPECIAL["mask"], "cls_token": bos, "sep_token": eos}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=context, padding_side="right", **options
    )
