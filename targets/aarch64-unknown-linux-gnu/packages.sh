#!/usr/bin/env bash
# What targets/linux/packages.sh does, for this target: compilers, a standard library, QEMU. As root; it needs a network.
exec "$(dirname "$0")/../linux/packages.sh" aarch64-unknown-linux-gnu
