// Rules deleted by hand, and every program killed with -9: what stood still stands, and all heals by itself.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { connectFrom } from '../probe.ts';
import { within, type Stack } from '../stack.ts';

export function healingTests(of: () => Stack): void {
  const vm = (name: string) => of().lab.vm(name);

  test('rules deleted by hand are back within 10 s, and an alert says so', { timeout: 60_000 }, async () => {
    await of().lab.host.run(['nft', 'delete', 'table', 'inet', 'wocloud']);
    await within(10_000, 'the table', async () => {
      const tables = await of().lab.host.run(['nft', 'list', 'tables']);
      return tables.includes('table inet wocloud') ? true : undefined;
    });
    const { value } = await within(
      10_000,
      'the alert',
      async () => (await of().client.call('alerts.list', { query: { kind: 'firewall.drift' } })).items[0],
    );
    assert.equal(value.hostName, 'lab-1');
    assert.equal(await connectFrom(vm('attacker-1'), '10.10.0.12', 8080), 'timeout');
  });

  describe('killed with -9, it loses nothing and heals', () => {
    const pidOf = (name: string) => {
      const states = JSON.parse(
        execFileSync('curl', ['-s', '--unix-socket', `${of().home}/run/supervisor.sock`, 'http://x/'], {
          encoding: 'utf8',
        }),
      ) as { name: string; pid: number }[];
      return states.find((s) => s.name === name)?.pid ?? 0;
    };
    const engineProgram = () =>
      Number(execFileSync('pgrep', ['-nf', `engine/main.ts.*${of().home}`], { encoding: 'utf8' }).trim());
    const postmaster = () =>
      Number(readFileSync(`${of().home}/postgres/data/postmaster.pid`, 'utf8').split('\n')[0]);
    const connected = (timeout: number) =>
      within(timeout, 'a settled host', async () => {
        const { hosts } = await of().client.call('status.get');
        return hosts.connected === 1 && hosts.behind === 0 ? true : undefined;
      });
    const works = async () => {
      assert.equal(await connectFrom(vm('lb-1'), '10.10.0.11', 8080), 'open');
      assert.equal(await connectFrom(vm('lb-1'), '10.10.0.12', 8080), 'timeout');
    };
    test('the engine: rules stand while it is away, and it comes back', { timeout: 60_000 }, async () => {
      process.kill(engineProgram(), 'SIGKILL');
      await works();
      await connected(20_000);
      await connectFrom(vm('lb-1'), '10.10.0.11', 8080);
      await within(5_000, 'flows again', async () => {
        const query = { from: ['lb-1'], port: ['8080'], since: '5s' };
        return (await of().client.call('flows.list', { query })).items[0];
      });
    });
    test('PostgreSQL: the API says unavailable, then goes on', { timeout: 60_000 }, async () => {
      process.kill(postmaster(), 'SIGKILL');
      await within(30_000, 'the API', async () =>
        (await of().client.call('status.get')) ? true : undefined,
      );
      await connected(20_000);
      await works();
    });
    test('the platform', { timeout: 60_000 }, async () => {
      process.kill(pidOf('platform'), 'SIGKILL');
      await connected(30_000);
      await works();
    });
    test('libvirtd', { timeout: 60_000 }, async () => {
      process.kill(of().lab.host.libvirtd.pid as number, 'SIGKILL');
      await within(30_000, 'libvirt again', async () => {
        const { items } = await of().client.call('hosts.list', { query: {} });
        return items[0]?.facts?.libvirtUp ? true : undefined;
      });
      await works();
    });
  });
}
