"""The recipes of this folder in PyTorch, to compare accuracy and time with:

    python examples/recipes/pytorch.py mlp|lenet|vgg|resnet [--seed 1] [--epochs N] [--data /usr/share/datasets/fashion-mnist]

Everything is in memory and augmentation works on whole batches, so that no time goes into loading. Measured with PyTorch 2.13.
"""

import argparse
import gzip
import os
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F


def idx(folder, name):
    path = os.path.join(folder, name)
    opened = gzip.open(path + '.gz') if os.path.exists(path + '.gz') else open(path, 'rb')
    with opened as file:
        data = file.read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], 'big') for i in range(rank)]
    return torch.from_numpy(numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape).copy())


def normalised(images):
    return (images[:, None].float() / 255 - 0.286) / 0.353


def shift(images, most):
    """Every picture moved by up to `most` pixels in both directions, black at the edges."""
    n, _, h, w = images.shape
    padded = F.pad(images, (most,) * 4, value=-0.286 / 0.353)
    rows = torch.randint(2 * most + 1, (n, 1)) + torch.arange(h)
    columns = torch.randint(2 * most + 1, (n, 1)) + torch.arange(w)
    return padded[torch.arange(n)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


def mirror(images):
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)


def mlp():
    return nn.Sequential(
        *[nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2)],
        *[nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10)],
    )


def lenet():
    return nn.Sequential(
        *[nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)],
    )


def vgg():
    def block(a, b):
        return [
            *[nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()],
            *[nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)],
        ]

    return nn.Sequential(
        *block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Dropout(0.4), nn.Linear(128, 10)
    )


class Convolution(nn.Sequential):
    def __init__(self, a, b, halved=False):
        pool = [nn.MaxPool2d(2)] if halved else []
        super().__init__(nn.Conv2d(a, b, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(b), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = Convolution(channels, channels)
        self.second = Convolution(channels, channels)

    def forward(self, x):
        return x + self.second(self.first(x))


class BothSides(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        if self.training:
            return self.network(x)
        return (self.network(x) + self.network(x.flip(3))) / 2


def resnet():
    return BothSides(
        nn.Sequential(
            *[Convolution(1, 32), Convolution(32, 64, halved=True), Residual(64)],
            *[Convolution(64, 128, halved=True), Residual(128), Convolution(128, 256)],
            *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)],
        )
    )


def without_decay(model, **options):
    """Groups of an optimizer: weight decay for all but normalisation and biases."""
    parameters = list(model.parameters())
    return [
        {'params': [p for p in parameters if p.ndim > 1], **options},
        {'params': [p for p in parameters if p.ndim == 1], **options, 'weight_decay': 0},
    ]


RECIPES = {
    'mlp': {'model': mlp, 'epochs': 10, 'optimizer': lambda m: torch.optim.Adam(m.parameters(), lr=2e-3)},
    'lenet': {'model': lenet, 'epochs': 3, 'optimizer': lambda m: torch.optim.AdamW(m.parameters(), lr=4e-3)},
    'vgg': {
        'model': vgg,
        'epochs': 10,
        'augment': [lambda x: shift(x, 2), mirror],
        'optimizer': lambda m: torch.optim.AdamW(without_decay(m, lr=3e-3, weight_decay=0.01)),
    },
    'resnet': {
        'model': resnet,
        'epochs': 12,
        'augment': [mirror],
        'smoothing': 0.05,
        'optimizer': lambda m: torch.optim.SGD(without_decay(m, lr=0.2, weight_decay=5e-4), momentum=0.9, nesterov=True),
        'schedule': {'pct_start': 0.25, 'div_factor': 10},
        'ema': 0.995,
    },
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('recipe', choices=RECIPES)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--epochs', type=int)
    parser.add_argument('--data', default='/usr/share/datasets/fashion-mnist')
    options = parser.parse_args()
    recipe = RECIPES[options.recipe]
    epochs = options.epochs or recipe['epochs']
    images, labels = normalised(idx(options.data, 'train-images-idx3-ubyte')), idx(options.data, 'train-labels-idx1-ubyte').long()
    torch.manual_seed(options.seed)
    model = recipe['model']().to(memory_format=torch.channels_last)
    optimizer = recipe['optimizer'](model)
    steps = -(-len(images) // 128)
    highest = [group['lr'] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, epochs * steps, cycle_momentum=False, **recipe.get('schedule', {}))
    decay = recipe.get('ema')
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)) if decay else None
    start = time.perf_counter()
    for epoch in range(epochs):
        total = 0.0
        for places in torch.randperm(len(images)).split(128):
            x = images[places]
            for transform in recipe.get('augment', []):
                x = transform(x)
            loss = F.cross_entropy(model(x.to(memory_format=torch.channels_last)), labels[places], label_smoothing=recipe.get('smoothing', 0))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if average:
                average.update_parameters(model)
            total += loss.item() * len(places)
        print(f'epoch {epoch + 1}: loss {total / len(images):.4f}, {time.perf_counter() - start:.1f} s', flush=True)
    seconds = time.perf_counter() - start
    measured = model
    if average:
        measured = average.module
        # Running statistics of normalisation are the trained model's, as in stridenet.
        buffers = dict(model.named_buffers())
        for name, buffer in measured.named_buffers():
            buffer.copy_(buffers[name])
    measured.eval()
    images, labels = normalised(idx(options.data, 't10k-images-idx3-ubyte')), idx(options.data, 't10k-labels-idx1-ubyte').long()
    with torch.no_grad():
        right = sum((measured(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    print(f'test accuracy {right / len(images):.4f} after {seconds:.1f} s of training')


if __name__ == '__main__':
    main()
