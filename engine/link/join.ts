// Joining: a one-time token and a signing request give this host its certificate. The token also pins the
// platform's CA, and it is not sent before the platform has proven that CA.
import { X509Certificate } from 'node:crypto';
import { request } from 'node:http';
import type { TLSSocket } from 'node:tls';
import {
  JOIN_PATH,
  JoinResponse,
  LINK_SERVER_NAME,
  parseJoinToken,
  type JoinRequest,
} from '@wocloud/protocol/link.ts';
import { Value } from 'typebox/value';
import { EngineError } from '../errors.ts';
import { endpointText, openTls, type Endpoint } from './endpoint.ts';
import { fingerprint, keepCertificate, signingRequest, type Identity } from './identity.ts';

const SERVER_USE = '1.3.6.1.5.5.7.3.1';
const TIMEOUT_MS = 10_000;
const MAX_ANSWER = 256 * 1024;

/** Joins and keeps the certificate in the state directory. Throws EngineError `join` with what to do. */
export async function join(
  endpoint: Endpoint,
  token: string,
  dir: string,
  hostname: string,
): Promise<Identity> {
  const pinned = parseJoinToken(token)?.fingerprint;
  if (pinned === undefined)
    throw new EngineError(
      'join',
      'the join token is not one (expected id.secret.fingerprint). Ask the platform for a new one.',
    );
  const socket = await openTls(endpoint, { rejectUnauthorized: false }, TIMEOUT_MS);
  try {
    const ca = pinnedAuthority(socket, pinned, endpoint);
    const body: JoinRequest = { token: token.trim(), hostname, csr: await signingRequest(dir, hostname) };
    const answer = readAnswer(await post(socket, JSON.stringify(body)));
    if (fingerprint(new X509Certificate(answer.ca)) !== pinned)
      throw new EngineError('join', 'the platform answered with another CA than the one the token names');
    return keepCertificate(dir, answer.certificate, ca);
  } finally {
    socket.destroy();
  }
}

/** The CA of the token, PEM, proven to have signed what the platform showed. */
function pinnedAuthority(socket: TLSSocket, pinned: string, endpoint: Endpoint): string {
  const shown: X509Certificate[] = [];
  for (let next = socket.getPeerX509Certificate(); next; next = next.issuerCertificate) {
    if (shown.length > 8 || shown.some((c) => c.fingerprint256 === next?.fingerprint256)) break;
    shown.push(next);
  }
  const top = shown.findIndex((c) => fingerprint(c) === pinned);
  const leaf = shown[0];
  const ca = shown[top];
  const now = Date.now();
  const proven =
    leaf &&
    ca &&
    shown
      .slice(0, top + 1)
      .every(
        (c, i) =>
          c.verify((shown[Math.min(i + 1, top)] as X509Certificate).publicKey) &&
          now >= Date.parse(c.validFrom) &&
          now <= Date.parse(c.validTo),
      ) &&
    shown.slice(1, top + 1).every((c) => c.ca) &&
    leaf.checkHost(LINK_SERVER_NAME) !== undefined &&
    (leaf.keyUsage ?? []).includes(SERVER_USE);
  if (!proven)
    throw new EngineError(
      'join',
      `${endpointText(endpoint)} is not the platform this token is for: it did not show the CA the token names. ` +
        'Check the address, or ask the platform for a new token.',
    );
  return ca.toString();
}

interface Answer {
  status: number;
  text: string;
}

function post(socket: TLSSocket, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        method: 'POST',
        path: JOIN_PATH,
        createConnection: () => socket,
        headers: {
          host: 'platform',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          connection: 'close',
        },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
          if (text.length > MAX_ANSWER) response.destroy(new Error('the answer is too long'));
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

function readAnswer({ status, text }: Answer): JoinResponse {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (status === 200 || status === 201) {
    if (Value.Check(JoinResponse, value)) return value;
    throw new EngineError('join', 'the platform answered with something that is no certificate');
  }
  const detail = (value as { detail?: unknown } | undefined)?.detail;
  throw new EngineError(
    'join',
    `the platform refused this host (${status}${typeof detail === 'string' ? `: ${detail.slice(0, 500)}` : ''}). ` +
      'A token works once and for a short time: ask for a new one.',
  );
}
