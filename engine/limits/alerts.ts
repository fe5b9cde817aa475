// Connections refused because a VM has opened as many as its Limit allows → alerts that name the VM.
import { LIMIT_RULES } from '@wocloud/policy/render/names.ts';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { Directory } from '../directory.ts';

const WHAT: Readonly<Record<string, { kind: string; words: string }>> = {
  [LIMIT_RULES.connections]: {
    kind: 'limit.connections',
    words: 'as many connections open as its Limit allows',
  },
  [LIMIT_RULES.rate]: { kind: 'limit.rate', words: 'opened connections as fast as its Limit allows' },
};

/** Null for what no limit refused. Repetitions are added up on their way out. */
export function limitAlert(record: FlowRecord, directory: Pick<Directory, 'nics'>): EngineAlert | null {
  const what = WHAT[record.ruleOut];
  if (!what) return null;
  const name = directory.nics().find((nic) => nic.vm === record.srcVm)?.name;
  return {
    kind: what.kind,
    key: record.srcVm || record.src,
    severity: 'medium',
    title: `${name === undefined ? `The guest with ${record.src}` : `VM ${name}`} has ${what.words}; more are refused`,
    vm: record.srcVm || null,
    time: record.time,
    count: record.packetsOut,
    evidence: {
      source: record.src,
      destination: record.dst,
      protocol: record.protocol,
      destinationPort: record.dport,
      rule: record.ruleOut,
    },
  };
}
