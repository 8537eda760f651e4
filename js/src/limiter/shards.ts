import type { ClusterConnection, Connection } from "../clients/connection.ts";
import { Deadline } from "./deadline.ts";
import { unavailable } from "./errors.ts";
import { hashSlot, SLOT_COUNT } from "./hash-slot.ts";
import { type Health, healthOf } from "./health.ts";
import { probeKey, probeKeyOf } from "./probe-key.ts";
import { logOfKey } from "./script.ts";
import { type ProbeKeys, Shard, type ShardSettings } from "./shard.ts";

/** The name of the shard of slots that no known node owns. */
const UNOWNED = "the cluster";

const SLOTS = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);

/** The servers of a limiter: one, or the shards of a cluster, each with a circuit breaker. */
export class Shards {
  readonly #connection: Connection;
  readonly #settings: ShardSettings;
  readonly #prefix: string;
  readonly #byName: Map<string, Shard> = new Map();
  readonly #one: Shard | undefined;
  /** A slot that no known node owns. */
  #unownedSlot: number | undefined;

  /** `prefix` is that of the keys. */
  constructor(connection: Connection, settings: ShardSettings, prefix: string) {
    this.#connection = connection;
    this.#settings = settings;
    this.#prefix = prefix;
    if (!connection.isCluster) {
      this.#one = this.#create(connection.name, () => [probeKey(prefix)]);
    }
  }

  /** Returns the shard that runs operations on a key. */
  ofKey(key: string): Shard {
    if (this.#one) {
      return this.#one;
    }
    const owner = this.ownerOf(key);
    return owner.usesScript ? this.ofLog(key) : owner;
  }

  /** Returns the shard that has the script's log of a key. */
  ofLog(key: string): Shard {
    return this.#one ?? this.#ofSlot(hashSlot(logOfKey(key)));
  }

  /**
   * Returns the shard that owns the slot of a key. If it uses the script, the script's log of the key may be on another
   * shard, which may have the module.
   */
  ownerOf(key: string): Shard {
    return this.#one ?? this.#ofSlot(hashSlot(key));
  }

  /**
   * Returns the shards to ask for what each server has of its own, such as counts.
   *
   * @throws {LimiterError} No node of the cluster has named its shards.
   */
  async all(): Promise<Shard[]> {
    if (this.#one) {
      return [this.#one];
    }
    if (!this.#known().length) {
      const first = this.ofKey("");
      await first.started;
      if (!this.#known().length) {
        throw unavailable(first.lastError);
      }
    }
    // Without an answer in time, the known shards are asked.
    await Deadline.run(this.#settings.timeoutMs, async () => this.#cluster.refresh?.()).catch(
      () => {},
    );
    return this.#known();
  }

  /** The shards that own slots: commands reach no others. */
  #known(): Shard[] {
    const owners = new Set(SLOTS.map((slot) => this.#cluster.shardOf(slot)));
    const names = this.#cluster.shards().filter((name) => owners.has(name));
    return names.map((name) => this.#named(name));
  }

  /** Returns whether one command can have all these keys. */
  haveOneSlot(keys: readonly string[]): boolean {
    if (this.#one) {
      return true;
    }
    // The log of the script may be in the slot of another key that the module checks.
    const [first, ...others] = keys.map((key) => {
      const { usesScript } = this.ownerOf(key);
      return { usesScript, slot: hashSlot(usesScript ? logOfKey(key) : key) };
    });
    return others.every(
      ({ usesScript, slot }) => usesScript === first?.usesScript && slot === first.slot,
    );
  }

  /** Waits until the first probe of each server has ended. */
  async ready(): Promise<void> {
    // In a cluster, the first one finds the shards.
    await (this.#one ?? this.ofKey("")).firstProbe;
    if (!this.#one) {
      await Promise.all(this.#known().map((shard) => shard.firstProbe));
    }
  }

  get health(): Health {
    const names = this.#one ? [] : this.#cluster.shards();
    const shards = [...this.#byName.values()].filter(
      // One that is lost stays until another one serves its slots.
      (shard) => shard === this.#one || !shard.isAvailable || names.includes(shard.name),
    );
    return healthOf(shards.map(({ health }) => health));
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
    const unowned = this.#unownedSlot;
    if (unowned === undefined || this.#cluster.shardOf(unowned) !== undefined) {
      this.#unownedSlot = slot;
    }
    const isReady = () => {
      const owner = this.#cluster.shardOf(this.#unownedSlot as number);
      return owner !== undefined && this.#connection.isReady(owner);
    };
    const keys = this.#probeKeys((other) => other === this.#unownedSlot);
    return this.#byName.get(UNOWNED) ?? this.#create(UNOWNED, keys, isReady);
  }

  #named(name: string): Shard {
    const known = this.#byName.get(name);
    if (known) {
      return known;
    }
    this.#removeOthers();
    const owns = (slot: number) => this.#cluster.shardOf(slot) === name;
    return this.#create(name, this.#probeKeys(owns));
  }

  /**
   * Returns a function that returns keys in slots that are owned now: slots move. Without any, they are the last ones. They
   * are in two slots, unless only one is owned: a shard to which one of them moves may answer in place of its owner.
   */
  #probeKeys(owns: (slot: number) => boolean): () => ProbeKeys {
    let keys: ProbeKeys | undefined;
    return () => {
      // To look for a key takes longer than to look for a slot.
      if (!keys || (!keys.every((key) => owns(hashSlot(key))) && SLOTS.some(owns))) {
        const first = probeKeyOf(owns, this.#prefix);
        const firstSlot = hashSlot(first);
        const isOther = (slot: number) => owns(slot) && slot !== firstSlot;
        keys = SLOTS.some(isOther) ? [first, probeKeyOf(isOther, this.#prefix)] : [first];
      }
      return keys;
    };
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

  #create(name: string, probeKeys: () => ProbeKeys, isReady?: () => boolean): Shard {
    const shard = new Shard(name, this.#connection, this.#settings, probeKeys, isReady);
    this.#byName.set(name, shard);
    return shard;
  }
}
