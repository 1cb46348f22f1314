"""Steps of RoBERTa-base and T5-base with LoRA of rank 8 on queries and values: rows of `pnpm bench engine`.

Random weights, no dropout, batches with padding as the other side has them (from half the length to the whole).
"""

import torch
from peft import LoraConfig, get_peft_model
from transformers import RobertaConfig, RobertaForSequenceClassification, T5Config, T5ForConditionalGeneration


def lengths(batch: int, tokens: int) -> torch.Tensor:
    longest = torch.tensor([tokens // 2 + (i * tokens) // (2 * max(1, batch - 1)) for i in range(batch)])
    return (torch.arange(tokens)[None] < longest[:, None]).long()


class LanguageModel:
    def __init__(self, model, targets, batch, heads=None):
        config = LoraConfig(r=8, lora_alpha=8, target_modules=targets, modules_to_save=heads)
        self.model = get_peft_model(model.train(), config)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-3, weight_decay=0.01)
        self.batch = batch

    def step(self) -> None:
        self.optimizer.zero_grad()
        loss = self.model(**self.batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        loss.item()


def roberta() -> LanguageModel:
    config = RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, num_labels=2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )
    ids = torch.randint(3, 50265, (8, 128))
    batch = dict(input_ids=ids, attention_mask=lengths(8, 128), labels=torch.arange(8) % 2)
    return LanguageModel(RobertaForSequenceClassification(config), ["query", "value"], batch, ["classifier"])


def t5() -> LanguageModel:
    config = T5Config(
        vocab_size=32128, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, dropout_rate=0.0,
        decoder_start_token_id=0,
    )
    batch = dict(
        input_ids=torch.randint(3, 32128, (4, 256)), attention_mask=lengths(4, 256), labels=torch.randint(3, 32128, (4, 64))
    )
    return LanguageModel(T5ForConditionalGeneration(config), ["q", "v"], batch)


LANGUAGE_MODELS = {"roberta-lora-b8": roberta, "t5-lora-b4": t5}
