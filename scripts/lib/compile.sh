# shellcheck shell=bash
# How the programs are built. Sourced after common.sh.

programs=(tengen-server tengen-worker tengen-run tengen)

# The bundle web/dist, rebuilt when anything that goes into it is newer than it.
build_dashboard() {
    local stamp=build/dashboard-built
    [ -f web/package.json ] || return 0
    if ! command -v npm >/dev/null; then
        say "No npm: the dashboard is not built (the server says so on its page)"
        return 0
    fi
    npm_packages web
    if [ -f "$stamp" ] && [ -d web/dist ] && [ -z "$(find web scripts/presets -path web/node_modules -prune -o \
        -path web/dist -prune -o -type f -newer "$stamp" -print -quit)" ]; then
        return 0
    fi
    say "Building the dashboard"
    mkdir -p build
    (cd web && npm run --silent build) >build/dashboard.log 2>&1 || {
        cat build/dashboard.log
        fail "the dashboard cannot be built"
    }
    touch "$stamp"
}

# compile FOLDER MESON_OPTION...: sets the build folder up (or changes its options) and builds.
compile() {
    local folder=$1
    shift
    mkdir -p build
    say "Compiling in $folder"
    if [ -f "$folder/build.ninja" ]; then
        meson setup --reconfigure "$folder" "$@" >"$folder/setup.log" || {
            cat "$folder/setup.log"
            fail "meson could not set $folder up"
        }
    else
        meson setup "$folder" "$@" >build/setup.log || {
            cat build/setup.log
            fail "meson could not set $folder up"
        }
    fi
    ninja -C "$folder" -j "$(job_count)" >"$folder/compile.log" 2>&1 || {
        grep -v -e '^\[[0-9]*/[0-9]*\] [A-Z]' "$folder/compile.log" | head -n 200
        fail "$folder does not compile (all of it is in $folder/compile.log)"
    }
}

# link_programs FROM TO: hard links, so that a program that looks beside itself finds the others.
link_programs() {
    local from=$1 to=$2 name found
    mkdir -p "$to"
    for name in "${programs[@]}"; do
        found=$(find "$from" -path "$to" -prune -o -type f -name "$name" -perm -u+x -print -quit)
        [ -n "$found" ] || fail "$name was not built"
        ln -f "$found" "$to/$name" 2>/dev/null || cp -f "$found" "$to/$name"
    done
}
