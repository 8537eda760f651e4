import { expect, test } from "vitest";
import type { ClusterConnection } from "../../src/clients/connection.ts";
import { Shards } from "../../src/limiter/shards.ts";

/** The names of all shards of a cluster whose only node is new after a refresh. */
async function shardsAfter(refresh: () => Promise<void>): Promise<string[]> {
  let name = "192.0.2.7:6379";
  const connection: ClusterConnection = {
    isCluster: true,
    shardOf: () => name,
    shards: () => [name],
    isReady: () => true,
    send: async () => 0,
    probe: async () => 0,
    refresh: async () => {
      await refresh();
      name = "192.0.2.8:6379";
    },
  };
  const shards = new Shards(
    connection,
    {
      timeoutMs: 100,
      failureThreshold: 5,
      probeMinIntervalMs: 10,
      probeMaxIntervalMs: 100,
      backend: "module",
      report: () => {},
      onUnavailable: () => {},
    },
    "",
  );
  const names = (await shards.all()).map(({ name }) => name);
  shards.close();
  return names;
}

test.each([
  ["the shards that the cluster names now are asked", async () => {}, "192.0.2.8:6379"],
  [
    "the known shards are asked if the cluster does not name them in time",
    () => new Promise<void>(() => {}),
    "192.0.2.7:6379",
  ],
])("%s", async (_, refresh, name) => {
  expect(await shardsAfter(refresh)).toEqual([name]);
});
