#!/usr/bin/env bash
# What is in the library and under which terms, from Cargo.lock and the sources of the crates:
#
#     targets/licences.sh FOLDER      # FOLDER/THIRD_PARTY_LICENCES.txt and FOLDER/perennial.cdx.json (CycloneDX 1.6)
#     targets/licences.sh --check     # that targets/THIRD_PARTY_LICENCES.txt is what it would write; nothing is kept
#
# Refuses a crate whose licence is not permissive (`accepted` in licences.py). Needs Python 3.11 with cyclonedx-python-lib, which is installed
# into a temporary folder where it is missing; no network otherwise, once `cargo fetch` has run.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { sed -n '2,8p' "$0" >&2; exit 2; }
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
if ! python3 -c 'import cyclonedx.model.bom' 2>/dev/null; then
    python3 -m pip install --quiet --root-user-action ignore --target "$out/packages" cyclonedx-python-lib
    export PYTHONPATH="$out/packages"
fi
SOURCE_DATE_EPOCH="$(git log -1 --format=%ct 2>/dev/null || echo 0)" # the same commit gives the same bytes
export SOURCE_DATE_EPOCH
folder="$1"
[ "$1" != --check ] || folder="$out"
python3 targets/licences.py "$folder"
if [ "$1" = --check ] && ! diff -q targets/THIRD_PARTY_LICENCES.txt "$folder/THIRD_PARTY_LICENCES.txt"; then
    echo "targets/THIRD_PARTY_LICENCES.txt is stale: targets/licences.sh targets" >&2
    exit 1
fi
