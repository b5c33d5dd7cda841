"""Writes ops.json and lenet.json: what PyTorch computes for small formula-made inputs. Run by hand; the tests read the files and need no Python.

    python test/golden/generate.py

Inputs are not stored: `formula(count, seed, scale)` makes the same numbers here and in formula.ts, bit for bit, from integer arithmetic. Everything is
computed in float64 from inputs rounded to float32, so that a file says what is right and not how one library rounds. For LeNet the float32
losses of PyTorch stand beside the float64 ones.
"""

import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F

from formulas import formula, labels

HERE = pathlib.Path(__file__).parent
VERSIONS = {"torch": torch.__version__, "numpy": numpy.__version__, "generator": "test/golden/generate.py", "seed": 0}
torch.manual_seed(0)
torch.use_deterministic_algorithms(True)


def numbers(tensor):
    return [float(f"{v:.10g}") for v in tensor.detach().reshape(-1).tolist()]


def case(name, op, shapes, attrs, compute):
    """inputs[k] = formula(shapes[k], k + 1); gradients of sum(y * formula(y.shape, 50))."""
    inputs = [formula(shape, k + 1).requires_grad_() for k, shape in enumerate(shapes)]
    y = compute(*inputs)
    (y * formula(y.shape, 50)).sum().backward()
    return {"name": name, "op": op, "shapes": [list(s) for s in shapes], "attrs": attrs, "shape": list(y.shape), "y": numbers(y),
            "gradients": [numbers(x.grad) for x in inputs]}


def conv(name, x, w, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, bias=False):
    (top, bottom), (left, right) = padding
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    shapes = [x, w] + ([(w[0],)] if bias else [])
    return case(name, "conv2d", shapes, attrs,
                lambda a, b, c=None: F.conv2d(F.pad(a, (left, right, top, bottom)), b, c, stride, 0, dilation, groups))


def max_pool(name, x, k, stride, padding=(0, 0), dilation=(1, 1), ceil_mode=False):
    attrs = {"kernelSize": k, "stride": stride, "padding": [[padding[0]] * 2, [padding[1]] * 2], "dilation": dilation, "ceilMode": ceil_mode}
    return case(name, "maxPool2d", [x], attrs, lambda a: F.max_pool2d(a, k, stride, padding, dilation, ceil_mode))


def avg_pool(name, x, k, stride, padding=(0, 0), ceil_mode=False, count_include_pad=True):
    attrs = {"kernelSize": k, "stride": stride, "padding": [[padding[0]] * 2, [padding[1]] * 2], "ceilMode": ceil_mode, "countIncludePad": count_include_pad}
    return case(name, "avgPool2d", [x], attrs, lambda a: F.avg_pool2d(a, k, stride, padding, ceil_mode, count_include_pad))


def max_pool_asymmetric(name, x, k, stride, padding):
    (top, bottom), (left, right) = padding
    attrs = {"kernelSize": k, "stride": stride, "padding": padding, "dilation": (1, 1), "ceilMode": False}
    return case(name, "maxPool2d", [x], attrs, lambda a: F.max_pool2d(F.pad(a, (left, right, top, bottom), value=-math.inf), k, stride))


def avg_pool_asymmetric(name, x, k, stride, padding):
    (top, bottom), (left, right) = padding
    attrs = {"kernelSize": k, "stride": stride, "padding": padding, "ceilMode": False, "countIncludePad": True}
    return case(name, "avgPool2d", [x], attrs, lambda a: F.avg_pool2d(F.pad(a, (left, right, top, bottom)), k, stride))


def loss(name, rows, classes, smoothing):
    target = labels(rows, classes, 1)
    result = case(name, "crossEntropy", [(rows, classes)], {"labelSmoothing": smoothing},
                  lambda a: F.cross_entropy(8 * a, target, label_smoothing=smoothing))
    result["inputScale"] = 8
    return result


def batch_norm(name, x, training, affine, eps=1e-5):
    """Running statistics in evaluation: mean formula([c], 10), variance formula([c], 11) + 1.5."""
    c = x[1]
    mean, var = (None, None) if training else (formula((c,), 10), formula((c,), 11) + 1.5)
    return case(name, "batchNorm2d", [x] + [(c,), (c,)] * affine, {"training": training, "eps": eps},
                lambda a, w=None, b=None: F.batch_norm(a, mean, var, w, b, training, 0.1, eps))


def response_norm(name, x, **attrs):
    return case(name, "localResponseNorm", [x], attrs, lambda a: F.local_response_norm(a, **attrs))


