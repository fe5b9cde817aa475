// Every forgery there is a name for, sent by a VM as it would send it: none arrives anywhere, each is alerted by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arp, BROADCAST, ETHERTYPE, ethernet, NOBODY } from '@wocloud/policy/testing/frames.ts';
import { forgeries, linkLocalOf, type Station } from '@wocloud/policy/testing/forgeries.ts';
import type { Stack } from '../stack.ts';
import { within } from '../stack.ts';
import { Sniffer } from './sniffer.ts';

const SEND = `
import socket, sys
nic = [n for _, n in socket.if_nameindex() if n != 'lo'][0]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((nic, 0))
for line in sys.stdin: s.send(bytes.fromhex(line))
`;
const NETWORK = 'front';

export function guardTests(of: () => Stack): void {
  test(
    'forged frames arrive nowhere, and each kind is alerted by its name',
    { timeout: 180_000 },
    async () => {
      const { lab, client } = of();
      const station = (name: string): Station => {
        const nic = lab.vm(name).nics.find((n) => n.network === NETWORK);
        assert.ok(nic?.ipv4 && nic.ipv6);
        return { mac: nic.mac, ipv4: nic.ipv4, ipv6: nic.ipv6, linkLocal: linkLocalOf(nic.mac) };
      };
      const [me, victim, bystander] = [station('attacker-1'), station('shop-1'), station('web-1')];
      const forged = forgeries({ me, victim, bystander });
      const honest = ethernet(BROADCAST, me.mac, ETHERTYPE.arp, arp(1, me.mac, me.ipv4, NOBODY, victim.ipv4));
      const counts = async () => {
        const { items } = await client.call('alerts.list', { query: { vm: 'attacker-1', limit: 500 } });
        const sums = new Map<string, number>();
        for (const { kind, count } of items) sums.set(kind, (sums.get(kind) ?? 0) + count);
        return sums;
      };
      const before = await counts();
      const others = [...lab.vms.values()].filter(
        (vm) => vm.name !== 'attacker-1' && vm.nics.some((nic) => nic.network === NETWORK),
      );
      const sniffers = await Promise.all(others.map((vm) => Sniffer.start(vm)));
      const lines = [...forged.map(([, , frame]) => frame), honest].map((frame) => frame.toString('hex'));
      await lab.vm('attacker-1').output(['python3', '-c', SEND], { stdin: `${lines.join('\n')}\n` });

      const wanted = new Map<string, number>();
      for (const [, kind] of forged) wanted.set(`spoof.${kind}`, (wanted.get(`spoof.${kind}`) ?? 0) + 1);
      const missing = async () => {
        const now = await counts();
        return [...wanted].filter(([kind, n]) => (now.get(kind) ?? 0) - (before.get(kind) ?? 0) < n);
      };
      let left: [string, number][] = [...wanted];
      await within(30_000, 'an alert for each forgery', async () => {
        left = await missing();
        return left.length === 0 ? true : undefined;
      }).catch(() => assert.deepEqual(left, [], 'kinds that were alerted less often than sent'));

      for (const sniffer of sniffers) {
        const seen = (await sniffer.stop()).map((frame) => frame.toString('hex'));
        const arrived = forged.filter(([, , frame]) => seen.some((hex) => shows(hex, frame)));
        assert.deepEqual(
          arrived.map(([what]) => what),
          [],
          `forgeries that ${sniffer.vm.name} received`,
        );
        if (sniffer.vm.name === 'shop-1')
          assert.ok(
            seen.some((hex) => shows(hex, honest)),
            'an honest frame of the same sender arrives',
          );
      }
    },
  );
}

/** Whether what a guest received is this frame: padded, or with its VLAN tag taken off by the NIC. */
function shows(received: string, frame: Buffer): boolean {
  const whole = frame.toString('hex').slice(0, 400);
  if (received.startsWith(whole)) return true;
  const tagged = [0x8100, 0x88a8].includes(frame.readUInt16BE(12));
  return tagged && received.startsWith((whole.slice(0, 24) + whole.slice(32)).slice(0, 392));
}
