// What a Gateway document asks for that its host cannot give, as far as is known: no reason to refuse it, since the
// host may join, or get the image, later.
import type { Gateway } from '@wocloud/protocol/resources/gateway.ts';
import { nearest } from '@wocloud/protocol/documents.ts';
import type { Database } from '../database/database.ts';

export async function gatewayWarnings(db: Database, { spec }: Gateway): Promise<string[]> {
  const hosts = await db.query<{ id: string; name: string; images: string[] }>(
    'SELECT id, name, images FROM hosts WHERE NOT forgotten ORDER BY name',
  );
  const host = hosts.find(({ id, name }) => name === spec.host || id === spec.host);
  if (!host) {
    const hint = nearest(
      spec.host,
      hosts.map(({ name }) => name),
    );
    return [
      `No host "${spec.host}" has joined${hint ? `; did you mean ${hint}?` : '.'} The gateway starts when it does.`,
    ];
  }
  if (spec.image !== undefined && !host.images.includes(spec.image))
    return [
      `Host ${host.name} has no gateway image ${spec.image}: ${
        host.images.length > 0 ? `it has ${host.images.join(', ')}` : 'it has none'
      }. The gateway starts when it is there.`,
    ];
  return [];
}