def op_cases():
    return [
        conv("plain", (1, 1, 5, 6), (2, 1, 3, 2)),
        conv("bias, two images", (2, 3, 5, 5), (4, 3, 3, 3), bias=True),
        conv("stride 2, padding 1", (1, 3, 7, 6), (5, 3, 3, 3), stride=(2, 2), padding=((1, 1), (1, 1)), bias=True),
        conv("strides 3 and 2, padding 1", (1, 2, 8, 7), (3, 2, 2, 2), stride=(3, 2), padding=((1, 1), (1, 1))),
        conv("asymmetric padding", (1, 2, 5, 4), (3, 2, 3, 3), padding=((2, 0), (0, 1))),
        conv("kernel 5x1 padding 2", (1, 2, 6, 3), (3, 2, 5, 1), padding=((2, 2), (0, 0))),
        conv("dilation 2", (1, 2, 7, 7), (3, 2, 3, 3), padding=((2, 2), (2, 2)), dilation=(2, 2)),
        conv("dilation 2 and 1, stride 2", (1, 2, 9, 6), (2, 2, 3, 2), stride=(2, 1), dilation=(2, 1)),
        conv("two groups", (2, 4, 5, 5), (6, 2, 3, 3), padding=((1, 1), (1, 1)), groups=2, bias=True),
        conv("depthwise", (1, 5, 6, 5), (5, 1, 3, 3), stride=(2, 2), padding=((1, 1), (1, 1)), groups=5, bias=True),
        conv("depthwise, multiplier 2", (1, 3, 4, 4), (6, 1, 3, 3), padding=((1, 1), (1, 1)), groups=3),
        conv("1x1", (2, 6, 3, 3), (5, 6, 1, 1), bias=True),
        conv("1x1 stride 2", (1, 4, 5, 5), (3, 4, 1, 1), stride=(2, 2)),
        max_pool("2x2", (2, 3, 4, 6), (2, 2), (2, 2)),
        max_pool("3x3 stride 2 padding 1", (1, 2, 7, 6), (3, 3), (2, 2), (1, 1)),
        max_pool("ceil mode", (1, 2, 6, 7), (3, 2), (2, 3), ceil_mode=True),
        max_pool("ceil mode with padding", (1, 2, 6, 6), (3, 3), (2, 2), (1, 1), ceil_mode=True),
        max_pool("dilation 2", (1, 2, 8, 7), (2, 3), (1, 2), (1, 1), (2, 2)),
        max_pool("overlapping, stride 1", (1, 3, 5, 5), (3, 3), (1, 1), (1, 1)),
        max_pool_asymmetric("asymmetric padding", (1, 2, 5, 5), (2, 2), (2, 2), ((0, 1), (1, 0))),
        avg_pool("2x2", (2, 3, 4, 6), (2, 2), (2, 2)),
        avg_pool("3x3 stride 2 padding 1", (1, 2, 7, 6), (3, 3), (2, 2), (1, 1)),
        avg_pool("padding not counted", (1, 2, 7, 6), (3, 3), (2, 2), (1, 1), count_include_pad=False),
        avg_pool("ceil mode", (1, 2, 6, 7), (3, 2), (2, 3), ceil_mode=True),
        avg_pool("ceil mode, padding counted", (1, 2, 6, 6), (3, 3), (2, 2), (1, 1), ceil_mode=True),
        avg_pool("ceil mode, padding not counted", (1, 2, 6, 6), (3, 3), (2, 2), (1, 1), ceil_mode=True, count_include_pad=False),
        avg_pool_asymmetric("asymmetric padding", (1, 2, 5, 5), (2, 2), (2, 2), ((0, 1), (1, 0))),
        case("linear", "linear", [(3, 7), (5, 7), (5,)], {}, lambda x, w, b: F.linear(x, w, b)),
        case("matmul", "matmul", [(3, 4), (4, 6)], {"transposeA": False, "transposeB": False}, lambda a, b: a @ b),
        case("matmul of transposed", "matmul", [(4, 3), (6, 4)], {"transposeA": True, "transposeB": True}, lambda a, b: a.T @ b.T),
        case("softmax", "softmax", [(3, 7)], {}, lambda x: F.softmax(x, -1)),
        case("logSoftmax", "logSoftmax", [(3, 7)], {}, lambda x: F.log_softmax(x, -1)),
        case("sigmoid", "sigmoid", [(2, 9)], {}, torch.sigmoid),
        case("tanh", "tanh", [(2, 9)], {}, torch.tanh),
        case("relu", "relu", [(2, 9)], {}, torch.relu),
        batch_norm("training", (3, 5, 4, 3), True, True),
        batch_norm("training, without weight and bias, large eps", (2, 4, 3, 3), True, False, eps=0.1),
        batch_norm("evaluation", (2, 6, 3, 4), False, True),
        response_norm("AlexNet's", (2, 9, 3, 2), size=5, alpha=1e-4, beta=0.75, k=2.0),
        response_norm("even window, large alpha", (1, 7, 2, 3), size=4, alpha=0.5, beta=0.6, k=1.0),
        loss("cross entropy", 4, 5, 0.0),
        loss("cross entropy, label smoothing", 4, 5, 0.1),
    ]


