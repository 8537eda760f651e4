import { pathOf } from "./paths.ts";
import type { RequestHead } from "./request-head.ts";

/** The parts of Node's `IncomingMessage` that a limiter reads. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket?: NodeSocket | undefined;
}

/** The parts of Node's `Socket` that say who the peer is. */
export interface NodeSocket {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
  readonly destroyed?: boolean;
}

/** The head of a request of Node. */
export class NodeHead implements RequestHead {
  readonly method: string;
  readonly path: string;
  readonly peer: string | undefined;
  readonly #request: NodeRequest;

  /** `target` is that of the request line. */
  constructor(request: NodeRequest, target: string) {
    this.method = request.method ?? "GET";
    this.path = pathOf(target);
    this.peer = peerOf(request.socket);
    this.#request = request;
  }

  header(name: string): string | undefined {
    return joined(this.#request.headers[name]);
  }
}

/** In place of the address of a peer that is not known. It is never trusted. */
export const UNKNOWN_PEER = "unknown";

/** The address of the peer; `undefined` for a Unix socket, which has none. */
export function peerOf(socket: NodeSocket | undefined): string | undefined {
  if (!socket || socket.remoteAddress !== undefined) {
    return socket?.remoteAddress;
  }
  // A TCP connection loses the address when it is closed. If the client resets it, that is before Node notices.
  return socket.destroyed || socket.localAddress !== undefined ? UNKNOWN_PEER : undefined;
}

/** The lines of a header, joined by commas. */
export function joined(value: number | string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === "string"
    ? value
    : (Array.isArray(value) ? value : [value]).join(", ");
}
