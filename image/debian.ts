/** Where Debian packages come from: the mirror this host already uses, or the one it is told. */
import { existsSync } from 'node:fs';
import { program } from './program.ts';

// Debian 12 everywhere, whatever the host runs: its 6.1 kernel also boots under older QEMUs' TCG.
export const SUITE = 'bookworm';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * An apt sources.list for the images' suite, with its backports when wanted (apt prefers them only where asked to).
 * WOCLOUD_DEBIAN_MIRROR overrides the archive's address.
 */
export async function aptSources(options: { backports?: boolean } = {}): Promise<string> {
  if (!existsSync(KEYRING))
    throw new Error(`${KEYRING} is missing: install the package debian-archive-keyring`);
  const targets = await program([
    'apt-get',
    'indextargets',
    '--format',
    '$(SITE)',
    'Created-By: Packages',
  ]).catch(() => '');
  const sites = targets.split('\n').map((site) => site.replace(/\/$/, ''));
  const archive = process.env['WOCLOUD_DEBIAN_MIRROR'] ?? sites.find((site) => site.endsWith('/debian'));
  if (!archive)
    throw new Error(
      'apt knows no Debian mirror here: name one in WOCLOUD_DEBIAN_MIRROR (http://host/debian)',
    );
  const security = sites.find((site) => site.endsWith('/debian-security'));
  return [
    `deb [signed-by=${KEYRING}] ${archive} ${SUITE} main`,
    ...(security ? [`deb [signed-by=${KEYRING}] ${security} ${SUITE}-security main`] : []),
    ...(options.backports ? [`deb [signed-by=${KEYRING}] ${archive} ${SUITE}-backports main`] : []),
    '',
  ].join('\n');
}
