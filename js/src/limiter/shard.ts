import { type Connection, notConnected } from "../clients/connection.ts";
import { Breaker } from "./breaker.ts";
import type { Command } from "./commands.ts";
import { Deadline } from "./deadline.ts";
import { type Backend, Dialect } from "./dialect.ts";
import { LimiterError } from "./errors.ts";
import type { LimiterEvent } from "./events.ts";
import { errorCode, type FailureKind, failureKind } from "./failure-kind.ts";
import type { ShardHealth } from "./health.ts";
import type { Operation } from "./operation.ts";
import { OutageLog } from "./outage-log.ts";
import type { Policies } from "./policies.ts";
import { probe } from "./probe.ts";
import { ProbeBackoff } from "./probe-backoff.ts";
import type { Reply } from "./reply.ts";
import { UnansweredLog } from "./unanswered-log.ts";

/** The time of a probe, unless the timeout of checks is longer. */
const PROBE_TIMEOUT_MS = 1000;

export interface ShardSettings {
  readonly timeoutMs: number;
  readonly failureThreshold: number;
  readonly probeMinIntervalMs: number;
  readonly probeMaxIntervalMs: number;
  readonly backend: Backend;
  readonly report: (event: LimiterEvent) => void;
  /** Is called when a server becomes unavailable. */
  readonly onUnavailable: () => void;
}

/** Keys for the probes of a server, in slots that it owns. */
export type ProbeKeys = readonly [string, ...string[]];

/** How to run an operation. */
export interface RunOptions {
  readonly policies: Policies;
  /** The time within which it has to end, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether to run it with the script, although the shard may have the module. */
  readonly viaScript: boolean;
}

/** The server did not answer an operation. */
export class NoAnswer extends Error {}

/** The slot of the keys is moving, so each key needs a command. */
export class SlotMoving extends Error {}

/**
 * A server, or a shard of a cluster: sends it operations with a timeout, stops while it is unavailable, and probes it
 * until it recovers.
 */
export class Shard {
  readonly name: string;
  readonly #connection: Connection;
  readonly #settings: ShardSettings;
  /** Whether the library is connected to the server. */
  readonly #isReady: () => boolean;
  readonly #probeKeys: () => ProbeKeys;
  readonly #dialect: Dialect;
  readonly #breaker: Breaker;
  readonly #outageLog: OutageLog;
  readonly #unansweredLog: UnansweredLog;
  /** The waits before the first probe of an outage that follows soon after a recovery. */
  readonly #relapseWaits: ProbeBackoff;
  #recoveredAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** Settles when the first probe has ended. */
  readonly firstProbe: Promise<void>;
  /** Settles when the first probe has ended, or after the timeout of checks; then it is `undefined`. */
  started: Promise<void> | undefined;

  /** Probes the server at once. */
  constructor(
    name: string,
    connection: Connection,
    settings: ShardSettings,
    probeKeys: () => ProbeKeys,
    isReady: () => boolean = () => connection.isReady(name),
  ) {
    const { probeMinIntervalMs, probeMaxIntervalMs, report } = settings;
    this.name = name;
    this.#connection = connection;
    this.#settings = settings;
    this.#isReady = isReady;
    this.#probeKeys = probeKeys;
    this.#dialect = new Dialect(connection, settings.backend, () => this.#probe());
    this.#breaker = new Breaker(settings.failureThreshold, "open", Date.now());
    this.#outageLog = new OutageLog(name, report);
    this.#unansweredLog = new UnansweredLog(name, report);
    this.#relapseWaits = new ProbeBackoff(probeMinIntervalMs, probeMaxIntervalMs);
    this.firstProbe = this.#recover();
    this.started = this.#start();
  }

  get isAvailable(): boolean {
    return this.#breaker.isClosed;
  }

  /** A key in a slot that the shard owns. */
  get probeKey(): string {
    return this.#probeKeys()[0];
  }

  get usesScript(): boolean {
    return this.#dialect.usesScript;
  }

  get lastError(): string {
    return this.#breaker.lastError ?? "no connection has been made yet";
  }

  get health(): ShardHealth {
    return {
      server: this.name,
      state: this.#breaker.state,
      since: this.#breaker.since,
      lastError: this.#breaker.lastError,
      opened: this.#breaker.opened,
      unanswered: this.#unansweredLog.total,
      usesScript: this.usesScript,
    };
  }

  /** Asks a server without the module in the background whether it has been loaded, unless it was asked lately. */
  askForModule(): void {
    this.#dialect.askForModule();
  }

