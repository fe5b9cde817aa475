/**
 * The daemon as one module: what it imports of ours and of packages, and nothing of Node's own. An emulated VM reads one
 * file many times faster than the seven hundred it is made of.
 */
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const ROOT = join(import.meta.dirname, '../..');

/** The text of the bundle: the same sources give the same text. `entry` is relative to the tree's root. */
export async function bundle(entry: string): Promise<string> {
  const built = await rolldown({
    cwd: ROOT,
    input: entry,
    platform: 'node',
    onLog: (level, log, handle) => {
      // A module that is not found would otherwise only be missed when the daemon starts.
      if (level === 'warn') throw new Error(`${entry}: ${log.message}`);
      handle(level, log);
    },
  });
  const { output } = await built.generate({ format: 'esm', codeSplitting: false });
  await built.close();
  const [chunk, ...others] = output;
  if (others.length > 0) throw new Error(`${entry}: the bundle has ${output.length} parts`);
  return chunk.code;
}
