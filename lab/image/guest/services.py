"""The lab guest's real small services and the traffic that runs by itself, as /run/lab/services.json says.

http/https: a page that calls its upstream; app: tcp/8080, asks the db on every request; db: tcp/5432,
a line protocol (GET, PUT, INCR, COUNT) over a table in memory; echo: udp/7 and tcp/7; iperf: iperf3.
What each traffic loop has seen is kept in /run/lab/traffic.json, so that a test can count.
"""
import json
import os
import random
import socket
import threading
import time

CONFIG = "/run/lab/services.json"
STATS = "/run/lab/traffic.json"
UP = "/run/lab/services.up"
stats = {}
table = {}
table_lock = threading.Lock()


def log(text):
    with open("/dev/kmsg", "w") as kernel:
        kernel.write(f"lab: {text}\n")


def serve_tcp(port, handle, wrap=None):
    """Listens, then serves in the background, a thread per connection."""
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(256)

    def session(connection):
        try:
            connection.settimeout(60)
            with wrap(connection) if wrap else connection as stream:
                handle(stream)
        except OSError:
            pass  # the peer left or a firewall cut it: the next connection is what counts

    def accept():
        while True:
            connection, _ = listener.accept()
            run(session, connection)

    run(accept)


def serve_udp_echo(port):
    listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))

    def echo():
        while True:
            data, peer = listener.recvfrom(65535)
            listener.sendto(data, peer)

    run(echo)


def tcp_echo(stream):
    while data := stream.recv(65536):
        stream.sendall(data)


def db_session(stream):
    lines = stream.makefile("rwb")
    for line in lines:
        words = line.decode("utf-8", "replace").split()
        with table_lock:
            match words:
                case ["GET", key]:
                    reply = table.get(key, "-")
                case ["PUT", key, value]:
                    table[key] = value
                    reply = "OK"
                case ["INCR", key]:
                    table[key] = str(int(table.get(key, "0")) + 1)
                    reply = table[key]
                case ["COUNT"]:
                    reply = str(len(table))
                case _:
                    reply = "ERROR"
        lines.write(reply.encode() + b"\n")
        lines.flush()


def ask_db(host, command):
    with socket.create_connection((host, 5432), timeout=5) as db:
        db.sendall(command.encode() + b"\n")
        return db.makefile("rb").readline().decode().strip()


def http_get(host, port, path, tls=False, timeout=5):
    """Status and body of one request; raises OSError when it fails."""
    with socket.create_connection((host, port), timeout=timeout) as connection:
        stream = client_tls().wrap_socket(connection) if tls else connection
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while chunk := stream.recv(65536):
            data += chunk
        stream.close()
    head, _, body = data.partition(b"\r\n\r\n")
    parts = head.split(b" ", 2)
    if len(parts) < 2 or not parts[1].isdigit():
        raise OSError("no HTTP response")
    return int(parts[1]), body


def http_session(answer):
    def session(stream):
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = stream.recv(8192)
            if not chunk or len(data) > 65536:
                return
            data += chunk
        parts = data.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        path = parts[1] if len(parts) == 3 else "/"
        status, body = answer(path)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        stream.sendall((head + "Connection: close\r\n\r\n").encode() + body)

    return session


def page(upstream):
    """The web server: /bytes/N for exactly N bytes, /health, and a page made by the upstream."""

    def answer(path):
        if path.startswith("/bytes/") and path[7:].isdigit():
            return "200 OK", b"x" * min(int(path[7:]), 64 << 20)
        if path == "/health" or not upstream:
            return "200 OK", json.dumps({"from": socket.gethostname()}).encode() + b"\n"
        try:
            _, body = http_get(upstream, 8080, path)
            return "200 OK", json.dumps({"from": socket.gethostname(), "app": json.loads(body)}).encode() + b"\n"
        except (OSError, ValueError) as error:
            return "502 Bad Gateway", json.dumps({"error": f"{upstream}: {error}"}).encode() + b"\n"

    return answer


