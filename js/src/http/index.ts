export type { HeaderFamily } from "./header-family.ts";
export type { QuotaProblem } from "./limit-set.ts";
export type { Denial, HttpOptions, LimitOptions, ResponseHead } from "./options.ts";
export type { RequestChecks } from "./request-checks.ts";
export type { ProxyHeader } from "./trusted-proxies.ts";
