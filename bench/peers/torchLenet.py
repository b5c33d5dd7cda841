"""PyTorch's side of bench/trainLenet.ts: on each line 'train STEPS' or 'infer RUNS' does that many and answers with seconds for each.

    python3 torchLenet.py VARIANT THREADS BATCH      VARIANT is eager or channels_last

Prints 'ready TORCH_VERSION' first. It does not time anything on its own: who asks decides when, so that both sides take turns.
"""
import sys
import time

import torch
from torch import nn

variant, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(1)
model = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
)
images = torch.rand(batch, 1, 28, 28)
if variant == "channels_last":
    model = model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
labels = torch.arange(batch) % 10
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
one = images[:1].clone()


def train():
    optimizer.zero_grad(set_to_none=True)
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def infer():
    with torch.inference_mode():
        return model(one)


for _ in range(5):
    train()
    infer()
print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    kind, count = line.split()
    work = train if kind == "train" else infer
    seconds = []
    for _ in range(int(count)):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(*(f"{s:.9f}" for s in seconds), flush=True)
