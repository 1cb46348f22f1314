"""fixtures/clip: Hugging Face CLIP in small: both encoders with their projections, without, and the whole;
adapters of PEFT on the encoders without projections."""

import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection
from transformers.utils import logging

from common import FIXTURES, arr, check_generator, close, prefixed, training_run, write
from seq2seq_hosts import save_adapter

logging.set_verbosity_error()
logging.disable_progress_bar()
SUITE = "clip"
VISION = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8, projection_dim=16)
TEXT = dict(vocab_size=60, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, max_position_embeddings=12, projection_dim=16, bos_token_id=57, eos_token_id=58, pad_token_id=0)
# 58 ends a text; what comes after it is padding, of zeros or of 58 itself. 59, the largest id, is a word like any other.
IDS = torch.tensor([[57, 5, 9, 13, 21, 58, 0, 0, 0], [57, 33, 59, 58, 58, 58, 58, 58, 58], [57, 4, 7, 11, 50, 32, 18, 44, 58]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0, 0], [1] * 9])


def fill(model):
    """In float32, weights of encoder-hosts.md §6.1: by sorted name, seed 1000 + index, norms around 1."""
    norms = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for index, name in enumerate(sorted(parameters)):
            shape = parameters[name].shape
            values = 1 + arr(1000 + index, shape, 0.1) if name in norms else arr(1000 + index, shape, 0.2)
            parameters[name].copy_(values.float())
    return model.eval()


def save_checkpoint(model, case: str) -> None:
    folder = FIXTURES / SUITE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == {name for name, _ in model.named_parameters()}, saved.keys()


def vision(case: str, activation: str, gold: dict) -> None:
    model = fill(CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION, hidden_act=activation)))
    save_checkpoint(model, case)
    pixels = arr(7, [1, 3, 32, 32], 1).float()
    wide = model.double()
    result = wide(pixels.double(), output_hidden_states=True)
    hidden = {f"hidden.{i}": h for i, h in enumerate(result.hidden_states)}
    (gradient,) = torch.autograd.grad((result.image_embeds**2).sum(), [dict(wide.named_parameters())["vision_model.encoder.layers.0.mlp.fc1.weight"]])
    close(result.hidden_states[0][0, 0, :4], [0.728168, 1.106618, 0.462615, 1.145573], "hidden 0")
    close(result.hidden_states[-2][0, 5, :4], gold["before"], "hidden -2")
    close(result.image_embeds[0, :6], gold["embeds"], "image_embeds")
    close(gradient[0, :4], gold["gradient"], "gradient")
    wider = arr(7, [1, 3, 48, 32], 1).float()
    interpolated = wide(wider.double(), interpolate_pos_encoding=True).image_embeds
    close(interpolated[0, :4], gold["interpolated"], "interpolated")
    tensors = {"pixelValues": pixels, "wider.pixelValues": wider, "wider.logits": interpolated} | prefixed("output", hidden | {"logits": result.image_embeds})
    write(SUITE, case, tensors, {"checkpoint": case, "made": "transformers CLIPVisionModelWithProjection, float64", "inputs": ["pixelValues"]})


def vision_bare(case: str) -> None:
    model = fill(CLIPVisionModel(CLIPVisionConfig(**VISION)))
    save_checkpoint(model, case)
    pixels = arr(7, [1, 3, 32, 32], 1).float()
    with torch.no_grad():
        result = model.double()(pixels.double())
    write(SUITE, case, {"pixelValues": pixels, "output.logits": result.pooler_output}, {"checkpoint": case, "made": "transformers CLIPVisionModel, float64; its file has no prefix", "inputs": ["pixelValues"]})


def text(case: str, Class, config: dict) -> None:
    model = fill(Class(CLIPTextConfig(**config)))
    save_checkpoint(model, case)
    with torch.no_grad():
        result = model.double()(IDS, attention_mask=MASK, output_hidden_states=True)
    # The output of the last layer, before the final norm, is not among transformers' hidden states.
    hidden = {f"hidden.{i}": h for i, h in enumerate(result.hidden_states[:-1])}
    logits = result.text_embeds if "text_embeds" in result else result.pooler_output
    tensors = {"inputIds": IDS, "attentionMask": MASK} | prefixed("output", hidden | {"lastHidden": result.last_hidden_state, "logits": logits})
    write(SUITE, case, tensors, {"checkpoint": case, "made": f"transformers {Class.__name__}, float64", "inputs": ["inputIds", "attentionMask"]})


