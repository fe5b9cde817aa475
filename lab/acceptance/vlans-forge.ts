// VLAN tags out of a guest, and ears in the others: which of the frames somebody sent came to whom.
import { within } from './stack.ts';
import type { Guest } from './probe.ts';

const READY = '/run/lab/ears';

// Hears every frame, also those that are not for it, until it is told to end.
const EARS = `
import os, socket, struct, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
# PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC
s.setsockopt(263, 1, struct.pack('iHH8x', socket.if_nametoindex('eth0'), 1, 0))
open('${READY}', 'w').close()
end = time.monotonic() + 60
heard = set()
while time.monotonic() < end and os.path.exists('${READY}'):
    s.settimeout(0.2)
    try: data, sender = s.recvfrom(4096)
    except (TimeoutError, socket.timeout): continue
    at = data.find(b'wocloud-vlan:') if sender[2] != socket.PACKET_OUTGOING else -1
    if at >= 0: heard.add(data[at + 13:at + 17].decode())
print(' '.join(sorted(heard)))
`;

// Tags of another VLAN, of its own, of none but a priority, of a provider, and two of them; inside, honest packets.
const SAY = `
import socket, struct, sys
raw = lambda text: bytes.fromhex(text.replace(':', ''))
src = raw(open('/sys/class/net/eth0/address').read().strip())
own4, own6 = socket.inet_aton(sys.argv[1]), socket.inet_pton(socket.AF_INET6, sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
def udp(label):
    body = b'wocloud-vlan:' + label.encode()
    return struct.pack('!HHHH', 4000, 4000, 8 + len(body), 0) + body
def ip4(label):
    data = udp(label)
    head = struct.pack('!BBHHHBBH4s4s', 69, 0, 20 + len(data), 1, 0, 64, 17, 0, own4, b'\\xff' * 4)
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + data
def ip6(label):
    data = udp(label)
    return struct.pack('!IHBB', 6 << 28, len(data), 17, 64) + own6 + raw('ff02' + '00' * 13 + '01') + data
tags = {'v20': '81000014', 'v10': '8100000a', 'v00': '8100e000', 'ad2': '88a80014', 'two': '8100000a81000014'}
for to in [raw(mac) for mac in sys.argv[3:]] + [b'\\xff' * 6]:
    for label, tag in tags.items():
        s.send(to + src + raw(tag) + b'\\x08\\x00' + ip4(label + '4'))
        s.send(to + src + raw(tag) + b'\\x86\\xdd' + ip6(label + '6'))
`;

const ASK = `
import socket, sys
mac = bytes.fromhex(open('/sys/class/net/eth0/address').read().strip().replace(':', ''))
own, wanted, label = socket.inet_aton(sys.argv[1]), socket.inet_aton(sys.argv[2]), sys.argv[3].encode()
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
ask = bytes.fromhex('0001080006040001') + mac + own + b'\\0' * 6 + wanted
s.send(b'\\xff' * 6 + mac + b'\\x08\\x06' + ask + b'wocloud-vlan:' + label)
`;

export interface Ears {
  /** What was heard, by label; ends the listening. */
  heard(): Promise<string[]>;
}

/** Begins to listen in a guest; ready when this resolves. */
export async function listenIn(guest: Guest): Promise<Ears> {
  await guest.exec(['rm', '-f', READY]);
  const out = guest.output(['python3', '-c', EARS], { timeout: 90_000 });
  out.catch(() => {});
  await within(60_000, 'ears', async () =>
    (await guest.exec(['test', '-e', READY])).code === 0 ? true : undefined,
  );
  return {
    async heard() {
      await guest.exec(['rm', '-f', READY]);
      return (await out).trim().split(' ').filter(Boolean);
    },
  };
}

/** Sends tagged frames from a guest: to these MAC addresses and to everyone, IPv4 and IPv6. */
export async function sayTagged(guest: Guest, own: [string, string], macs: readonly string[]): Promise<void> {
  await guest.output(['python3', '-c', SAY, ...own, ...macs], { timeout: 60_000 });
}

/** Asks everyone in a guest's own VLAN for an address, as it may; ears hear it by its label of four letters. */
export async function askHonestly(guest: Guest, own: string, wanted: string, label: string): Promise<void> {
  await guest.output(['python3', '-c', ASK, own, wanted, label], { timeout: 60_000 });
}
