"""The index `tests/zoo/zoo.json` and the check that every file must pass before it is written."""

import contextlib
import fcntl
import gzip
import json
import pathlib
import re

import numpy as np
import onnx
import onnxruntime as ort

ZOO = pathlib.Path(__file__).parents[2] / "zoo"
KEPT, TOLERANCE, FILE_LIMIT = 256, 1e-4, 40 * 1024


def images(shape):
    """Two images whose numbers follow from their index: ((i * 7919 + 104729) mod 257) / 128 - 1."""
    index = np.arange(2 * int(np.prod(shape)), dtype=np.int64)
    return (((index * 7919 + 104729) % 257) / 128 - 1).astype(np.float32).reshape(2, *shape)


def load():
    """The rows by file name; none before the first export."""
    path = ZOO / "zoo.json"
    return {row["file"]: row for row in json.loads(path.read_text())["rows"]} if path.exists() else {}


@contextlib.contextmanager
def change():
    """The rows, to be changed in place: read, changed and written under a lock, as two exporters may run at a time."""
    with open(__file__) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = load()
        yield rows
        write(rows)


def save(row):
    """Puts one row into the index."""
    with change() as rows:
        rows[row["file"]] = row


def prune(exporters, planned):
    """Takes off rows and files of these exporters that nobody writes any more."""
    with change() as rows:
        for name in [n for n, row in rows.items() if row["exporter"] in exporters and n not in planned]:
            del rows[name]
            (ZOO / name).unlink(missing_ok=True)


def write(rows):
    """The whole index: one row a line, sorted by file name."""
    lines = ",\n".join(json.dumps(rows[name]) for name in sorted(rows))
    new = ZOO / "zoo.json.new"
    new.write_text('{"rows": [\n' + lines + "\n]}\n")
    new.rename(ZOO / "zoo.json")


def read(row):
    """The model of a row."""
    return onnx.load_from_string(gzip.decompress((ZOO / row["file"]).read_bytes()))


def pixels(row):
    """The row's two images in the layout that its model takes."""
    batch = images(row["image"])
    return np.ascontiguousarray(batch.transpose(0, 2, 3, 1)) if row.get("layout") == "NHWC" else batch


def strip(proto):
    """Takes off what holds the exporting machine's paths: doc strings and metadata. The graph stays as written."""
    def clean(graph):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
            item.doc_string = ""
            del item.metadata_props[:]
        for node in graph.node:
            for attribute in node.attribute:
                attribute.doc_string = ""
                for inner in ([attribute.g] if attribute.HasField("g") else attribute.graphs):
                    clean(inner)
    clean(proto.graph)
    proto.doc_string = ""
    del proto.metadata_props[:]
    for function in proto.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]
    return proto


def run(proto, batch):
    """ONNX Runtime's outputs, by name."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs = [o.name for o in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, {session.get_inputs()[0].name: batch})))


def compare(got, expected):
    """Names, shapes and values; the error is relative to the largest number."""
    if sorted(got) != sorted(expected):
        raise ValueError(f"outputs {sorted(got)} instead of {sorted(expected)}")
    for name, want in expected.items():
        if got[name].shape != want.shape:
            raise ValueError(f"{name} has shape {got[name].shape} instead of {want.shape}")
        error = float(np.abs(got[name] - want).max()) / max(1.0, float(np.abs(want).max()))
        if not error <= TOLERANCE:
            raise ValueError(f"{name} is off by {error:.1e}")


def check(proto, row, expected):
    """The checker, ONNX Runtime at batch 2, and at batch 1 where the batch is said to be free.

    `expected` holds the framework's outputs by name; all have the batch first.
    """
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        if not row["exporter"].startswith("ort"):
            raise
        row["checker"] = reason(error)
    batch = pixels(row)
    compare(run(proto, batch), expected)
    if row["batch"] == "dynamic":
        compare(run(proto, batch[:1]), {name: value[:1] for name, value in expected.items()})


def operators(proto):
    """The operators that are not in ONNX's own domain, with their number."""
    found = {}
    for node in proto.graph.node:
        if node.domain not in ("", "ai.onnx"):
            found[f"{node.domain}.{node.op_type}"] = found.get(f"{node.domain}.{node.op_type}", 0) + 1
    return dict(sorted(found.items()))


def rounded(value):
    """An output's shape and its first numbers, with seven digits."""
    return {"shape": list(value.shape), "data": [float(f"{x:.7g}") for x in value.flatten()[:KEPT]]}


def keep(proto, row, expected):
    """Checks and writes one file; returns its size."""
    check(strip(proto), row, expected)
    packed = gzip.compress(proto.SerializeToString(deterministic=True), 9, mtime=0)
    if len(packed) > FILE_LIMIT:
        raise ValueError(f"{len(packed)} bytes are more than the zoo's limit of {FILE_LIMIT}")
    (ZOO / row["file"]).write_bytes(packed)
    row["input"] = [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    row["contrib"] = operators(proto)
    row.setdefault("outputs", {name: rounded(value) for name, value in expected.items()})
    return len(packed)


def reason(error):
    """The first line of the innermost error: outer ones only say that the export failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub("\x1b\\[[0-9;]*m", "", str(error)).strip() or "no message"
    return f"{type(error).__name__}: {text.splitlines()[0][:240]}"


def attempt(row, export):
    """Runs `export() -> (proto, expected)`; success and failure both become a row."""
    ZOO.mkdir(exist_ok=True)
    path = ZOO / row["file"]
    try:
        proto, expected = export()
        size = keep(proto, row, expected)
        print(f"  ok   {row['file']:48} {size:6} bytes  {row['contrib'] or ''}", flush=True)
    except Exception as error:  # an exporter may fail in any way: the reason is the row
        row["export_error"] = reason(error)
        path.unlink(missing_ok=True)
        print(f"  FAIL {row['file']:48} {row['export_error']}", flush=True)
    save(row)
