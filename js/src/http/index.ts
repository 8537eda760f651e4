// The public names that all frameworks have.
export type { HeaderFamily } from "./header-family.ts";
export { hashed } from "./keys.ts";
export type { QuotaProblem } from "./limit-set.ts";
export type { Denial, LimitOptions, ResponseHead } from "./options.ts";
export { checksOf, type RequestChecks } from "./request-checks.ts";
export type { ProxyHeader } from "./trusted-proxies.ts";
