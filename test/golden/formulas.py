"""Small inputs that Python and TypeScript (formula.ts) make alike, bit for bit."""

import math

import numpy
import torch


def formula(shape, seed, scale=1.0):
    """float32(scale * (2 r / 10007 - 1)), r = (31 i^2 + 4099 i + 7919 seed) mod 10007 for flat index i."""
    i = numpy.arange(math.prod(shape), dtype=numpy.float64)
    r = numpy.mod(31 * i * i + 4099 * i + 7919 * seed, 10007)
    return torch.from_numpy((scale * (2 * r / 10007 - 1)).astype(numpy.float32).astype(numpy.float64).reshape(shape))


def labels(count, classes, seed):
    """(7 i + 3 seed) mod classes"""
    return torch.tensor([(7 * i + 3 * seed) % classes for i in range(count)])
