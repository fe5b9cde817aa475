// This host's key and certificate: the key is made here and never leaves; all of it lies in the state directory.
import 'reflect-metadata';
import { createHash, createPrivateKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { EngineError } from '../errors.ts';
import { readStateFile, writeStateFile } from '../state-file.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface Identity {
  /** The host's id, as the platform knows it: the certificate's common name. */
  readonly host: string;
  readonly key: string;
  readonly certificate: string;
  /** The platform's CA; nothing else is trusted. */
  readonly ca: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

const paths = (dir: string) => ({
  key: join(dir, 'host.key'),
  certificate: join(dir, 'host.crt'),
  ca: join(dir, 'ca.crt'),
});

/** The identity in the state directory; undefined before the host has joined. Throws when it cannot be used. */
export function readIdentity(dir: string): Identity | undefined {
  const at = paths(dir);
  const [key, certificate, ca] = [at.key, at.certificate, at.ca].map(readStateFile);
  if (key === undefined || certificate === undefined || ca === undefined) return undefined;
  try {
    const parsed = new X509Certificate(certificate);
    if (!parsed.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate is for another key');
    if (!parsed.verify(new X509Certificate(ca).publicKey))
      throw new Error('the certificate is not of this CA');
    const host = /(?:^|\n)CN=(.+?)(?:\n|$)/.exec(parsed.subject)?.[1];
    if (host === undefined) throw new Error('the certificate names no host');
    const [notBefore, notAfter] = [parsed.validFrom, parsed.validTo].map(Date.parse) as [number, number];
    return { host, key, certificate, ca, notBefore, notAfter };
  } catch (cause) {
    throw new EngineError(
      'identity',
      `${at.certificate}: ${cause instanceof Error ? cause.message : String(cause)}. Remove host.crt and join again with a new token.`,
      { cause },
    );
  }
}

/** The key's PEM, made on first use. */
export function ownKey(dir: string): string {
  const path = paths(dir).key;
  const existing = readStateFile(path);
  if (existing !== undefined) return existing;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeStateFile(path, pem);
  return pem;
}

/** Keeps what the platform has issued. Throws when it does not belong to our key. */
export function keepCertificate(dir: string, certificate: string, ca: string): Identity {
  const own = ownKey(dir);
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(own)))
    throw new EngineError('identity', 'the platform issued a certificate for another key than ours');
  const at = paths(dir);
  writeStateFile(at.ca, ca);
  writeStateFile(at.certificate, certificate);
  const identity = readIdentity(dir);
  if (!identity) throw new EngineError('state', `${dir}: what was written cannot be read back`);
  return identity;
}

/** A signing request for our key, PEM. */
export async function signingRequest(dir: string, hostname: string): Promise<string> {
  const key = createPrivateKey(ownKey(dir));
  const der = key.export({ type: 'pkcs8', format: 'der' });
  const jwk = key.export({ format: 'jwk' });
  const { d: _, ...publicJwk } = jwk;
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [hostname] }],
    keys: {
      privateKey: await crypto.subtle.importKey('pkcs8', new Uint8Array(der), ALGORITHM, false, ['sign']),
      publicKey: await crypto.subtle.importKey(
        'jwk',
        publicJwk as Parameters<typeof crypto.subtle.importKey>[1] as never,
        ALGORITHM,
        true,
        ['verify'],
      ),
    },
    signingAlgorithm: ALGORITHM,
  });
  return request.toString('pem');
}

/** base64 ECDSA P-256 signature over SHA-256 of the text. */
export const signText = (key: string, text: string): string =>
  sign('sha256', Buffer.from(text), key).toString('base64');

/** sha256 of a certificate's DER, base64url: what a join token pins. */
export const fingerprint = (certificate: X509Certificate): string =>
  createHash('sha256').update(certificate.raw).digest('base64url');
