"""fixtures/peft: LoRA, DoRA and (IA)3 of Hugging Face PEFT on the small hosts of text, as `save_pretrained` writes them, and what
the adapted models compute. (LoRA on BERT and T5 is in the fixtures of those hosts, prompts and prefixes in fixtures/prompts.)

Targets are PEFT's own for each architecture; so are the heads that it trains beside a classifier's adapter.
"""

from peft import IA3Config, LoraConfig, get_peft_model
from transformers.utils import logging

from common import FIXTURES
from make_peft import SUITE, move, save, write_case
from make_prompts import arguments, host_of, inputs_of

logging.set_verbosity_error()
HOSTS = {"bert": "bert/tiny-sequence", "roberta": "roberta/tiny-sequence", "bart": "bart/generation", "t5": "t5/v1.0"}
LORA = dict(r=4, lora_alpha=8, lora_dropout=0.0)
METHODS = {
    "lora": lambda task: LoraConfig(task_type=task, **LORA),
    "dora": lambda task: LoraConfig(task_type=task, use_dora=True, **LORA),
    "ia3": lambda task: IA3Config(task_type=task),
}
ELSEWHERE = ["lora-bert", "lora-t5"]
CASES = [f"{method}-{host}" for method in METHODS for host in HOSTS if f"{method}-{host}" not in ELSEWHERE]


def build(case: str):
    method, host = case.split("-")
    task = "SEQ_CLS" if host in ("bert", "roberta") else "SEQ_2_SEQ_LM"
    model = get_peft_model(host_of(HOSTS[host]), METHODS[method](task))
    move(model)
    return model.eval()


def logits_of(model, batch: dict, dtype=None):
    return model(**arguments(batch)).logits


if __name__ == "__main__":
    for case in CASES:
        print(case, flush=True)
        save(build(case), FIXTURES / SUITE / case)
        folder = HOSTS[case.split("-")[1]]
        batch = inputs_of(folder)
        write_case(
            case, case, f"../{folder}", lambda: build(case), lambda: host_of(folder), batch, logits_of, lambda name: name,
            eps=1e-5, notes={"inputs": [*batch]},
        )  # fmt: skip
