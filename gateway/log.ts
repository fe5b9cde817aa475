// One line on standard error for what somebody who looks at the gateway's console should know.

export function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}
