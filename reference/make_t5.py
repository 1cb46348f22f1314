"""fixtures/t5: T5 1.0 and 1.1 on tiny configurations, the buckets of relative positions, a LoRA adapter of PEFT."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from common import FIXTURES, check_generator, close, prefixed, training_run, write
from seq2seq_hosts import fill_hashed, fill_sorted, fnv1a, ids, save, save_adapter

SUITE = "t5"
COMMON = dict(decoder_start_token_id=0, dropout_rate=0.0, layer_norm_epsilon=1e-6)
V10 = COMMON | dict(vocab_size=37, d_model=16, d_kv=6, num_heads=3, d_ff=28, num_layers=2, num_decoder_layers=3)
V11 = COMMON | dict(vocab_size=41, d_model=24, d_kv=8, num_heads=2, d_ff=20, num_layers=2, num_decoder_layers=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
WEIGHTS = 2700
# Tables and embeddings have many elements whose gradient is next to nothing (see common.training_run).
EPS = {"v1.0": 1e-4, "v1.1": 1e-3}


def model_of(config: dict) -> T5ForConditionalGeneration:
    model = T5ForConditionalGeneration(T5Config(**config)).eval()
    if config is V11:
        untie(model)
    fill_sorted(model, WEIGHTS, 0.3)
    return model


def untie(model: T5ForConditionalGeneration) -> None:
    """The head of T5 1.1 is a matrix of its own, which transformers 5 keeps where a file has one."""
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.config.tie_word_embeddings = False


def batch_of(config: dict, seed: int) -> dict:
    """Three sequences of odd lengths, padded; a label that does not count in the middle."""
    source = ids(seed, [3, 13], 3, config["vocab_size"])
    target = ids(seed + 1, [3, 7], 3, config["vocab_size"])
    mask = torch.ones_like(source)
    for row, length in enumerate((13, 8, 5)):
        source[row, length - 1] = 1
        source[row, length:] = 0
        mask[row, length:] = 0
    for row, length in enumerate((7, 3, 6)):
        target[row, length - 1] = 1
        target[row, length:] = -100
    target[0, 2] = -100
    return {"inputIds": source, "attentionMask": mask, "labels": target}


def trained(case: str, config: dict, seed: int, decoder_mask: bool) -> None:
    save(model_of(config), FIXTURES / SUITE / case)
    batch = batch_of(config, seed)
    if decoder_mask:
        batch["decoderAttentionMask"] = torch.cat([torch.ones(3, 1, dtype=torch.long), (batch["labels"][:, :-1] != -100).long()], 1)

    def outputs_of(model, dtype):
        result = model(
            input_ids=batch["inputIds"], attention_mask=batch["attentionMask"], labels=batch["labels"],
            decoder_attention_mask=batch.get("decoderAttentionMask"),
        )
        return {"encoded": result.encoder_last_hidden_state, "logits": result.logits, "loss": result.loss}

    run = training_run(lambda: model_of(config), outputs_of, eps=EPS[case])
    tensors = batch | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "checkpoint": case,
        "made": "transformers T5ForConditionalGeneration, float64 on the float32 weights",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": EPS[case], "steps": 5, "trained": "all parameters, the same batch each step"},
        "losses": run["losses"],
        "zeroGradient": run["zeroGradient"],
    }
    write(SUITE, case, tensors, info)


def lora(case: str, config: dict, seed: int) -> None:
    """PEFT's LoRA on its default targets, with random B."""
    model = get_peft_model(model_of(config), LoraConfig(r=3, lora_alpha=6, target_modules=["q", "v"], init_lora_weights=False)).eval()
    for index, (name, parameter) in enumerate((n, p) for n, p in sorted(model.named_parameters()) if "lora_" in n):
        parameter.data.copy_(0.3 * (2 * torch.rand(parameter.shape, generator=torch.Generator().manual_seed(index)) - 1))
    save_adapter(model, FIXTURES / SUITE / case)
    batch = batch_of(config, seed)
    with torch.no_grad():
        result = model.double()(input_ids=batch["inputIds"], attention_mask=batch["attentionMask"], labels=batch["labels"])
    write(SUITE, case, batch | prefixed("output", {"logits": result.logits, "loss": result.loss}), {"checkpoint": "v1.0", "adapter": case, "made": "PEFT's LoRA, float64"})


def buckets() -> None:
    """The bucket of every relative position from -200 to 200."""
    relative = torch.arange(-200, 201)
    tensors = {}
    for count, distance in ((32, 128), (8, 20)):
        for side in ("bidirectional", "causal"):
            tensors[f"{side}.{count}.{distance}"] = T5Attention._relative_position_bucket(
                relative, bidirectional=side == "bidirectional", num_buckets=count, max_distance=distance
            )
    write(SUITE, "buckets", tensors, {"made": "transformers T5Attention", "from": -200, "to": 200, "names": "side, buckets, greatest distance"})


def check_goldens() -> None:
    """The golden values of the specifications, which the tests hold too."""
    assert fnv1a("abc") == 440920331
    tiny = T5ForConditionalGeneration(T5Config(vocab_size=24, d_model=8, d_kv=6, num_heads=2, d_ff=16, num_layers=2, num_decoder_layers=2, decoder_start_token_id=0)).eval()
    fill_hashed(tiny)
    assert sum(p.numel() for p in tiny.parameters()) == 3744
    rows = [[(7 * i + 3) % 21 + 2 for i in range(23)] + [1], [(5 * i + 4) % 21 + 2 for i in range(19)] + [1, 0, 0, 0, 0]]
    source = torch.tensor(rows)
    with torch.no_grad():
        result = tiny.double()(input_ids=source, attention_mask=(source != 0).long(), decoder_input_ids=torch.tensor([[0, 4, 6], [0, 9, 3]]))
    close(result.encoder_last_hidden_state.abs().sum(), 323.682383, "encoder sum")
    close(result.logits.abs().sum(), 28.221358, "logits sum")
    close(result.logits[1, 2, :4], [-0.452807, 0.022038, 0.306180, -0.202781], "logits")
    gated = T5ForConditionalGeneration(T5Config(vocab_size=50, d_model=32, d_kv=8, num_heads=4, d_ff=64, num_layers=2, num_decoder_layers=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0)).eval()
    untie(gated)
    fill_sorted(gated)
    source = torch.tensor([[5, 7, 9, 11, 1, 0], [12, 13, 14, 15, 16, 1]])
    with torch.no_grad():
        result = gated(input_ids=source, attention_mask=(source != 0).long(), labels=torch.tensor([[3, 4, 1], [8, 1, -100]]))
    close(result.logits[0, 0, :4], [1.290366, -0.049853, 0.365740, 0.194659], "logits of 1.1", 2e-6)
    close(result.loss, 4.413003, "loss of 1.1", 2e-6)


if __name__ == "__main__":
    check_generator()
    check_goldens()
    buckets()
    trained("v1.0", V10, 100, decoder_mask=False)
    trained("v1.1", V11, 100, decoder_mask=True)
    lora("lora", V10, 31)
