#!/bin/bash
# run.sh URL BROKER_PID: measures an AMQP 0-9-1 broker, prints a Markdown table.
#   run.sh amqp://guest:guest@127.0.0.1:5672/ 1234
# Optional environment:
#   BROKER_START  command that runs the broker in the foreground; allows S9 and the
#                 restart part of S7. With BROKER_PID 0 it is also started here.
#   BROKER_LOG    where the output of that broker goes (a file below TMPDIR)
#   BROKER_DATA   the broker's data folder (S7 then reports its growth on disk)
#   RUNS=3 SECS=5 LIMIT=3000000 BACKLOG=2000000 ONLY=s1,s3 (default: all)
#   BENCH_LOCK    a file to flock around every timed section
#   BENCH_PRIO    nice value of the scheduling group of generator and broker (-10)
# One line a run goes to standard error, the table to standard output.
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,14p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
bin=${TMPDIR:-/tmp}/baton-load.$(id -u)
if [ ! -x "$bin" ] || [ "$here/load.cpp" -nt "$bin" ] || [ "$here/common.h" -nt "$bin" ] || [ "$here/client.h" -nt "$bin" ]; then
  clang++-19 -std=c++20 -O2 -o "$bin" "$here/load.cpp" -pthread
fi
args=(--url "$1" --pid "$2" --runs "${RUNS:-3}" --secs "${SECS:-5}" --only "${ONLY:-all}"
      --limit "${LIMIT:-3000000}" --backlog "${BACKLOG:-2000000}")
args+=(--log "${BROKER_LOG:-${TMPDIR:-/tmp}/baton-load.$(id -u).broker.log}")
[ -n "${BROKER_START:-}" ] && args+=(--start "$BROKER_START")
[ -n "${BROKER_DATA:-}" ] && args+=(--data "$BROKER_DATA")
exec setsid -w "$bin" "${args[@]}"
