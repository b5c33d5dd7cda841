"""Writes optim.json: 20 steps of a small network by every optimizer, schedule and clipping, with accumulation and with averages of the weights, as PyTorch makes them (LARS and LAMB: timm). Run by
hand; the tests read the file and need no Python.

    python test/golden/generateOptim.py

Everything is computed in float64 from numbers of `formula` (see generate.py), so that the file says what is right and not how a library rounds.
"""

import json
import math
import pathlib

from torchvisionCpu import torchvision  # noqa: F401, which timm imports
import timm
import timm.optim
import torch
import torch.nn.functional as F

from formulas import formula, labels

HERE = pathlib.Path(__file__).parent
VERSIONS = {"torch": torch.__version__, "timm": timm.__version__, "generator": "test/golden/generateOptim.py"}
torch.use_deterministic_algorithms(True)

BATCH, STEPS, PER_EPOCH, CLASSES = 8, 20, 5, 5


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.fc1 = torch.nn.Linear(4 * 4 * 4, 8)
        self.fc2 = torch.nn.Linear(8, CLASSES)
        with torch.no_grad():
            for k, p in enumerate(self.parameters()):
                p.copy_(formula(p.shape, k + 1, 0.5 if p.dim() > 2 else 0.25))

    def forward(self, x):
        x = torch.tanh(self.conv(x)).flatten(1)
        return self.fc2(torch.tanh(self.fc1(x)))


def batch(step):
    """Five batches in turn, the epoch of the schedules."""
    return formula((BATCH, 1, 4, 4), 100 + step % PER_EPOCH), labels(BATCH, CLASSES, step % PER_EPOCH)


def numbers(values):
    return [float(f"{v:.8g}") for v in values]


