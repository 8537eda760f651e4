export { RatelogStore, type RatelogStoreOptions, type StoreHits } from "./ratelog-store.ts";
