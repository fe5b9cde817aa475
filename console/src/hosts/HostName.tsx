// A host by its name, wherever only its id is known.
import { usePages } from '../api/calls.ts';
import { useMay } from '../session/session.tsx';

export function HostName({ id }: { id: string }) {
  const may = useMay();
  const hosts = usePages('hosts.list', {}, { enabled: may('host.read') });
  return <>{hosts.items.find((h) => h.id === id || h.name === id)?.name ?? id}</>;
}
