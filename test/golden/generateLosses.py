"""Writes losses.json: losses with their gradients as PyTorch and torchvision make them, those that they lack by their definition, and metrics by
numpy. Run by hand; the tests read the file and need no Python.

    python test/golden/generateLosses.py

Everything is computed in float64 from numbers of `formula` (see formulas.py), so that the file says what is right and not how a library rounds.
"""

import json
import math
import pathlib

import numpy
from torchvisionCpu import torchvision
import torch
import torch.nn.functional as F

from formulas import formula, labels

HERE = pathlib.Path(__file__).parent
VERSIONS = {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": numpy.__version__,
            "generator": "test/golden/generateLosses.py"}
torch.use_deterministic_algorithms(True)


def numbers(values):
    rounded = [float(f"{v:.8g}") for v in values]
    return [int(v) if v == int(v) else v for v in rounded]


def make(operand):
    """The tensor that an operand describes; losses.test.ts has the same."""
    shape, seed, kind = operand["shape"], operand["seed"], operand["kind"]
    count = math.prod(shape)
    every, special = operand.get("every", [count + 1, 0])
    at = [i for i in range(count) if i % every == every - 1]
    if kind == "labels":
        x = labels(count, operand["classes"], seed)
        x[at] = special
        return x.reshape(shape)
    if kind == "sides":
        return (2.0 * labels(count, 2, seed) - 1).double().reshape(shape)
    x = formula(shape, seed, operand.get("scale", 1.0))
    if kind == "unit":  # in [0, 1], rounded to float32
        x = (x.float() / 2 + 0.5).double()
    flat = x.reshape(-1)
    flat[at] = float(special)
    return flat.reshape(shape)


def values(shape, seed, scale=1.0, **more):
    return {"kind": "values", "shape": shape, "seed": seed, "scale": scale, **more}


def unit(shape, seed, **more):
    return {"kind": "unit", "shape": shape, "seed": seed, **more}


def classes(shape, seed, count, **more):
    return {"kind": "labels", "shape": shape, "seed": seed, "classes": count, **more}


def sides(shape, seed):
    return {"kind": "sides", "shape": shape, "seed": seed}


cases = []


def case(loss, options, operands, function, fixed=()):
    """fixed: operands that the test does not differentiate by, since PyTorch refuses to."""
    inputs = [make(o) for o in operands]
    for i, x in enumerate(inputs):
        x.requires_grad_(x.is_floating_point() and i not in fixed)
    y = function(*inputs)
    weighting = formula(list(y.shape), 50).reshape(y.shape)
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad((y * weighting).sum(), wanted))
    gradients = [numbers(next(found).reshape(-1).tolist()) if x.requires_grad else None for x in inputs]
    assert all(math.isfinite(v) for v in [*y.reshape(-1).tolist(), *(g for gs in gradients for g in gs or [])]), (loss, options)
    cases.append({"loss": loss, "options": options, "operands": operands, "shape": list(y.shape), "y": numbers(y.reshape(-1).tolist()),
                  "gradients": gradients})


REDUCTIONS = ["mean", "sum", "none"]


