// Our flow reader as a program of its own, whole: kernel to flow records. Ends on SIGINT, then prints its counts.
import { startFlows } from '@wocloud/engine/flows/flows.ts';
import { fixedDirectory, nic } from '@wocloud/engine/flows/testing/directory.ts';

const directory = fixedDirectory([
  nic({ vm: 'vm', mac: '52:54:00:00:00:01', zone: 1, network: 'net', addresses: ['10.127.0.1'] }),
]);
const counts = { start: 0, update: 0, end: 0, drop: 0 };
const identities = { start: 0n, end: 0n };
const idle = process.cpuUsage();
const flows = await startFlows({
  directory,
  emit: (records) => {
    for (const { kind, flow } of records) {
      counts[kind]++;
      if (kind === 'start' || kind === 'end') identities[kind] ^= flow;
    }
  },
  alert: () => {},
  learned: () => {},
  observeBridges: () => [],
  log: { info: () => {}, warn: (fields, message) => console.error(message, fields) },
});
console.log('up');
process.once('SIGINT', () => void report());

async function report(): Promise<void> {
  await flows.stop();
  const { user, system } = process.cpuUsage(idle);
  console.log(
    JSON.stringify({
      starts: counts.start,
      ends: counts.end,
      cpu: user + system,
      resident: process.resourceUsage().maxRSS * 1024,
      same: identities.start === identities.end,
      counters: flows.counters,
    }),
  );
}