def run(name, optimizer, options, make, schedule=None, factor=None, clip=None, groups=None, records=None, accumulate=1, ema=None):
    """options: ours. make(parameter groups): torch's. factor: makes a scheduler of it. clip: changes gradients. groups: splits parameters. accumulate: steps of an update.
    ema: the decay of an average of the weights, which is what the file gets."""
    torch.manual_seed(0)
    model = Network().double()
    named = list(model.named_parameters())
    theirs = make(groups(named) if groups else [p for _, p in named])
    scheduler = factor(theirs) if factor else None
    averages = ema and torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema))
    losses, rates = [], []
    for step in range(STEPS):
        x, target = batch(step)
        if step % accumulate == 0:
            theirs.zero_grad()
        loss = F.cross_entropy(model(x.double()), target)
        (loss / accumulate).backward()
        losses.append(loss.item())
        rates.append(theirs.param_groups[0]["lr"])
        if (step + 1) % accumulate != 0:
            continue
        if clip:
            clip(model.parameters())
        theirs.step()
        if averages:
            averages.update_parameters(model)
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            if (step + 1) % PER_EPOCH == 0:
                scheduler.step(records[step // PER_EPOCH])
        elif scheduler and (scheduler.per_step or (step + 1) % PER_EPOCH == 0):
            scheduler.step()
    weights = {n: numbers(p.detach().reshape(-1).tolist()) for n, p in (averages.module if averages else model).named_parameters()}
    result = {"name": name, "optimizer": optimizer, "options": options, "losses": numbers(losses), "rates": numbers(rates), "weights": weights}
    return result | {k: v for k, v in {"schedule": schedule, "records": records}.items() if v is not None}


def scheduled(make, per_step):
    def factor(optimizer):
        scheduler = make(optimizer)
        scheduler.per_step = per_step
        return scheduler
    return factor


def optimizer_runs():
    o, t = torch.optim, timm.optim
    yield run("sgd", "sgd", {"lr": 0.5}, lambda p: o.SGD(p, lr=0.5))
    yield run("sgd, dampening", "sgd", {"lr": 0.2, "momentum": 0.9, "dampening": 0.5, "weightDecay": 0.01},
              lambda p: o.SGD(p, lr=0.2, momentum=0.9, dampening=0.5, weight_decay=0.01))
    yield run("sgd, nesterov", "sgd", {"lr": 0.1, "momentum": 0.9, "weightDecay": 0.01, "nesterov": True},
              lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True))
    yield run("adam", "adam", {"lr": 0.01}, lambda p: o.Adam(p, lr=0.01))
    yield run("adam, weight decay, betas", "adam", {"lr": 0.01, "weightDecay": 0.1, "betas": [0.8, 0.99], "eps": 1e-6},
              lambda p: o.Adam(p, lr=0.01, weight_decay=0.1, betas=(0.8, 0.99), eps=1e-6))
    yield run("adam, amsgrad", "adam", {"lr": 0.02, "amsgrad": True}, lambda p: o.Adam(p, lr=0.02, amsgrad=True))
    yield run("adamw", "adamw", {"lr": 0.01}, lambda p: o.AdamW(p, lr=0.01))
    yield run("adamw, amsgrad", "adamw", {"lr": 0.02, "weightDecay": 0.3, "amsgrad": True}, lambda p: o.AdamW(p, lr=0.02, weight_decay=0.3, amsgrad=True))
    yield run("nadam", "nadam", {"lr": 0.01}, lambda p: o.NAdam(p, lr=0.01))
    yield run("nadam, decoupled", "nadam", {"lr": 0.01, "weightDecay": 0.1, "momentumDecay": 0.02, "decoupledWeightDecay": True},
              lambda p: o.NAdam(p, lr=0.01, weight_decay=0.1, momentum_decay=0.02, decoupled_weight_decay=True))
    yield run("rmsprop", "rmsprop", {"lr": 0.003}, lambda p: o.RMSprop(p, lr=0.003))
    yield run("rmsprop, centered, momentum", "rmsprop", {"lr": 0.002, "alpha": 0.9, "momentum": 0.5, "centered": True, "weightDecay": 0.01, "eps": 1e-3},
              lambda p: o.RMSprop(p, lr=0.002, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.01, eps=1e-3))
    yield run("adagrad", "adagrad", {"lr": 0.05}, lambda p: o.Adagrad(p, lr=0.05))
    yield run("adagrad, decays, start", "adagrad", {"lr": 0.05, "lrDecay": 0.1, "weightDecay": 0.05, "initialAccumulatorValue": 0.01},
              lambda p: o.Adagrad(p, lr=0.05, lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.01))
    yield run("adadelta", "adadelta", {}, lambda p: o.Adadelta(p))
    yield run("adadelta, weight decay", "adadelta", {"lr": 2.0, "rho": 0.8, "weightDecay": 0.05, "eps": 1e-4},
              lambda p: o.Adadelta(p, lr=2.0, rho=0.8, weight_decay=0.05, eps=1e-4))
    yield run("lars", "lars", {"lr": 20.0, "momentum": 0.9, "weightDecay": 0.01}, lambda p: t.Lars(p, lr=20.0, momentum=0.9, weight_decay=0.01))
    yield run("lars, always adapting, nesterov", "lars", {"lr": 20.0, "momentum": 0.9, "nesterov": True, "trustCoefficient": 0.002, "alwaysAdapt": True},
              lambda p: t.Lars(p, lr=20.0, momentum=0.9, nesterov=True, trust_coeff=0.002, always_adapt=True))
    yield run("lamb", "lamb", {"lr": 0.02}, lambda p: t.Lamb(p, lr=0.02, weight_decay=0.01, max_grad_norm=None))
    yield run("lamb, always adapting", "lamb", {"lr": 0.02, "weightDecay": 0, "alwaysAdapt": True, "betas": [0.8, 0.99]},
              lambda p: t.Lamb(p, lr=0.02, weight_decay=0.0, betas=(0.8, 0.99), always_adapt=True, max_grad_norm=None))


def schedule_runs():
    s = torch.optim.lr_scheduler
    sgd = {"lr": 0.2, "momentum": 0.9}

    def one(schedule, options, make, per_step, records=None):
        factor = make if records else scheduled(make, per_step)
        name = f"{schedule} {json.dumps(options)}"
        return run(name, "sgd", sgd, lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.9), [schedule, options], factor, records=records)

    yield one("step", {"stepSize": 2, "gamma": 0.5}, lambda o: s.StepLR(o, 2, 0.5), False)
    yield one("step", {"stepSize": 3, "gamma": 0.7, "per": "step"}, lambda o: s.StepLR(o, 3, 0.7), True)
    yield one("multiStep", {"milestones": [1, 3]}, lambda o: s.MultiStepLR(o, [1, 3]), False)
    yield one("exponential", {"gamma": 0.6}, lambda o: s.ExponentialLR(o, 0.6), False)
    yield one("cosine", {}, lambda o: s.CosineAnnealingLR(o, STEPS), True)
    yield one("cosine", {"minFactor": 0.1}, lambda o: s.CosineAnnealingLR(o, STEPS, 0.02), True)
    yield one("cosineRestarts", {"firstEpochs": 1, "growth": 2, "minFactor": 0.05},
              lambda o: s.CosineAnnealingWarmRestarts(o, PER_EPOCH, 2, 0.01), True)
    yield one("polynomial", {"power": 0.9}, lambda o: s.PolynomialLR(o, STEPS, 0.9), True)
    yield one("polynomial", {"power": 2, "total": 3, "per": "epoch"}, lambda o: s.PolynomialLR(o, 3, 2), False)
    yield one("oneCycle", {}, lambda o: s.OneCycleLR(o, 0.2, total_steps=STEPS, cycle_momentum=False), True)
    yield one("oneCycle", {"pctStart": 0.4, "divFactor": 10, "finalDivFactor": 100, "annealing": "linear", "threePhase": True},
              lambda o: s.OneCycleLR(o, 0.2, total_steps=STEPS, pct_start=0.4, div_factor=10, final_div_factor=100, anneal_strategy="linear",
                                     three_phase=True, cycle_momentum=False), True)
    yield one("reduceOnPlateau", {"patience": 0, "factor": 0.5}, lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=0), False,
              records=[1.0, 1.5, 0.9, 0.89999])


