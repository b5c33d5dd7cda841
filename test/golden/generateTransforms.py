"""Writes transforms.json.gz: small pictures, and what the functions of torchvision.transforms.v2 make of them as uint8 tensors. Run by hand; the tests
read the file and need no Python.

    python test/golden/generateTransforms.py
"""

import base64
import gzip
import json
import pathlib

from torchvisionCpu import torchvision
import torch
from torchvision.transforms import InterpolationMode
import torchvision.transforms.v2.functional as F
from torchvision.transforms.v2._geometry import _get_perspective_coeffs

HERE = pathlib.Path(__file__).parent
VERSIONS = {"torch": torch.__version__, "torchvision": torchvision.__version__, "generator": "test/golden/generateTransforms.py"}
MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
NUMBERS = {"nearest": 0, "bilinear": 1, "bicubic": 2}
PADDING = ["constant", "edge", "reflect", "symmetric"]


def picture(channels, height, width):
    """Smooth shades with a square, a disc and some noise, so that edges and flat places are in it; made of integers alone."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    planes = []
    for c in range(channels):
        shade = 40 + (x * (5 + 2 * c) + y * (7 - 2 * c)) * 110 // (6 * (height + width))
        noise = (x * 31 + y * 17 + c * 7 + x * y * 13) % 23
        square = ((x > width // 5) & (x < width // 2) & (y > height // 4) & (y < height // 2)) * (60 + 20 * c)
        disc = ((x - 2 * width // 3) ** 2 + (y - 3 * height // 5) ** 2 < (min(height, width) // 5) ** 2) * (50 - 60 * c)
        planes.append(shade + noise + square + disc)
    return torch.stack(planes).clamp(5, 250).to(torch.uint8)


PICTURES = {"grey": picture(1, 28, 28), "colour": picture(3, 30, 37), "dark": picture(3, 24, 20) // 3}


def text(image):
    return base64.b64encode(image.contiguous().numpy().tobytes()).decode()


def cases():
    """Operation, our numbers, and torchvision's call."""
    def fill_numbers(fill):
        return [0, 0, 0, 0] if fill is None else [1, *(fill if len(fill) == 3 else fill * 3)]

    for top, left, height, width, mode in [(2, 3, 15, 12, 0), (-3, -4, 24, 20, 0), (-3, 5, 24, 30, 1), (-5, -4, 40, 44, 2), (-2, -3, 36, 36, 3)]:
        def crop(image, top=top, left=left, height=height, width=width, mode=mode):
            h, w = image.shape[-2:]
            pads = [max(0, -left), max(0, -top), max(0, left + width - w), max(0, top + height - h)]
            padded = F.pad(image, pads, fill=[77.0] if mode == 0 else None, padding_mode=PADDING[mode])
            return F.crop(padded, top + pads[1], left + pads[0], height, width)
        yield "crop", [top, left, height, width, mode, 77, 77, 77], crop
    yield "horizontalFlip", [], F.horizontal_flip
    yield "verticalFlip", [], F.vertical_flip

    sizes = [((0, 0, 20, 20), (12, 9)), ((1, 2, 20, 17), (40, 33)), ((3, 1, 19, 18), (8, 30)), ((2, 2, 18, 16), (18, 16))]
    for box, size in sizes:
        for mode, antialias in [("nearest", False), ("bilinear", True), ("bilinear", False), ("bicubic", True), ("bicubic", False)]:
            yield "resizedCrop", [*box, *size, NUMBERS[mode], int(antialias)], lambda image, box=box, size=size, mode=mode, antialias=antialias: F.resized_crop(
                image, *box, size=list(size), interpolation=MODES[mode], antialias=antialias)

    for angle, translate, scale, shear, center, mode, fill in [
        (30, (0, 0), 1, (0, 0), None, "nearest", [0.0]), (30, (0, 0), 1, (0, 0), None, "bilinear", [0.0]),
        (-12.5, (3, -2), 1.2, (8, 0), None, "bilinear", [100.0]), (75, (-4, 1), 0.7, (-5, 11), None, "bilinear", None),
        (0, (0, 0), 1, (16.7, 0), (0, 0), "nearest", None), (0, (0, 0), 1, (0, -10), (0, 0), "bilinear", None),
        (200, (2, 2), 0.9, (3, 3), (5, 9), "nearest", [200.0]), (0, (7, 0), 1, (0, 0), None, "nearest", None),
    ]:
        def move(image, angle=angle, translate=translate, scale=scale, shear=shear, center=center, mode=mode, fill=fill):
            return F.affine(image, angle, list(translate), scale, list(shear), interpolation=MODES[mode], fill=fill,
                            center=list(center) if center else None)
        middle = "middle" if center is None else list(center)
        yield "affine", [angle, *translate, scale, *shear, middle, NUMBERS[mode], *fill_numbers(fill)], move
    for angle, mode in [(17, "bilinear"), (90, "nearest"), (180, "nearest"), (-33.3, "nearest")]:
        yield "affine", [-angle, 0, 0, 1, 0, 0, "middle", NUMBERS[mode], 1, 0, 0, 0], lambda image, angle=angle, mode=mode: F.rotate(
            image, angle, interpolation=MODES[mode], fill=[0.0])

    for ends, mode, fill in [
        ([(2, 1), (-3, 4), (-1, -5), (3, -2)], "bilinear", [0.0]), ([(7, 6), (-6, 3), (-8, -7), (1, -3)], "bilinear", [50.0]),
        ([(4, 0), (-2, 5), (-1, -1), (0, -6)], "nearest", [0.0]), ([(5, 3), (-4, 2), (-7, -1), (2, -8)], "bilinear", None),
    ]:
        def project(image, ends=ends, mode=mode, fill=fill):
            h, w = image.shape[-2:]
            start = [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]
            end = [[s[0] + e[0], s[1] + e[1]] for s, e in zip(start, ends)]
            return F.perspective(image, None, None, interpolation=MODES[mode], fill=fill, coefficients=_get_perspective_coeffs(start, end))
        yield "perspective", [[list(e) for e in ends], NUMBERS[mode], *fill_numbers(fill)], project

    for factor in [0.0, 0.45, 1.0, 1.7]:
        yield "adjustBrightness", [factor], lambda image, factor=factor: F.adjust_brightness(image, factor)
        yield "adjustContrast", [factor], lambda image, factor=factor: F.adjust_contrast(image, factor)
        yield "adjustSaturation", [factor], lambda image, factor=factor: F.adjust_saturation(image, factor)
        yield "adjustSharpness", [factor], lambda image, factor=factor: F.adjust_sharpness(image, factor)
    for factor in [-0.5, -0.21, 0.0, 0.08, 0.35]:
        yield "adjustHue", [factor], lambda image, factor=factor: F.adjust_hue(image, factor)
    for channels in [1, 3]:
        yield "grayscale", [channels], lambda image, channels=channels: F.rgb_to_grayscale(image, num_output_channels=channels)
    for bits in [0, 1, 4, 8]:
        yield "posterize", [bits], lambda image, bits=bits: F.posterize(image, bits)
    for threshold in [0, 100.5, 255]:
        yield "solarize", [threshold], lambda image, threshold=threshold: F.solarize(image, threshold)
    yield "invert", [], F.invert
    yield "autocontrast", [], F.autocontrast
    yield "equalize", [], F.equalize
    for kernel, sigma in [((3, 3), 0.4), ((5, 3), 1.0), ((9, 7), 2.0), ((1, 1), 1.0)]:
        yield "gaussianBlur", [*kernel, sigma], lambda image, kernel=kernel, sigma=sigma: F.gaussian_blur(image, list(kernel), [sigma, sigma])
    yield "erase", [3, 4, 9, 7, 10, 200, 30], lambda image: F.erase(
        image, 3, 4, 9, 7, torch.tensor([10, 200, 30][:image.shape[0]], dtype=torch.uint8)[:, None, None])


