#!/usr/bin/env bash
# Writes perennial-crates.inc beside the recipe: every crate of Cargo.lock for Yocto's fetcher, with its checksum.
#
#     targets/yocto/crates.sh [FOLDER]
#
# What `bitbake -c update_crates perennial` does, where there is no bitbake yet. Needs Python 3.11.
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 - >"${1:-targets/yocto}/perennial-crates.inc" <<'PYTHON'
import tomllib

with open("Cargo.lock", "rb") as file:
    packages = [p for p in tomllib.load(file)["package"] if "checksum" in p]
print("# from Cargo.lock")
print('SRC_URI += " \\')
for p in packages:
    print(f"    crate://crates.io/{p['name']}/{p['version']};name={p['name']}-{p['version']} \\")
print('"\n')
for p in packages:
    print(f'SRC_URI[{p["name"]}-{p["version"]}.sha256sum] = "{p["checksum"]}"')
PYTHON
