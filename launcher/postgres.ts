// The database of one machine: a private PostgreSQL that this program keeps running until it is told to stop.
import { join } from 'node:path';
import { startPostgres } from '@wocloud/platform/database/cluster.ts';
import { paths } from '@wocloud/protocol/paths.ts';

const say = (details: object, message: string) =>
  console.log(JSON.stringify({ time: new Date().toISOString(), message, ...details }));

const cluster = await startPostgres({ dir: join(paths().home, 'postgres'), log: { info: say, warn: say } });
say({ pid: cluster.pid(), adopted: cluster.adopted }, 'PostgreSQL serves');
// The cluster's own watch does not keep a process alive; this program is here to.
const stay = setInterval(() => {}, 1 << 30);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    clearInterval(stay);
    void cluster.stop().then(() => process.exit(0));
  });
