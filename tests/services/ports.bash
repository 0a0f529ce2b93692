# shellcheck shell=bash
# Free loopback ports for servers that cannot choose one and tell. Sourced.

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port nobody listens on now, below the kernel's ephemeral range so that no outgoing connection takes it. Somebody
# else may still be faster: who starts a server on it must see that its own process answers, or try again.
free_port() {
    local port
    while port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)); listening "$port"; do :; done
    printf '%s\n' "$port"
}
