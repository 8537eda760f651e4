export type { WaitReason } from "./action.ts";
export { createFetch, type FetchOptions, type Wait } from "./create-fetch.ts";
