#!/usr/bin/env bash
# Learning inside a limit that the system enforces: plans, learns one folder after another in a control group of that size, and
# shows that one byte less than the least that would do is refused.
#
#   benches/budget.sh MODEL SIZE FOLDER.. [-- OPTION..]        MODEL may be `default`; a FOLDER holds one folder of pictures a class
#
# Control groups of either version, as root. What runs beyond SIZE is killed by the kernel: learning ends with status 137 then. Swap is
# not allowed. OPTIONs go to every command, such as --strategy perennial-compact.
set -euo pipefail
model=$1 size=$2
shift 2
folders=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    folders+=("$1")
    shift
done
[ $# -gt 0 ] && shift
perennial=${PERENNIAL:-target/release/perennial}
[ -x "$perennial" ] || cargo build --release
bytes=$("$perennial" --json inspect "$model" --budget "$size" "$@" | python3 -c 'import json, sys; print(json.load(sys.stdin)["budget"]["promised"])')
work=$(mktemp -d)
. "$(dirname "$0")/group.sh"
limit "$bytes"
trap 'rmdir "$group"; rm -rf "$work"' EXIT

"$perennial" inspect "$model" --budget "$size" "$@" | sed -n '/planned memory/,$p'
echo
task=0
for folder in "${folders[@]}"; do
    task=$((task + 1))
    status=0
    inside "$perennial" --json learn --backbone "$model" --data "$folder" --task "task $task" --state "$work/state" --budget "$size" "$@" \
        > "$work/report.json" || status=$?
    if [ "$status" != 0 ]; then
        echo "$folder: ended with status $status in a limit of $bytes bytes"
        exit 1
    fi
    python3 - "$work/report.json" "$folder" "$bytes" << 'PY'
import json, sys
report, mib = json.load(open(sys.argv[1])), 1 / 2**20
memory, task = report["memory"], report["report"]
print(f'{sys.argv[2]}: {task["images"]} pictures, {task["kept"]} kept; anonymous memory {memory["peak"] * mib:.1f} MiB of {memory["planned"] * mib:.1f} '
      f'planned ({memory["peak"] / memory["planned"]:.2f}), limit {int(sys.argv[3]) * mib:.1f} MiB')
PY
done
echo "the kernel counted at most $(most) bytes of $bytes, file pages that it could have dropped included"
least=$("$perennial" --json inspect "$model" --budget "$size" "$@" | python3 -c 'import json, sys; print(json.load(sys.stdin)["budget"]["smallest"])')
"$perennial" --json inspect "$model" --budget "${least}B" "$@" > /dev/null
echo "$least bytes would do; one less:"
! "$perennial" inspect "$model" --budget "$((least - 1))B" "$@" > /dev/null
