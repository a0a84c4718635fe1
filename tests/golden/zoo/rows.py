"""The index `tests/zoo/zoo.json` and the check that every file must pass before it is written."""

import gzip
import json
import pathlib

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


def save(rows):
    """One row a line, sorted by file name."""
    ZOO.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(rows[name]) for name in sorted(rows))
    (ZOO / "zoo.json").write_text('{"rows": [\n' + lines + "\n]}\n")


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
    onnx.checker.check_model(proto)
    batch = images(row["image"])
    if row.get("layout") == "NHWC":
        batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
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


def keep(proto, row, expected):
    """Checks and writes one file; returns its size."""
    check(strip(proto), row, expected)
    packed = gzip.compress(proto.SerializeToString(deterministic=True), 9, mtime=0)
    if len(packed) > FILE_LIMIT:
        raise ValueError(f"{len(packed)} bytes are more than the zoo's limit of {FILE_LIMIT}")
    ZOO.mkdir(exist_ok=True)
    (ZOO / row["file"]).write_bytes(packed)
    row["contrib"] = operators(proto)
    row["outputs"] = {name: {"shape": list(value.shape), "data": [float(f"{x:.7g}") for x in value.flatten()[:KEPT]]}
                      for name, value in expected.items()}
    return len(packed)


def attempt(rows, row, export):
    """Runs `export() -> (proto, expected)`; success and failure both become a row."""
    path = ZOO / row["file"]
    try:
        proto, expected = export()
        size = keep(proto, row, expected)
        print(f"  ok   {row['file']:48} {size:6} bytes  {row['contrib'] or ''}", flush=True)
    except Exception as error:  # an exporter may fail in any way: the reason is the row
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        row["export_error"] = f"{type(error).__name__}: {text}"
        path.unlink(missing_ok=True)
        print(f"  FAIL {row['file']:48} {row['export_error']}", flush=True)
    rows[row["file"]] = row
    save(rows)
