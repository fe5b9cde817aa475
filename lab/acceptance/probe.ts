// What a guest experiences when it tries to reach something: measured inside it, through the lab's own channel.
import type { LabVm } from '../lab.ts';

/** A guest, of whatever lab. */
export type Guest = Pick<LabVm, 'exec' | 'output'>;

export type Outcome = 'open' | 'refused' | 'timeout';

const CONNECT = `
import socket, sys, errno
host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
s.settimeout(seconds)
try:
    s.connect((host, port)); print('open')
except (TimeoutError, socket.timeout): print('timeout')
except OSError as e: print('refused' if e.errno in (errno.ECONNREFUSED, errno.EACCES, errno.EHOSTUNREACH, errno.ENETUNREACH) else e)
`;

const TRANSFER = `
import socket, sys, json
host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((host, port))
sent = received = packets = answers = 0
for i in range(20):
    sent += s.send(b'x' * size); packets += 1
    try:
        received += len(s.recv(65536)); answers += 1
    except (TimeoutError, socket.timeout): pass
print(json.dumps({'port': s.getsockname()[1], 'sent': sent, 'packets': packets, 'received': received, 'answers': answers}))
`;

/** A TCP connection from a guest: it opens, is refused at once, or nothing comes back within `seconds`. */
export async function connectFrom(vm: Guest, address: string, port: number, seconds = 3): Promise<Outcome> {
  const out = await vm.output(['python3', '-c', CONNECT, address, String(port), String(seconds)], {
    timeout: 20_000,
  });
  return out.trim() as Outcome;
}

/** UDP to an echo service, 20 datagrams one by one: what the guest itself counted, in payload bytes. */
export async function echoFrom(
  vm: Guest,
  address: string,
  size: number,
): Promise<{ port: number; sent: number; packets: number; received: number; answers: number }> {
  const out = await vm.output(['python3', '-c', TRANSFER, address, '7', String(size)], { timeout: 60_000 });
  return JSON.parse(out) as {
    port: number;
    sent: number;
    packets: number;
    received: number;
    answers: number;
  };
}

/** ICMP echo from a guest: how many of `count` were answered. */
export async function pingFrom(vm: Guest, address: string, count = 2): Promise<number> {
  const { stdout } = await vm.exec(['busybox', 'ping', '-c', String(count), '-W', '2', address], {
    timeout: 20_000,
  });
  return Number(/(\d+) packets received/.exec(stdout)?.[1] ?? 0);
}

const ASK = `
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect((host, port))
for _ in range(3):
    try:
        s.send(b'anyone?'); s.recv(100); print('open'); break
    except (TimeoutError, socket.timeout): pass
    except OSError: print('refused'); break
else: print('timeout')
`;

/** Three datagrams to a UDP service that answers: what became of them. */
export async function askUdp(vm: Guest, address: string, port: number): Promise<Outcome> {
  const out = await vm.output(['python3', '-c', ASK, address, String(port)], { timeout: 20_000 });
  return out.trim() as Outcome;
}
