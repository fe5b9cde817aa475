# Puts raw frames on interfaces of network namespaces and says what comes out of others, and which log lines were written.
# One JSON command a line on stdin, one JSON answer a line on stdout. All decisions are made by the caller.
import base64, ctypes, json, os, select, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
ETH_P_ALL = 3
NFULNL_MSG_CONFIG, NFULNL_MSG_PACKET, SUBSYS_ULOG = 1, 0, 4


def enter(namespace):
    with open('/run/netns/' + namespace) as f:
        if libc.setns(f.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), 'setns ' + namespace)


def packet_socket(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((device, 0))
    s.setblocking(False)
    # 0: this socket's own sends are not shown back (PACKET_OUTGOING is filtered when read).
    return s


def attribute(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + b'\0' * (-len(data) % 4)


def log_socket(group):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    s.bind((0, 0))
    body = struct.pack('>BBH', socket.AF_UNSPEC, 0, group)
    body += attribute(1, struct.pack('=B', 1))  # NFULNL_CFG_CMD_BIND
    body += attribute(2, struct.pack('>IBB', 128, 2, 0))  # copy packet
    body += attribute(5, struct.pack('>I', 1))  # queue threshold: one message at a time
    s.send(struct.pack('=IHHII', 16 + len(body), (SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG, 5, 1, 0) + body)
    reply = s.recv(4096)
    code = struct.unpack_from('=i', reply, 16)[0]
    if code != 0:
        raise OSError(-code, 'NFLOG group %d' % group)
    s.setblocking(False)
    return s


def read_logs(s):
    lines = []
    while True:
        try:
            data = s.recv(1 << 16)
        except BlockingIOError:
            return lines
        at = 0
        while at + 16 <= len(data):
            size, kind = struct.unpack_from('=IH', data, at)
            if kind == (SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET:
                p, end, entry = at + 20, at + size, {}
                while p + 4 <= end:
                    length, tag = struct.unpack_from('=HH', data, p)
                    value = data[p + 4:p + length]
                    if tag & 0x7fff == 10:
                        entry['prefix'] = value.rstrip(b'\0').decode()
                    if tag & 0x7fff in (4, 6):
                        entry['indev' if tag & 0x7fff == 4 else 'physindev'] = struct.unpack('>I', value)[0]
                    if tag & 0x7fff in (9, 16):
                        entry['packet' if tag & 0x7fff == 9 else 'header'] = base64.b64encode(value).decode()
                    p += (length + 3) & ~3
                lines.append(entry)
            at += (size + 3) & ~3 or 16


# On one processor the kernel handles frames in the order they are sent, so a marker comes last.
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[os.getpid() % len(os.sched_getaffinity(0))]})
sockets, logs = {}, []
for line in sys.stdin:
    command = json.loads(line)
    verb = command['do']
    answer = {}
    if verb == 'open':
        enter(command['namespace'])
        for device in command['devices']:
            sockets[device] = packet_socket(device)
    elif verb == 'log':
        enter(command['namespace'])
        logs.append(log_socket(command['group']))
    elif verb == 'send':
        for device, frame in command['frames']:
            sockets[device].send(base64.b64decode(frame))
    elif verb == 'udp':
        enter(command['namespace'])
        for family, source, sport, target, dport in command['datagrams']:
            s = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((source, sport))
            try:
                s.sendto(b'probe', (target, dport))
            except OSError:
                pass  # refused by a rule on the way out: the caller sees that it did not arrive
            s.close()
    elif verb == 'collect':
        # Everything received on each device up to and including the marker, which the caller sent last.
        marker = base64.b64decode(command['marker'])
        deadline = time.monotonic() + 10
        waiting = set(command['devices'])
        got = {device: [] for device in command['devices']}
        while waiting and time.monotonic() < deadline:
            ready, _, _ = select.select([sockets[d] for d in waiting], [], [], 1)
            for device in list(waiting):
                if sockets[device] not in ready:
                    continue
                while True:
                    try:
                        frame, address = sockets[device].recvfrom(1 << 16)
                    except BlockingIOError:
                        break
                    if address[2] == 4:
                        continue
                    if marker in frame:
                        waiting.discard(device)
                        break
                    got[device].append(base64.b64encode(frame).decode())
        answer = {'frames': got, 'missing': sorted(waiting)}
    elif verb == 'take':
        # Everything received on each device so far, but what left by it.
        got = {device: [] for device in command['devices']}
        for device in command['devices']:
            while True:
                try:
                    frame, address = sockets[device].recvfrom(1 << 16)
                except BlockingIOError:
                    break
                if address[2] != 4:
                    got[device].append(base64.b64encode(frame).decode())
        answer = {'frames': got}
    elif verb == 'logs':
        answer = {'lines': [entry for s in logs for entry in read_logs(s)]}
    print(json.dumps(answer), flush=True)
