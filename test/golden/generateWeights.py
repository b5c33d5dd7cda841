"""Writes weights/*.safetensors as PyTorch users do, with what the network computes from them. Run by hand.

    python test/golden/generateWeights.py

A small network with a convolution, batch normalisation (with its int64 counter num_batches_tracked), a linear layer; the same weights in four types.
The expected logits are those of the rounded weights in float64 arithmetic.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = pathlib.Path(__file__).parent / "weights"
TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5))


torch.manual_seed(0)
trained = network()
for _ in range(3):
    trained(2 * torch.randn(4, 3, 8, 8) + 0.5)  # moves the running statistics
nn.init.uniform_(trained[1].weight, 0.5, 1.5)
nn.init.uniform_(trained[1].bias, -0.5, 0.5)

FOLDER.mkdir(exist_ok=True)
x = ((torch.arange(2 * 3 * 8 * 8) % 17 - 8) / 8).reshape(2, 3, 8, 8)
expected = {}
for name, dtype in TYPES.items():
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in trained.state_dict().items()}
    save_file(state, FOLDER / f"{name}.safetensors", metadata={"format": "pt"})
    model = network()
    model.load_state_dict(state)
    with torch.no_grad():
        expected[name] = model.double().eval()(x.double()).tolist()
(FOLDER / "logits.json").write_text(json.dumps({"torch": torch.__version__, "logits": expected}) + "\n")
