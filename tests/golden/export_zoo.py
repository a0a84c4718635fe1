"""Writes tests/zoo: small random vision models as many exporters write them."""

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
