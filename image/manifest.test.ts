// An image's manifest: any change of what was built is seen, and is told by file.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { ImageChangedError, readManifest, verifyFiles, writeManifest } from './manifest.ts';

const dir = mkdtempSync('/tmp/wo-image-');
after(() => rmSync(dir, { recursive: true, force: true }));
const NAMES = ['disk', 'tree'];

beforeEach(async () => {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(join(dir, 'tree/sub'), { recursive: true });
  writeFileSync(join(dir, 'disk'), 'disk');
  writeFileSync(join(dir, 'tree/sub/program'), 'program', { mode: 0o755 });
  symlinkSync('sub/program', join(dir, 'tree/link'));
  await writeManifest(dir, { version: '0123456789abcdef', suricata: '7.0.10' }, NAMES);
});

const verify = async (): Promise<void> => {
  const manifest = await readManifest(dir);
  assert.ok(manifest);
  await verifyFiles(dir, manifest, NAMES);
};

test('what was built is what is there', verify);

const CHANGES: [string, string, () => void][] = [
  ['another content', 'disk', () => writeFileSync(join(dir, 'disk'), 'disc')],
  ['a missing file', 'disk', () => unlinkSync(join(dir, 'disk'))],
  ['another content in a tree', 'tree', () => writeFileSync(join(dir, 'tree/sub/program'), 'Program')],
  ['another mode', 'tree', () => chmodSync(join(dir, 'tree/sub/program'), 0o4755)],
  ['a file more', 'tree', () => writeFileSync(join(dir, 'tree/sub/more'), '')],
  ['a directory more', 'tree', () => mkdirSync(join(dir, 'tree/more'))],
  [
    'another target',
    'tree',
    () => {
      unlinkSync(join(dir, 'tree/link'));
      symlinkSync('/etc/passwd', join(dir, 'tree/link'));
    },
  ],
];
for (const [what, name, change] of CHANGES)
  test(`${what} is seen`, async () => {
    change();
    await assert.rejects(verify(), (error) => {
      assert.ok(error instanceof ImageChangedError);
      assert.ok(error.message.startsWith(join(dir, name)), error.message);
      return true;
    });
  });

test('a copy elsewhere is held to the same manifest', async () => {
  const manifest = await readManifest(dir);
  assert.ok(manifest);
  writeFileSync(join(dir, 'copy'), 'disk');
  await verifyFiles(dir, manifest, ['disk'], () => join(dir, 'copy'));
  writeFileSync(join(dir, 'copy'), 'disc');
  await assert.rejects(
    verifyFiles(dir, manifest, ['disk'], () => join(dir, 'copy')),
    ImageChangedError,
  );
});

test('a manifest that is none is no image', async () => {
  for (const text of ['', '{', '[]', '{"version":"../../etc"}']) {
    writeFileSync(join(dir, 'manifest.json'), text);
    assert.equal(await readManifest(dir), undefined, text);
  }
});