def run(operation, numbers, call):
    """Our numbers are completed for the picture: its middle as center, corners from where they are."""
    for name, image in PICTURES.items():
        h, w = image.shape[-2:]
        values = []
        for value in numbers:
            if value == "middle":
                values += [0, 0]
            elif isinstance(value, list) and isinstance(value[0], list):
                start = [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]
                values += [number for s, e in zip(start, value) for number in (s[0] + e[0], s[1] + e[1])]
            elif isinstance(value, list):
                values += [value[0] - w * 0.5, value[1] - h * 0.5]
            else:
                values.append(value)
        if operation == "crop" and name == "dark" and numbers[4] in (2, 3):
            continue  # more padding than reflection has pixels
        if operation == "affine" and abs(values[0]) == 90 and h % 2 != w % 2:
            continue  # all places lie in the middle between two pixels, and the last bit of a float32 says which is the nearest
        result = call(image)
        yield {"operation": operation, "numbers": values, "picture": name, "shape": list(result.shape), "result": text(result)}


def main():
    pictures = {name: {"shape": list(image.shape), "pixels": text(image)} for name, image in PICTURES.items()}
    results = [result for case in cases() for result in run(*case)]
    lines = ",\n".join(json.dumps(result) for result in results)
    header = json.dumps({"versions": VERSIONS, "pictures": pictures})[:-1]
    whole = f"{header}, \"results\": [\n{lines}\n]}}\n"
    (HERE / "transforms.json.gz").write_bytes(gzip.compress(whole.encode(), mtime=0))


main()
