import type { ClusterConnection, Connection } from "../clients/connection.ts";
import { hashSlot } from "./hash-slot.ts";
import { type Health, healthOf } from "./health.ts";
import { PROBE_KEY, probeKey } from "./probe-key.ts";
import { logOfKey } from "./script.ts";
import { Shard, type ShardSettings } from "./shard.ts";

/** The name of the shard of slots that no known node owns. */
const UNOWNED = "the cluster";

/** The servers of a limiter: one, or the shards of a cluster, each with a circuit breaker. */
export class Shards {
  readonly #connection: Connection;
  readonly #settings: ShardSettings;
  readonly #byName: Map<string, Shard> = new Map();
  readonly #one: Shard | undefined;

  constructor(connection: Connection, settings: ShardSettings) {
    this.#connection = connection;
    this.#settings = settings;
    if (!connection.isCluster) {
      this.#one = this.#create(connection.name, PROBE_KEY);
    }
  }

  /** Returns the shard that runs operations on a key. */
  ofKey(key: string): Shard {
    if (this.#one) {
      return this.#one;
    }
    const shard = this.#ofSlot(hashSlot(key));
    return shard.usesScript ? this.#ofSlot(hashSlot(logOfKey(key))) : shard;
  }

  /** Returns the shards to ask for what each server has of its own, such as counts. */
  all(): Shard[] {
    if (this.#one) {
      return [this.#one];
    }
    return this.#cluster.shards().map((name) => this.#named(name));
  }

  /** Returns whether one command can have all these keys. */
  haveOneSlot(keys: readonly string[]): boolean {
    if (this.#one) {
      return true;
    }
    const slots = keys.map((key) => hashSlot(this.ofKey(key).usesScript ? logOfKey(key) : key));
    return slots.every((slot) => slot === slots[0]);
  }

  /** Waits until the first probe of each server has ended. */
  async ready(): Promise<void> {
    // In a cluster, the first one finds the shards.
    await (this.#one ?? this.ofKey("")).firstProbe;
    await Promise.all(this.all().map((shard) => shard.firstProbe));
  }

  get health(): Health {
    return healthOf([...this.#byName.values()].map(({ health }) => health));
  }

  get #cluster(): ClusterConnection {
    return this.#connection as ClusterConnection;
  }

  close(): void {
    for (const shard of this.#byName.values()) {
      shard.close();
    }
  }

  #ofSlot(slot: number): Shard {
    const name = this.#cluster.shardOf(slot);
    return name === undefined ? this.#unowned(slot) : this.#named(name);
  }

  /** It is ready as soon as the slot has an owner that is. */
  #unowned(slot: number): Shard {
    const isReady = () => {
      const owner = this.#cluster.shardOf(slot);
      return owner !== undefined && this.#connection.isReady(owner);
    };
    const create = () =>
      this.#create(
        UNOWNED,
        probeKey((other) => other === slot),
        isReady,
      );
    return this.#byName.get(UNOWNED) ?? create();
  }

  #named(name: string): Shard {
    const known = this.#byName.get(name);
    if (known) {
      return known;
    }
    this.#removeOthers();
    return this.#create(
      name,
      probeKey((slot) => this.#cluster.shardOf(slot) === name),
    );
  }

  /** Removes available shards that own no slots any more. */
  #removeOthers(): void {
    const names = this.#cluster.shards();
    for (const [name, shard] of this.#byName) {
      if (shard.isAvailable && !names.includes(name)) {
        shard.close();
        this.#byName.delete(name);
      }
    }
  }

  #create(name: string, key: string, isReady?: () => boolean): Shard {
    const shard = new Shard(name, this.#connection, this.#settings, key, isReady);
    this.#byName.set(name, shard);
    return shard;
  }
}
