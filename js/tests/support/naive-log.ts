import type { Decision, Rule } from "../../src/index.ts";

/** The definition of the log: a list with the instant of each unit. */
export class NaiveLog {
  private instants: number[] = [];
  private retention = 0;

  /** Decides, and records the units if `recorded` and the check is allowed. */
  decide(now: number, rules: Rule[], cost: number, recorded: boolean): Decision {
    const instants = this.shifted(now);
    const decisions = rules.map((rule) => this.decideRule(instants, now, rule, cost));
    const denied = decisions.some(({ allowed }) => !allowed);
    const wait = ({ retryAfterMs }: Decision) => retryAfterMs ?? Number.POSITIVE_INFINITY;
    const binding = decisions.reduce((best, next) =>
      (denied ? wait(next) > wait(best) : next.remaining < best.remaining) ? next : best,
    );
    if (!recorded) {
      return binding;
    }
    this.instants = instants;
    if (denied) {
      return binding;
    }
    this.dropExpired(now);
    this.retention = Math.max(this.retention, ...rules.map(({ windowMs }) => windowMs));
    this.instants.push(...Array<number>(cost).fill(now));
    return { ...binding, remaining: binding.remaining - cost, resetAfterMs: binding.windowMs };
  }

  refund(now: number, units: number): number {
    this.instants = this.shifted(now);
    this.dropExpired(now);
    const refunded = this.instants.splice(Math.max(0, this.instants.length - units)).length;
    this.dropExpired(now);
    return refunded;
  }

  private shifted(now: number): number[] {
    const ahead = Math.max(0, (this.instants.at(-1) ?? now) - now);
    return this.instants.map((instant) => instant - ahead);
  }

  private dropExpired(now: number): void {
    this.instants = this.instants.filter((instant) => instant > now - this.retention);
    if (!this.instants.length) {
      this.retention = 0;
    }
  }

  private decideRule(instants: number[], now: number, rule: Rule, cost: number): Decision {
    const span = Math.min(rule.windowMs, this.retention);
    const usedAt = (time: number) => instants.filter((instant) => instant > time - span).length;
    const wait = (fits: (used: number) => boolean) => {
      // The usage changes only when a unit leaves the window.
      const times = [now, ...instants.map((instant) => instant + span)].filter(
        (time) => time >= now,
      );
      return Math.min(...times.filter((time) => fits(usedAt(time)))) - now;
    };
    const used = usedAt(now);
    const never = cost > rule.limit;
    const retryAfterMs = never ? null : wait((units) => units + cost <= rule.limit);
    return {
      allowed: retryAfterMs === 0,
      limit: rule.limit,
      remaining: Math.max(0, rule.limit - used),
      retryAfterMs,
      resetAfterMs: wait((units) => units === 0),
      windowMs: rule.windowMs,
    };
  }
}
