/** A real server in a process of its own. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { CHECKPOINT, PYTHON, REPO, TMP } from './paths';

export interface Options {
  port?: number;
  /** Folder or name; the smallest checkpoint otherwise. */
  model?: string;
  /** More arguments of `serve`. */
  args?: string[];
  env?: Record<string, string>;
  /** Whether to wait until the model is loaded. */
  ready?: boolean;
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

export class Server {
  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
    private readonly output: string[],
  ) {}

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}/`;
  }

  static async start({
    port,
    model = CHECKPOINT,
    args = [],
    env = {},
    ready = true,
  }: Options = {}): Promise<Server> {
    const chosen = port ?? (await freePort());
    const child = spawn(
      PYTHON,
      [
        '-m',
        'seamless_server',
        'serve',
        ...['--model', model, '--device', 'cpu', '--port', String(chosen)],
        ...['--debug-dir', mkdtempSync(join(TMP, 'debug-')), '--allow-debug'],
        ...args,
      ],
      {
        cwd: REPO,
        env: {
          ...process.env,
          OMP_NUM_THREADS: '1',
          SEAMLESS_DEBUG_MIN_FREE_MB: '0',
          ...env,
        },
      },
    );
    const output: string[] = [];
    child.stdout.on('data', (data: Buffer) => output.push(data.toString()));
    child.stderr.on('data', (data: Buffer) => output.push(data.toString()));
    const server = new Server(child, chosen, output);
    try {
      await server.until(ready ? 'readyz' : 'healthz');
    } catch (error) {
      await server.stop('SIGKILL');
      throw error;
    }
    return server;
  }

  private async until(path: string): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt += 1) {
      if (this.process.exitCode !== null) break;
      const answer = await fetch(this.url + path).catch(() => null);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`The server did not start:\n${this.output.join('')}`);
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill(signal);
    const slow = setTimeout(() => this.process.kill('SIGKILL'), 8000);
    await ended;
    clearTimeout(slow);
  }
}
