"""fixtures/bert: Hugging Face BERT in small, with every head, and an adapter of Python's PEFT on it."""

import json
import shutil

import torch
from peft import LoraConfig, get_peft_model
from transformers.utils import logging

from common import FIXTURES, arr, check_generator, close, write
from text_hosts import arguments, bare_case, batch, build, golden_rows, trained_case, word_labels

logging.set_verbosity_error()
logging.disable_progress_bar()
SUITE = "bert"
LABELS = torch.tensor([1, 2, 0, 2])
MULTI = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 1]])
NUMBERS = torch.tensor([0.7, -1.2, 2.1])
TOKENS = torch.tensor([[-100, 2, 3, -100, 3, 2, 2, 3, 2, 0, -100], [-100, 3, 1, -100, 0, -100, -100, -100, -100, -100, -100], [-100, 3, 1, -100, 1, 0, 1, -100, -100, -100, -100]])


def adapter_case(case: str) -> None:
    """LoRA as `save_pretrained` writes it, and what the adapted classifier says."""
    config = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, lora_dropout=0.0)
    model = get_peft_model(build(SUITE, "tiny", "sequence", num_labels=3), config)
    trained = sorted((name, p) for name, p in model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(trained):
            values = arr(3000 + index, parameter.shape, 0.2).float()
            parameter.copy_(values if "lora_" in name else parameter + values)
    folder = FIXTURES / SUITE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.eval().save_pretrained(folder)
    (folder / "README.md").unlink()
    (folder / "adapter_model.safetensors").chmod(0o644)
    written = json.loads((folder / "adapter_config.json").read_text())
    # PEFT holds the targets as a set and writes them in an order that changes from run to run.
    written["target_modules"].sort()
    (folder / "adapter_config.json").write_text(json.dumps(written, indent=2, sort_keys=True))
    inputs = batch(SUITE, "tiny")
    with torch.no_grad():
        logits = model.double()(**arguments(inputs)).logits
    write(SUITE, case, inputs | {"output.logits": logits}, {"host": "tiny-sequence", "adapter": case, "made": "peft LoRA on transformers BertForSequenceClassification, float64", "inputs": [*inputs]})


if __name__ == "__main__":
    check_generator()
    words = word_labels(SUITE, {(0, 2): 7, (1, 3): 13, (0, 5): 34, (0, 3): 28, (1, 2): 13, (1, 1): 48, (2, 5): 34, (3, 2): 10, (3, 3): 40})
    mlm = lambda outputs: golden_rows(outputs, [0.332548, 0.479296, -0.236453, -0.949121], [1.569669, -0.395534, -0.710868, -0.739447])
    trained_case(SUITE, "tiny-mlm", "tiny", "mlm", words, mlm)
    # Without a mask padding is seen, and its row has a gradient of the head alone: that of the look-up is left out.
    trained_case(SUITE, "tiny-padding", "tiny", "mlm", words, checkpoint="tiny-mlm", hidden_padding=False, eps=1e-4)
    golden = [[0.229616, 0.006956, 0.764423], [0.271789, 0.098515, 0.767270]]
    trained_case(SUITE, "tiny-sequence", "tiny", "sequence", LABELS, lambda outputs: close(outputs["logits"][:2], golden, "logits", 2e-6), num_labels=3)
    trained_case(SUITE, "odd-multilabel", "odd", "sequence", MULTI, num_labels=3, problem_type="multi_label_classification")
    trained_case(SUITE, "odd-regression", "odd", "sequence", NUMBERS, num_labels=1)
    trained_case(SUITE, "odd-token", "odd", "token", TOKENS, num_labels=4)
    bare_case(SUITE, "odd-bare", "odd")
    adapter_case("lora")
