// gateway: the images this host's security gateways start from: built here, listed, removed.
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Images, type Image } from '@wocloud/engine/gateways/images.ts';
import { Places } from '@wocloud/engine/gateways/places.ts';
import { gatewayImage } from '@wocloud/gateway/image/build.ts';
import { program } from '@wocloud/image/program.ts';
import { paths } from '@wocloud/protocol/paths.ts';
import { ensurePackages } from './packages.ts';
import { LauncherError, step } from './steps.ts';

/** Builds the image of this tree unless it is there; prints its version. */
export async function build(options: { yes?: boolean }): Promise<void> {
  needRoot();
  await ensurePackages(['gateway'], { yes: options.yes ?? false });
  const { version } = await step('Build the gateway image', ({ say }) => gatewayImage({ onProgress: say }));
  console.log(version);
}

/** A line per image, the newest first: it is the one that gateways get when nobody says which. */
export async function list(options: { json?: boolean }): Promise<void> {
  const used = await inUse();
  const images = await Promise.all((await new Images().list()).map((image) => describe(image, used)));
  if (options.json) {
    console.log(JSON.stringify(images, null, 2));
    return;
  }
  if (images.length === 0) {
    console.error('No gateway image is on this host. Build one: ./wocloud gateway build');
    return;
  }
  console.log('VERSION           SURICATA  BUILT                     SIZE     RUNNING');
  for (const { version, suricata, built, mib, running } of images)
    console.log(`${version}  ${suricata.padEnd(8)}  ${built}  ${`${mib} MiB`.padEnd(8)} ${running}`);
}

export async function remove(versions: readonly string[]): Promise<void> {
  needRoot();
  const images = new Images();
  const used = await inUse();
  for (const version of versions) {
    const image = await images.find(version);
    if (image === undefined)
      throw new LauncherError(
        `There is no gateway image ${version} in ${images.dir}`,
        'See ./wocloud gateway list',
      );
    const running = used.get(version) ?? 0;
    if (running > 0)
      throw new LauncherError(
        `${running} gateway${running === 1 ? '' : 's'} on this host run${running === 1 ? 's' : ''} from image ${version}`,
        'Give its Gateway document another image, or delete it; then run this again.',
      );
    await step(`Remove gateway image ${version}`, () => rm(image.dir, { recursive: true, force: true }));
  }
}

async function describe({ version, dir, manifest }: Image, used: ReadonlyMap<string, number>) {
  const kib = Number((await program(['du', '-sk', dir])).split('\t')[0]);
  const { suricata, built } = manifest;
  return { version, suricata, built, mib: Math.round(kib / 1024), running: used.get(version) ?? 0 };
}

/** How many instances were started from each version, by all engines of this run directory. */
async function inUse(): Promise<Map<string, number>> {
  const dir = join(paths().run, 'gateways');
  const used = new Map<string, number>();
  let engines: string[];
  try {
    engines = readdirSync(dir);
  } catch {
    return used; // no engine has started one
  }
  for (const engine of engines)
    for (const { image } of (await new Places(join(dir, engine)).records()).values())
      used.set(image, (used.get(image) ?? 0) + 1);
  return used;
}

function needRoot(): void {
  if (process.getuid?.() !== 0)
    throw new LauncherError('This needs root: it unpacks the system that gateways run', 'Run it with sudo.');
}
