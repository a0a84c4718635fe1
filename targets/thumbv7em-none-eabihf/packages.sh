#!/usr/bin/env bash
# Installs what building the small core for a Cortex-M4F and running it under QEMU needs, on Debian 12 or newer:
#
#     targets/thumbv7em-none-eabihf/packages.sh          # as root; it needs a network
#
# A Rust compiler and the sources of its library, both of one version (the package rustc-web is /usr/bin/rustc), QEMU's ARM machines, and a
# linker. No standard library for this target exists; core and alloc are compiled with the program.
set -euo pipefail

apt-get update -qq
apt-get install -y -qq --no-install-recommends rustc-web rust-web-src qemu-system-arm lld
/usr/bin/rustc --version
qemu-system-arm --version | head -n 1
ld.lld --version
