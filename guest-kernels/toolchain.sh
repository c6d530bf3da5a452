#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the tools that decide the bits of an image: one line each, compiler, assembler, linker.
set -eu
"${CC:-gcc}" --version | head -n 1
"$("${CC:-gcc}" -print-prog-name=as)" --version | head -n 1
"${LD:-ld}" --version | head -n 1
