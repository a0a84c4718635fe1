#!/usr/bin/env bash
# The table of README.md: every strategy on CIFAR-100 P-small and on the Omniglot stream.
#
#   benches/table.sh VIT_TINY.onnx CIFAR100_DIR ORDER_FILE OMNIGLOT_DIR [OUT_DIR]
#
# About an hour on two cores; needs python3 to print the table. CIFAR100_DIR holds the binary files or one WebP sheet a
# class; OMNIGLOT_DIR holds {train,test}/<alphabet>/<character>/. Results: the table on stdout, and in OUT_DIR *.json,
# *.txt and reports with pictures.
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

# The table itself, in Markdown.
python3 - "$out" <<'END'
import json, pathlib, sys

out = pathlib.Path(sys.argv[1])
columns = ["last", "incremental_avg", "forgetting"]


def results(*names):
    documents = (json.loads((out / f"{name}.json").read_text()) for name in names)
    return {r["strategy"]: r for d in documents for r in (d if isinstance(d, list) else [d])}


cifar, omniglot = results("cifar_narrow", "cifar_wide"), results("omniglot_narrow", "omniglot_wide")
print("| strategy | P-small `last` | `incremental_avg` | `forgetting` | Omniglot `last` | `incremental_avg` | `forgetting` |")
print("|---|---|---|---|---|---|---|")
order = ["ncm-frozen", "ridge-frozen", "lda-frozen", "ranpac-frozen", "best-frozen", "ranpac-first", "pegp", "sequential", "joint"]
for name in order:
    config = cifar[name]["config"]
    adapts = "" if "frozen" in name else f", rank {config['rank']}, {config['roles']}"
    # Joint training has one task: only its end means anything.
    cells = [r[name].get(c) if name != "joint" or c == "last" else None for r in (cifar, omniglot) for c in columns]
    print(f"| `{name}`{adapts} | " + " | ".join("" if c is None else f"{c:.1f}" for c in cells) + " |")
print()
for stream, rows in (("P-small", cifar), ("Omniglot", omniglot)):
    r = rows["pegp"]
    print(f"{stream}, pegp: task found {r['retrieval']:.1f} (chance {r['retrieval_chance']:.1f}); "
          f"unknown AUROC {r['unknown_auroc']:.1f}, accepted where 95 % of the known are "
          f"{r['unknown_false_accept_at_95']:.0f} %; state {r['state_bytes_after_task'][-1] / 2**20:.1f} MiB")
END
