import { TimeoutFailure } from "../limiter/deadline.ts";
import { ONE_SERVER, type ServerConnection } from "./connection.ts";

/** A client of valkey-glide: `GlideClient`, or `GlideClusterClient`. */
export interface GlideClient {
  customCommand(args: string[], options?: object): Promise<unknown>;
}

/** The codes of the errors that the library gives other names. */
const CODES: Readonly<Record<string, string>> = {
  Ask: "ASK",
  BusyLoadingError: "LOADING",
  ClusterDown: "CLUSTERDOWN",
  CrossSlot: "CROSSSLOT",
  ExecAbortError: "EXECABORT",
  MasterDown: "MASTERDOWN",
  Moved: "MOVED",
  NoPermissionError: "NOPERM",
  NoScriptError: "NOSCRIPT",
  NotBusy: "NOTBUSY",
  ReadOnly: "READONLY",
  ResponseError: "ERR",
  TryAgain: "TRYAGAIN",
  UserOperationError: "ERR",
};

/** Returns whether the library has closed the client: a field that is not in its types. */
export function isOpen(client: GlideClient): boolean {
  return !(client as { isClosed?: boolean }).isClosed;
}

/** Sends a command. Rejects with the error that the server sent, or a {@link TimeoutFailure}. */
export async function sendByGlide(
  client: GlideClient,
  command: readonly string[],
  options?: object,
): Promise<unknown> {
  try {
    return await client.customCommand([...command], options);
  } catch (error) {
    throw serverError(error as Error);
  }
}

/** The library's text is `An error was signalled by the server: - ResponseError: detail`, or `CODE: detail`. */
function serverError(error: Error): Error {
  if (error.name === "TimeoutError") {
    return new TimeoutFailure(undefined);
  }
  const match = /^(?:An error was signalled by the server: - )?(\w+): (.*)$/s.exec(error.message);
  const [, kind = "", detail] = match ?? [];
  const code = CODES[kind] ?? (/^[A-Z]+$/.test(kind) ? kind : undefined);
  return code ? new Error(`${code} ${detail}`, { cause: error }) : error;
}

/** valkey-glide, with one server. The library holds commands back while it connects, at most its `requestTimeout`. */
export class GlideConnection implements ServerConnection {
  readonly isCluster = false;
  readonly name: string = ONE_SERVER;
  readonly #client: GlideClient;

  constructor(client: GlideClient) {
    this.#client = client;
  }

  isReady(): boolean {
    return isOpen(this.#client);
  }

  send(command: readonly string[]): Promise<unknown> {
    return sendByGlide(this.#client, command);
  }

  probe(command: readonly string[]): Promise<unknown> {
    return this.send(command);
  }
}
