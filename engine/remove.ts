// Takes everything of ours out of this host's kernel: tables, rules in the chains of others, switches.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { liveFlowsFile } from '@wocloud/protocol/paths.ts';
import { TABLES } from '@wocloud/policy/render/names.ts';
import { quietScript, removalScript } from '@wocloud/policy/render/script.ts';
import { removePassages } from './filter/foreign/passage.ts';
import { isAbsent, Nft } from './filter/nft.ts';
import { Switches } from './filter/switches.ts';
import { OBSERVE_TABLE } from './flows/observe-rules.ts';
import { removeLimits } from './limits/limits.ts';

/** What was done, a line each. The state directory keeps identity and desired state. */
export async function removeEverything(dir: string): Promise<string[]> {
  const done: string[] = [];
  // First the switches: frames that no rules of ours see any more must not be shown to those of others.
  const switches = new Switches(join(dir, 'switches.json'));
  for (const path of Object.keys(switches.changed)) done.push(`put back ${path}`);
  await switches.restoreAll();
  const nft = new Nft();
  try {
    for (const table of [...TABLES, `bridge ${OBSERVE_TABLE}`])
      try {
        await nft.list(`list table ${table}`);
        done.push(`removed table ${table}`);
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    const observe = `add table bridge ${OBSERVE_TABLE}\ndelete table bridge ${OBSERVE_TABLE}\n`;
    if (done.some((line) => line.startsWith('removed table'))) {
      await nft.apply(quietScript());
      await nft.apply(`${removalScript()}${observe}`);
    }
  } finally {
    await nft.close();
  }
  const limits = await removeLimits();
  if (limits > 0) done.push(`removed ${limits} queues and devices that held VMs to their bandwidth`);
  const passages = await removePassages();
  if (passages > 0) done.push(`removed ${passages} accept rules from the chains of others`);
  for (const file of [join(dir, 'applied.json'), join(dir, 'steering.json'), liveFlowsFile(dir)])
    rmSync(file, { force: true });
  return done.length > 0 ? done : ['nothing of ours was there'];
}
