// A private PostgreSQL of our own on the system's binaries: own data folder, unix socket only, no configuration
// by hand. Idempotent: adopts one that already runs in the folder, and starts it again when it dies.
import { spawn } from 'node:child_process';
import { access, chmod, chown, mkdir, open, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export interface ClusterOptions {
  /** Holds `data`, `run` (the socket; the path must stay under 90 characters) and `postgres.log`. */
  dir: string;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
  /** false: no fsync, for tests only (a killed server still loses nothing; a killed machine would). */
  durable?: boolean;
  /** Where `postgres` and `initdb` are; found under /usr/lib/postgresql when not given. */
  binDir?: string;
}

export interface Cluster {
  /** Connection string of the database `wocloud`. */
  url: string;
  /** Pid of the postmaster now serving. */
  pid(): number;
  /** True when it already ran before this call. */
  adopted: boolean;
  /** Stops the server (fast shutdown) and waits until it is gone. */
  stop(): Promise<void>;
  /** Stops watching and leaves the server running. */
  release(): void;
}

export class ClusterError extends Error {
  readonly code = 'postgres.start';
}

/** Highest installed version's program folder. Throws a ClusterError that says what to install. */
export async function findPostgres(root = '/usr/lib/postgresql'): Promise<string> {
  const versions = (await readdir(root).catch(() => [])).filter((v) => /^\d+$/.test(v));
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const bin = join(root, version, 'bin');
    const found = await access(join(bin, 'postgres')).then(
      () => true,
      () => false,
    );
    if (found && Number(version) >= 15) return bin;
  }
  throw new ClusterError(`PostgreSQL 15 or newer is not under ${root}: apt-get install postgresql`);
}

/** The account the server runs as: PostgreSQL refuses root, so root uses the package's own `postgres`. */
async function serverAccount(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((l) => l.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (!uid || !gid)
    throw new ClusterError('There is no account "postgres" to run PostgreSQL as: apt-get install postgresql');
  return { uid: Number(uid), gid: Number(gid) };
}

const alive = async (pid: number): Promise<boolean> => {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !/\) [ZX] /.test(status) && status.includes('(postgres)');
};

async function runningPid(data: string): Promise<number | undefined> {
  const [pid, folder] = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return pid && folder === data && (await alive(Number(pid))) ? Number(pid) : undefined;
}

async function untilServing(url: string, running: () => Promise<boolean>, logFile: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return;
    } catch (cause) {
      const dead = !(await running());
      if (dead || Date.now() > deadline) {
        const tail = (await readFile(logFile, 'utf8').catch(() => '')).split('\n').slice(-6).join('\n');
        throw new ClusterError(
          `PostgreSQL ${dead ? 'ended' : 'does not answer'}; ${logFile} ends:\n${tail}`,
          {
            cause,
          },
        );
      }
      await delay(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** Runs a program to its end; throws with what it wrote when it fails. */
function program(path: string, args: string[], account: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { ...account, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (d: Buffer) => (output += String(d)));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new ClusterError(`${path} failed (${code}): ${output.trim()}`)),
    );
  });
}

/** Starts (or adopts) the cluster in `dir` and resolves when it answers. */
export async function startPostgres(options: ClusterOptions): Promise<Cluster> {
  const { dir, log } = options;
  const [data, run, logFile] = [join(dir, 'data'), join(dir, 'run'), join(dir, 'postgres.log')];
  if (run.length > 90) throw new ClusterError(`${run} is too long a path for a unix socket`);
  const account: { uid?: number; gid?: number } = (await serverAccount()) ?? {};
  const url = (database: string) => `postgresql:///${database}?host=${encodeURIComponent(run)}&user=wocloud`;
  const bin = options.binDir ?? (await findPostgres());

  const give = async (path: string) => {
    if (account.uid !== undefined && account.gid !== undefined) await chown(path, account.uid, account.gid);
  };
  const own = async (path: string, mode: number) => {
    await mkdir(path, { recursive: true });
    await chmod(path, mode);
    await give(path);
  };
  await own(dir, 0o700);
  await own(run, 0o700);
  if (!(await stat(join(data, 'PG_VERSION')).catch(() => undefined))) {
    log.info({ data }, 'creating the database cluster');
    await own(data, 0o700);
    const args = ['-D', data, '-U', 'wocloud', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8'];
    await program(join(bin, 'initdb'), options.durable === false ? [...args, '--no-sync'] : args, account);
  }
  await writeFile(logFile, '', { flag: 'a' });
  await give(logFile);

  const launch = async (): Promise<number> => {
    const settings = ['listen_addresses=', 'max_connections=100', 'shared_buffers=64MB'];
    if (options.durable === false) settings.push('fsync=off', 'full_page_writes=off');
    const output = await open(logFile, 'a');
    const child = spawn(
      join(bin, 'postgres'),
      ['-D', data, '-k', run, ...settings.flatMap((s) => ['-c', s])],
      { ...account, cwd: '/', detached: true, stdio: ['ignore', output.fd, output.fd] },
    );
    let started: number;
    try {
      started = await new Promise<number>((resolve, reject) => {
        child.on('error', reject);
        child.on('spawn', () => resolve(child.pid ?? 0));
      });
    } finally {
      await output.close();
    }
    child.unref();
    await untilServing(url('postgres'), async () => child.exitCode === null && alive(started), logFile);
    return started;
  };

  let pid = (await runningPid(data)) ?? 0;
  const adopted = pid !== 0;
  if (adopted) await untilServing(url('postgres'), () => alive(pid), logFile);
  else pid = await launch();
  const client = new pg.Client({ connectionString: url('postgres') });
  await client.connect();
  const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = 'wocloud'");
  if (!rowCount) await client.query('CREATE DATABASE wocloud');
  await client.end();

  let watching = true;
  let reviving: Promise<void> | undefined;
  const revive = async () => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- `release` ends it meanwhile
    while (watching) {
      try {
        pid = (await runningPid(data)) ?? (await launch());
        log.info({ pid }, 'PostgreSQL serves again');
        return;
      } catch (error) {
        // Backends of a killed postmaster hold its shared memory for a moment.
        log.warn({ err: error }, 'PostgreSQL does not start; trying again');
        await delay(200);
      }
    }
  };
  const watch = setInterval(() => {
    if (reviving) return;
    reviving = alive(pid)
      .then((up) => {
        if (up || !watching) return undefined;
        log.warn({ pid }, 'PostgreSQL is gone; starting it again');
        return revive();
      })
      .finally(() => (reviving = undefined));
  }, 250);
  watch.unref();
  const release = () => {
    watching = false;
    clearInterval(watch);
  };
  return {
    url: url('wocloud'),
    pid: () => pid,
    adopted,
    release,
    async stop() {
      release();
      await reviving;
      if (await alive(pid)) process.kill(pid, 'SIGINT');
      while (await alive(pid)) await delay(20);
    },
  };
}
