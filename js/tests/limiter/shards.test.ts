import { expect, test } from "vitest";
import type { ClusterConnection } from "../../src/clients/connection.ts";
import { Shards } from "../../src/limiter/shards.ts";

test("the known shards are asked if the cluster does not name them in time", async () => {
  const connection: ClusterConnection = {
    isCluster: true,
    shardOf: () => "192.0.2.7:6379",
    shards: () => ["192.0.2.7:6379"],
    isReady: () => true,
    send: async () => 0,
    probe: async () => 0,
    refresh: () => new Promise(() => {}),
  };
  const shards = new Shards(connection, {
    timeoutMs: 5,
    failureThreshold: 5,
    probeMinIntervalMs: 10,
    probeMaxIntervalMs: 100,
    backend: "module",
    report: () => {},
    onUnavailable: () => {},
  });
  expect((await shards.all()).map(({ name }) => name)).toEqual(["192.0.2.7:6379"]);
  shards.close();
});
