/** A way to the server that can be cut and mended, as a bad network is. */
import { connect, createServer } from 'node:net';
import type { Server as TcpServer, Socket } from 'node:net';

export class Network {
  private readonly sockets = new Set<Socket>();
  private cut = false;

  private constructor(
    private readonly listener: TcpServer,
    readonly url: string,
  ) {}

  static async to(port: number): Promise<Network> {
    const listener = createServer();
    await new Promise<void>((resolve) => {
      listener.listen(0, '127.0.0.1', resolve);
    });
    const address = listener.address();
    const own = typeof address === 'object' && address ? address.port : 0;
    const network = new Network(listener, `http://127.0.0.1:${String(own)}/`);
    listener.on('connection', (near) => network.join(near, port));
    return network;
  }

  private join(near: Socket, port: number): void {
    if (this.cut) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }

  /** Drops every connection and lets none through. */
  drop(): void {
    this.cut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.cut = false;
  }

  close(): void {
    this.drop();
    this.listener.close();
  }
}
