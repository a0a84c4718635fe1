#!/usr/bin/env bash
# Where to adapt, and how much: the default strategy under one change at a time, on held-out training pictures.
#
#   benches/study.sh VIT_TINY.onnx CIFAR100_DIR ORDER_FILE OMNIGLOT_DIR PACS_DIR [OUT_DIR]
#
# Folders and ENGINE are those of table.sh. Start it again and it goes on where it was. OUT_DIR gets a folder a stream and a
# setting, and report.html, which draws accuracy against seconds and bytes. ARCHITECTURE.md has the table.
set -euo pipefail
model=$1 cifar=$2 order=$3 omniglot=$4 pacs=$5 out=${6:-study}
here=$(dirname "$0")
perennial=${PERENNIAL:-target/release/perennial}
[ -x "$perennial" ] || cargo build --release ${ENGINE:+--features onnxruntime}

all=q,k,v,o,fc1,fc2
settings=(
    "nothing trained|--strategy lda-frozen+blend-deep"
    "blocks 4, all layers, rank 16, 3 epochs|--strategy perennial --roles $all --rank 16"
    "q and v|--strategy perennial --roles q,v --rank 16"
    "bottlenecks beside|--strategy perennial --roles parallel --rank 16"
    "rank 4|--strategy perennial --roles $all --rank 4"
    "1 epoch|--strategy perennial --roles $all --rank 16 --epochs 1"
    "10 epochs|--strategy perennial --roles $all --rank 16 --epochs 10"
    "rate 0.0003|--strategy perennial --roles $all --rank 16 --learning-rate 0.0003"
    "2 blocks|--strategy perennial --roles $all --rank 16 --blocks 2"
    "8 blocks|--strategy perennial --roles $all --rank 16 --blocks 8"
)
# name of the stream, options..
run() {
    local stream=$1 setting name options
    shift
    for setting in "${settings[@]}"; do
        name=${setting%%|*} options=${setting#*|}
        # Options are words without spaces.
        # shellcheck disable=SC2086
        "$perennial" eval ${ENGINE:+--engine "$ENGINE"} --backbone "$model" --title "$stream: $name" \
            --out "$out/$stream/$name" --validate 0.2 "$@" $options > /dev/null
        echo "$stream | $name | $(grep '^| `' "$out/$stream/$name/table.md")"
    done
}
run PACS --data "folder:$pacs" --tasks folders --scenario domain --orders "$here/orders/pacs.txt,0,1"
run Omniglot --data "folder:$omniglot" --tasks folders --orders listed --preprocess resize=224,crop=224
run P-small --data "cifar100:$cifar" --tasks 10 --orders "$order" --train-per-class 100 --test-per-class 20 \
    --preprocess resize=224,crop=224
