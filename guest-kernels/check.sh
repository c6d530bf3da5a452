#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Rebuilds every kernel in a temporary directory and compares with the images that are checked in.
#
# Exit status: 0 the same, 1 something differs (or does not build), 77 skipped, with the reason on standard output:
# another toolchain makes other bits, and that says nothing about the images.
set -eu
cd "$(dirname "$0")"
unset MAKEFLAGS MAKELEVEL # of the make that may have called this

skip() {
    echo "guest-kernels: SKIPPED: $1"
    exit 77
}

for tool in make gcc as ld; do
    command -v $tool > /dev/null || skip "$tool is not installed"
done

here=$(./toolchain.sh)
recorded=$(cat images/TOOLCHAIN)
if [ "$here" != "$recorded" ]; then
    skip "the images were built with
$recorded
and here are
$here"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! make BUILD="$work/build" IMAGES="$work/images" > "$work/log" 2>&1; then
    cat "$work/log"
    echo "guest-kernels: FAILED: the kernels do not build"
    exit 1
fi

if ! diff -r images "$work/images"; then
    echo "guest-kernels: FAILED: images/ is not what the sources build; run make in guest-kernels/ and commit images/"
    exit 1
fi
echo "guest-kernels: $(ls images/*.elf | wc -l) images are what the sources build"
