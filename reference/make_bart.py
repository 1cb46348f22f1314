"""fixtures/bart: BART on tiny configurations, text to text and as a classifier."""

import torch
from transformers import BartConfig, BartForConditionalGeneration, BartForSequenceClassification

from common import FIXTURES, check_generator, close, prefixed, training_run, write
from seq2seq_hosts import fill_hashed, fill_sorted, ids, save

SUITE = "bart"
COMMON = dict(dropout=0.0, attention_dropout=0.0, activation_dropout=0.0)
SMALL = COMMON | dict(
    vocab_size=35, d_model=16, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4, decoder_attention_heads=2,
    encoder_ffn_dim=20, decoder_ffn_dim=28, max_position_embeddings=16, scale_embedding=True,
)
WEIGHTS = 2700
# Tables and embeddings have many elements whose gradient is next to nothing (see common.training_run).
EPS = {"generation": 1e-3, "padding": 1e-3, "classification": 1e-3}


def generation_model() -> BartForConditionalGeneration:
    model = BartForConditionalGeneration(BartConfig(**SMALL)).eval()
    fill_sorted(model, WEIGHTS, 0.3)
    # Zeros in released files; here something, so that leaving it out shows.
    model.final_logits_bias += torch.linspace(-0.5, 0.5, SMALL["vocab_size"])
    return model


def classification_model() -> BartForSequenceClassification:
    model = BartForSequenceClassification(BartConfig(**SMALL, num_labels=4)).eval()
    fill_sorted(model, WEIGHTS, 0.3)
    return model


def source_of(seed: int, lengths) -> dict:
    """Sequences of the form <s> ... </s>, padded on the right."""
    source = ids(seed, [len(lengths), max(lengths)], 4, SMALL["vocab_size"])
    mask = torch.ones_like(source)
    for row, length in enumerate(lengths):
        source[row, 0], source[row, length - 1] = 0, 2
        source[row, length:] = 1
        mask[row, length:] = 0
    return {"inputIds": source, "attentionMask": mask}


def generation_batch(seed: int) -> dict:
    target = ids(seed + 1, [3, 7], 4, SMALL["vocab_size"])
    for row, length in enumerate((7, 3, 6)):
        target[row, 0], target[row, length - 1] = 0, 2
        target[row, length:] = -100
    return source_of(seed, (13, 8, 5)) | {"labels": target}


def trained(case: str, make, batch: dict, names, checkpoint: str | None = None) -> None:
    if checkpoint is None:
        save(make(), FIXTURES / SUITE / case)

    def outputs_of(model, dtype):
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias = model.final_logits_bias.to(dtype)
        result = model(input_ids=batch["inputIds"], attention_mask=batch.get("attentionMask"), labels=batch["labels"])
        return {ours: result[theirs] for ours, theirs in names.items()}

    run = training_run(make, outputs_of, eps=EPS[case])
    tensors = batch | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "checkpoint": checkpoint or case,
        "made": f"transformers {type(make()).__name__}, float64 on the float32 weights",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": EPS[case], "steps": 5, "trained": "all parameters, the same batch each step"},
        "losses": run["losses"],
        "zeroGradient": run["zeroGradient"],
    }
    write(SUITE, case, tensors, info)


def check_goldens() -> None:
    """The golden values of seq2seq-hosts.md §6, which the tests hold too."""
    tiny = BartForConditionalGeneration(BartConfig(vocab_size=24, d_model=8, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=16)).eval()
    fill_hashed(tiny)
    assert sum(p.numel() for p in tiny.parameters()) == 3520
    source = torch.tensor([[0, 5, 7, 9, 11, 2], [0, 6, 8, 2, 1, 1]])
    with torch.no_grad():
        result = tiny.double()(input_ids=source, attention_mask=(source != 1).long(), decoder_input_ids=torch.tensor([[2, 0, 4], [2, 0, 8]]))
    close(result.encoder_last_hidden_state.abs().sum(), 78.483146, "encoder sum")
    close(result.logits.abs().sum(), 94.211195, "logits sum")
    close(result.logits[1, 2, :4], [-0.172174, 0.806574, -0.063682, -0.297751], "logits")


if __name__ == "__main__":
    check_generator()
    check_goldens()
    trained("generation", generation_model, generation_batch(100), {"encoded": "encoder_last_hidden_state", "logits": "logits", "loss": "loss"})
    # Without a mask padding is seen, also between the decoder's tokens, and its row has a gradient of the head alone: that of the
    # look-up is left out.
    seen = {name: value for name, value in generation_batch(100).items() if name != "attentionMask"}
    seen["labels"][0, 2] = -100
    trained("padding", generation_model, seen, {"logits": "logits", "loss": "loss"}, checkpoint="generation")
    trained("classification", classification_model, source_of(200, (13, 8, 5)) | {"labels": torch.tensor([3, 0, 1])}, {"logits": "logits", "loss": "loss"})
