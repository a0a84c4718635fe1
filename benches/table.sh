#!/usr/bin/env bash
# The table of README.md: every strategy on CIFAR-100 P-small and on the Omniglot stream.
#
#   benches/table.sh VIT_TINY.onnx CIFAR100_DIR ORDER_FILE OMNIGLOT_DIR [OUT_DIR]
#
# About an hour on two cores. CIFAR100_DIR holds the binary files or one WebP sheet a class; OMNIGLOT_DIR holds
# {train,test}/<alphabet>/<character>/. Results: OUT_DIR/*.json, *.txt and a report with pictures.
set -euo pipefail
model=$1 cifar=$2 order=$3 omniglot=$4 out=${5:-table}
mkdir -p "$out"
perennial=${PERENNIAL:-target/release/perennial}
[ -x "$perennial" ] || cargo build --release

wide=(--roles q,k,v,o,fc1,fc2 --rank 16)
measure() { # name, strategies, options..
    local name=$1 strategies=$2
    shift 2
    "$perennial" eval --backbone "$model" --preprocess resize=224,crop=224 --strategy "$strategies" \
        --json-out "$out/$name.json" --report "$out/$name.html" "$@" | tee "$out/$name.txt"
}
p_small=(--data "cifar100:$cifar" --tasks 10 --order "$order" --train-per-class 100 --test-per-class 20)
stream=(--data "folder:$omniglot" --tasks folders)
frozen=ncm-frozen,ridge-frozen,lda-frozen,ranpac-frozen,best-frozen

measure cifar_wide "$frozen,ranpac-first,pegp" "${p_small[@]}" "${wide[@]}"
measure omniglot_wide "$frozen,ranpac-first,pegp" "${stream[@]}" "${wide[@]}"
measure cifar_narrow ranpac-first,sequential,joint "${p_small[@]}"
measure omniglot_narrow ranpac-first,sequential,joint "${stream[@]}"