def other_runs():
    parameters = torch.nn.utils
    yield run("clipping by norm", "sgd", {"lr": 0.5, "gradientClipNorm": 0.3}, lambda p: torch.optim.SGD(p, lr=0.5),
              clip=lambda p: parameters.clip_grad_norm_(p, 0.3))
    yield run("clipping by value", "adam", {"lr": 0.01, "gradientClipValue": 0.01}, lambda p: torch.optim.Adam(p, lr=0.01),
              clip=lambda p: parameters.clip_grad_value_(p, 0.01))

    def split(named):
        decay = [p for _, p in named if p.dim() > 1 and p.shape[0] != CLASSES]
        plain = [p for _, p in named if p.dim() <= 1]
        head = [p for _, p in named if p.dim() > 1 and p.shape[0] == CLASSES]
        return [{"params": decay}, {"params": plain, "weight_decay": 0.0}, {"params": head, "lr": 0.1, "momentum": 0.5}]
    yield run("groups", "sgd", {"lr": 0.2, "momentum": 0.9, "weightDecay": 0.05},
              lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.9, weight_decay=0.05), groups=split)
    yield run("accumulation", "sgd", {"lr": 0.5, "momentum": 0.9, "accumulate": 4}, lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9), accumulate=4)
    yield run("accumulation, clipping by norm", "adamw", {"lr": 0.05, "accumulate": 5, "gradientClipNorm": 0.1},
              lambda p: torch.optim.AdamW(p, lr=0.05), clip=lambda p: parameters.clip_grad_norm_(p, 0.1), accumulate=5)
    yield run("ema", "adam", {"lr": 0.02, "ema": 0.9}, lambda p: torch.optim.Adam(p, lr=0.02), ema=0.9)
    yield run("ema, accumulation", "sgd", {"lr": 0.5, "ema": 0.6, "accumulate": 2}, lambda p: torch.optim.SGD(p, lr=0.5), ema=0.6, accumulate=2)


runs = [*optimizer_runs(), *schedule_runs(), *other_runs()]
(HERE / "optim.json").write_text(json.dumps({"versions": VERSIONS, "runs": runs}, indent=0).replace(",\n", ",") + "\n")
print(len(runs), "runs")
