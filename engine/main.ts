// The engine of one KVM host: joins when it has not joined yet, works until told to stop, or takes its work away.
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join as joinPath } from 'node:path';
import type { Logger } from 'pino';
import { startEngine } from './engine.ts';
import { EngineError } from './errors.ts';
import { removeGateways } from './gateways/remove.ts';
import { endpointText } from './link/endpoint.ts';
import { readIdentity, type Identity } from './link/identity.ts';
import { join } from './link/join.ts';
import { openLog } from './log.ts';
import { readOptions, USAGE, type Options } from './options.ts';
import { removeEverything } from './remove.ts';

/** Exit codes: 0 stopped as told, 1 failed, 2 wrong options. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (process.getuid?.() !== 0)
    throw new EngineError('option', 'the engine works on the kernel: run it as root');
  const log = openLog(options.logLevel);
  const lock = await onlyOne();
  try {
    if (options.remove) {
      const done = await removeEverything(options.state);
      // Once nothing is sent to them any more.
      done.push(...(await removeGateways(options.state, options.libvirt)));
      for (const line of done) process.stdout.write(`${line}\n`);
      return 0;
    }
    const identity = await becomeMember(options, log);
    const engine = await startEngine(options, identity, log);
    log.info({ host: identity.host, state: options.state }, 'engine started');
    await stopSignal();
    log.info('stopping; rules that stand go on standing');
    await engine.stop();
    return 0;
  } finally {
    lock.close();
  }
}

/** Two engines would fight over the same tables: one per network namespace. */
function onlyOne(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (cause) =>
      reject(
        new EngineError(
          'state',
          'another engine works on this host (or in this network namespace). Stop it first.',
          { cause },
        ),
      ),
    );
    // An abstract socket: it belongs to the network namespace, and to this process as long as it lives.
    server.listen('\0wocloud-engine', () => resolve(server.unref()));
  });
}

async function becomeMember(options: Options, log: Logger): Promise<Identity> {
  const known = readIdentity(options.state);
  if (known && known.notAfter > Date.now()) return known;
  const { platform, joinTokenFile } = options;
  if (platform === undefined) throw new EngineError('option', '--platform is missing');
  if (joinTokenFile === undefined)
    throw new EngineError(
      'join',
      known
        ? `the certificate in ${joinPath(options.state, 'host.crt')} ended ${new Date(known.notAfter).toISOString()}: join again with --join-token-file`
        : 'this host has not joined yet: get a token from the platform and give it with --join-token-file',
    );
  const token = readFileSync(joinTokenFile, 'utf8');
  // The platform may still be starting; a refusal, however, is final.
  for (let pause = 200; ; pause = Math.min(5_000, pause * 2))
    try {
      const identity = await join(platform, token, options.state, options.hostname);
      log.info({ host: identity.host }, 'this host has joined');
      return identity;
    } catch (error) {
      if (error instanceof EngineError) throw error;
      log.warn({ platform: endpointText(platform), err: error }, 'the platform cannot be reached yet');
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
}

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    const keep = setInterval(() => {}, 1 << 30);
    const stop = () => {
      clearInterval(keep);
      resolve();
    };
    process.once('SIGTERM', stop).once('SIGINT', stop);
  });

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof EngineError)) throw error;
  process.stderr.write(`wocloud-engine: ${error.message}\n`);
  process.exitCode = error.code === 'option' ? 2 : 1;
}
