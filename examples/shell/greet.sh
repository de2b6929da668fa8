#!/bin/sh
# A task performed by a shell script: parameters as JSON on standard input, headers in the environment,
# the result as JSON on standard output. Exit status 0: completed; 65: wrong parameters, do not try again;
# any other: try again, and what was written is the reason.
#
#     apt-get install jq
#     BATON_AMQP=amqp://guest:guest@127.0.0.1:5672/ ../c/worker hello.greet ./greet.sh
set -eu
parameters=$(cat)
if ! name=$(printf '%s' "$parameters" | jq -er .name); then
    echo "'name' is missing"
    exit 65
fi
# Your code. It looks by $BATON_IDEMPOTENCY_KEY whether the work is done.
sleep "$(printf '%s' "$parameters" | jq -r '.seconds // 0')"
jq -cn --arg text "Hello, $name" --arg run "${BATON_RUN:-}" --arg key "${BATON_IDEMPOTENCY_KEY:-}" '{$text, $run, $key}'
