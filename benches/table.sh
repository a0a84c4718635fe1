#!/usr/bin/env bash
# The tables of README.md: every strategy on CIFAR-100 P-small, the Omniglot stream and PACS.
#
#   benches/table.sh VIT_TINY.onnx CIFAR100_DIR ORDER_FILE OMNIGLOT_DIR PACS_DIR [OUT_DIR]
#
# Start it again and it goes on where it was. CIFAR100_DIR holds the binary files or one WebP sheet a class; OMNIGLOT_DIR
# holds {train,test}/<alphabet>/<character>/, PACS_DIR {train,test}/<domain>/<class>/. OUT_DIR gets a folder of JSON files
# for each stream, report.html, and table.md, which is also printed. ENGINE=onnxruntime runs everything there (a build with
# that feature, and ORT_DYLIB_PATH); README's figures come from it. Each run has one core to itself, as many at a time as
# there are cores: seconds are those of one core.
set -euo pipefail
model=$1 cifar=$2 order=$3 omniglot=$4 pacs=$5 out=${6:-table}
here=$(dirname "$0")
perennial=${PERENNIAL:-target/release/perennial}
[ -x "$perennial" ] || cargo build --release ${ENGINE:+--features onnxruntime}

wide=(--roles q,k,v,o,fc1,fc2 --rank 16)
frozen=ncm-frozen,ridge-frozen,lda-frozen,ranpac-frozen,best-frozen
trained=perennial-compact,sequential,inflora,o-lora,sd-lora,lae,ease,proteus,joint

# strategies, name of the stream, options..
run() {
    local strategies=$1 title=$2
    shift 2
    "$perennial" eval ${ENGINE:+--engine "$ENGINE"} --threads 1 --jobs "$(nproc)" --backbone "$model" --strategy "$strategies" --title "$title" \
        --out "$out/$title" "$@" > /dev/null
}
# Pictures of 32 x 32 and drawings fill their frame: nothing is cut off. Photographs are cut as the backbone's own were
# (the default).
cifar() {
    run "$1" "$2" --data "cifar100:$cifar" --tasks 10 --orders "$order$more" --train-per-class 100 --test-per-class 20 \
        --preprocess resize=224,crop=224 "${@:3}"
}
p_small() {
    cifar "$1" P-small "${@:2}"
}
omniglot() {
    run "$1" Omniglot --data "folder:$omniglot" --tasks folders --orders "listed$more" --preprocess resize=224,crop=224 "${@:2}"
}
pacs() {
    run "$1" PACS --data "folder:$pacs" --tasks folders --scenario domain --orders "$here/orders/pacs.txt$more" "${@:2}"
}

more=
for stream in p_small omniglot pacs; do
    $stream "$frozen,ranpac-first,pegp,perennial" "${wide[@]}"
    $stream "$trained"
    $stream ntk-lite --roles parallel --rank 16
done
# One pass over the training pictures, in batches of ten.
cifar ranpac-first,pegp,perennial "P-small, online" --online "${wide[@]}"
cifar "$trained" "P-small, online" --online
cifar ntk-lite "P-small, online" --online --roles parallel --rank 16
# Nobody says where one task ends and the next begins.
cifar perennial "P-small, task-free" --task-free "${wide[@]}"
cifar perennial-compact "P-small, task-free" --task-free
# Two orders more for the strategies that matter.
more=,0,1
for stream in p_small omniglot pacs; do
    $stream "$frozen,ranpac-first,pegp,perennial" "${wide[@]}"
    $stream perennial-compact
done
"$perennial" compare "$out/P-small" "$out/Omniglot" "$out/PACS" --out "$out" --title "Every strategy on three streams"