def joint(case: str) -> None:
    def make():
        model = fill(CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16)))
        # As large as trained ones: the gradients of similarities that are all alike cancel out.
        model.logit_scale.data.fill_(LOGIT_SCALE)
        return model

    save_checkpoint(make(), case)
    pixels = arr(SEED, [3, 3, 32, 32], 1).float()

    def outputs_of(model, dtype):
        result = model(input_ids=IDS, attention_mask=MASK, pixel_values=pixels.to(dtype), return_loss=True, output_hidden_states=True)
        hidden = {f"hidden.{i}": h for i, h in enumerate(result.vision_model_output.hidden_states)}
        return hidden | {"logits": result.logits_per_image, "loss": result.loss}

    run = training_run(make, outputs_of)
    tensors = {"inputIds": IDS, "attentionMask": MASK, "pixelValues": pixels} | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "checkpoint": case,
        "made": "transformers CLIPModel, float64 on the float32 weights",
        "inputs": ["inputIds", "attentionMask", "pixelValues"],
        "outputs": "hidden.0 is what goes into the vision encoder's first layer, hidden.i the output of layer i; logits are those per image",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 5, "trained": "all parameters, the same batch each step"},
        "losses": run["losses"],
        "zeroGradient": run["zeroGradient"],
    }
    write(SUITE, case, tensors, info)


def adapter(case: str, host, call: dict, trained: str) -> None:
    """LoRA as `save_pretrained` writes it, with a norm that is trained beside it, and what the adapted encoder says."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "encoder.layers.1.mlp.fc1"], modules_to_save=[trained])
    model = get_peft_model(host, config).eval()
    parameters = sorted((name, p) for name, p in model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(parameters):
            values = arr(3000 + index, parameter.shape, 0.2).float()
            parameter.copy_(values if "lora_" in name else parameter + values)
    save_adapter(model, FIXTURES / SUITE / case)
    wide = {names[1]: value.double() if value.is_floating_point() else value for names, value in call.items()}
    with torch.no_grad():
        logits = model.double()(**wide).pooler_output
    inputs = {names[0]: value for names, value in call.items()}
    write(SUITE, case, inputs | {"output.logits": logits}, {"adapter": case, "made": f"peft LoRA on transformers {type(host).__name__}, float64", "inputs": [*inputs]})


LOGIT_SCALE = 2.5
# Of the pictures, chosen so that no gradient is lost in rounding (see common.training_run).
SEED = 91

if __name__ == "__main__":
    check_generator()
    vision("vision-quick", "quick_gelu", {"before": [-0.110479, 0.319326, 0.299749, -1.155400], "embeds": [0.251527, -0.260802, -1.170383, 0.172611, 0.237563, -0.194733], "gradient": [0.207446, 0.410919, 0.240550, 0.577643], "interpolated": [0.237041, -0.246903, -1.129143, 0.091009]})
    vision("vision-gelu", "gelu", {"before": [-0.115472, 0.322125, 0.297596, -1.152129], "embeds": [0.251162, -0.261018, -1.169796, 0.170298, 0.238915, -0.194425], "gradient": [0.205220, 0.406607, 0.238071, 0.571212], "interpolated": [0.235530, -0.248194, -1.128284, 0.088377]})
    vision_bare("vision-bare")
    text("text", CLIPTextModelWithProjection, TEXT)
    # The largest id, 59, is then taken for the end.
    text("text-old", CLIPTextModel, TEXT | {"eos_token_id": 2})
    joint("joint")
    words = {("inputIds", "input_ids"): IDS, ("attentionMask", "attention_mask"): MASK}
    adapter("lora-text", fill(CLIPTextModel(CLIPTextConfig(**TEXT | {"eos_token_id": 2}))), words, "final_layer_norm")
    pixels = {("pixelValues", "pixel_values"): arr(7, [1, 3, 32, 32], 1).float()}
    adapter("lora-vision", fill(CLIPVisionModel(CLIPVisionConfig(**VISION))), pixels, "post_layernorm")
