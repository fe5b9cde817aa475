// Which NIC an address means where the host itself routes: the one on the network that the host's route leads to.
// Networks may share a range, and the host's own world may too; only the route tells.
import { readFileSync } from 'node:fs';
import type { Directory, LocalNic } from '../directory.ts';
import { interfaceName } from '../netlink/libc.ts';
import { attributes, eachMessage, MessageWriter, NLM_F_REQUEST } from '../netlink/message.ts';
import { NETLINK_ROUTE, NetlinkSocket, ReceiveBuffers } from '../netlink/socket.ts';
import { packAddress } from '@wocloud/protocol/columns.ts';

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTMSG = 12;
const AF_INET = 2;
const AF_INET6 = 10;

/** Answers are trusted for this long, ms: routes change rarely, and asking costs 20 µs. */
const FRESH = 5000;
const MAX_KNOWN = 20_000;

export class HostRoutes {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE);
  readonly #buffers = new ReceiveBuffers(2, 8192);
  #sequence = 0;

  /** Name of the interface packets to this address leave by, '' when there is no route. */
  interfaceTo(ip: string): string {
    const bytes = new Uint8Array(16);
    packAddress(ip, bytes, 0);
    const isSix = ip.includes(':');
    const header = Buffer.alloc(RTMSG);
    header[0] = isSix ? AF_INET6 : AF_INET;
    header[1] = isSix ? 128 : 32;
    const sequence = ++this.#sequence;
    const request = new MessageWriter()
      .message(RTM_GETROUTE, NLM_F_REQUEST, sequence)
      .raw(header)
      .bytes(RTA_DST, isSix ? bytes : bytes.subarray(12))
      .done();
    let name = '';
    this.#socket.send(request);
    const got = this.#socket.receive(this.#buffers);
    const { view, size } = this.#buffers;
    for (let i = 0; i < got; i++)
      eachMessage(view, i * size, i * size + Math.max(0, this.#buffers.length(i)), (message) => {
        if (message.type !== RTM_NEWROUTE || message.sequence !== sequence) return;
        const oif = attributes(view, message.start + RTMSG, message.end)?.get(RTA_OIF);
        if (oif && oif.end - oif.start >= 4) name = interfaceName(view.getUint32(oif.start, true));
      });
    return name;
  }

  close(): void {
    this.#socket.close();
    this.#buffers.free();
  }
}

/** The NICs the host reaches by routing, by address. Follows the directory's changes until closed. */
export class RoutedNics {
  readonly #directory: Directory;
  readonly #routes: Pick<HostRoutes, 'interfaceTo' | 'close'>;
  readonly #undo: () => void;
  readonly #known = new Map<string, { nic: LocalNic; until: number } | { nic: undefined; until: number }>();
  #byIp: Map<string, LocalNic[]> | undefined;

  constructor(directory: Directory, routes: Pick<HostRoutes, 'interfaceTo' | 'close'> = new HostRoutes()) {
    this.#directory = directory;
    this.#routes = routes;
    this.#undo = directory.onChange(() => {
      this.#byIp = undefined;
      this.#known.clear();
    });
  }

  byAddress(ip: string): LocalNic | undefined {
    this.#byIp ??= indexByIp(this.#directory.nics());
    const candidates = this.#byIp.get(ip);
    if (!candidates) return undefined;
    const now = performance.now();
    const known = this.#known.get(ip);
    if (known && known.until > now) return known.nic;
    const way = this.#routes.interfaceTo(ip);
    const nic = candidates.find((n) => leadsTo(way, n));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(ip, { nic, until: now + FRESH });
    return nic;
  }

  close(): void {
    this.#undo();
    this.#routes.close();
  }
}

/** The host is on a plain bridge's network by the bridge itself, on a VLAN of it by a VLAN device on top of it. */
function leadsTo(way: string, nic: LocalNic): boolean {
  if (way === '' || nic.bridge === null) return false;
  if (nic.vlan === null) return way === nic.bridge;
  const below = vlanDevice(way);
  return below?.vlan === nic.vlan && below.device === nic.bridge;
}

/** What a VLAN device stands on, from `VID: 10` and `Device: br0` in its file. */
function vlanDevice(name: string): { device: string; vlan: number } | undefined {
  try {
    const text = readFileSync(`/proc/net/vlan/${name}`, 'utf8');
    return { vlan: Number(/VID: (\d+)/.exec(text)?.[1]), device: /Device: (\S+)/.exec(text)?.[1] ?? '' };
  } catch {
    return undefined;
  }
}

function indexByIp(nics: readonly LocalNic[]): Map<string, LocalNic[]> {
  const index = new Map<string, LocalNic[]>();
  for (const nic of nics)
    for (const address of nic.addresses) {
      const ip = address.replace(/\/(32|128)$/, '');
      const list = index.get(ip);
      if (list) list.push(nic);
      else index.set(ip, [nic]);
    }
  return index;
}
