"""PyTorch as a peer of `stridenet bench`: answers the requests of lib/bench/protocol.ts, one JSON object a line.

    python3 pytorch.py VARIANT      VARIANT is eager, channels_last or compile (channels_last, torch.compile; inference also frozen)

The model is the graph that all peers share, written out as straight-line PyTorch and compiled by Python: torch.nn.functional calls on parameters of one
module, relu in place where nothing else reads its input. It needs neither torchvision nor numpy, and decides nothing about when it measures.
"""

import base64
import json
import resource
import struct
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    MISSING = f"python3 cannot import torch ({error}). Run: pip install torch --index-url https://download.pytorch.org/whl/cpu"
else:
    MISSING = None

VARIANT = sys.argv[1]


def read_safetensors(path):
    """float32 tensors by name."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":  # the counters of batch normalisation are no part of the graph
            begin, end = entry["data_offsets"]
            tensors[name] = torch.frombuffer(data, dtype=torch.float32, count=(end - begin) // 4, offset=begin).reshape(entry["shape"]).clone()
    return tensors


def read_array(path, kind, shape):
    with open(path, "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=kind).reshape(shape).clone()


def symmetric(x, padding, value):
    """(lines that pad explicitly where sides differ, x, padding as PyTorch's operators take it)"""
    top, bottom, left, right = padding
    if top == bottom and left == right:
        return x, (top, left)
    return f"F.pad({x}, ({left}, {right}, {top}, {bottom}), value={value})", (0, 0)


def expression(node, x, sole_reader):
    """A node as PyTorch, with the expressions of its inputs."""
    op, attrs = node["op"], node["attrs"]
    if op == "conv2d":
        source, padding = symmetric(x[0], attrs["padding"], 0.0)
        bias = x[2] if len(x) > 2 else None
        return f"F.conv2d({source}, {x[1]}, {bias}, {tuple(attrs['stride'])}, {padding}, {tuple(attrs['dilation'])}, {attrs['groups']})"
    if op == "maxPool2d":
        source, padding = symmetric(x[0], attrs["padding"], "-float('inf')")
        return f"F.max_pool2d({source}, {tuple(attrs['kernel'])}, {tuple(attrs['stride'])}, {padding}, {tuple(attrs['dilation'])}, {attrs['ceilMode']})"
    if op == "avgPool2d":
        top, bottom, left, right = attrs["padding"]
        if (top, left) != (bottom, right):
            raise NotImplementedError("average pooling whose padding differs by side")
        return f"F.avg_pool2d({x[0]}, {tuple(attrs['kernel'])}, {tuple(attrs['stride'])}, {(top, left)}, {attrs['ceilMode']}, {attrs['countIncludePad']})"
    if op == "batchNorm":
        return f"F.batch_norm({x[0]}, {x[3]}, {x[4]}, {x[1]}, {x[2]}, {attrs['training']}, 0.1, {attrs['eps']})"
    if op in ("relu", "relu6"):
        return f"F.{op}({x[0]}, inplace={sole_reader})"
    if op in ("sigmoid", "tanh"):
        return f"torch.{op}({x[0]})"
    simple = {
        "linear": lambda: f"F.linear({', '.join(x)})",
        "adaptiveAvgPool2d": lambda: f"F.adaptive_avg_pool2d({x[0]}, {tuple(attrs['size'])})",
        "reshape": lambda: f"{x[0]}.reshape({tuple(attrs['shape'])})",
        "add": lambda: f"{x[0]} + {x[1]}",
        "concat": lambda: f"torch.cat(({', '.join(x)}), {attrs['axis']})",
        "dropout": lambda: f"F.dropout({x[0]}, {attrs['p']}, True)",
    }
    if op not in simple:
        raise NotImplementedError(f"this peer has no {op}")
    return simple[op]()


def build(graph, weights):
    """The module of a graph: its forward is a Python function of as many lines as there are nodes."""
    nodes = graph["nodes"]
    readers = [0] * len(nodes)
    for node in nodes:
        for i in node["inputs"]:
            readers[i] += 1
    model = torch.nn.Module()
    lines, names = ["def forward(self, x):"], []
    for i, node in enumerate(nodes):
        if node["op"] == "input":
            names.append("x")
        elif node["op"] == "variable":
            field = "p_" + node["name"].replace(".", "_")
            value = weights[node["name"]]
            if node["trainable"]:
                model.register_parameter(field, torch.nn.Parameter(value))
            else:
                model.register_buffer(field, value)
            names.append(f"self.{field}")
        else:
            first = node["inputs"][0]
            # conv2d and batch_norm do not need their own output for the gradient, so relu may overwrite it, as torchvision does.
            sole = readers[first] == 1 and nodes[first]["op"] in ("conv2d", "batchNorm", "linear", "add")
            lines.append(f"    v{i} = {expression(node, [names[j] for j in node['inputs']], sole)}")
            names.append(f"v{i}")
    # A value is let go after its last reader, as it would be in hand-written code that reuses a name.
    last = {}
    for i, node in enumerate(nodes):
        for j in node["inputs"]:
            last[j] = i
    kept = []
    for line in lines:
        kept.append(line)
        head = line.strip().split(" ", 1)[0]
        if head.startswith("v"):
            gone = [f"v{j}" for j, at in last.items() if at == int(head[1:]) and names[j] == f"v{j}"]
            if gone:
                kept.append(f"    del {', '.join(gone)}")
    kept.append(f"    return {names[graph['output']]}")
    scope = {"F": F, "torch": torch}
    exec("\n".join(kept), scope)  # the graph is the benchmark's own
    model.forward = scope["forward"].__get__(model)
    return model


def open_task(task):
    torch.set_num_threads(task["threads"])
    training = task["mode"] == "training"
    files = task["files"]
    start = time.perf_counter()
    with open(files["graph"]) as file:
        model = build(json.load(file), read_safetensors(files["weights"]))
    model.train(training)
    images = read_array(files["images"], torch.float32, [task["batch"], *task["network"]["input"]])
    if VARIANT != "eager":
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    forward = model
    if VARIANT == "compile":
        if not training:
            from torch._inductor import config

            config.freezing = True
        forward = torch.compile(model)
    if training:
        labels = read_array(files["labels"], torch.int32, [task["batch"]]).long()
        optimizer = torch.optim.SGD(model.parameters(), lr=task["learningRate"], momentum=task["momentum"])

        def once():
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(forward(images), labels)
            loss.backward()
            optimizer.step()
            return loss.item()
    else:

        def once():
            with torch.no_grad():
                return forward(images)

    loaded = time.perf_counter()
    first = once()
    answer = {"loadMs": (loaded - start) * 1e3, "firstMs": (time.perf_counter() - loaded) * 1e3, "residentBytes": resident_bytes()}
    if training:
        answer["losses"] = [first, once()]
    else:
        answer["logits"] = base64.b64encode(bytes(first.contiguous().view(-1).view(torch.uint8).tolist())).decode()
    return once, answer


def measure(once, seconds, warmup):
    clock = time.perf_counter
    end = clock() + warmup
    while clock() < end:
        once()
    milliseconds = []
    end = clock() + seconds
    while not milliseconds or clock() < end:
        start = clock()
        once()
        milliseconds.append((clock() - start) * 1e3)
    return {"milliseconds": milliseconds, "peakBytes": peak_bytes()}


def resident_bytes():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return peak_bytes()


def peak_bytes():
    # Kilobytes, except on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    answers, sys.stdout = sys.stdout, sys.stderr
    once = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if MISSING:
                answer = {"unavailable": MISSING}
            elif request["do"] == "hello":
                answer = {"version": f"PyTorch {torch.__version__}"}
            elif request["do"] == "open":
                once, answer = open_task(request["task"])
            else:
                answer = measure(once, request["seconds"], request["warmup"])
        except NotImplementedError as error:
            answer = {"unavailable": str(error)}
        except Exception as error:  # reported to the benchmark, which goes on without this peer
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
