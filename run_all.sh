#!/usr/bin/env bash
# Set everything up once, then run the study (or its tests, benchmark, or JupyterLab). See --help.
set -euo pipefail

# The project, also when this is called by a link to it; CDPATH would make `cd` print and go astray.
unset CDPATH
self=${BASH_SOURCE[0]}
while [ -L "$self" ]; do
    link=$(readlink "$self")
    case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
root=$(cd -- "$(dirname -- "$self")" && pwd -P)
need="3.11"
venv="$root/.venv"
# setuptools, which builds a package or two, takes braces in its own path for variables.
case $root in *[{}]*) venv=${XDG_CACHE_HOME:-~/.cache}/fer-denoise ;; esac
uv_version="uv==0.13.9"
size="about 3 GB, most of it PyTorch with its CUDA libraries; 6 GB on disk"

# pip is to install into the environment, whatever a person has set for other work.
export PIP_USER=0
unset PIP_TARGET PIP_PREFIX

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3 python; do
        if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "no Python $need or newer found: install it, or conda, and run this again"
}

# The environment: an active one, else conda, else a virtual one in .venv. Prints its Python.
environment() {
    local base prefix=${CONDA_PREFIX:-${VIRTUAL_ENV:-}}
    if [ "${CONDA_DEFAULT_ENV:-}" = base ]; then prefix=${VIRTUAL_ENV:-}; fi
    if [ -n "$prefix" ]; then
        is_new_enough "$prefix/bin/python" || fail "$prefix has no Python $need or newer: activate another environment"
        printf '%s\n' "$prefix/bin/python"
    elif [ -e "$venv/.fer-denoise" ] || "$venv/bin/python" -P -m pip --version >/dev/null 2>&1; then
        printf '%s\n' "$venv/bin/python"
    elif command -v conda >/dev/null; then
        conda_environment
    else
        # Whole again if making it was interrupted; nothing in it is deleted.
        say "Making a virtual environment in $venv"
        base=$(find_python) || exit 1
        "$base" -m venv "$venv" >&2 \
            || fail "could not make $venv: install the venv module (python3-venv on Debian and Ubuntu)"
        printf '%s\n' "$venv/bin/python"
    fi
}

conda_environment() {
    if ! conda run -n fer-denoise true >/dev/null 2>&1; then
        say "Making the conda environment fer-denoise from environment.yml (downloads $size)"
        conda env create -q -f "$root/environment.yml" >&2 || fail "conda could not make the environment"
    fi
    conda run -n fer-denoise python -c 'import sys; print(sys.executable)'
}

has_nvidia() {
    [ -e /proc/driver/nvidia/version ] || [ -e /usr/lib/wsl/lib/nvidia-smi ] || command -v nvidia-smi >/dev/null
}

# Which PyTorch: "cuda" is what the lock file names; "cpu" its build without CUDA, on Linux alone
# another one. FER_TORCH says it; else the driver does.
torch_build() {
    case ${FER_TORCH:-auto} in
        cpu | cuda) printf '%s\n' "$FER_TORCH" ;;
        auto) if [ "$(uname -s)" != Linux ] || has_nvidia; then echo cuda; else echo cpu; fi ;;
        *) fail "FER_TORCH is '$FER_TORCH': give auto, cpu or cuda" ;;
    esac
}

# The lock file without CUDA's packages, and PyTorch from where its own project keeps CPU builds.
install_cpu() {
    local uv=(-P -m uv pip install -q --python "$1" --torch-backend cpu -r -)
    "$1" -P -m pip install -q --disable-pip-version-check "$uv_version" >&2 \
        && grep -vE '^(nvidia-|cuda-|triton==)' "$root/requirements.lock" | UV_HTTP_RETRIES=1 "$1" "${uv[@]}" >&2
}

# Install requirements.lock unless exactly it was installed before.
install() {
    local python=$1 stamp want build
    build=$(torch_build) || exit 1
    stamp="$(dirname "$(dirname "$python")")/.fer-denoise"
    want=$(cat "$root/requirements.lock" "$root/pyproject.toml" | cksum)" $build $root"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return; fi
    say "Installing requirements.lock into $(dirname "$(dirname "$python")") (once)"
    if [ "$build" = cpu ]; then say "No NVIDIA driver, so PyTorch's CPU build, without 2.5 GB of CUDA libraries"; fi
    if [ "$build" = cuda ] || ! install_cpu "$python"; then
        if [ "$build" = cpu ]; then say "That could not be fetched from here: the full build instead"; fi
        say "Downloading $size"
        # pip takes a CPU build of the same version for what it wants.
        if [[ $(cat "$stamp" 2>/dev/null) = *" cpu $root" ]]; then "$python" -P -m pip uninstall -q -y torch torchvision >&2; fi
        "$python" -P -m pip install -q --disable-pip-version-check -r "$root/requirements.lock" >&2 \
            || fail "pip could not install requirements.lock: see above"
    fi
    # From inside: pip takes brackets at the end of a path for extras.
    (cd "$root" && "$python" -P -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .) >&2 \
        || fail "pip could not install fer_lib: see above"
    printf '%s\n' "$want" >"$stamp"
}

python=$(environment)
install "$python"
exec "$python" -P -m fer_lib.run.cli "$@"  # -P: not with modules of the folder one stands in