  /** Ends the probes. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /**
   * Runs an operation.
   *
   * @throws {NoAnswer} The server is unavailable.
   * @throws {SlotMoving} The operation can be split, and has to be.
   * @throws {LimiterError} The server rejects the operation.
   */
  run<T>(operation: Operation<T>, options: RunOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(this.#classify(error, operation));
      const deadline = new Deadline(options.timeoutMs, fail);
      const failInTime = (error: Error) => deadline.fail() && fail(error);
      try {
        if (!this.#isReady()) {
          throw notConnected();
        }
        const { policies, viaScript } = options;
        const result = viaScript
          ? this.#dialect.runScript(operation, policies, deadline)
          : this.#dialect.runModule(operation, policies, deadline);
        result.then((result) => {
          if (deadline.end()) {
            this.#breaker.recordSuccess();
            resolve(result);
          }
        }, failInTime);
      } catch (error) {
        // Some libraries throw at once if they are closed.
        failInTime(error as Error);
      }
    });
  }

  /** Sends a command of the module. Counts neither as an answer nor as a failure. */
  fetch(command: Command, key: string): Promise<Reply> {
    return Deadline.run(this.#settings.timeoutMs, (deadline) =>
      this.#dialect.send(command, key, deadline),
    );
  }

  /** Counts and reports checks that the fallback decided. Once the breaker is open, the outage is reported instead. */
  recordUnanswered(checks: number, error: string): void {
    if (checks && this.isAvailable) {
      this.#unansweredLog.record(checks, error);
    }
  }

  /** Returns the error to throw. Records whether the server is available. */
  #classify(error: Error, { canBeSplit }: Operation<unknown>): Error {
    const isMoving = this.#connection.isCluster && errorCode(error) === "TRYAGAIN" && canBeSplit;
    const kind = error instanceof LimiterError || isMoving ? undefined : failureKind(error);
    if (kind) {
      this.#recordFailure(error.message, kind);
      return new NoAnswer(error.message, { cause: error });
    }
    // Other errors of the limiter may be its own, without an answer.
    if (!(error instanceof LimiterError) || error.code === "invalid-reply") {
      this.#breaker.recordSuccess();
    }
    if (isMoving) {
      return new SlotMoving();
    }
    if (error instanceof LimiterError) {
      return error;
    }
    const code = errorCode(error) === "NOPOLICY" ? "no-policy" : "rejected";
    return new LimiterError(code, error.message, error);
  }

  #recordFailure(error: string, kind: FailureKind): void {
    if (this.#breaker.recordFailure(error, kind, Date.now())) {
      this.#outageLog.unavailable(error);
      this.#settings.onUnavailable();
      this.#pause(this.#waitAfterRelapse(), () => this.#recover());
    }
  }

  /** A server that answers probes and fails at checks is not probed without pause. */
  #waitAfterRelapse(): number {
    if (performance.now() - this.#recoveredAt > 2 * this.#settings.probeMaxIntervalMs) {
      this.#relapseWaits.reset();
      return 0;
    }
    return this.#relapseWaits.next();
  }

  #start(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.started = undefined;
        resolve();
      };
      const timer = setTimeout(end, this.#settings.timeoutMs);
      this.firstProbe.finally(end);
    });
  }

  /** Probes the server. Goes on in the background until it answers. Settles after the first probe. */
  async #recover(backoff?: ProbeBackoff): Promise<void> {
    const { probeMinIntervalMs, probeMaxIntervalMs } = this.#settings;
    this.#breaker.beginProbe(Date.now());
    try {
      await this.#probe();
      this.#breaker.recordRecovery(Date.now());
      this.#recoveredAt = performance.now();
      this.#outageLog.recovered();
    } catch (error) {
      const { message } = error as Error;
      this.#breaker.recordProbeFailure(message, Date.now());
      if (!this.#isClosed) {
        this.#outageLog.unavailable(message);
        const waits = backoff ?? new ProbeBackoff(probeMinIntervalMs, probeMaxIntervalMs);
        this.#pause(waits.next(), () => this.#recover(waits));
      }
    }
  }

  #pause(ms: number, then: () => void): void {
    if (!this.#isClosed) {
      this.#timer = setTimeout(then, ms);
      // The process can end.
      (this.#timer as { unref?(): void }).unref?.();
    }
  }

  #probe(): Promise<void> {
    const timeoutMs = Math.max(PROBE_TIMEOUT_MS, this.#settings.timeoutMs);
    return Deadline.run(timeoutMs, async (deadline) => {
      let hasModule = false;
      for (const key of this.#probeKeys()) {
        hasModule ||= await probe({
          connection: this.#connection,
          key,
          isReady: this.#isReady,
          isClosed: () => this.#isClosed,
          deadline,
        });
      }
      this.#dialect.setHasModule(hasModule);
    });
  }
}
