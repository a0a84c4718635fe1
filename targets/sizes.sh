#!/usr/bin/env bash
# Builds every row of the table of sizes in targets/README.md and refuses a shared library that has grown above the row's limit.
#
#     targets/sizes.sh             # the guard
#     targets/sizes.sh --write     # puts what was measured into the table, and limits 4 % above it
#
# Rows are the table's: a new one needs its target and features there. A target needs what its packages.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
table=targets/README.md
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
host="$(rustc -vV | sed -n 's/^host: //p')"

measured() { # target, features: bytes of the stripped library
    local target=""
    [ "$1" = "$host" ] || target="$1"
    FEATURES="$2" targets/install.sh "$out/$1-$2" "$target" >"$out/log" || { cat "$out/log" >&2; return 1; }
    stat -Lc %s "$out/$1-$2/lib/libperennial.so"
}

grown=0
while IFS='|' read -r _ target features was limit _; do
    read -r target features was limit <<<"$(tr -d '`' <<<"$target $features $was $limit")"
    bytes="$(measured "$target" "$features")"
    now="$(awk -v b="$bytes" 'BEGIN { printf "%.2f", b / 1e6 }')"
    echo "$target, $features: $now MB, was $was, limit $limit"
    if [ "${1:-}" != --write ] && awk -v now="$now" -v limit="$limit" 'BEGIN { exit !(now > limit) }'; then
        echo "grown above its limit: $target, $features" >&2
        grown=1
    fi
    most="$(awk -v b="$bytes" 'BEGIN { printf "%.1f", b * 1.04 / 1e6 }')"
    echo "| \`$target\` | \`$features\` | $now | $most |" >>"$out/rows"
done < <(sed -n '/^<!-- sizes/,/^<!-- \/sizes/{/^| `/p}' "$table")

if [ "${1:-}" = --write ]; then
    awk -v rows="$out/rows" '
        /^<!-- sizes/ { inside = 1 }
        /^<!-- \/sizes/ { while ((getline row <rows) > 0) print row; inside = 0 }
        !(inside && /^\| `/)' "$table" >"$out/table"
    cat "$out/table" >"$table"
    exit
fi
exit "$grown"
