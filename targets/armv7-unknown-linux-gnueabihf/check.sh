#!/usr/bin/env bash
# What targets/linux/check.sh does, for this target: the C side, or with --program the program and Rust tests.
exec "$(dirname "$0")/../linux/check.sh" armv7-unknown-linux-gnueabihf "$@"
