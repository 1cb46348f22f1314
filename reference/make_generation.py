"""fixtures/generation: what transformers' `generate` gives on the tiny hosts of fixtures/t5 and fixtures/bart."""

import torch
from transformers import AutoModelForSeq2SeqLM
from transformers.utils import logging

from common import FIXTURES, write
from make_bart import source_of
from make_t5 import V10, V11, batch_of

logging.set_verbosity_error()
SUITE = "generation"

# In transformers' names.
CASES = {
    "t5/v1.0": [
        dict(max_new_tokens=12),
        dict(max_length=9, no_repeat_ngram_size=2),
        dict(max_new_tokens=15, repetition_penalty=1.7),
        dict(max_new_tokens=15, no_repeat_ngram_size=1),
        dict(max_new_tokens=15, min_new_tokens=6, no_repeat_ngram_size=1),
        dict(max_new_tokens=8, forced_eos_token_id=1),
        dict(max_new_tokens=12, num_beams=3),
        dict(max_new_tokens=16, num_beams=4, early_stopping=True, length_penalty=2.0, no_repeat_ngram_size=3),
        dict(max_new_tokens=20, num_beams=3, early_stopping="never", length_penalty=0.5, no_repeat_ngram_size=2),
        dict(max_new_tokens=18, num_beams=2, length_penalty=-1.0, min_new_tokens=4),
        dict(max_new_tokens=10, num_beams=5, repetition_penalty=2.0),
    ],
    "t5/v1.1": [
        dict(max_new_tokens=14),
        dict(max_new_tokens=40, no_repeat_ngram_size=1),
        dict(max_new_tokens=14, num_beams=3, no_repeat_ngram_size=2),
        dict(max_new_tokens=14, num_beams=4, early_stopping=True),
        # Frequent tokens as the end of a sequence, so that sequences end early and at several lengths.
        dict(max_new_tokens=14, eos_token_id=4),
        dict(max_new_tokens=20, eos_token_id=23, num_beams=3, early_stopping=True, no_repeat_ngram_size=2),
        dict(max_new_tokens=20, eos_token_id=4, num_beams=3, no_repeat_ngram_size=2),
        dict(max_new_tokens=20, eos_token_id=[4, 32], num_beams=4, length_penalty=2.0),
        dict(max_new_tokens=20, eos_token_id=[4, 32], num_beams=3, length_penalty=0.0, early_stopping="never"),
        dict(max_new_tokens=20, eos_token_id=32, num_beams=4, length_penalty=3.0, early_stopping="never", no_repeat_ngram_size=2),
        dict(max_new_tokens=12, eos_token_id=[36, 34], num_beams=2, length_penalty=-0.5, min_new_tokens=4),
    ],
    "bart/generation": [
        dict(),
        dict(max_new_tokens=14, forced_bos_token_id=0),
        dict(max_length=14, forced_bos_token_id=0, num_beams=4, early_stopping=True, no_repeat_ngram_size=3),
        dict(max_length=12, num_beams=3, early_stopping=False, length_penalty=1.5, min_length=6),
        dict(max_new_tokens=15, num_beams=2, no_repeat_ngram_size=2, repetition_penalty=1.3),
        dict(max_new_tokens=15, eos_token_id=25, num_beams=3, early_stopping=True, forced_bos_token_id=0, no_repeat_ngram_size=3),
        dict(max_new_tokens=15, eos_token_id=25, num_beams=4, length_penalty=0.8),
    ],
}
INPUTS = {
    "t5/v1.0": lambda: batch_of(V10, 100),
    "t5/v1.1": lambda: batch_of(V11, 100),
    "bart/generation": lambda: source_of(100, (13, 8, 5)),
}


# Without a cache: transformers 5.18 makes one for as many layers as the encoder has, and these hosts' decoders have more.
def generate(host: str, inputs: dict, options: dict, dtype) -> tuple:
    model = AutoModelForSeq2SeqLM.from_pretrained(FIXTURES / host).eval().to(dtype)
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias = model.final_logits_bias.to(dtype)
    result = model.generate(
        input_ids=inputs["inputIds"], attention_mask=inputs["attentionMask"], do_sample=False, return_dict_in_generate=True, output_scores=True, use_cache=False, **options
    )
    return result.sequences, getattr(result, "sequences_scores", None)


def cases(host: str) -> None:
    inputs = INPUTS[host]()
    made = []
    for options in CASES[host]:
        sequences, scores = generate(host, inputs, options, torch.float32)
        wide, wide_scores = generate(host, inputs, options, torch.float64)
        assert torch.equal(sequences, wide), f"{host}, {options}: rounding alone changes the tokens; choose other settings"
        made.append({"options": options, "sequences": sequences.tolist()} | ({} if scores is None else {"scores": wide_scores.tolist()}))
    name = host.replace("/", "-")
    write(SUITE, name, {key: inputs[key] for key in ("inputIds", "attentionMask")}, {"host": f"../{host}", "made": "transformers' generate", "cases": made})


if __name__ == "__main__":
    for host in CASES:
        cases(host)
