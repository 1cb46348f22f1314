"""fixtures/peft/saved-*: adapters of Hugging Face PEFT whose files hold more than the method's own tensors (copies of modules, the
host's biases, a resized vocabulary), as `save_pretrained` writes them, and the logits of the adapted hosts.
"""

import torch
from peft import LoraConfig, get_peft_model
from transformers.utils import logging

import text_hosts
import vit_hosts
from common import FIXTURES, arr, write
from make_peft import SUITE, move, save
from make_prompts import arguments, host_of, inputs_of

logging.set_verbosity_error()


def lora(target: str, **more) -> LoraConfig:
    return LoraConfig(r=2, target_modules=[target], **more)


CASES = {
    # A head beside every bias, of which the file then has the head's two times more.
    "bias-all": ("bert/tiny-sequence", lora("query", task_type="SEQ_CLS", bias="all")),
    # The bias of the head is that of its last layer too.
    "bias-tied": ("bert/tiny-mlm", lora("query", bias="all")),
    # Names of transformers 5, one of them of a module that only holds others.
    "modules": ("vit/tiny", lora("q_proj", modules_to_save=["classifier", "mlp.fc1", "patch_embeddings"])),
    "pooler": ("bert/tiny-sequence", lora("query", task_type="SEQ_CLS", modules_to_save=["pooler"])),
    # T5 has final_layer_norm as well.
    "norms": ("t5/v1.0", lora("q", modules_to_save=["layer_norm"])),
    "vocabulary": ("t5/v1.0", lora("q")),
}
TOKENS = 45


def host(case: str):
    folder, _ = CASES[case]
    model = vit_hosts.classifier(vit_hosts.TINY) if folder == "vit/tiny" else host_of(folder)
    if case == "vocabulary":
        old = model.config.vocab_size
        model.resize_token_embeddings(TOKENS)
        with torch.no_grad():
            model.shared.weight[old:] = arr(4000, [TOKENS - old, model.config.d_model], 0.2).float()
    return model


def batch_of(case: str) -> dict:
    folder, _ = CASES[case]
    if folder == "vit/tiny":
        return {"pixelValues": vit_hosts.pixels(vit_hosts.TINY)}
    if folder.startswith("bert/"):
        return text_hosts.batch("bert", "tiny")
    batch = {name: value for name, value in inputs_of(folder).items() if name != "labels"}
    if case == "vocabulary":
        batch["inputIds"] = batch["inputIds"].clone()
        batch["inputIds"][:, 0] = TOKENS - 1
    return batch


if __name__ == "__main__":
    for case, (folder, config) in CASES.items():
        model = get_peft_model(host(case), config)
        move(model)
        model.eval()
        save(model, FIXTURES / SUITE / f"saved-{case}", save_embedding_layers=case == "vocabulary")
        batch = batch_of(case)
        given = {"pixel_values": batch["pixelValues"]} if folder == "vit/tiny" else arguments(batch)
        with torch.no_grad():
            logits = model.double()(**{name: value.double() if value.is_floating_point() else value for name, value in given.items()}).logits
        tensors = {name: value for name, value in batch.items()} | {"output.logits": logits}
        write(SUITE, f"saved-{case}", tensors, {"host": folder, "inputs": [*batch]})
        print(case, tuple(logits.shape), flush=True)
