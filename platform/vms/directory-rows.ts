// What the directory reads from the database.
import type { ObservedNic, ObservedVm } from '@wocloud/protocol/reports.ts';
import type { Document, DocumentOf } from '@wocloud/protocol/resources/kinds.ts';
import type { NetworkSpec } from '@wocloud/protocol/resources/network.ts';
import type { Database } from '../database/database.ts';
import { live } from '../hosts/store.ts';
import type { VmDocument } from './effective.ts';

export interface VmRow {
  id: string;
  name: string;
  title: string;
  host: string;
  state: ObservedVm['state'];
  gone: boolean;
  tenant: string | null;
  labels: Record<string, string>;
  vcpus: number;
  memory_kib: number;
  moved_from: string | null;
  moved_at: Date | null;
  nics: {
    mac: string;
    tap: string | null;
    bridge: string | null;
    vlan: number | null;
    protection: ObservedNic['protection'];
    reason: string;
    addresses: { ip: string; source: string }[];
  }[];
}

/** These VMs, or all (null), gone ones as well: old flows name them. */
export const readVmRows = (db: Database, ids: readonly string[] | null): Promise<VmRow[]> =>
  db.query<VmRow>(
    `SELECT v.id, v.name, v.title, v.host, v.state, v.gone_at IS NOT NULL AS gone, v.tenant, v.labels, v.vcpus,
       v.memory_kib, v.moved_from,
       v.moved_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('mac', n.mac, 'tap', n.tap, 'bridge', n.bridge, 'vlan', n.vlan,
           'protection', n.protection, 'reason', n.reason,
           'addresses', coalesce((SELECT jsonb_agg(jsonb_build_object('ip', a.ip, 'source', a.source)
               ORDER BY a.ip, a.source) FROM addresses a WHERE a.vm = n.vm AND a.mac = n.mac), '[]'))
           ORDER BY n.position)
         FROM nics n WHERE n.vm = v.id), '[]') AS nics
     FROM vms v WHERE $1::uuid[] IS NULL OR v.id = ANY ($1)`,
    [ids],
  );

export interface HostRow {
  id: string;
  name: string;
  connected: boolean;
  forgotten: boolean;
}

export const readHostRows = (db: Database): Promise<HostRow[]> =>
  db.query<HostRow>(`SELECT id, name, forgotten, ${live()} AS connected FROM hosts`);

/** Documents in force that say what VMs count as. */
export async function readInForce(db: Database): Promise<{
  vms: VmDocument[];
  networks: { name: string; spec: NetworkSpec }[];
  groups: DocumentOf<'Group'>[];
}> {
  const rows = await db.query<{ document: Document }>(
    `SELECT v.document FROM documents d JOIN document_versions v ON v.uid = d.uid AND v.version = d.published
     WHERE d.kind IN ('VM', 'Network', 'Group') AND v.document IS NOT NULL ORDER BY d.kind, d.tenant, d.name`,
  );
  const documents = rows.map((row) => row.document);
  return {
    vms: documents
      .filter((d) => d.kind === 'VM')
      .map(({ metadata, spec }) => ({
        name: metadata.name,
        tenant: metadata.tenant ?? null,
        labels: metadata.labels ?? {},
        spec,
      })),
    networks: documents
      .filter((d) => d.kind === 'Network')
      .map(({ metadata, spec }) => ({ name: metadata.name, spec })),
    groups: documents.filter((d) => d.kind === 'Group'),
  };
}