def label_losses():
    shapes = [([6, 5], [6]), ([2, 4, 7], [2, 7]), ([2, 3, 4, 5], [2, 4, 5]), ([2, 3, 2, 3, 2], [2, 2, 3, 2])]
    for (shape, rows), reduction in [(s, r) for s in shapes for r in REDUCTIONS]:
        count = shape[1]
        x, t, w = values(shape, 1, 4.0), classes(rows, 1, count), unit([count], 3)
        ignored, skipping = classes(rows, 1, count, every=[3, -100]), classes(rows, 2, count, every=[4, 255])
        first = classes(rows, 2, count)
        for options, target, torch_options in [
            ({}, t, {}),
            ({}, ignored, {}),
            ({"ignoreIndex": 255}, skipping, {"ignore_index": 255}),
            ({"ignoreIndex": 0}, first, {"ignore_index": 0}),
        ]:
            ours = {**options, "reduction": reduction}
            theirs = {**torch_options, "reduction": reduction}
            case("nllLoss", ours, [x, target], lambda a, b: F.nll_loss(a, b, **theirs))
            case("nllLoss", ours, [x, target, w], lambda a, b, c: F.nll_loss(a, b, c, **theirs), fixed=[2])
            for s in [0, 0.2]:
                smooth = {**ours, "labelSmoothing": s} if s else ours
                case("crossEntropy", smooth, [x, target], lambda a, b: F.cross_entropy(a, b, label_smoothing=s, **theirs))
                case("crossEntropy", smooth, [x, target, w], lambda a, b, c: F.cross_entropy(a, b, c, label_smoothing=s, **theirs), fixed=[2])
        for s in [0, 0.2]:
            smooth = {"reduction": reduction, "labelSmoothing": s}
            p = unit(shape, 2)
            case("crossEntropy", smooth, [x, p], lambda a, b: F.cross_entropy(a, b, label_smoothing=s, reduction=reduction))
            case("crossEntropy", smooth, [x, p, w], lambda a, b, c: F.cross_entropy(a, b, c, label_smoothing=s, reduction=reduction), fixed=[2])
    # Classes that are ruled out: -inf beside the labels, which are 0, 2 and 4 in turn.
    masked = values([4, 6], 1, 4.0, every=[6, "-inf"])
    case("crossEntropy", {}, [masked, classes([4], 0, 5)], F.cross_entropy)
    case("crossEntropy", {}, [masked, classes([4], 0, 5), unit([6], 3)], F.cross_entropy, fixed=[2])
    case("nllLoss", {}, [masked, classes([4], 0, 5)], F.nll_loss)
    case("crossEntropy", {}, [values([3, 4], 1, 300.0), classes([3], 1, 4)], F.cross_entropy)


def value_losses():
    for reduction in REDUCTIONS:
        for shape in [[7], [3, 4], [2, 3, 2, 3]]:
            x, t, r = values(shape, 1, 3.0), values(shape, 2, 2.0), {"reduction": reduction}
            case("mseLoss", r, [x, t], lambda a, b: F.mse_loss(a, b, **r))
            case("l1Loss", r, [x, t], lambda a, b: F.l1_loss(a, b, **r))
            case("l1Loss", r, [x, x], lambda a, b: F.l1_loss(a, b, **r))
            for bound in [1.0, 0.5]:
                case("smoothL1Loss", {**r, "beta": bound}, [x, t], lambda a, b: F.smooth_l1_loss(a, b, beta=bound, **r))
                case("huberLoss", {**r, "delta": bound}, [x, t], lambda a, b: F.huber_loss(a, b, delta=bound, **r))
            case("smoothL1Loss", {**r, "beta": 0}, [x, t], lambda a, b: F.smooth_l1_loss(a, b, beta=0.0, **r))
            case("bceWithLogits", r, [x, unit(shape, 2)], lambda a, b: F.binary_cross_entropy_with_logits(a, b, **r))
            case("bceWithLogits", r, [x, unit(shape, 2), unit(shape[-1:], 3)],
                 lambda a, b, c: F.binary_cross_entropy_with_logits(a, b, pos_weight=c, **r), fixed=[2])
            if len(shape) > 1:
                wide = values([2, 7], 1, 100.0)
                case("bceWithLogits", r, [wide, unit([2, 7], 2)], lambda a, b: F.binary_cross_entropy_with_logits(a, b, **r))
            for margin in [1.0, 0.25]:
                reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda v: v}[reduction]
                case("hingeLoss", {**r, "margin": margin}, [x, sides(shape, 2)], lambda a, b: reduce(torch.relu(margin - b * a)), fixed=[1])
    for reduction in [*REDUCTIONS, "batchmean"]:
        for shape in [[5], [3, 4], [2, 3, 2, 3]]:
            x, r = values(shape, 1, 3.0), {"reduction": reduction}
            case("klDiv", r, [x, unit(shape, 2)], lambda a, b: F.kl_div(a, b, **r))
            case("klDiv", r, [x, unit(shape, 2, every=[3, 0])], lambda a, b: F.kl_div(a, b, **r), fixed=[1])
            case("klDiv", {**r, "logTarget": True}, [x, values(shape, 2, 2.0)], lambda a, b: F.kl_div(a, b, log_target=True, **r))


