"""Writes torchvision.json: parameter and buffer names, shapes and multiply-adds of torchvision's classifiers. Run by hand (torchvision 0.28); the tests
read the file and need no Python.

    python test/models/generate.py

One line per model: its state dictionary as "name shape" in order (without num_batches_tracked, a counter), and the multiplications of convolutions
and linear layers for one image of 224 x 224. Nothing is allocated: models are built on the meta device.
"""

import json
import math
import pathlib
import sys

import torch

sys.path.append(str(pathlib.Path(__file__).parents[1] / "golden"))
from torchvisionCpu import torchvision

models = torchvision.models

MODELS = {
    "alexnet": models.alexnet,
    **{f"vgg{depth}{ours}": getattr(models, f"vgg{depth}{theirs}") for depth in (11, 13, 16, 19) for ours, theirs in (("", ""), ("bn", "_bn"))},
    "googlenet": lambda: models.googlenet(init_weights=False, aux_logits=True),
    **{f"resnet{depth}": getattr(models, f"resnet{depth}") for depth in (18, 34, 50, 101, 152)},
    "densenet121": models.densenet121,
    "mobilenetV2": models.mobilenet_v2,
}


def describe(build):
    with torch.device("meta"):
        model = build().eval()
        image = torch.empty(1, 3, 224, 224)
    total = 0

    def count(module, _, output):
        nonlocal total
        total += output.numel() * math.prod(module.weight.shape[1:])

    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(count)
    model(image)
    state = {n: v for n, v in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters": parameters, "multiplyAdds": total, "state": [f"{n} {list(v.shape)}".replace(" ", "").replace("[", " [") for n, v in state.items()]}


rows = [f"{json.dumps(name)}:{json.dumps(describe(build), separators=(',', ':'))}" for name, build in MODELS.items()]
(pathlib.Path(__file__).parent / "torchvision.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")
