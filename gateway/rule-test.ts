// Whether Suricata takes rules, asked of a Suricata of its own before the one that works hears of them.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { RULE_FILE, suricataConfig, THRESHOLD_FILE } from './suricata-config.ts';
import type { Options } from './options.ts';

const MAX_OUTPUT = 256 * 1024;
const TEST_MS = 600_000;
/** Of FromGateway.rulesResult. */
const MAX_ERROR = 8_000;

/** '' when the rules in `folder` can be loaded, else what Suricata says is wrong with them, by line. */
export function testRules(options: Options, folder: string): Promise<string> {
  const { run, memoryMiB, cpus, suricata } = options;
  const config = join(run, 'test.yaml');
  writeFileSync(config, suricataConfig({ run, memoryMiB, cpus, mirror: false }, 'test'));
  const args = ['-T', '-c', config, '-S', join(folder, RULE_FILE), '-l', run];
  const child = spawn(suricata, [...args, '--set', `threshold-file=${join(folder, THRESHOLD_FILE)}`], {
    cwd: run,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TEST_MS,
    killSignal: 'SIGKILL',
  });
  if (child.pid !== undefined) yieldToWire(child.pid);
  let output = '';
  const take = (part: Buffer) => {
    if (output.length < MAX_OUTPUT) output += part.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(`Suricata cannot be started: ${error.message}`));
    child.on('close', (code, signal) => {
      if (code === 0) resolve('');
      else resolve(readErrors(output) || `the test of the rules ended with ${signal ?? code}`);
    });
  });
}

/** The test must not take processor or memory from the packets: it is the first to go when memory is short. */
function yieldToWire(pid: number): void {
  try {
    setPriority(pid, 10);
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // It has ended already.
  }
}

/** What Suricata printed → one line per thing that is wrong: `line 12 (sid 1000): unknown rule keyword 'contnt'.` */
export function readErrors(output: string): string {
  const errors: string[] = [];
  let reasons: string[] = [];
  for (const line of output.split('\n')) {
    const said = /^(?:\[[0-9]+\] )?(?:E|Error): ([a-z-]+): (.*)$/.exec(line);
    if (!said) continue;
    const [, part, text = ''] = said;
    const bad = /^error parsing signature "(.*)" from file .* at line ([0-9]+)$/.exec(text);
    if (bad) {
      const sid = /[;(]\s*sid\s*:\s*([0-9]+)/.exec(bad[1] ?? '')?.[1];
      errors.push(
        `line ${bad[2]}${sid ? ` (sid ${sid})` : ''}: ${reasons.join('; ') || 'it cannot be read'}`,
      );
      reasons = [];
    } else if (part !== 'suricata')
      reasons.push(text.replace(/^Duplicate signature ".*"$/, 'its sid is taken'));
  }
  return [...errors, ...reasons].join('\n').slice(0, MAX_ERROR);
}
