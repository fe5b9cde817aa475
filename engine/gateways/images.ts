// The gateway images of this host: which there are, the newest of them, and whether one is still what was built.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageChangedError, readManifest, verifyFiles, type Manifest } from '@wocloud/image/manifest.ts';
import { gatewayImages } from '@wocloud/protocol/paths.ts';
import { GatewayError } from './runner.ts';

export interface Image {
  readonly version: string;
  readonly dir: string;
  readonly manifest: Manifest;
}

/** The file of an image that names its disk; and the tree for a container. */
export const DISK = 'root.img';
export const TREE = 'root';

export class Images {
  readonly dir: string;

  /** @param dir - holds a directory per image, named by its version */
  constructor(dir: string = gatewayImages()) {
    this.dir = dir;
  }

  /** Newest first. A directory without a manifest that can be read is no image. */
  async list(): Promise<Image[]> {
    const names = await readdir(this.dir).catch(() => [] as string[]);
    const images = await Promise.all(names.map((name) => this.find(name)));
    return images
      .filter((image) => image !== undefined)
      .sort((a, b) => (a.manifest.built < b.manifest.built ? 1 : -1));
  }

  async versions(): Promise<string[]> {
    return (await this.list()).map(({ version }) => version);
  }

  async find(version: string): Promise<Image | undefined> {
    if (!/^[0-9a-f]{16}$/.test(version)) return undefined;
    const dir = join(this.dir, version);
    const manifest = await readManifest(dir);
    return manifest?.version === version ? { version, dir, manifest } : undefined;
  }

  /** Throws GatewayError `image-missing`. */
  async get(version: string): Promise<Image> {
    const image = await this.find(version);
    if (image === undefined)
      throw new GatewayError(
        'image-missing',
        `gateway image ${version} is not in ${this.dir}: build it with ./wocloud gateway build, or copy it there`,
      );
    return image;
  }
}

/** Throws GatewayError `image-changed` when one of these files of the image, or of its copy, is not what was built. */
export async function verify(
  image: Image,
  names: readonly string[],
  at?: (name: string) => string,
): Promise<void> {
  try {
    await verifyFiles(image.dir, image.manifest, names, at);
  } catch (error) {
    if (!(error instanceof ImageChangedError)) throw error;
    throw new GatewayError(
      'image-changed',
      `${error.message} Nothing is started from it: remove the image and build or copy it anew.`,
      { cause: error },
    );
  }
}
