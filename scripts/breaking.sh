#!/usr/bin/env bash
# Refuse a change of proto/ that breaks a client of what main already says.
set -euo pipefail

base=main
if git rev-parse --quiet --verify origin/main >/dev/null; then
  base=origin/main
fi
if ! git ls-tree --name-only "$base" proto/ 2>/dev/null | grep -q .; then
  echo "buf breaking: skipped, $base has no contracts to compare with."
  exit 0
fi

before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
git archive "$base" buf.yaml proto third_party | tar -x -C "$before"
.venv/bin/buf breaking --against "$before"
