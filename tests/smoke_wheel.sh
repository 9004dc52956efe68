#!/bin/sh
# Builds the wheel, installs it where the repository cannot be seen, and runs the product once from there.
set -eu
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir "$work/wheel" .
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/wheel/*.whl
cd "$work"
"$work/venv/bin/llmops-monitor" --version
"$work/venv/bin/llmops-monitor" demo --no-serve --folder "$work/demo"
"$work/venv/bin/llmops-monitor" check --database-url "sqlite:///$work/demo/demo.db"
echo "the wheel works"
