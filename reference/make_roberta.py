"""fixtures/roberta: Hugging Face RoBERTa in small, with every head; one text is padded at both ends."""

import torch
import torch.nn.functional as F
from transformers.utils import logging

from common import check_generator, close
from text_hosts import arguments, bare_case, batch, build, golden_rows, trained_case, word_labels

logging.set_verbosity_error()
logging.disable_progress_bar()
SUITE = "roberta"
LABELS = torch.tensor([1, 2, 0, 2])
NUMBERS = torch.tensor([0.7, -1.2, 2.1])
TOKENS = torch.tensor([[-100, 3, 3, -100, 3, 1, 1, 3, 1, 0, -100], [-100, -100, -100, 3, 2, -100, 1, -100, -100, -100, -100], [-100, 0, 0, -100, 3, 3, 1, -100, -100, -100, -100]])


def check_loss() -> None:
    """The loss of the golden values is of two texts."""
    inputs = {name: value[:2] for name, value in batch(SUITE, "tiny").items()}
    labels = word_labels(SUITE, {(0, 2): 7, (1, 3): 13})[:2]
    with torch.no_grad():
        result = build(SUITE, "tiny", "mlm").double()(**arguments(inputs), labels=labels)
    close(result.loss, 3.619695, "loss", 2e-6)
    real = inputs["attentionMask"].bool()
    close(result.logits[real].abs().mean(), 0.493163, "mean absolute logit", 2e-6)
    close(F.cross_entropy(result.logits.flatten(0, 1), labels.flatten()), 3.619695, "loss", 2e-6)


if __name__ == "__main__":
    check_generator()
    check_loss()
    words = word_labels(SUITE, {(0, 2): 7, (1, 3): 13, (0, 1): 41, (0, 3): 36, (1, 1): 7, (1, 6): 14, (2, 4): 42, (2, 3): 28, (3, 2): 6, (3, 1): 36})
    mlm = lambda outputs: golden_rows(outputs, [0.453534, -0.294778, 1.037580, 0.669606], [-0.166489, 0.042930, -0.210506, -0.317595])
    trained_case(SUITE, "tiny-mlm", "tiny", "mlm", words, mlm)
    # Without a mask padding is seen, and its row has a gradient of the head alone: that of the look-up is left out.
    trained_case(SUITE, "tiny-padding", "tiny", "mlm", words, checkpoint="tiny-mlm", hidden_padding=False, eps=1e-5)
    golden = [[0.432093, -0.302413, -0.028507], [0.517519, -0.319890, -0.002546]]
    trained_case(SUITE, "tiny-sequence", "tiny", "sequence", LABELS, lambda outputs: close(outputs["logits"][:2], golden, "logits", 2e-6), num_labels=3)
    trained_case(SUITE, "odd-regression", "odd", "sequence", NUMBERS, num_labels=1)
    trained_case(SUITE, "odd-token", "odd", "token", TOKENS, rows="left", num_labels=4)
    bare_case(SUITE, "odd-bare", "odd")
