"""Writes numpy.json: files as NumPy saves them, in base64, with what is in them. test/data/npy.test.ts reads them.

    python test/golden/generateNumpy.py > test/golden/numpy.json
"""

import base64
import io
import json

import numpy


def saved(array, **options):
    file = io.BytesIO()
    numpy.save(file, array, **options)
    return base64.b64encode(file.getvalue()).decode()


def archive(save, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return base64.b64encode(file.getvalue()).decode()


def version(array, number):
    file = io.BytesIO()
    numpy.lib.format.write_array(file, array, version=number)
    return base64.b64encode(file.getvalue()).decode()


random = numpy.random.default_rng(1)
values = random.integers(0, 2, (2, 3, 4)) + random.integers(0, 100, (2, 3, 4))
types = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"]
readable = {name: values.astype(name) for name in types}
readable["halves"] = (values / 8).astype("float64")
readable["negative"] = (-values).astype("int64")
readable["scalar"] = numpy.array(7, "int32")
readable["empty"] = numpy.zeros((0, 3), "float32")
readable["line"] = numpy.asfortranarray(numpy.arange(5, dtype="uint8"))
large = random.integers(0, 256, 50, dtype="uint8")

result = {
    "numpy": numpy.__version__,
    "readable": {
        name: {"file": saved(array), "dtype": str(array.dtype), "shape": array.shape, "values": array.astype("float64").ravel().tolist()}
        for name, array in readable.items()
    },
    "versions": {str(n): version(readable["int16"], (n, 0)) for n in (1, 2, 3)},
    "refused": {
        "fortran": saved(numpy.asfortranarray(readable["float32"])),
        "bigEndian": saved(readable["float32"].astype(">f4")),
        "objects": saved(numpy.array([{}, []], dtype=object)),
        "structures": saved(numpy.zeros(3, dtype=[("x", "f4"), ("y", "i4")])),
        "text": saved(numpy.array(["a", "bc"])),
        "complex": saved(numpy.zeros(2, "complex64")),
        "times": saved(numpy.zeros(2, "datetime64[s]")),
        "tooLarge": saved(numpy.array([1, 2**40])),
    },
    "archives": {
        "savez": archive(numpy.savez, images=readable["uint8"], labels=readable["int64"]),
        "savez_compressed": archive(numpy.savez_compressed, images=readable["uint8"], labels=readable["int64"], large=numpy.tile(large, 1000)),
        "unnamed": archive(lambda file, **arrays: numpy.savez(file, *arrays.values()), a=readable["uint8"]),
    },
    "large": large.tolist(),
}
print(json.dumps(result))
