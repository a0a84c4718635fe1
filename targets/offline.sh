#!/usr/bin/env bash
# Builds the library as a firmware build does: from vendored sources, with --frozen, no network and an empty cargo home.
#
#     targets/offline.sh                    # that it builds: without optimization, which makes no difference to what is fetched
#     targets/offline.sh --reproducible     # as it is shipped, twice, in two folders with other vendored copies: the same bytes?
#
# Needs unshare (util-linux) and the right to make a network namespace. Only `cargo vendor`, before the namespace is entered, may fetch.
set -euo pipefail
cd "$(dirname "$0")/.."
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
SOURCE_DATE_EPOCH="$(git log -1 --format=%ct 2>/dev/null || echo 0)"
export SOURCE_DATE_EPOCH
say() { printf '\n-- %s (%ss)\n' "$1" "$SECONDS"; }

# What git has, and the sources of every crate of Cargo.lock, in a folder of this name.
unpack() {
    mkdir -p "$out/$1/source/.cargo" "$out/$1/cargo"
    git ls-files -z | tar --null --files-from=- -cf - | tar -C "$out/$1/source" -xf -
    cargo vendor --locked --versioned-dirs "$out/$1/vendor" >"$out/$1/source/.cargo/config.toml" 2>"$out/vendor.log" || { cat "$out/vendor.log" >&2; return 1; }
}

# Installs the library to the folder's `prefix`, inside the namespace. --locked is install.sh's; with `net.offline` that is --frozen.
build() {
    (
        cd "$out/$1/source"
        export CARGO_HOME="$out/$1/cargo" CARGO_TARGET_DIR="$out/$1/target" CARGO_NET_OFFLINE=true CARGO_INCREMENTAL=0
        RUSTFLAGS="--remap-path-prefix=$out/$1/source=/perennial --remap-path-prefix=$out/$1/vendor=/vendor"
        RUSTFLAGS+=" --remap-path-prefix=$out/$1/target=/target"
        CFLAGS="-ffile-prefix-map=$out/$1=/"
        export RUSTFLAGS CFLAGS
        unshare -n bash -euc '
            if grep -vE "^(Inter| face| *lo:)" /proc/net/dev; then
                echo "there is a network in here" >&2
                exit 1
            fi
            targets/install.sh "$1"' bash "$out/$1/prefix"
    )
}

say "sources"
unpack first
echo "$(find "$out/first/vendor" -mindepth 1 -maxdepth 1 | wc -l) crates, $(du -sm "$out/first/vendor" | cut -f 1) MB"

if [ "${1:-}" != --reproducible ]; then
    say "without a network, with an empty cargo home"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 build first
    ls -l "$out/first/prefix/lib"
    say "done"
    exit
fi

for folder in first second/somewhere/else; do
    say "without a network, with an empty cargo home: $folder"
    [ -d "$out/$folder" ] || unpack "$folder"
    build "$folder"
    rm -rf "${out:?}/$folder/target"
done
say "the same bytes?"
for file in libperennial.so libperennial.a; do
    sha256sum "$out/first/prefix/lib/$file" "$out/second/somewhere/else/prefix/lib/$file" | sed "s|$out/||"
done
paths="$(strings -n 8 "$out/first/prefix/lib/libperennial.so" | grep -cF "$out" || true)"
echo "$paths strings of the library name a folder of this machine"
cmp "$out/first/prefix/lib/libperennial.so" "$out/second/somewhere/else/prefix/lib/libperennial.so"
echo "the same bytes: libperennial.so"
say "done"