def class_losses():
    focal = torchvision.ops.sigmoid_focal_loss
    for reduction in REDUCTIONS:
        reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda v: v}[reduction]
        for shape in [[6, 3], [2, 3, 4, 5]]:
            x, p = values(shape, 1, 4.0), unit(shape, 2)
            for options in [{}, {"gamma": 0.5, "alpha": 0.75}, {"gamma": 0}]:
                ours = {**options, "reduction": reduction}
                case("focalLoss", ours, [x, p], lambda a, b: focal(a, b, **ours))
            rows = [shape[0], *shape[2:]]
            for ignored in [False, True]:
                t = classes(rows, 1, shape[1], **({"every": [3, -100]} if ignored else {}))
                for gamma, weighted in [(2, False), (1.5, True), (0, False)]:

                    def softmax_focal(a, b, weight=None):
                        entropy = F.cross_entropy(a, b, reduction="none")
                        losses = (1 - torch.exp(-entropy)) ** gamma * entropy
                        if weight is not None:
                            losses = losses * weight[b.clamp(min=0)]
                        known = (b != -100).double()
                        return (losses * known).sum() / known.sum() if reduction == "mean" else reduce(losses * known)

                    ours = {"gamma": gamma, "reduction": reduction}
                    case("focalLoss", ours, [x, t, unit([shape[1]], 3)] if weighted else [x, t], softmax_focal)

                for smooth in [1.0, 0.1]:

                    def softmax_dice(a, b):
                        known = (b != -100).double().unsqueeze(1)
                        hot = F.one_hot(b.clamp(min=0), a.shape[1]).movedim(-1, 1).double() * known
                        return reduce(dice(torch.softmax(a, 1) * known, hot, smooth))

                    case("diceLoss", {"smooth": smooth, "reduction": reduction}, [x, t], softmax_dice)
            case("diceLoss", {"reduction": reduction}, [x, p], lambda a, b: reduce(dice(torch.sigmoid(a), b, 1.0)))


def dice(p, t, smooth):
    p, t = p.reshape(*p.shape[:2], -1), t.reshape(*t.shape[:2], -1)
    return 1 - (2 * (p * t).sum(-1) + smooth) / (p.sum(-1) + t.sum(-1) + smooth)


def embedding_losses():
    for reduction in REDUCTIONS:
        for p in [2.0, 1.0, 3.0, "inf"]:
            for swap in [False, True]:
                for margin, eps in [(1.0, 1e-6), (0.3, 0.01)]:
                    ours = {"margin": margin, "p": p, "eps": eps, "swap": swap, "reduction": reduction}
                    theirs = {**ours, "p": float(p)}
                    operands = [values([5, 4], k, 0.5) for k in [1, 2, 3]]
                    case("tripletMarginLoss", ours, operands, lambda a, b, c: F.triplet_margin_loss(a, b, c, **theirs))
        # Equal vectors: the derivative of their distance is 0.
        ours = {"eps": 0, "reduction": reduction}
        case("tripletMarginLoss", ours, [values([5, 4], k, 0.5) for k in [1, 1, 3]], lambda a, b, c: F.triplet_margin_loss(a, b, c, **ours))
        for margin in [0.0, 0.4]:
            ours = {"margin": margin, "reduction": reduction}
            operands = [values([6, 4], 1), values([6, 4], 2), sides([6], 1)]
            case("cosineEmbeddingLoss", ours, operands, lambda a, b, c: F.cosine_embedding_loss(a, b, c, **ours), fixed=[2])


metrics = []


def metric(name, options, operands, value):
    value = numpy.asarray(value, dtype=numpy.float64)
    metrics.append({"metric": name, "options": options, "operands": operands, "value": numpy.vectorize(lambda v: float(f"{v:.10g}"))(value).tolist()})


def class_scores(hits, wrong, missed):
    """By name: the score of each class, and of all answers together."""
    def ratio(a, b):
        return numpy.where(b > 0, a / numpy.maximum(b, 1), 0.0)
    formulas = {"precision": lambda h, w, m: ratio(h, h + w), "recall": lambda h, w, m: ratio(h, h + m),
                "f1": lambda h, w, m: ratio(2 * h, 2 * h + w + m), "iou": lambda h, w, m: ratio(h, h + w + m)}
    return {k: (f(hits, wrong, missed), f(hits.sum(), wrong.sum(), missed.sum())) for k, f in formulas.items()}


