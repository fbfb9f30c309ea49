#!/usr/bin/env bash
# Make sure of the Debian packages that the tests use and no Python package can bring:
# SIPp plays carriers, tshark checks our captures, strace counts system calls, Chromium reads
# the API's pages, espeak-ng speaks what the embedded voice does not.
set -euo pipefail

declare -A packages=(
  [sipp]=sip-tester [tshark]=tshark [strace]=strace [chromium]=chromium [espeak-ng]=espeak-ng
)

missing=()
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
if [ "${#missing[@]}" -eq 0 ]; then
  exit 0
fi

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "The tests need these Debian packages, which only root can install:" >&2
  echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq </dev/null
apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
