/**
 * What the programs cost while they work: the engine of a host with 50 VMs, all enforced, beside libvirt's own daemon;
 * the platform and its telemetry process at rest and at 20,000 flow records a second. Memory and share of one core.
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startTestHost } from '@wocloud/engine/testing/host.ts';
import { guestXml } from '@wocloud/libvirt/testing/guest-xml.ts';
import { joinPlatform } from '@wocloud/platform/testing/fake-engine.ts';
import { startTestPlatform } from '@wocloud/platform/testing/platform.ts';
import { createJoinToken } from '@wocloud/platform/ca/tokens.ts';
import { EMPTY_STATE, type DesiredState } from '@wocloud/protocol/desired.ts';
import type { Report } from './ingest/engine.ts';
import { cpuSeconds, residentMiB } from './processes.ts';
import { main, type BenchResult } from './result.ts';

const VMS = 50;
const WATCHED_S = 20;
const RATE = 20_000;
const LOADED_S = 20;
const ROWS = 1_000;

interface Cost {
  memory: number;
  /** Of one core, in percent. */
  cpu: number;
}

/** Memory at the end of `during`, and CPU over it. */
async function costOf(pid: number | undefined, during: Promise<unknown>): Promise<Cost> {
  const [began, used] = [performance.now(), cpuSeconds(pid)];
  await during;
  const seconds = (performance.now() - began) / 1000;
  return { memory: residentMiB(pid), cpu: ((cpuSeconds(pid) - used) / seconds) * 100 };
}

const hex = (n: number) => n.toString(16).padStart(2, '0');
const uuidOf = (i: number) => `50505050-0000-4000-8000-0000000000${hex(i)}`;
const macOf = (i: number) => `52:54:00:50:00:${hex(i)}`;

function enforced(): DesiredState {
  const rule = (id: string) => ({
    id: `acme/p/${id}`,
    action: 'drop' as const,
    staged: false,
    peers: ['any' as const],
    services: [],
    log: false,
  });
  return {
    ...EMPTY_STATE,
    generation: 1,
    networks: [{ id: 'n', name: 'n', bridge: 'br0', vlan: null, zone: 1 }],
    nics: Array.from({ length: VMS }, (_, i) => ({
      id: `${uuidOf(i)}/${macOf(i)}`,
      vm: uuidOf(i),
      name: `vm-${i}`,
      tenant: 'acme',
      mac: macOf(i),
      network: 'n',
      mode: 'enforce' as const,
      addresses: [`10.0.0.${i + 1}`],
      out: 'out-a',
      in: 'in-a',
    })),
    chains: ['in-a', 'out-a'].map((id) => ({ id, rules: [rule(id)] })),
    sets: [],
  };
}

async function engineWithVms(): Promise<{ engine: Cost; libvirtd: Cost }> {
  const host = await startTestHost();
  try {
    await host.sh('ip link add br0 type bridge && ip link set br0 up');
    for (let i = 0; i < VMS; i++) {
      const nic = `<interface type='bridge'><mac address='${macOf(i)}'/><source bridge='br0'/></interface>`;
      await host.define(guestXml({ name: `vm-${i}`, uuid: uuidOf(i), devices: nic }));
      await host.virsh('start', `vm-${i}`);
      // As much CPU as a guest at rest needs: none.
      await host.virsh('suspend', `vm-${i}`);
    }
    await host.startEngine();
    host.platform.send({ type: 'desired', state: enforced() });
    await host.platform.until(
      'every NIC enforced',
      () => {
        const receipt = host.platform.messages.findLast((m) => m.type === 'receipt')?.receipt;
        if (!receipt) host.platform.send({ type: 'desired', state: enforced() });
        return receipt?.nics.filter((n) => n.protection === 'enforced').length === VMS;
      },
      120_000,
    );
    const pid = Number(execFileSync('pgrep', ['-nf', `main.ts --platform ${host.platform.address}`]));
    const during = pause(WATCHED_S * 1000);
    const [engine, libvirtd] = await Promise.all([costOf(pid, during), costOf(host.libvirtd.pid, during)]);
    return { engine, libvirtd };
  } finally {
    await host.stop();
  }
}

interface PlatformCosts {
  platform: Cost;
  store: Cost;
}

async function platformUnderFlows(): Promise<{
  rest: PlatformCosts;
  loaded: PlatformCosts;
  report: Report;
  stored: number;
}> {
  const at = await startTestPlatform();
  try {
    const costs = async (during: Promise<unknown>): Promise<PlatformCosts> => {
      const [platform, store] = await Promise.all([
        costOf(process.pid, during),
        costOf(at.facts.telemetry.pid(), during),
      ]);
      return { platform, store };
    };
    const { token } = await createJoinToken(at.context, at.facts.authority, 'bench', 60);
    const { port } = at.facts.listener;
    const identity = await joinPlatform(port, token, 'bench');
    const rest = await costs(pause(WATCHED_S * 1000));
    const child = fork(join(import.meta.dirname, 'ingest', 'engine.ts'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const answer = once(child, 'message') as Promise<[Report]>;
    child.send({ port, identity, batches: (RATE * LOADED_S) / ROWS, rows: ROWS, rate: RATE });
    const loaded = await costs(answer);
    const [report] = await answer;
    const [row] = await at.facts.telemetry.rows<{ n: number }>(
      `SELECT count() AS n FROM flows WHERE host = '${identity.host}'`,
    );
    return { rest, loaded, report, stored: Number(row?.n) };
  } finally {
    await at.close();
  }
}

export async function run(): Promise<BenchResult> {
  const { engine, libvirtd } = await engineWithVms();
  const { rest, loaded, report, stored } = await platformUnderFlows();
  const costs: [string, Cost][] = [
    [`engine, ${VMS} VMs enforced, at rest`, engine],
    [`libvirtd, ${VMS} VMs, at rest`, libvirtd],
    ['platform at rest', rest.platform],
    ['telemetry process at rest', rest.store],
    [`platform at ${RATE} flows/s`, loaded.platform],
    [`telemetry process at ${RATE} flows/s`, loaded.store],
  ];
  return {
    name: 'What the programs cost',
    params: { VMs: VMS, 'flows per second': RATE, seconds: WATCHED_S },
    rows: costs.flatMap(([label, cost]) => [
      { label: `${label}: resident`, value: cost.memory, unit: 'MiB' },
      { label: `${label}: CPU`, value: cost.cpu, unit: '% of a core' },
    ]),
    ratios: [
      { label: `engine's memory, of libvirtd's`, value: engine.memory / libvirtd.memory },
      {
        label: 'records in the store per record sent',
        value: stored / report.sent,
        target: 'exactly 1',
        met: stored === report.sent,
      },
      {
        label: 'records/s kept up with, of those offered',
        value: report.sent / report.seconds / RATE,
        target: 'at least 0.95',
        met: report.sent / report.seconds / RATE >= 0.95,
      },
    ],
  };
}

await main(import.meta.url, run);