def averages(options, operands, hits, wrong, missed):
    hits, wrong, missed = (x.astype(numpy.float64) for x in (hits, wrong, missed))
    present, support = hits + wrong + missed > 0, hits + missed
    for name, (each, together) in class_scores(hits, wrong, missed).items():
        metric(name, options, operands, each[present].mean())
        metric(name, {**options, "average": "micro"}, operands, together)
        metric(name, {**options, "average": "weighted"}, operands, (each * support).sum() / support.sum())
        metric(name, {**options, "average": "none"}, operands, each)
        metric(name, {**options, "class": 1}, operands, each[1])


def area(yes, no):
    """The share of pairs in order, equal ones counting half."""
    return ((yes[:, None] > no).sum() + 0.5 * (yes[:, None] == no).sum()) / (len(yes) * len(no))


def class_metrics():
    for shape, more in [([40, 5], {}), ([40, 2], {}), ([6, 3, 4, 5], {"every": [3, -100]}), ([6, 3, 4, 5], {"every": [3, 255]}), ([8, 4, 6], {})]:
        rows = [shape[0], *shape[2:]]
        # A class more than there are would be out of range: those labels are passed over.
        operands = [values(shape, 1), classes(rows, 1, shape[1] - (shape[1] > 3), **more)]
        x, t = (make(o).numpy() for o in operands)
        x, t = numpy.moveaxis(x, 1, -1).reshape(-1, shape[1]), t.reshape(-1)
        for ignore in [-100, 0]:
            options = {} if ignore == -100 else {"ignoreIndex": ignore}
            known = (t >= 0) & (t < shape[1]) & (t != ignore)
            xs, ts = x[known], t[known]
            answer = xs.argmax(1)
            metric("accuracy", options, operands, (answer == ts).mean())
            metric("topK", {**options, "k": 2}, operands, [row in order[:2] for row, order in zip(ts, (-xs).argsort(1))].count(True) / len(ts))
            matrix = numpy.zeros((shape[1], shape[1]))
            numpy.add.at(matrix, (ts, answer), 1)
            metric("confusionMatrix", options, operands, matrix)
            hits = matrix.diagonal()
            averages(options, operands, hits, matrix.sum(0) - hits, matrix.sum(1) - hits)
        if len(shape) == 2:
            p = numpy.exp(x) / numpy.exp(x).sum(1, keepdims=True)
            which = [1] if shape[1] == 2 else [c for c in range(shape[1]) if (t == c).any()]
            metric("auc", {}, operands, numpy.mean([area(p[t == c, c], p[t != c, c]) for c in which]))


def value_metrics():
    for shape in [[30, 4], [6, 2, 3, 4]]:
        operands = [values(shape, 1, 3.0), unit(shape, 2)]
        x, t = (make(o).numpy() for o in operands)
        for threshold in [0.5, 0.3]:
            answer, truth = 1 / (1 + numpy.exp(-x)) > threshold, t > 0.5
            axes = tuple(i for i in range(len(shape)) if i != 1)
            metric("accuracy", {"threshold": threshold}, operands, (answer == truth).mean())
            averages({"threshold": threshold}, operands, (answer & truth).sum(axes), (answer & ~truth).sum(axes), (~answer & truth).sum(axes))
        metric("meanAbsoluteError", {}, operands, numpy.abs(x - t).mean())
        metric("meanSquaredError", {}, operands, ((x - t) ** 2).mean())
    # Rounded outputs, of which many are equal.
    operands = [{"kind": "values", "shape": [60, 3], "seed": 1, "scale": 3.0, "every": [2, 0.5]}, unit([60, 3], 2)]
    x, t = (make(o).numpy() for o in operands)
    each = [area(x[t[:, c] > 0.5, c], x[t[:, c] <= 0.5, c]) for c in range(3)]
    metric("auc", {}, operands, numpy.mean(each))
    metric("auc", {"average": "none"}, operands, each)


label_losses()
value_losses()
class_losses()
embedding_losses()
class_metrics()
value_metrics()
rows = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
scores = ",\n".join(json.dumps(m, separators=(",", ":")) for m in metrics)
(HERE / "losses.json").write_text(f'{{"versions": {json.dumps(VERSIONS)},\n"cases": [\n{rows}\n],\n"metrics": [\n{scores}\n]}}\n')
print(len(cases), "losses,", len(metrics), "metrics")
