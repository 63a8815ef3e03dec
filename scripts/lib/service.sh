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

# service_stop NAME PID_FILE: SIGTERM, which lets it finish what has begun; a second one after 10 seconds, which ends it
# at once; SIGKILL after 30. Nothing to stop is fine.
service_stop() {
    local name=$1 pid_file=$2 pid start=$SECONDS terms=0
    pid=$(service_pid "$pid_file")
    [ -z "$pid" ] || say "Stopping $name (pid $pid)"
    while [ -n "$(service_pid "$pid_file")" ]; do
        if [ $((SECONDS - start)) -ge 30 ]; then
            say "$name does not stop: killing it (nothing that was finished is lost)"
            kill -KILL "$pid" 2>/dev/null || true
        elif [ $((SECONDS - start)) -ge $((terms * 10)) ] && [ "$terms" -lt 2 ]; then
            kill -TERM "$pid" 2>/dev/null || true
            terms=$((terms + 1))
        fi
        sleep 0.1
    done
    rm -f "$pid_file"
}
