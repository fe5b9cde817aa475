// What there is, as the platform tells it: the lab's VMs, and what virsh does by hand.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { bridgeName } from '../../identity.ts';
import { within, type Stack } from '../stack.ts';

export function inventoryTests(of: () => Stack): void {
  const seen = (id: string) => of().client.call('vms.get', { params: { id } });

  test('every VM of the lab is listed with tenant, labels, addresses and protection', async () => {
    const { items } = await of().client.call('vms.list', { query: {} });
    assert.deepEqual(items.map((v) => v.name).sort(), [...of().lab.vms.keys()].sort());
    assert.deepEqual(
      items.filter((v) => v.protection !== 'enforced'),
      [],
    );
    const web = items.find((v) => v.name === 'web-1');
    assert.deepEqual([web?.tenant, web?.labels['app'], web?.state], ['acme', 'web', 'running']);
    const addresses = web?.nics.flatMap((n) => n.addresses.map((a) => a.ip)) ?? [];
    assert.ok(addresses.includes('10.10.0.11') && addresses.includes('10.20.0.11'), addresses.join(' '));
  });

  test('what virsh does is in the API within a second', { timeout: 60_000 }, async () => {
    const globexLan = of().lab.scenario.networks.find((n) => n.name === 'globex-lan');
    assert.ok(globexLan);
    const id = 'aaaaaaaa-0000-4000-8000-00000000beef';
    const xml = `<domain type='qemu'><name>by-hand</name><uuid>${id}</uuid><memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os><features><acpi/></features></domain>`;
    const virsh = (...args: string[]) =>
      execFileSync('virsh', ['-q', '-c', `qemu+unix:///system?socket=${of().lab.host.socket}`, ...args], {
        encoding: 'utf8',
      });
    const state = (wanted: string) =>
      within(1_000, `by-hand ${wanted}`, async () => ((await seen(id)).state === wanted ? true : undefined));
    const file = `${of().home}/by-hand.xml`;
    execFileSync('tee', [file], { input: xml, stdio: ['pipe', 'ignore', 'inherit'] });
    virsh('define', file);
    await state('shutoff');
    virsh('start', 'by-hand');
    await state('running');
    virsh('suspend', 'by-hand');
    await state('paused');
    virsh(
      'attach-interface',
      'by-hand',
      'bridge',
      bridgeName(globexLan),
      '--mac',
      '52:54:00:be:ef:01',
      '--live',
    );
    await within(1_000, 'attached NIC', async () =>
      (await seen(id)).nics.find((n) => n.mac === '52:54:00:be:ef:01'),
    );
    virsh('destroy', 'by-hand');
    await state('shutoff');
    virsh('undefine', 'by-hand');
    await within(1_000, 'by-hand gone', async () => {
      const answer = await of().client.call('vms.list', { query: { q: 'by-hand' } });
      return answer.items.length === 0 ? true : undefined;
    });
  });
}
