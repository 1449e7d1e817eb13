#!/bin/sh
# Start a paper agent, look at it from another process, flatten it, and see the proof. Needs no data and no network.
set -eu
HOLDFAST_HOME="$(mktemp -d)"
export HOLDFAST_HOME
holdfast run --plain --market synthetic --strategy ma_crossover --pace 50 >"$HOLDFAST_HOME/agent.log" 2>&1 &
agent=$!
trap 'kill "$agent" 2>/dev/null || true; wait "$agent" || true; rm -rf "$HOLDFAST_HOME"' EXIT
until [ -S "$HOLDFAST_HOME/agent.sock" ]; do sleep 0.1; done
sleep 3
holdfast status
holdfast why-not BTC/USDT
holdfast stop --flatten --yes --reason "the example ends"
holdfast journal verify
