"""Writes tests/zoo: small vision models with random weights, each as many exporters write it, and zoo.json.

Nothing is downloaded: all models are built from their classes. Every exporter has an environment of its own (Python
3.11); run them in this order, as `ort` optimizes files that the others wrote:

    python3 -m venv torch && torch/bin/pip install torch==2.15.0 torchvision==0.29.2 timm==1.0.31 \\
        transformers==5.23.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.31.1
    torch/bin/python tests/golden/export_zoo.py --exporter torch

    python3 -m venv optimum && optimum/bin/pip install optimum-onnx==0.1.0 optimum==2.1.0 transformers==4.49.0 \\
        torch==2.15.0 torchvision==0.29.2 onnx==1.23.2 onnxruntime==1.31.1
    optimum/bin/python tests/golden/export_zoo.py --exporter optimum

    torch/bin/python tests/golden/export_zoo.py --exporter ort

    python3 -m venv keras && keras/bin/pip install tensorflow-cpu==2.21.0 keras==3.15.1 tf2onnx==1.17.0 \\
        numpy==2.4.6 onnx==1.23.2 onnxruntime==1.31.1
    keras/bin/python tests/golden/export_zoo.py --exporter tf2onnx

`--model NAME` (may be repeated) exports one model again. optimum has the older transformers 4.49 because its ViT
divides the scores by a root: of that pattern ONNX Runtime's optimizer for `vit` makes an `Attention`; 5.23 multiplies.

Changed to stay small: Swin v2's networks for the position bias have 16 hidden units, EfficientFormer's attention two
heads of 8. Left out: NextViT (its class fixes widths up to 1024), GELU by erfc as Keras writes it (tf2onnx knows no
Erfc; the Keras models here use erf and tanh).

A file is written if ONNX's checker takes it and ONNX Runtime gives the framework's outputs within 1e-4 of the largest,
at batch 2 and, where the batch is free, at batch 1. Otherwise the row in zoo.json says why under `export_error`.
Doc strings and metadata are stripped (they hold the exporting machine's paths); the graphs stay as written. Rows:

    file, model, family, plain (global attention behind one patch embedding), source, exporter, opset,
    batch       fixed (2) or dynamic; `input` is the shape in the file (optimum leaves the sides free as well)
    image       [channels, height, width]; `layout` NHWC where the model takes the transposed images
    outputs     the framework's outputs by name: shape, and the first 256 numbers
    fused_attention    scaled_dot_product_attention, or matrix products and softmax
    fused_error        why the exporter could not write the fused form; the file has the other
    contrib     operators outside ONNX's own domain; `checker` what ONNX's checker says against such a file
    from, model_type, level, option    what ONNX Runtime's optimizer was given

The images are numbers of their index: see `images` in zoo/rows.py, weights are made in zoo/weights.py.
"""

import argparse
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))


def main():
    """Reads the arguments and runs one exporter."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exporter", required=True, choices=("torch", "optimum", "ort", "tf2onnx"))
    parser.add_argument("--model", action="append", default=[], help="only this model (may be repeated)")
    arguments = parser.parse_args()
    if arguments.exporter == "optimum":
        from zoo import optimum_exporter
        optimum_exporter.run(arguments.model)
    if arguments.exporter == "ort":
        from zoo import ort_optimizers
        ort_optimizers.run(arguments.model)
    if arguments.exporter == "tf2onnx":
        from zoo import keras_exporter
        keras_exporter.run(arguments.model)
    if arguments.exporter == "torch":
        from zoo import models_hybrid, models_timm, models_transformers, torch_exporters
        models = [*models_timm.MODELS, *models_hybrid.MODELS, *models_transformers.MODELS]
        torch_exporters.run(models, arguments.model)


if __name__ == "__main__":
    main()
