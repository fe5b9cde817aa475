// Takes all gateways of this host away, of both forms, also those of an engine that is no more.
import { closeConnection, openConnection } from '@wocloud/libvirt/open.ts';
import { ContainerRunner } from './container.ts';
import { Images } from './images.ts';
import { gatewaysDir, Places } from './places.ts';
import { instanceName, type Runner } from './runner.ts';
import { openRunners } from './runners.ts';

/** What was done, a line each. Without libvirt there are no VMs to take away, and containers all the same. */
export async function removeGateways(state: string, libvirt: string): Promise<string[]> {
  const dir = gatewaysDir(state);
  const images = new Images();
  const connection = await openConnection({ target: { unix: libvirt }, connectTimeoutMs: 5_000 }).catch(
    () => undefined,
  );
  const runner: Runner = connection
    ? openRunners({ libvirt: connection, dir, images })
    : new ContainerRunner(new Places(dir), images);
  try {
    const done: string[] = [];
    for (const { number, form } of await runner.list()) {
      await runner.stop(number);
      done.push(`removed ${form} ${instanceName(number)}`);
    }
    return done;
  } finally {
    if (connection) await closeConnection(connection);
  }
}
