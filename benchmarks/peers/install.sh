#!/usr/bin/env bash
# Make one virtual environment per peer engine, each with pinned versions.
#
#   benchmarks/peers/install.sh [--python PYTHON] [PEER ...]
#
# PYTHON is the interpreter to build with (default: $PEER_PYTHON, else python3); without a PEER all are installed.
# The peers are here to be measured: nothing of ours may ever depend on them. Each lives alone, because their own
# dependencies contradict each other. Running it again does nothing for a peer that is already complete. A peer that
# fails does not stop the others, but is named at the end and makes the exit status 1.
set -uo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
environments="${PEER_HOME:-$here/../.cache/peers}"
python="${PEER_PYTHON:-python3}"
known=(backtesting_py jesse_engine nautilus freqtrade_engine vectorbt_engine)

requirements() {
    # It reads the common data file. Later versions refuse the numpy 1 that jesse insists on.
    local common="pyarrow==22.0.0"
    case "$1" in
        backtesting_py) echo "backtesting==0.6.6 $common" ;;
        jesse_engine) echo "jesse==3.5.3 $common" ;;
        nautilus) echo "nautilus_trader==1.221.0 $common" ;;
        freqtrade_engine) echo "freqtrade==2026.9 $common" ;;
        vectorbt_engine) echo "vectorbt[rust]==1.2.0 $common" ;;
        *) return 1 ;;
    esac
}

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    echo "Peers: ${known[*]}"
}

install_peer() {
    local name="$1" wanted="$2" stamp log
    local folder="$environments/$name"
    stamp="$folder/complete"
    log="$environments/$name.log"
    local packages
    read -r -a packages <<<"$wanted"

    if [[ -f "$stamp" && -x "$folder/bin/python" && "$(cat "$stamp")" == "$python_version $wanted" ]]; then
        echo "$name: already complete"
        return 0
    fi
    echo "$name: installing $wanted (log: $log)"
    rm -rf "$folder"
    if "$python" -m venv "$folder" >"$log" 2>&1 &&
        "$folder/bin/python" -m pip install --disable-pip-version-check --no-input "${packages[@]}" >>"$log" 2>&1; then
        # Written last, so that an interrupted installation is never taken for a complete one.
        echo "$python_version $wanted" >"$stamp"
        echo "$name: done"
        return 0
    fi
    echo "$name: FAILED, see $log" >&2
    tail -n 3 "$log" | cut -c 1-200 >&2
    return 1
}

chosen=()
while (($#)); do
    case "$1" in
        --python)
            [[ $# -ge 2 ]] || { echo "--python wants an interpreter" >&2; exit 2; }
            python="$2"
            shift 2
            ;;
        -h | --help) usage; exit 0 ;;
        *)
            requirements "$1" >/dev/null || { echo "unknown peer '$1'; known: ${known[*]}" >&2; exit 2; }
            chosen+=("$1")
            shift
            ;;
    esac
done
((${#chosen[@]})) || chosen=("${known[@]}")

python_version="$("$python" -c 'import platform; print(platform.python_version())')" ||
    { echo "cannot run the interpreter '$python'" >&2; exit 2; }
mkdir -p "$environments" && environments="$(cd "$environments" && pwd)" ||
    { echo "cannot make the folder $environments" >&2; exit 2; }

failed=()
for name in "${chosen[@]}"; do
    install_peer "$name" "$(requirements "$name")" || failed+=("$name")
done

if ((${#failed[@]})); then
    echo "Not installed: ${failed[*]}" >&2
    exit 1
fi
