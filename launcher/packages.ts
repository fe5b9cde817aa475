// Debian packages that the programs need: which are missing, and how they come here.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { promisify } from 'node:util';
import { LauncherError, step } from './steps.ts';

const run = promisify(execFile);

/** By purpose; `need` is what a person reads before anything is installed. */
const PACKAGES = {
  platform: { need: 'the database', names: ['postgresql', 'util-linux'] },
  engine: {
    need: 'the firewall in the host kernel',
    names: ['nftables', 'conntrack', 'iproute2', 'procps', 'kmod', 'libnftables1'],
  },
  host: {
    need: 'running VMs',
    names: ['libvirt-daemon-system', 'libvirt-clients', 'qemu-system-x86', 'qemu-utils'],
  },
  lab: {
    need: 'building and running the lab',
    names: [
      'libvirt-daemon-system',
      'libvirt-clients',
      'qemu-system-x86',
      'qemu-utils',
      'mmdebstrap',
      'debian-archive-keyring',
      'binutils',
      'openssl',
      'iptables',
      'tini',
      'dnsmasq-base',
      'e2fsprogs',
      'xz-utils',
      'zstd',
      'cpio',
      'uidmap',
      'busybox-static',
    ],
  },
  gateway: {
    need: "building the gateways' image",
    names: ['mmdebstrap', 'debian-archive-keyring', 'binutils', 'e2fsprogs', 'xz-utils', 'zstd'],
  },
  test: {
    need: 'the tests',
    names: [
      'chromium',
      'fonts-noto-cjk',
      'python3-scapy',
      'python3-libvirt',
      'iperf3',
      'hping3',
      'ethtool',
      'tcpdump',
      'curl',
      'socat',
      'iputils-ping',
      'gcc',
      'libc6-dev',
    ],
  },
  bench: {
    need: "the benchmarks' peers",
    names: [
      'ethtool',
      'iperf3',
      'libnetfilter-conntrack-dev',
      'ulogd2',
      'gcc',
      'libc6-dev',
      'python3-libvirt',
      'python3-neutron',
    ],
  },
} as const;
export type Purpose = keyof typeof PACKAGES;

async function installed(names: readonly string[]): Promise<Set<string>> {
  const { stdout } = await run('dpkg-query', [
    '-W',
    '-f',
    '${Package} ${db:Status-Status}\\n',
    ...names,
  ]).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  return new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0] ?? ''),
  );
}

/**
 * Installs what is missing for these purposes, after saying what. On a terminal it asks first unless `yes`.
 * Services that the packages would start by themselves stay off: the programs here run private ones.
 * @throws LauncherError when this is no Debian, the user declines, or apt fails
 */
export async function ensurePackages(purposes: readonly Purpose[], options: { yes: boolean }): Promise<void> {
  if (!existsSync('/usr/bin/apt-get'))
    throw new LauncherError(
      'This system has no apt-get',
      `Install the equivalents of: ${purposes.flatMap((p) => PACKAGES[p].names).join(' ')}`,
    );
  const wanted = [...new Set(purposes.flatMap((p) => [...PACKAGES[p].names]))];
  const have = await installed(wanted);
  const missing = wanted.filter((name) => !have.has(name));
  if (missing.length === 0) return;
  for (const purpose of purposes) {
    const names = PACKAGES[purpose].names.filter((name) => missing.includes(name));
    if (names.length > 0)
      process.stderr.write(`  Debian packages for ${PACKAGES[purpose].need}: ${names.join(' ')}\n`);
  }
  if (!options.yes && process.stdin.isTTY && process.stderr.isTTY) {
    const prompt = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await prompt.question('  Install them now? [Y/n] ');
    prompt.close();
    if (/^n/i.test(answer.trim()))
      throw new LauncherError(
        'Nothing was installed',
        `Install them yourself: apt-get install ${missing.join(' ')}`,
      );
  }
  await step(`Install ${missing.length} Debian packages`, async ({ say }) => {
    await apt(['update'], say);
    await apt(['install', '--yes', '--no-install-recommends', ...missing], say);
  });
}

function apt(args: string[], say: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let tail = '';
    const take = (chunk: Buffer) => {
      tail = (tail + chunk.toString()).slice(-2000);
      const line = tail.trimEnd().split('\n').at(-1)?.trim();
      if (line && process.stderr.isTTY) say(line);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else
        reject(
          new LauncherError(
            `apt-get ${args[0]} failed:\n${tail}`,
            'Check the package mirror is reachable and no other apt is running, then run this again.',
          ),
        );
    });
  });
}
