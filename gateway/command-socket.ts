// Suricata's command socket: one question, one answer, within a deadline.
import { connect } from 'node:net';

const MAX_ANSWER = 64 * 1024;

export class CommandError extends Error {
  readonly code = 'suricata.command';
}

/** What Suricata answers to a command. Throws CommandError when it says no, or says nothing in time. */
export function ask(socketPath: string, command: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const deadline = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    const fail = (why: string, cause?: unknown) => {
      clearTimeout(deadline);
      socket.destroy();
      reject(new CommandError(`${command}: ${why}`, { cause }));
    };
    let greeted = false;
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', (error) => fail(error.message, error));
    socket.on('close', () => fail('the connection was closed'));
    socket.on('connect', () => socket.write('{"version":"0.2"}\n'));
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > MAX_ANSWER) return fail('the answer is too long');
      const answer = readAnswer(text);
      if (!answer) return;
      text = '';
      if (answer.return !== 'OK') return fail(JSON.stringify(answer.message));
      if (!greeted) {
        greeted = true;
        socket.write(`${JSON.stringify({ command })}\n`);
        return;
      }
      clearTimeout(deadline);
      socket.destroy();
      resolve(answer.message);
    });
  });
}

/** An answer once all of it is there. */
function readAnswer(text: string): { return?: unknown; message?: unknown } | undefined {
  if (!text.endsWith('\n') && !text.endsWith('}')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
