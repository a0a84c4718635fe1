#!/usr/bin/env bash
# Accuracy of a quantized backbone beside the float one: CIFAR-100 P-small, on ONNX Runtime, which runs the integers.
#
#   benches/quantized.sh VIT_TINY.onnx CIFAR100_DIR ORDER_FILE [OUT_DIR] [STRATEGIES]
#
# Needs a python with onnx, onnxruntime and Pillow (PYTHON, default python3) and ORT_DYLIB_PATH. Prints one row a backbone
# and strategy; the quantized models and *.json stay in OUT_DIR. BACKBONES, TRAIN and TEST choose fewer backbones and pictures
# a class. The half-precision rows are what `perennial convert` wrote.
set -euo pipefail
model=$1 cifar=$2 order=$3 out=${4:-quantized} strategies=${5:-ridge-frozen,best-frozen,pegp}
mkdir -p "$out"
perennial=${PERENNIAL:-target/release/perennial}
[ -x "$perennial" ] || cargo build --release --features onnxruntime
[ -f "$out/vit_dynamic.onnx" ] || "${PYTHON:-python3}" "$(dirname "$0")/quantize_vit.py" "$model" "$cifar" "$out"
cp "$model" "$out/vit_float.onnx"
for weights in f16 bf16; do
    "$perennial" convert "$model" --weights $weights --out "$out/vit_$weights.onnx"
done
for backbone in ${BACKBONES:-float f16 bf16 dynamic static static_tensor}; do
    "$perennial" --engine "${ENGINE:-onnxruntime}" eval --backbone "$out/vit_$backbone.onnx" \
        --preprocess resize=224,crop=224 --data "cifar100:$cifar" --tasks 10 --order "$order" \
        --train-per-class "${TRAIN:-100}" --test-per-class "${TEST:-20}" --roles q,k,v,o,fc1,fc2 --rank 16 \
        --strategy "$strategies" --out "$out/runs_$backbone" --json-out "$out/$backbone.json" > "$out/$backbone.txt"
    python3 - "$backbone" "$out/$backbone.json" <<'END'
import json, sys

document = json.load(open(sys.argv[2]))
for r in document if isinstance(document, list) else [document]:
    print(f"{sys.argv[1]:14} {r['strategy']:14} last {r['last']:.1f}  incremental {r['incremental_avg']:.1f}", flush=True)
END
done
