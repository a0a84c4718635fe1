"""Quantizes a vision transformer as its user would, for benches/quantized.sh.

    python benches/quantize_vit.py VIT_TINY.onnx CIFAR100_DIR OUT

Writes vit_static.onnx (QDQ, one scale a column), vit_static_tensor.onnx (QDQ, one scale a tensor) and vit_dynamic.onnx
(one scale a column). Needs onnx, onnxruntime and Pillow. Calibrated on the first training picture of every class.
"""

import pathlib
import sys
import tempfile

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image


class Pictures(CalibrationDataReader):
    """The first picture of every class, as the network takes it."""

    def __init__(self, folder):
        sheets = sorted(pathlib.Path(folder, "train").glob("*.webp"))
        assert sheets, f"no sheets in {folder}/train"
        self.rest = iter([{"images": self.pixels(s)} for s in sheets])

    @staticmethod
    def pixels(sheet):
        image = Image.open(sheet).convert("RGB").crop((0, 0, 32, 32)).resize((224, 224), Image.BICUBIC)
        return ((np.asarray(image, "f4") / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]

    def get_next(self):
        return next(self.rest, None)


def main():
    model, cifar, out = sys.argv[1:4]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        ready = f"{folder}/ready.onnx"
        quant_pre_process(model, ready)
        common = dict(quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        quantize_static(ready, str(out / "vit_static.onnx"), Pictures(cifar), per_channel=True, **common)
        quantize_static(ready, str(out / "vit_static_tensor.onnx"), Pictures(cifar), per_channel=False, **common)
        quantize_dynamic(ready, str(out / "vit_dynamic.onnx"), per_channel=True, weight_type=QuantType.QInt8)
    for path in sorted(out.glob("*.onnx")):
        print(f"{path.name:26} {path.stat().st_size / 2**20:6.1f} MiB")


if __name__ == "__main__":
    main()