def application(db):
    def answer(path):
        if path == "/health":
            return "200 OK", json.dumps({"from": socket.gethostname()}).encode() + b"\n"
        try:
            visits = int(ask_db(db, "INCR visits"))
            return "200 OK", json.dumps({"from": socket.gethostname(), "visits": visits}).encode() + b"\n"
        except (OSError, ValueError) as error:
            return "503 Service Unavailable", json.dumps({"error": f"{db}: {error}"}).encode() + b"\n"

    return answer


def server_tls():
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/lab/tls.crt", "/lab/tls.key")
    return lambda connection: context.wrap_socket(connection, server_side=True)


def client_tls():
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the lab's certificate is its own; what is tested is the network
    return context


def probe(host, port):
    with socket.create_connection((host, port), timeout=1):
        return True


def udp_ask(host, port):
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(b"lab", address)
        return client.recv(64) == b"lab"


def ping(host):
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    pid = os.posix_spawn("/bin/ping", ["ping", "-c1", "-W2", host], os.environ, file_actions=actions)
    os.close(null)
    if os.waitpid(pid, 0)[1]:
        raise OSError("no reply")


def once(item):
    """One round of a traffic loop; raises OSError when it fails."""
    kind, host = item["kind"], item["to"]
    if kind in ("http", "https"):
        port = item.get("port", 443 if kind == "https" else 80)
        status, _ = http_get(host, port, item.get("path", "/"), tls=kind == "https")
        if status != 200:
            raise OSError(f"status {status}")
    elif kind == "db":
        ask_db(host, "COUNT")
    elif kind == "tcp":
        probe(host, item["port"])
    elif kind == "udp":
        udp_ask(host, item.get("port", 7))
    elif kind == "ping":
        ping(host)
    elif kind == "scan":
        for port in random.sample(item["ports"], len(item["ports"])):
            try:
                probe(host, port)
            except OSError:
                pass  # closed and filtered ports are what a scan finds


def loop(name, item):
    counts = stats.setdefault(name, {"ok": 0, "failed": 0, "last": None})
    time.sleep(item.get("after", 0))
    while True:
        try:
            once(item)
            counts["ok"] += 1
            counts["last"] = None
        except OSError as error:
            counts["failed"] += 1
            counts["last"] = str(error)
        time.sleep(item["every"] * random.uniform(0.8, 1.2))


def run(what, *arguments):
    threading.Thread(target=what, args=arguments, daemon=True).start()


def main():
    while not os.path.exists(CONFIG):
        time.sleep(1)
    with open(CONFIG) as file:
        config = json.load(file)
    threading.stack_size(256 << 10)
    services = config["services"]
    if "echo" in services:
        serve_udp_echo(7)
        serve_tcp(7, tcp_echo)
    if "db" in services:
        serve_tcp(5432, db_session)
    if "app" in services:
        serve_tcp(8080, http_session(application(config["upstream"].get("db", "db"))))
    if "http" in services:
        serve_tcp(80, http_session(page(config["upstream"].get("app"))))
    if "https" in services:
        serve_tcp(443, http_session(page(config["upstream"].get("app"))), server_tls())
    if "iperf" in services:
        iperf = os.posix_spawn("/usr/bin/iperf3", ["iperf3", "-s", "-D"], os.environ)
        os.waitpid(iperf, 0)
    with open(UP, "w"):
        pass
    log(f"services: {' '.join(services) or 'none'}; traffic: {len(config['traffic'])}")
    for index, item in enumerate(config["traffic"]):
        run(loop, item.get("name", f"{index}-{item['kind']}-{item['to']}"), item)
    while True:
        with open(STATS + ".new", "w") as file:
            json.dump(stats, file)
        os.replace(STATS + ".new", STATS)
        time.sleep(5)


main()
