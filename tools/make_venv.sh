#!/bin/sh
# Makes a virtual environment with the locked packages and this project in it.
# usage: make_venv.sh FOLDER   (PYTHON=/path/to/python chooses the interpreter)
set -eu
venv=$1

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null
}

chosen=
for candidate in ${PYTHON:-python3 python python3.11 python3.10 python3.9}; do
    if supported "$candidate"; then
        chosen=$candidate
        break
    fi
done
if [ -z "$chosen" ]; then
    echo "error: Python 3.9, 3.10 or 3.11 is needed (TensorFlow 2.15 supports no other); found:" >&2
    for candidate in ${PYTHON:-python3 python}; do
        echo "  $candidate: $("$candidate" --version 2>&1 || true)" >&2
    done
    echo "Install one of them, or name it: make install PYTHON=/path/to/python3.11" >&2
    exit 1
fi

echo "setting up $venv with $("$chosen" --version)"
"$chosen" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --requirement requirements.lock
"$venv/bin/python" -m pip install --quiet --no-deps --editable .
