// Our own certificate authority: ECDSA P-256, its key 0600 in the data folder and nowhere else. It certifies the
// link listener, and hosts by their signing requests; what a request asks to be called is ignored.
import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { LINK_SERVER_NAME } from '@wocloud/protocol/link.ts';
import { PlatformError } from '../errors.ts';

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGN = { name: 'ECDSA', hash: 'SHA-256' } as const;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const DAY = 86_400_000;
const CA_DAYS = 3650;
/** Clocks of hosts may be behind ours. */
const SKEW = 3_600_000;
x509.cryptoProvider.set(webcrypto as never);

export interface Keyed {
  /** PEM, leaf first. */
  certificate: string;
  /** PEM, PKCS#8. */
  key: string;
}

export interface Authority {
  /** PEM of the CA certificate. */
  certificate: string;
  /** sha256 of its DER, base64url: the last part of a join token. */
  fingerprint: string;
  /** A certificate for the link listener with its chain; `names` are further host names or addresses of it. */
  certifyServer(names: readonly string[], days: number): Promise<Keyed>;
  /**
   * A certificate for a host, CN its id. Throws `bad-request` when the request is not a correctly signed one
   * for an ECDSA P-256 key. `key` is the hex sha256 of the public key.
   */
  certifyHost(
    csr: string,
    host: string,
    days: number,
  ): Promise<{ certificate: string; key: string; expires: Date }>;
}

/** Opens the authority kept in `dir`, or makes one there. */
export async function openAuthority(dir: string): Promise<Authority> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const stored = (await load(dir)) ?? (await create(dir));
  const { certificate: ca, key } = stored;
  const issuer = { issuer: ca.subject, signingKey: key, signingAlgorithm: SIGN };
  const pem = ca.toString('pem');
  const identifier = await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey, false);

  return {
    certificate: pem,
    fingerprint: createHash('sha256').update(new Uint8Array(ca.rawData)).digest('base64url'),
    async certifyServer(names, days) {
      const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
      const all = [...new Set([LINK_SERVER_NAME, ...names])];
      const certificate = await x509.X509CertificateGenerator.create({
        ...issuer,
        ...validity(days),
        subject: `CN=${LINK_SERVER_NAME}`,
        publicKey: keys.publicKey,
        extensions: [
          ...leaf(SERVER_AUTH),
          identifier,
          new x509.SubjectAlternativeNameExtension(
            all.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const),
          ),
        ],
      });
      return { certificate: `${certificate.toString('pem')}\n${pem}`, key: await exportKey(keys.privateKey) };
    },
    async certifyHost(csr, host, days) {
      const request = await readRequest(csr);
      const certificate = await x509.X509CertificateGenerator.create({
        ...issuer,
        ...validity(days),
        subject: `CN=${host}`,
        publicKey: request.publicKey,
        extensions: [...leaf(CLIENT_AUTH), identifier],
      });
      return {
        certificate: certificate.toString('pem'),
        key: createHash('sha256').update(new Uint8Array(request.publicKey.rawData)).digest('hex'),
        expires: certificate.notAfter,
      };
    },
  };
}

const validity = (days: number) => ({
  serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString('hex'),
  notBefore: new Date(Date.now() - SKEW),
  notAfter: new Date(Date.now() + days * DAY),
});

const leaf = (usage: string) => [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  new x509.ExtendedKeyUsageExtension([usage], true),
];

async function readRequest(csr: string): Promise<x509.Pkcs10CertificateRequest> {
  let request: x509.Pkcs10CertificateRequest;
  let valid = false;
  try {
    request = new x509.Pkcs10CertificateRequest(csr);
    valid = await request.verify();
  } catch (cause) {
    throw new PlatformError('bad-request', 'The signing request cannot be read.', { cause });
  }
  const algorithm = request.publicKey.algorithm as { name: string; namedCurve?: string };
  if (!valid || algorithm.name !== 'ECDSA' || algorithm.namedCurve !== 'P-256')
    throw new PlatformError(
      'bad-request',
      'The signing request must be signed by the ECDSA P-256 key it names.',
    );
  return request;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

interface Stored {
  certificate: x509.X509Certificate;
  key: webcrypto.CryptoKey;
}

async function load(dir: string): Promise<Stored | undefined> {
  const read = (name: string) =>
    readFile(join(dir, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  const [key, certificate] = [await read('key.pem'), await read('certificate.pem')];
  if (key === undefined || certificate === undefined) return undefined;
  await chmod(join(dir, 'key.pem'), 0o600);
  return {
    certificate: new x509.X509Certificate(certificate),
    key: await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(key), EC, true, ['sign']),
  };
}

async function create(dir: string): Promise<Stored> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(CA_DAYS),
    name: 'CN=Wocloud host authority',
    keys,
    signingAlgorithm: SIGN,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  // The certificate last and by renaming: a half-written authority is made anew, never used.
  const put = async (name: string, text: string, mode: number) => {
    await writeFile(join(dir, `${name}.new`), text, { mode });
    await chmod(join(dir, `${name}.new`), mode);
    await rename(join(dir, `${name}.new`), join(dir, name));
  };
  await put('key.pem', await exportKey(keys.privateKey), 0o600);
  await put('certificate.pem', certificate.toString('pem'), 0o644);
  return { certificate, key: keys.privateKey };
}
