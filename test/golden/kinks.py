"""Keeps a network away from its kinks: where a number before ReLU is nearly zero, or two numbers under a maximum nearly equal, rounding decides which
gradient passes. One such decision among the 32,768 activations of ResNet-18's last block moves its gradients by one part in a hundred, whatever the
convolutions' precision, so a golden gradient near a kink can only be compared loosely.

"Near" is counted in the rounding of the place itself: the root mean square of PyTorch's float32 minus float64 there. `clear` moves single biases, by less
than two thousandths, until nothing before a ReLU lies within RELU_REACH of it; the moves are part of the golden file. Ties under a maximum
cannot be moved apart by biases: `tied` tells the generator to take other images. Exactly equal numbers are no ties: they are copies that overlapping
windows made, and their gradients end up in the same place, or zeros, whose gradients ReLU drops.
"""

import contextlib

import torch
import torch.nn.functional as F
from torch import nn

RELU_REACH, POOL_REACH = 64, 8


def near_any(*thresholds):
    return lambda x: torch.stack([(x - t).abs() for t in thresholds]).amin(0)


def lead(kernel, stride, padding, ceil_mode):
    """By how much the largest number of each window exceeds the second largest; infinite where they are equal or nothing is above zero."""

    def of(x):
        best = torch.max_pool2d(x, kernel, stride, padding, 1, ceil_mode)
        height, width = best.shape[2:]
        below, right = ((count - 1) * stride + kernel - extent - padding for count, extent in zip((height, width), x.shape[2:]))
        padded = F.pad(x, (padding, max(0, right), padding, max(0, below)), value=-torch.inf)
        windows = padded.unfold(2, kernel, stride).unfold(3, kernel, stride)[:, :, :height, :width].flatten(4)
        first, second = windows.topk(2, -1).values.unbind(-1)
        return torch.where((first > second) & (first > 0), first - second, torch.inf)

    return of


@contextlib.contextmanager
def watched(visit):
    """visit(x, distance, movable) gives what takes the place of x, the input of relu, relu6 or max_pool2d; distance(x) is how far each place is from a kink."""
    relu, hardtanh, pool = F.relu, F.hardtanh, F.max_pool2d
    F.relu = lambda x, inplace=False: relu(visit(x, near_any(0), True))
    F.hardtanh = lambda x, low, high, inplace=False: hardtanh(visit(x, near_any(low, high), True), low, high)

    def max_pool2d(x, kernel, stride, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        return pool(visit(x, lead(kernel, stride, padding, ceil_mode), False), kernel, stride, padding, dilation, ceil_mode)

    F.max_pool2d = max_pool2d
    try:
        yield
    finally:
        F.relu, F.hardtanh, F.max_pool2d = relu, hardtanh, pool


def rounding(make, images):
    """For every kink in the order of the forward pass, the rounding of its input."""
    inputs = {torch.float32: [], torch.float64: []}
    for dtype, seen in inputs.items():
        with torch.no_grad(), watched(lambda x, distance, movable: (seen.append(x.double()), x)[1]):
            make().to(dtype).train()(images.to(dtype))
    return [(a - b).square().mean().sqrt().item() for a, b in zip(*inputs.values())]


def move(values, distance, margin):
    """The smallest multiple of half a margin, of three digits, that takes every value out of the margin."""
    for k in range(1, 10_000):
        for step in (0.5 * k * margin, -0.5 * k * margin):
            step = float(f"{step:.3g}")
            if distance(values + step).min() > 1.01 * margin:
                return step
    raise RuntimeError("a channel without a gap around zero")


class Tied(Exception):
    pass


def clear(make, images, units):
    """Moves by parameter and channel that clear every ReLU of make() in training mode on `images`, None where a maximum is nearly tied; `units` is what
    `rounding` gave, for these or similar images."""
    unit_of = iter(units)
    model = make().double().train()
    latest, moves = [None], {}
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d) or getattr(module, "bias", None) is not None:
            module.register_forward_hook(lambda module, inputs, output, name=name: latest.__setitem__(0, (name + ".bias", module.bias)))

    def visit(x, distance, movable):
        unit = next(unit_of)
        if not movable:
            if distance(x).min() < POOL_REACH * unit:
                raise Tied
            return x
        name, bias = latest[0]
        near = (distance(x) < RELU_REACH * unit).transpose(0, 1).flatten(1).any(1)
        shift = torch.zeros_like(bias)
        for c in near.nonzero().flatten().tolist():
            step = move(x[:, c], distance, RELU_REACH * unit)
            moves.setdefault(name, {})[c] = step
            shift[c] = (bias[c] + step).float().double() - bias[c]
        return x + shift.reshape(-1, *[1] * (x.dim() - 2))

    try:
        with torch.no_grad(), watched(visit):
            model(images)
        return moves
    except Tied:
        return None


def apply(model, moves):
    """Adds the moves to float32 parameters, rounding once."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, columns in moves.items():
            for c, step in columns.items():
                parameters[name][c] = (parameters[name][c].double() + step).float()
    return model