def scale_of(shape):
    """About sqrt(2 / inputs), as an exact power of two."""
    return 2.0 ** -round(math.log2(math.prod(shape[1:])) / 2 - 0.5) if len(shape) > 1 else 0.125


class LeNet(torch.nn.Module):
    """LeNet-5 as the course has it; ReLU and maximum pooling, or sigmoid and average pooling."""

    def __init__(self, course):
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(1, 6, 5, padding=2), torch.nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = torch.nn.Linear(400, 120), torch.nn.Linear(120, 84), torch.nn.Linear(84, 10)
        self.act, self.pool = (torch.sigmoid, F.avg_pool2d) if course else (torch.relu, F.max_pool2d)
        with torch.no_grad():
            for k, p in enumerate(self.parameters()):
                p.copy_(formula(p.shape, k + 1, scale_of(p.shape)))

    def forward(self, x):
        x = self.pool(self.act(self.conv1(x)), 2, 2)
        x = self.pool(self.act(self.conv2(x)), 2, 2)
        x = self.act(self.fc1(x.flatten(1)))
        return self.fc3(self.act(self.fc2(x)))


def sample(tensor):
    """Every value of a small tensor; of a large one 96 values at a fixed stride, and norms of all."""
    flat = tensor.detach().reshape(-1)
    stride = 1 if len(flat) <= 400 else len(flat) // 96
    short = [float(f"{v:.8g}") for v in flat[::stride].tolist()]
    return {"shape": list(tensor.shape), "stride": stride, "values": short, "sum": flat.sum().item(), "norm": flat.norm().item()}


BATCH, STEPS = 8, 10
OPTIMIZERS = {
    "plain": {"lr": 0.5, "momentum": 0.0, "weight_decay": 0.0, "nesterov": False},
    "momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "nesterov": False},
    "momentum and weight decay": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": False},
    "nesterov": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True},
}


def batch(step, dtype):
    """Two batches in turn, so that the losses fall."""
    return formula((BATCH, 1, 28, 28), 100 + step % 2).to(dtype), labels(BATCH, 10, step % 2)


def losses(course, options, dtype):
    model = LeNet(course).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), **options)
    result = []
    for step in range(STEPS):
        x, target = batch(step, dtype)
        optimizer.zero_grad()
        value = F.cross_entropy(model(x), target)
        value.backward()
        optimizer.step()
        result.append(value.item())
    return result, [sample(p) for p in model.parameters()]


def lenet(course):
    model = LeNet(course).double()
    x, target = batch(0, torch.float64)
    logits = model(x)
    value = F.cross_entropy(logits, target)
    value.backward()
    runs = []
    for name, options in OPTIMIZERS.items():
        exact, final = losses(course, options, torch.float64)
        runs.append({"name": name, "lr": options["lr"], "momentum": options["momentum"], "weightDecay": options["weight_decay"],
                     "nesterov": options["nesterov"], "losses": exact, "float32Losses": losses(course, options, torch.float32)[0],
                     "finalNorms": [p["norm"] for p in final]})
    return {"course": course, "loss": value.item(), "logits": numbers(logits),
            "scales": {n: scale_of(p.shape) for n, p in model.named_parameters()},
            "gradients": {n: sample(p.grad) for n, p in model.named_parameters()}, "runs": runs}


def write(name, value):
    text = json.dumps(value, separators=(",", ":")).replace('{"name"', '\n{"name"').replace('"gradients":{', '\n"gradients":{\n') + "\n"
    (HERE / name).write_text(text)
    print(name, len(text), "bytes")


write("ops.json", {"versions": VERSIONS, "cases": op_cases()})
write("lenet.json", {"versions": VERSIONS, "batch": BATCH, "steps": STEPS, "variants": [lenet(False), lenet(True)]})
