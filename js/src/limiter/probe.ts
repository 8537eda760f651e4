import { type Connection, notConnected } from "../clients/connection.ts";
import { type Command, refundCommand } from "./commands.ts";
import type { Deadline } from "./deadline.ts";
import { failureKind, isUnknownCommand } from "./failure-kind.ts";
import { logOfKey } from "./script.ts";

/** How long a probe waits until the library has connected by itself. */
const CONNECT_TIMEOUT_MS = 300;
const CONNECT_POLL_MS = 20;

/** The parts of a probe. */
export interface Probe {
  readonly connection: Connection;
  /** A key in a slot that the server owns. */
  readonly key: string;
  /** Whether the library is connected to the server. */
  readonly isReady: () => boolean;
  /** Whether the limiter has ended. */
  readonly isClosed: () => boolean;
  readonly deadline: Deadline;
}

/**
 * Sends a write that changes nothing: replicas and loading servers reject it. Returns whether the server has the module.
 *
 * @throws The error of a server that is not available.
 */
export async function probe(parts: Probe): Promise<boolean> {
  await untilReady(parts);
  const hasModule = await isKnown(parts, refundCommand(parts.key, 1), parts.key);
  if (!hasModule) {
    // A server rejects an unknown command before it looks whether it accepts writes.
    const log = logOfKey(parts.key);
    await isKnown(parts, ["UNLINK", log], log);
  }
  return hasModule;
}

/** Sends a command. Returns whether the server knows it: any reply shows that the server is available. */
async function isKnown(
  { connection, isReady, deadline }: Probe,
  command: Command,
  key: string,
): Promise<boolean> {
  try {
    if (isReady()) {
      await connection.send(command, key, deadline);
    } else if (connection.probe) {
      await connection.probe(command, key, deadline);
    } else {
      throw notConnected();
    }
    return true;
  } catch (error) {
    if (failureKind(error as Error)) {
      throw error;
    }
    return !isUnknownCommand(error as Error);
  }
}

async function untilReady({ isReady, isClosed }: Probe): Promise<void> {
  const end = performance.now() + CONNECT_TIMEOUT_MS;
  while (!isReady() && performance.now() < end && !isClosed()) {
    await new Promise((resolve) => setTimeout(resolve, CONNECT_POLL_MS));
  }
}
