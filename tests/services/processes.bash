# shellcheck shell=bash
# Child servers: starting them so that they cannot outlive us, waiting for them, ending exactly them. Sourced.

readonly start_attempts=5 start_seconds=60

# Becomes a server that is told $1 (a signal's name) when its parent dies, even by SIGKILL, and that a Ctrl-C at our
# terminal does not reach. `exec` keeps the pid that bash reports as $!.
guarded() { exec setsid setpriv --pdeathsig "$1" "${@:2}"; }

# Waits until the command after $1 succeeds, as long as process $1 lives and start_seconds have not passed.
await() {
    local pid=$1 deadline=$((SECONDS + start_seconds))
    shift
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# Ends one process by its pid: with signal $1, and after five seconds for good.
stop() {
    local signal=$1 pid=$2 tries
    [[ -n $pid ]] || return 0
    kill "-$signal" "$pid" 2>/dev/null || return 0
    for ((tries = 0; tries < 100; tries++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

# Calls $2, which starts a server on a port that may be taken the moment before, until it is up; $1 is its log.
insist() {
    local log=$1 start=$2 attempt
    for ((attempt = 1; attempt <= start_attempts; attempt++)); do
        if "$start"; then return; fi
    done
    printf '%s: the server did not start; the end of its log:\n' "${0##*/}" >&2
    tail -n 20 "$log" >&2 || true
    exit 1
}

keep_logs() {
    [[ -n ${STANCHION_TEST_KEEP_LOGS:-} ]] || return 0
    mkdir -p "$STANCHION_TEST_KEEP_LOGS"
    cp "$@" "$STANCHION_TEST_KEEP_LOGS/" 2>/dev/null || true
}

command_pid=''

# Runs a command in the foreground of whoever called us and returns its code. At a terminal it keeps the terminal and
# Ctrl-C reaches it by itself. Elsewhere a signal may reach only us: the command gets a process group of its own, and
# a signal that ends us ends that too.
run_command() {
    local code=0
    if [[ -t 0 ]]; then
        "$@" || code=$?
        return "$code"
    fi
    set -m
    "$@" &
    command_pid=$!
    set +m
    wait "$command_pid" || code=$?
    command_pid=''
    return "$code"
}

# Ends what run_command started, with signal $1.
end_command() { [[ -z $command_pid ]] || kill "-$1" -- "-$command_pid" 2>/dev/null || true; }

# Calls $1 once when this script ends, however it ends.
on_exit() {
    # shellcheck disable=SC2064 # the name is meant to be expanded now
    trap "trap '' INT TERM HUP; end_command KILL; $1" EXIT
    trap 'end_command HUP; exit 129' HUP
    trap 'end_command INT; exit 130' INT
    trap 'end_command TERM; exit 143' TERM
}
