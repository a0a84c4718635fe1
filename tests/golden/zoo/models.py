"""What every entry of the zoo says about itself."""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Model:
    """One architecture. `build(fused)` makes the module; `fused` asks for scaled_dot_product_attention.

    `few` halves the number of PyTorch exports: the folder has a limit.
    """

    name: str
    family: str
    source: str
    plain: bool
    build: Callable
    image: tuple = (3, 32, 32)
    outputs: tuple = ("features",)
    few: bool = False


def row(model, exporter, opset, batch):
    """The row of one export of `model`, before it is known whether it works."""
    return {
        "file": f"{model.name}.{exporter}{opset}.{batch}.onnx.gz",
        "model": model.name, "family": model.family, "plain": model.plain, "source": model.source,
        "exporter": exporter, "opset": opset, "batch": batch, "image": list(model.image),
    }
