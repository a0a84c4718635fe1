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
    parser.add_argument("--exporter", required=True, choices=("torch",))
    parser.add_argument("--model", action="append", default=[], help="only this model (may be repeated)")
    arguments = parser.parse_args()
    if arguments.exporter == "torch":
        from zoo import models_timm, torch_exporters
        torch_exporters.run(models_timm.MODELS, arguments.model)


if __name__ == "__main__":
    main()
