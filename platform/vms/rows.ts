// Reports ↔ rows of vms, nics and addresses.
import type { ObservedNic, ObservedVm } from '@wocloud/protocol/reports.ts';
import type { Database } from '../database/database.ts';

/** Stored reports of these VMs in canonical form (report.ts). */
export async function readReports(db: Database, ids: readonly string[]): Promise<Map<string, ObservedVm>> {
  if (!ids.length) return new Map();
  const [vms, nics, addresses] = [
    await db.query<Omit<ObservedVm, 'nics' | 'memoryKiB'> & { memory_kib: number }>(
      'SELECT id, name, title, state, vcpus, memory_kib, tenant, labels FROM vms WHERE id = ANY($1::uuid[])',
      [ids],
    ),
    await db.query<Omit<ObservedNic, 'addresses'> & { vm: string }>(
      `SELECT vm, mac, model, link, source, bridge, vlan, tap, protection, reason
       FROM nics WHERE vm = ANY($1::uuid[]) ORDER BY vm, position`,
      [ids],
    ),
    await db.query<{ vm: string; mac: string; ip: string; source: 'lease' }>(
      `SELECT vm, mac, ip, source FROM addresses WHERE vm = ANY($1::uuid[])
       ORDER BY vm, mac, (ip || ' ' || source) COLLATE "C"`,
      [ids],
    ),
  ];
  const addressesOf = new Map<string, ObservedNic['addresses']>();
  for (const { vm, mac, ip, source } of addresses) {
    const key = `${vm}/${mac}`;
    const list = addressesOf.get(key) ?? [];
    if (!list.length) addressesOf.set(key, list);
    list.push({ ip, source });
  }
  const nicsOf = new Map<string, ObservedNic[]>();
  for (const { vm, ...n } of nics) {
    const list = nicsOf.get(vm) ?? [];
    if (!list.length) nicsOf.set(vm, list);
    list.push({
      mac: n.mac,
      model: n.model,
      link: n.link,
      source: n.source,
      bridge: n.bridge,
      vlan: n.vlan,
      tap: n.tap,
      addresses: addressesOf.get(`${vm}/${n.mac}`) ?? [],
      protection: n.protection,
      reason: n.reason,
    });
  }
  return new Map(
    vms.map((v) => [
      v.id,
      {
        id: v.id,
        name: v.name,
        title: v.title,
        state: v.state,
        vcpus: v.vcpus,
        memoryKiB: v.memory_kib,
        tenant: v.tenant,
        labels: Object.fromEntries(Object.entries(v.labels).sort(([a], [b]) => (a < b ? -1 : 1))),
        nics: nicsOf.get(v.id) ?? [],
      },
    ]),
  );
}

/** Writes canonical reports as the rows of `host`'s VMs, whoever had them before. Call it in a transaction. */
export async function writeReports(
  db: Database,
  host: string,
  reports: readonly ObservedVm[],
): Promise<void> {
  if (!reports.length) return;
  const json = JSON.stringify(reports);
  await db.query(
    `INSERT INTO vms (id, host, name, title, state, vcpus, memory_kib, tenant, labels)
     SELECT r.id, $1, r.name, r.title, r.state, r.vcpus, r."memoryKiB", r.tenant, r.labels
     FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, name text, title text, state text, vcpus integer,
       "memoryKiB" bigint, tenant text, labels jsonb)
     ON CONFLICT (id) DO UPDATE SET host = excluded.host, name = excluded.name, title = excluded.title,
       state = excluded.state, vcpus = excluded.vcpus, memory_kib = excluded.memory_kib, tenant = excluded.tenant,
       labels = excluded.labels, gone_at = NULL,
       moved_from = CASE WHEN vms.host = excluded.host THEN vms.moved_from ELSE vms.host END,
       moved_at = CASE WHEN vms.host = excluded.host THEN vms.moved_at ELSE clock_timestamp() END,
       changed_at = CASE WHEN vms.state = excluded.state AND vms.host = excluded.host AND vms.gone_at IS NULL
                         THEN vms.changed_at ELSE clock_timestamp() END`,
    [host, json],
  );
  await db.query('DELETE FROM nics WHERE vm = ANY($1::uuid[])', [reports.map((r) => r.id)]);
  await db.query(
    `INSERT INTO nics (vm, mac, position, model, link, source, bridge, vlan, tap, protection, reason)
     SELECT (r ->> 'id')::uuid, n.mac, (i - 1)::integer, n.model, n.link, n.source, n.bridge, n.vlan, n.tap,
            n.protection, n.reason
     FROM jsonb_array_elements($1::jsonb) AS r,
          jsonb_array_elements(r -> 'nics') WITH ORDINALITY AS e (nic, i),
          jsonb_to_record(nic) AS n (mac text, model text, link text, source text, bridge text, vlan integer,
            tap text, protection text, reason text)`,
    [json],
  );
  await db.query(
    `INSERT INTO addresses (vm, mac, ip, source)
     SELECT (r ->> 'id')::uuid, nic ->> 'mac', a ->> 'ip', a ->> 'source'
     FROM jsonb_array_elements($1::jsonb) AS r, jsonb_array_elements(r -> 'nics') AS nic,
          jsonb_array_elements(nic -> 'addresses') AS a`,
    [json],
  );
}
