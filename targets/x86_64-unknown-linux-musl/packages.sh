#!/usr/bin/env bash
# Installs what building for musl needs, on Debian 12 or newer:
#
#     targets/x86_64-unknown-linux-musl/packages.sh      # as root; the only step here that needs a network
#
# A Rust compiler and the sources of its library, both of one version (the package rustc-web is /usr/bin/rustc), and Zig from PyPI, which is a C compiler
# with musl in it, below /usr/local.
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends rustc-web rust-web-src cmake python3-pip
python3 -m pip install --quiet --no-deps --upgrade --target /usr/local/lib/ziglang ziglang==0.17.1
ln -sf /usr/local/lib/ziglang/ziglang/zig /usr/local/bin/zig
/usr/bin/rustc --version
zig version
