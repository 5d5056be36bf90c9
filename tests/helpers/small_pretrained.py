"""Small "pretrained" models with random weights, saved as Hugging Face's library saves them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

KINDS = ("marian", "bart", "t5")


def save_small(
    kind: str, folder: Path, source: Sequence[str], target: Sequence[str], seed: int = 1
) -> Any:
    """Save a model with its tokeniser, learned on some lines, and return it."""
    folder.mkdir(parents=True)
    tokeniser = TOKENISERS[kind](folder, source, target)
    torch.manual_seed(seed)
    model = MODELS[kind](len(tokeniser))
    with torch.no_grad():  # so that predictions differ from each other
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.2 * torch.randn_like(parameter)
    tokeniser.save_pretrained(folder)
    model.save_pretrained(folder)
    return model


def _marian_tokeniser(folder: Path, source: Sequence[str], target: Sequence[str]) -> Any:
    """Two models of SentencePiece and one vocabulary: </s> 0, <unk> 1, padding last."""
    pieces: dict[str, None] = {}
    for side, lines in (("source", source), ("target", target)):
        text = folder / f"{side}.txt"
        text.write_text("\n".join(lines), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(text),
            model_prefix=str(folder / side),
            vocab_size=120,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        text.unlink()
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        pieces |= dict.fromkeys(model.id_to_piece(id) for id in range(3, len(model)))
        (folder / f"{side}.vocab").unlink()
    entries = ["</s>", "<unk>", *pieces, "<pad>"]
    vocab = folder / "vocab.json"
    vocab.write_text(json.dumps({entry: id for id, entry in enumerate(entries)}))
    return MarianTokenizer(str(folder / "source.spm"), str(folder / "target.spm"), str(vocab))


def _bart_tokeniser(folder: Path, source: Sequence[str], target: Sequence[str]) -> Any:
    """BPE of bytes: <s> 0, <pad> 1, </s> 2, <unk> 3, <mask> last."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([*source, *target], trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def _t5_tokeniser(folder: Path, source: Sequence[str], target: Sequence[str]) -> Any:
    """Unigram pieces: <pad> 0, </s> 1, <unk> 2, and two sentinels that are never words."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=100,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    made.train_from_iterator([*source, *target], trainer)
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=["<extra_id_0>", "<extra_id_1>"],
    )


def _marian(entries: int) -> Any:
    config = MarianConfig(
        vocab_size=entries,
        eos_token_id=0,
        pad_token_id=entries - 1,
        decoder_start_token_id=entries - 1,
        forced_eos_token_id=None,
        **SIZES,
    )
    return MarianMTModel(config)


def _bart(entries: int) -> Any:
    config = BartConfig(vocab_size=entries, forced_eos_token_id=None, **SIZES)
    return BartForConditionalGeneration(config)


def _t5(entries: int) -> Any:
    # The model has more entries than the tokeniser, as published ones do.
    config = T5Config(
        vocab_size=entries + 5,
        d_model=16,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        dropout_rate=0.0,
    )
    return T5ForConditionalGeneration(config)


SIZES = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 256,
    "dropout": 0.0,
}
TOKENISERS = {"marian": _marian_tokeniser, "bart": _bart_tokeniser, "t5": _t5_tokeniser}
MODELS = {"marian": _marian, "bart": _bart, "t5": _t5}
