"""What TensorBoard's own readers find in a folder of event files, as JSON: test/callbacks/tensorBoard.test.ts compares it with what was written.

Usage: python test/golden/tensorBoard.py FOLDER. Needs tensorboard (2.21 when this was written).
"""

import base64
import json
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

# 0: keep all.
EVERYTHING = {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0, "compressedHistograms": 0}


def session(content):
    start = metadata.parse_session_start_info_plugin_data(content["_hparams_/session_start_info"])
    end = content.get("_hparams_/session_end_info")
    return {
        "hparams": {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()},
        "status": end and metadata.parse_session_end_info_plugin_data(end).status,
    }


def describe(folder):
    run = EventAccumulator(folder, EVERYTHING)
    run.Reload()
    tags = run.Tags()
    result = {
        "scalars": {tag: [[e.step, e.value] for e in run.Scalars(tag)] for tag in tags["scalars"]},
        "histograms": {
            tag: [[e.step, e.histogram_value.num, e.histogram_value.min, e.histogram_value.max, len(e.histogram_value.bucket)] for e in run.Histograms(tag)]
            for tag in tags["histograms"]
        },
        "images": {
            tag: [[e.step, e.width, e.height, base64.b64encode(e.encoded_image_string).decode()] for e in run.Images(tag)] for tag in tags["images"]
        },
        "texts": {tag: run.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in tags["tensors"] if not tag.startswith("_hparams_")},
    }
    if any(tag.startswith("_hparams_") for tag in tags["tensors"]):
        result["session"] = session(run.PluginTagToContent("hparams"))
    return result


root = sys.argv[1]
runs = [folder for folder, _, files in os.walk(root) if any("tfevents" in name for name in files)]
print(json.dumps({os.path.relpath(folder, root): describe(folder) for folder in runs}))
