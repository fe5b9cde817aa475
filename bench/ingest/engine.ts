// The engine's side of the ingest measurement, in a process of its own: encodes and sends record batches over mutual TLS
// within the link's window, and reports when the last one is acknowledged.
import { encodeBatch } from '@wocloud/protocol/columns.ts';
import { LINK_WINDOW } from '@wocloud/protocol/link.ts';
import { FakeEngine, fakeFlow, fakeVm, type Identity } from '@wocloud/platform/testing/fake-engine.ts';
import { once } from 'node:events';

export interface Order {
  port: number;
  identity: Identity;
  batches: number;
  rows: number;
  /** Records per second; as fast as they are taken when left out. */
  rate?: number;
}
export interface Report {
  sent: number;
  seconds: number;
  cpuSeconds: number;
}

const [order] = (await once(process, 'message')) as [Order];
const engine = new FakeEngine(order.port, order.identity);
await engine.connect();
await engine.hello();
const vms = Array.from({ length: 50 }, (_, i) => fakeVm({ name: `vm-${i}` }, `10.0.0.${i + 1}`));
engine.inventory(vms);
const services = [22, 53, 80, 443, 5432, 8080];
const flows = (n: number) =>
  Array.from({ length: order.rows }, (_, i) => {
    const source = vms[(n * 7 + i) % vms.length];
    return fakeFlow({
      network: 'bench/br0',
      srcVm: source?.id ?? '',
      src: source?.nics[0]?.addresses[0]?.ip ?? '',
      // The far end is left for the platform to name.
      dst: `10.0.0.${((n + i * 3) % vms.length) + 1}`,
      sport: 1024 + ((n * order.rows + i) % 60_000),
      dport: services[i % services.length] ?? 443,
      ruleOut: `acme/web/rule-${i % 20}`,
      bytesOut: i * 100,
    });
  });
const began = performance.now();
const cpu = process.cpuUsage();
for (let sequence = 1; sequence <= order.batches; sequence++) {
  while (engine.unacked >= LINK_WINDOW) await once(engine, 'ack');
  engine.batch(sequence, encodeBatch('flows', flows(sequence) as never[], { sequence, lost: 0 }));
  // Lets what was written leave, as an engine does between its other work.
  const due = order.rate === undefined ? 0 : began + ((sequence * order.rows) / order.rate) * 1000;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
}
await engine.settled(order.batches, 300_000);
const used = process.cpuUsage(cpu);
const report: Report = {
  sent: order.batches * order.rows,
  seconds: (performance.now() - began) / 1000,
  cpuSeconds: (used.user + used.system) / 1e6,
};
process.send?.(report);
engine.cut();
process.disconnect?.();
