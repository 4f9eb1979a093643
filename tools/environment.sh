# Virtual environments inside the checkout; sourced by the tools.
#
# An environment is made once and reused until something that it depends on changes. Versions are
# those of constraints.txt. Needs Python 3.11 to 3.13 and pip.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
unset PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# Print the path of a Python that will do; $PYTHON is tried first.
find_python() {
    local name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
        then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    echo "expected Python 3.11 to 3.13 as python3, found none; set PYTHON to one" >&2
    return 1
}

# Install into an environment: install FOLDER ARGUMENT...
install() {
    local folder=$1
    shift
    "$folder/bin/python" -m pip install -qq --constraint "$root/constraints.txt" "$@"
}

# Make an environment, or reuse it: environment NAME ARGUMENT...
# The arguments are those of pip install. Sets $python to the environment's Python.
# Two tools started at once take turns: the second finds what the first has made.
environment() {
    local base
    base=$(find_python)
    mkdir -p "$root/.cache"
    exec 9>"$root/.cache/environments.lock"
    "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    make_environment "$base" "$@"
    exec 9>&-
}

make_environment() {
    local base=$1 folder=$root/$2 stamp
    shift 2
    python=$folder/bin/python
    stamp=$("$base" -VV; echo "$folder" "$@"; cat "$root/constraints.txt" "$root/setup.cfg")
    if [[ -x $python && -f $folder/stamp && $(cat "$folder/stamp") == "$stamp" ]]; then
        return
    fi
    echo "Making the environment ${folder#"$root"/}" >&2
    rm -rf "$folder"
    # Some systems ship pip without the part that puts it into environments.
    if ! "$base" -m venv "$folder" >/dev/null 2>&1; then
        rm -rf "$folder"
        "$base" -m venv --without-pip "$folder"
        "$base" -m pip --python "$python" install -qq pip
    fi
    install "$folder" setuptools wheel
    install "$folder" --no-build-isolation "$@"
    echo "$stamp" >"$folder/stamp"
}
