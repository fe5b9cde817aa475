// The lab as `up --lab` shows it: real VMs of a scenario on a host of their own, with the scenario's policies.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gatewayImage } from '@wocloud/gateway/image/build.ts';
import type { Client } from '@wocloud/protocol/client.ts';
import { formatDetail, parseDocuments } from '@wocloud/protocol/documents.ts';
import { startLab } from '@wocloud/lab/lab.ts';
import type { Scenario } from '@wocloud/lab/scenario.ts';
import { LauncherError, step } from './steps.ts';

export interface DemoLab {
  hostName: string;
  /** libvirtd's socket as programs inside the lab host see it. */
  libvirtSocket: string;
  enter(argv: readonly string[]): string[];
  /** Publishes the scenario's documents, once: what people changed since is theirs. */
  applyPolicies(client: Client): Promise<void>;
}

export async function startDemoLab(scenario: string): Promise<DemoLab> {
  await step('Build the gateway image', ({ say }) => gatewayImage({ onProgress: say }));
  const lab = await step(`Boot the VMs of the lab (${scenario})`, ({ say }) =>
    startLab({ scenario, detached: true, onProgress: say }),
  );
  const { host } = lab;
  return {
    hostName: host.name,
    libvirtSocket: host.socket,
    enter: (argv) => host.enter(argv, '/'),
    applyPolicies: (client) => applyPolicies(client, lab.scenario),
  };
}

async function applyPolicies(client: Client, scenario: Scenario): Promise<void> {
  const { items } = await client.call('publications.list', { query: { limit: 1 } });
  if (items.length > 0) return;
  const documents = scenario.policies.flatMap((file) => {
    const parsed = parseDocuments(readFileSync(file, 'utf8'));
    if (parsed.errors.length > 0)
      throw new LauncherError(
        `${basename(file)}: ${parsed.errors.map(formatDetail).join('; ')}`,
        'This is a defect of this tree.',
      );
    return parsed.documents;
  });
  if (documents.length === 0) return;
  await step("Publish the lab's policies and enforce them", async () => {
    await client.call('documents.apply', { query: { reason: 'lab' }, body: { documents } });
    for (const tenant of documents.filter((d) => d.kind === 'Tenant'))
      await client.call('enforcement.put', {
        body: { scope: 'tenant', name: tenant.metadata.name, mode: 'enforce' },
      });
    await client.call('publications.create', { body: { message: `Policies of the ${scenario.name} lab` } });
  });
}
