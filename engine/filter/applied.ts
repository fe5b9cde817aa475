// What stands in the kernel by our hand: the ruleset as it was rendered, what it was rendered from, and the devices its
// chains are bound to. A digest of it outlives the engine, so that the next one knows its own work again.
import type { TableId } from '@wocloud/policy/render/names.ts';
import type { Ruleset } from '@wocloud/policy/render/ruleset.ts';
import { fullScript } from '@wocloud/policy/render/script.ts';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { Bridges } from '../inventory/bridges.ts';
import { readStateFile, writeStateFile } from '../state-file.ts';
import { digestOf } from './readback.ts';

export interface Applied {
  ruleset: Ruleset;
  state: DesiredState;
  /** Device numbers by name, of the devices that chains are bound to. */
  devices: ReadonlyMap<string, number>;
}

/** The device numbers a ruleset's chains are bound to; 0 for a device that is not there. */
export function devicesOf(ruleset: Ruleset, { ports }: Bridges): Map<string, number> {
  const devices = new Map<string, number>();
  for (const { chains } of ruleset.values())
    for (const { device } of chains.values())
      if (device !== null) devices.set(device, ports.get(device)?.index ?? 0);
  return devices;
}

/**
 * Chains whose device is gone, or another one under its name: older kernels take a chain away with its device, newer
 * ones (from 6.16) keep it and bind it again by name. Only the kernel can tell which. Keys as in Blocks.
 */
export function inDoubt(applied: Applied, { ports }: Bridges): Set<string> {
  const keys = new Set<string>();
  for (const [id, { chains }] of applied.ruleset)
    for (const [name, { device }] of chains)
      if (device !== null && (ports.get(device)?.index ?? 0) !== applied.devices.get(device))
        keys.add(`${id} chain ${name}`);
  return keys;
}

/** What stands once these chains are known to be gone. */
export function without(applied: Applied, gone: ReadonlySet<string>, bridges: Bridges): Applied {
  const ruleset = new Map<TableId, NonNullable<ReturnType<Ruleset['get']>>>();
  for (const [id, table] of applied.ruleset) {
    const chains = new Map([...table.chains].filter(([name]) => !gone.has(`${id} chain ${name}`)));
    ruleset.set(id, chains.size === table.chains.size ? table : { ...table, chains });
  }
  return { ...applied, ruleset, devices: devicesOf(ruleset, bridges) };
}

export interface AppliedRecord {
  generation: number;
  /** Digest of the kernel's read-back. */
  digest: string;
  /** Digest of the ruleset as text. */
  script: string;
}

export const recordOf = (generation: number, digest: string, ruleset: Ruleset): AppliedRecord => ({
  generation,
  digest,
  script: digestOf(fullScript(ruleset)),
});

export function readRecord(path: string): AppliedRecord | undefined {
  try {
    const value = JSON.parse(readStateFile(path) ?? 'null') as AppliedRecord | null;
    return value && typeof value.digest === 'string' && typeof value.script === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The kernel's rules do not outlive the machine, so the record need not. */
export const writeRecord = (path: string, record: AppliedRecord): void =>
  writeStateFile(path, JSON.stringify(record), false);
