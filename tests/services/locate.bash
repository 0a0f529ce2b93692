# shellcheck shell=bash
# Where the servers and tools that the tests need are found: one place for `install`, which provides them, and
# for `run`, which starts them. Sourced.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$repository/.venv
# Schemathesis comes with two dozen packages: apart from the tools, which have none.
contract_venv=$venv/contract
contract_requirements=$repository/tests/contract/requirements.txt

# Debian keeps servers in /usr/sbin, which is not on every user's PATH.
PATH=$venv/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The directory of the newest PostgreSQL server: Debian does not put it on the PATH.
postgres_bin() {
    local directory
    directory=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    if [[ -n $directory && -x $directory/initdb && -x $directory/postgres ]]; then
        printf '%s\n' "$directory"
        return
    fi
    directory=$(dirname "$(command -v initdb 2>/dev/null || echo /nonexistent/initdb)")
    [[ -x $directory/postgres ]] && printf '%s\n' "$directory"
}

# Whether the nats-server on the PATH is 2.10 or newer.
has_nats() {
    local version
    version=$(nats-server --version 2>/dev/null | sed -n 's/.*v\([0-9][0-9.]*\).*/\1/p')
    [[ -n $version && $(printf '%s\n' 2.10 "$version" | sort -V | head -n 1) == 2.10 ]]
}

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

# Whether a page in Thai shows more than boxes.
has_thai() { ! command -v fc-list >/dev/null || [[ -n $(fc-list :lang=th) ]]; }

# Whether Schemathesis is there in the version that tests/contract was written for.
has_schemathesis() {
    local wanted
    wanted=$(sed -n 's/^schemathesis==//p' "$contract_requirements")
    [[ $("$contract_venv/bin/schemathesis" --version 2>/dev/null) == "schemathesis, version $wanted" ]]
}

# The version of cargo-machete that `make check` runs.
machete_version=0.9.2
has_machete() { [[ $(cargo-machete --version 2>/dev/null) == "$machete_version" ]]; }

has_promtool() { command -v promtool >/dev/null; }

# Debian packages of the servers that are missing, one a line.
missing_packages() {
    command -v redis-server >/dev/null || echo redis-server
    [[ -n $(postgres_bin) ]] || echo postgresql
    command -v pgbouncer >/dev/null || echo pgbouncer
    command -v faketime >/dev/null || echo faketime
    command -v nginx >/dev/null || echo nginx
    command -v haproxy >/dev/null || echo haproxy
    # The program and its modules, without a server that starts by itself.
    command -v apache2 >/dev/null || echo apache2-bin
    command -v varnishd >/dev/null || echo varnish
    browser >/dev/null || printf '%s\n' chromium fonts-noto-core
    has_thai || echo fonts-noto-core
    command -v curl >/dev/null || echo curl
    command -v setpriv >/dev/null || echo util-linux
}

# Tools from requirements.txt that are missing, one a line.
missing_tools() {
    local proxy
    command -v k6 >/dev/null || echo k6
    has_nats || echo "nats-server (2.10 or newer)"
    command -v shellcheck >/dev/null || echo shellcheck
    for proxy in caddy envoy traefik; do
        command -v "$proxy" >/dev/null || echo "$proxy"
    done
}
