# shellcheck shell=bash
# Programs that a script starts and surely finds again: a pid file holds the pid, the process's start time and the
# boot it belongs to, so that no stranger with a reused pid is ever signalled. Sourced after common.sh.

# When process PID started, in clock ticks since the boot; nothing when there is none.
start_time_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    stat=${stat##*) }
    # shellcheck disable=SC2086 # the fields are wanted apart
    set -- $stat
    # State Z is a dead process that waits for its parent.
    [ "$1" = Z ] || echo "${20}"
}

# service_start NAME PID_FILE LOG COMMAND...: in the background, in a session of its own (a Ctrl-C at the terminal does
# not reach it).
service_start() {
    local name=$1 pid_file=$2 log=$3 pid
    shift 3
    setsid "$@" </dev/null >>"$log" 2>&1 &
    pid=$!
    disown "$pid"
    printf '%s %s %s %s\n' "$pid" "$(start_time_of "$pid")" "$(cat /proc/sys/kernel/random/boot_id)" "$name" >"$pid_file"
}

# The pid behind PID_FILE when that very process still runs; nothing otherwise.
service_pid() {
    local pid start boot _
    [ -f "$1" ] && read -r pid start boot _ <"$1" || return 0
    [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ -n "$start" ] || return 0
    [ "$(start_time_of "$pid")" = "$start" ] && echo "$pid"
    return 0
}

# service_stop NAME PID_FILE SECONDS: SIGTERM, then after SECONDS SIGKILL. Says what it does. Nothing to do is fine.
service_stop() {
    local name=$1 pid_file=$2 seconds=$3 pid deadline
    pid=$(service_pid "$pid_file")
    if [ -n "$pid" ]; then
        say "Stopping $name (pid $pid)"
        kill -TERM "$pid" 2>/dev/null || true
        deadline=$((SECONDS + seconds))
        while [ -n "$(service_pid "$pid_file")" ]; do
            if [ "$SECONDS" -ge "$deadline" ]; then
                say "$name did not stop within $seconds s: killing it (nothing that was finished is lost)"
                kill -KILL "$pid" 2>/dev/null || true
            fi
            sleep 0.1
        done
    fi
    rm -f "$pid_file"
}
