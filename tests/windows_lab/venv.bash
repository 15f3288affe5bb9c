# Part of windows-lab: the Windows venv C:\autopack-venv with the project's wheel in it.
# shellcheck shell=bash disable=SC2154  # lab is windows-lab's
#
# Dependencies are resolved by uv for Windows, since pip evaluates markers for the system it runs on and would
# forget colorama and tzdata; the Windows pip installs them, so that Scripts has real .exe starters. Each of the
# two steps is skipped when what it was made from is unchanged: 17 s, 3 s, or nothing.

wheel_facts() { # the requirement that means this wheel with all its extras; then what the wheel requires
    python3 - "$1" <<'PY'
import pathlib, sys, zipfile
from email import message_from_bytes
wheel = pathlib.Path(sys.argv[1]).resolve()
with zipfile.ZipFile(wheel) as z:
    facts = message_from_bytes(z.read(next(n for n in z.namelist() if n.endswith(".dist-info/METADATA"))))
print(f"{facts['Name']}[{','.join(facts.get_all('Provides-Extra', []))}] @ {wheel.as_uri()}")
print(*facts.get_all("Requires-Dist", []), sep="\n")
PY
}

unchanged() { [ -e "$1" ] && [ "$(<"$1")" = "$2" ]; } # STAMP-FILE VALUE

windows_pip() {
    run run python3.11 -m pip --disable-pip-version-check --python 'C:\autopack-venv\Scripts\python.exe' "$@" </dev/null
}

install_requirements() { # WHEEL-REQUIREMENT [REQUIREMENT…]
    local part; part=$(mktemp -d /tmp/windows-lab.XXXXXX)
    printf '%s\n' "$@" >"$part/in"
    quietly uv pip compile -q --no-annotate --python-platform x86_64-pc-windows-msvc --python-version 3.11 \
        --no-emit-package "${1%%[*}" -o "$part/lock" "$part/in"
    quietly pip download -q --no-deps --platform win_amd64 --python-version 3.11 --only-binary=:all: \
        -d "$part" -r "$part/lock"
    rm -rf "$venv"
    quietly run run python3.11 -m venv --without-pip 'C:\autopack-venv'
    cd "$part" || exit
    quietly windows_pip install -q --no-index --no-deps --find-links . -r lock
    cd /; rm -rf "$part"
}

refresh_venv() ( # WHEEL [REQUIREMENT…]
    wheel=$(realpath "$1"); shift
    venv=$lab/opt/home/.wine/drive_c/autopack-venv
    mapfile -t facts < <(wheel_facts "$wheel")
    exec 8>"$lab/opt/venv.lock"; flock 8
    needed=$(printf '%s\n' "${facts[@]:1}" "$@" | sha256sum | cut -c1-64)
    if ! unchanged "$venv/needed" "$needed"; then
        install_requirements "${facts[0]}" "$@" 8>&-
        echo "$needed" >"$venv/needed"
    fi
    content=$(sha256sum <"$wheel" | cut -c1-64)
    if ! unchanged "$venv/wheel" "$content"; then
        rm -f "$venv/wheel"
        cd "$(dirname "$wheel")" || exit
        quietly windows_pip install -q --no-index --no-deps --force-reinstall "$(basename "$wheel")" 8>&-
        echo "$content" >"$venv/wheel"
    fi
    echo "$venv"
)
