"""Writes a random ViT-B/16 checkpoint (10 classes, float32, 343 MB) into a folder, for the loading row of the benchmark."""

import sys

import torch
from transformers import ViTConfig, ViTForImageClassification
from transformers.utils import logging

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_checkpoint.py DIR")
    logging.disable_progress_bar()
    torch.manual_seed(0)
    ViTForImageClassification(ViTConfig(num_labels=10)).save_pretrained(sys.argv[1])
