// Pairs of devices through which a tap's frames go: in at the first, whose queue holds them to a rate, out at the
// second, and from there in at the tap again, as if they came from its guest.
import { existsSync, writeFileSync } from 'node:fs';
import { interfaceIndex } from '../netlink/libc.ts';
import { attributes, NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.ts';
import { setRate, type Rate } from './queues.ts';
import { IFINFO, ifinfo, TCMSG, tcmsg, textOf, type RouteExchange } from './route-message.ts';

// linux/rtnetlink.h, linux/if_link.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h
const RTM = { newLink: 16, deleteLink: 17, getLink: 18, newQdisc: 36, newFilter: 44, getFilter: 46 } as const;
const LINK = { name: 3, info: 18 } as const;
const INFO = { kind: 1, data: 2 } as const;
const VETH_PEER = 1;
const IFF_UP = 1;
const TC = { kind: 1, options: 2 } as const;
const U32 = { selector: 5, actions: 7 } as const;
const MIRRED_PARAMETERS = 2;
/** A device's entrance, and the handle of what stands there. */
const ENTRANCE = { parent: 0xffff_fff1, handle: 0xffff_0000 } as const;
/** Priority 1 and every protocol, as a filter's header has them. */
const FIRST_OF_ALL = (1 << 16) | (0x0003 << 8);

export interface Link {
  name: string;
  index: number;
  isUp: boolean;
}

/** Names of a pair's ends; `unfinished`: the first's until all of it is in place. */
export interface PairNames {
  first: string;
  second: string;
  unfinished: string;
}

/** All devices of this host that are ends of pairs (veth). Throws NetlinkError, as all here. */
export async function readPairs(route: RouteExchange): Promise<Link[]> {
  const found: Link[] = [];
  await route.dump(
    RTM.getLink,
    (writer) => writer.raw(ifinfo(0, 0)).nest(LINK.info, (info) => info.text(INFO.kind, 'veth')),
    (view, start, end) => {
      const fields = attributes(view, start + IFINFO, end);
      const info = fields?.get(LINK.info);
      if (!info || textOf(view, attributes(view, info.start, info.end)?.get(INFO.kind)) !== 'veth') return;
      found.push({
        name: textOf(view, fields?.get(LINK.name)),
        index: view.getInt32(start + 4, true),
        isUp: (view.getUint32(start + 8, true) & IFF_UP) !== 0,
      });
    },
  );
  return found;
}

/** Makes a pair that leads to a tap what comes from this MAC address. It has its name only once all is in place. */
export async function makePair(
  route: RouteExchange,
  { first, second, unfinished }: PairNames,
  { mac, tap, rate }: { mac: string; tap: number; rate: Rate & { burst: number } },
): Promise<void> {
  await route.change(RTM.newLink, NLM_F_CREATE | NLM_F_EXCL, (writer) =>
    writer
      .raw(ifinfo(0, 0))
      .text(LINK.name, unfinished)
      .nest(LINK.info, (info) =>
        info
          .text(INFO.kind, 'veth')
          .nest(INFO.data, (data) =>
            data.nest(VETH_PEER, (peer) => peer.raw(ifinfo(0, 0)).text(LINK.name, second)),
          ),
      ),
  );
  const [a, b] = [interfaceIndex(unfinished), interfaceIndex(second)];
  try {
    // The host itself has nothing to say here.
    for (const name of [unfinished, second]) silence(name);
    await leadOn(route, b, { mac, tap });
    if (!(await setRate(route, a, rate))) throw new Error('this kernel has no queue of kind tbf');
    await setUp(route, b);
    await setUp(route, a, first);
  } catch (error) {
    await deleteDevice(route, a);
    throw error;
  }
}

function silence(device: string): void {
  const path = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
  if (existsSync(path)) writeFileSync(path, '1');
}

/** Sets a device up, under another name if one is given. */
export async function setUp(route: RouteExchange, index: number, name?: string): Promise<void> {
  await route.change(RTM.newLink, 0, (writer) => {
    writer.raw(ifinfo(index, IFF_UP));
    if (name !== undefined) writer.text(LINK.name, name);
  });
}

/** With the other end of its pair. */
export async function deleteDevice(route: RouteExchange, index: number): Promise<void> {
  await route.change(RTM.deleteLink, 0, (writer) => writer.raw(ifinfo(index, 0)));
}

/** Whether what enters by a device is led on. */
export async function leadsOn(route: RouteExchange, index: number): Promise<boolean> {
  let found = false;
  await route.dump(
    RTM.getFilter,
    (writer) => writer.raw(tcmsg(index, { parent: ENTRANCE.handle })),
    (view, start, end) => {
      const fields = attributes(view, start + TCMSG, end);
      const options = fields?.get(TC.options);
      if (options && attributes(view, options.start, options.end)?.has(U32.actions) === true) found = true;
    },
  );
  return found;
}

/** What enters by a device from this MAC address goes in at a tap, as if it had come by that one. */
export async function leadOn(
  route: RouteExchange,
  index: number,
  { mac, tap }: { mac: string; tap: number },
): Promise<void> {
  await route.change(RTM.newQdisc, NLM_F_CREATE | NLM_F_EXCL, (writer) =>
    writer.raw(tcmsg(index, ENTRANCE)).text(TC.kind, 'ingress'),
  );
  const made = await route.change(RTM.newFilter, NLM_F_CREATE | NLM_F_EXCL, (writer) =>
    writer
      .raw(tcmsg(index, { parent: ENTRANCE.handle, info: FIRST_OF_ALL }))
      .text(TC.kind, 'u32')
      .nest(TC.options, (options) =>
        options
          .bytes(U32.selector, fromMac(mac))
          .nest(U32.actions, (actions) =>
            actions.nest(1, (action) =>
              action
                .text(TC.kind, 'mirred')
                .nest(TC.options, (mirred) => mirred.bytes(MIRRED_PARAMETERS, goInAt(tap))),
            ),
          ),
      ),
  );
  if (!made) throw new Error('this kernel has no filters u32 and mirred');
}

/** struct tc_u32_sel with two keys: the six octets before the type, in the header before the packet. */
function fromMac(mac: string): Buffer {
  const octets = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const selector = Buffer.alloc(16 + 2 * 16);
  [selector[0], selector[2]] = [1 /* a match ends the search */, 2];
  const key = (at: number, mask: number, value: Buffer, offset: number) => {
    selector.writeUInt32BE(mask, at);
    value.copy(selector, at + 4);
    selector.writeInt32LE(offset, at + 8);
  };
  key(16, 0xffff_ffff, octets.subarray(0, 4), -8);
  key(32, 0xffff_0000, octets.subarray(4, 6), -4);
  return selector;
}

/** struct tc_mirred. */
function goInAt(device: number): Buffer {
  const parameters = Buffer.alloc(28);
  parameters.writeInt32LE(4 /* the frame is not this device's any more */, 8);
  parameters.writeInt32LE(3 /* redirected, inwards */, 20);
  parameters.writeUInt32LE(device, 24);
  return parameters;
}
