#!/usr/bin/env bash
# The tables of benches/README.md: this library's engines beside PyTorch on the same work, in turns, in one run.
#
#   benches/run.sh VIT_TINY.onnx [OUT_DIR]
#
# Makes its own Python environment in target/peers (torch, timm, onnx, and the libraries of onnxruntime and
# onnxruntime-openvino; some gigabytes), or takes what is there:
#
#   PERENNIAL_PEERS_PYTHON   a Python with torch, timm and onnx
#   PERENNIAL_ONNXRUNTIME    libonnxruntime.so
#   PERENNIAL_OPENVINO       libonnxruntime.so of onnxruntime-openvino
#   PERENNIAL                a built program with the features onnxruntime (and rten)
#   THREADS (2)  BATCHES (1,8,16)  REPEATS (15)  LEAN (onnxruntime:cpu,weights=inputs,onnxruntime): engines of the ViT-B line
#   COMPILE (yes): no leaves torch.compile out, which takes a minute a row
set -euo pipefail
cd "$(dirname "$0")/.."
model=$1 out=${2:-target/bench}
threads=${THREADS:-2} batches=${BATCHES:-1,8,16} repeats=${REPEATS:-15} lean=${LEAN:-onnxruntime:cpu,weights=inputs,onnxruntime}
mkdir -p "$out"

python=${PERENNIAL_PEERS_PYTHON:-}
if [ -z "$python" ]; then
    [ -x target/peers/bin/python ] || python3 -m venv target/peers
    python=target/peers/bin/python
    "$python" -m pip install --quiet torch timm onnx
fi
library() { # package, what stands in the variable
    if [ -n "$2" ]; then echo "$2" && return; fi
    if ! ls "target/$1"/onnxruntime/capi/libonnxruntime.so.* >/dev/null 2>&1; then
        "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "target/$1" "$1" >&2
        "$python" -m zipfile -e "target/$1"/onnxruntime*.whl "target/$1"
    fi
    echo "$PWD/target/$1"/onnxruntime/capi/libonnxruntime.so.*
}
ort=$(library onnxruntime "${PERENNIAL_ONNXRUNTIME:-}")
openvino=$(library onnxruntime-openvino "${PERENNIAL_OPENVINO:-}")

features=onnxruntime engines=tract
if grep -q '^rten *=' Cargo.toml; then features+=,rten engines+=,rten; fi
engines+=,onnxruntime,onnxruntime:openvino
perennial=${PERENNIAL:-}
if [ -z "$perennial" ]; then
    cargo build --release --features "$features"
    perennial=${CARGO_TARGET_DIR:-target}/release/perennial
fi

export ORT_DYLIB_PATH=$ort
peer="$python benches/peers/torch_lora.py"
bench=("$perennial" bench --threads "$threads" --library "onnxruntime:openvino=$openvino")
eager=(--peer "PyTorch=$peer eager") compiled=(--peer "torch.compile=$peer compile")
if [ "${COMPILE:-yes}" = no ]; then compiled=(); fi
steps=forward,step-all,step-last,step-cached

echo "## Same work: ViT-Ti, LoRA r = 8 on the fused qkv, AdamW, $threads threads"
"${bench[@]}" --backbone "$model" --engines "$engines" --work "$steps" --batch "$batches" --repeats "$repeats" \
    "${eager[@]}" "${compiled[@]}" --markdown | tee "$out/same-work.md"
echo
echo "## Adapters at prediction"
"${bench[@]}" --backbone "$model" --engines "$engines" --work merged,inputs,per-image --batch 1,8 --repeats "$repeats" \
    --markdown | tee "$out/adapters.md"
echo
echo "## ViT-B/16, step of all blocks"
[ -s "$out/vit_base.onnx" ] || "$python" benches/peers/export.py vit_base_patch16_224 "$out/vit_base.onnx" >/dev/null
"${bench[@]}" --backbone "$out/vit_base.onnx" --engines "$lean" --work step-all --batch 1,8 --repeats 3 \
    --peer "PyTorch=$peer eager --model vit_base_patch16_224" --markdown | tee "$out/vit-base.md"
