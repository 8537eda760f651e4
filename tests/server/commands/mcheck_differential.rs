//! Random calls of `RL.MCHECK`. Each reply is compared with the replies of one naive oracle per key.
//!
//! As in `differential`, a reply is correct if it equals the oracles' reply at one of the milliseconds of the
//! call.

use crate::support::{Client, Decision, Oracle, Random, Rule, Server};

const KEYS: usize = 4;
const COSTS: [i64; 6] = [1, 1, 1, 2, 3, 11];
const LIMITS: [i64; 8] = [0, 1, 2, 5, 17, 40, 60, 1000];

/// Policies of several rules, with their names.
type Policies = Vec<(&'static str, Vec<Rule>)>;

fn rules(pairs: &[(i64, i64)]) -> Vec<Rule> {
    pairs.iter().map(|&(limit, window_ms)| Rule { limit, window_ms }).collect()
}

/// Returns the decisions of a call at `now`. Records the units if all decisions are allowed.
fn check(
    oracles: &mut [Oracle],
    now: i64,
    checks: &[(usize, Vec<Rule>)],
    cost: i64,
) -> Vec<Decision> {
    let mut recorded = oracles.to_vec();
    let decisions: Vec<_> =
        checks.iter().map(|(key, rules)| recorded[*key].check(now, rules, cost)).collect();
    if decisions.iter().all(|decision| decision.allowed) {
        oracles.clone_from_slice(&recorded);
        return decisions;
    }
    // Decide on the unchanged logs plus the units that the earlier checks of the call would add.
    let mut pending = [0; KEYS];
    let decision = |(key, rules): &(usize, Vec<Rule>)| {
        let decision = oracles[*key].peek(now, rules, pending[*key] + cost);
        pending[*key] += if decision.allowed { cost } else { 0 };
        decision
    };
    checks.iter().map(decision).collect()
}

struct Comparison {
    db: Client,
    random: Random,
    oracles: Vec<Oracle>,
    policies: Policies,
    windows_ms: &'static [i64],
    /// The number of allowed and of denied calls.
    outcomes: [usize; 2],
}

impl Comparison {
    fn new(server: &Server, seed: u64, windows_ms: &'static [i64]) -> Self {
        let mut db = server.connect();
        let longest = windows_ms[windows_ms.len() - 1];
        let policies = vec![
            ("gold", rules(&[(9, windows_ms[0]), (30, longest)])),
            ("silver", rules(&[(50, longest), (3, windows_ms[1]), (20, windows_ms[0])])),
        ];
        for (name, rules) in &policies {
            let rules: String =
                rules.iter().map(|rule| format!(" {} {}ms", rule.limit, rule.window_ms)).collect();
            db.run::<()>(&format!("RL.POLICY SET {name}{rules}"));
        }
        let oracles = vec![Oracle::default(); KEYS];
        Self { db, random: Random::seeded(seed), oracles, policies, windows_ms, outcomes: [0; 2] }
    }

    fn step(&mut self) {
        if self.random.below(8) == 0 {
            return self.refund();
        }
        let cost = *self.random.pick(&COSTS);
        let mut command = format!("RL.MCHECK {cost}");
        let mut checks = Vec::new();
        for _ in 0..=self.random.below(5) {
            let key = self.random.below(KEYS);
            let (rules, arguments) = self.rules_or_policy();
            command += &format!(" {key} {arguments}");
            checks.push((key, rules));
        }
        let before = self.db.now_ms();
        let reply = self.db.decide_all(&command);
        let after = self.db.now_ms();
        let instants: Vec<_> = (before..=after).collect();
        let all = reply.iter().all(|decision| decision.allowed);
        self.outcomes[usize::from(!all)] += 1;
        // The logs show the instant of the units and their retention.
        let shown: Vec<_> =
            checks.iter().map(|(key, _)| (*key, self.db.hits(&key.to_string()))).collect();
        let later = after..=self.db.now_ms();
        self.agree(&(reply, true), &instants, |oracles, now| {
            let decisions = check(oracles, now, &checks, cost);
            let shows = shown.iter().all(|(key, hits)| {
                later.clone().any(|then| then >= now && oracles[*key].hits(then) == *hits)
            });
            (decisions, shows)
        });
    }

    fn refund(&mut self) {
        let (key, units) = (self.random.below(KEYS), *self.random.pick(&COSTS));
        let before = self.db.now_ms();
        let taken: i64 = self.db.run(&format!("RL.REFUND {key} COST {units}"));
        let instants: Vec<_> = (before..=self.db.now_ms()).collect();
        self.agree(&taken, &instants, |oracles, now| oracles[key].refund(now, units));
    }

    /// Applies the call to the oracles at the first instant at which their reply equals the server's.
    #[track_caller]
    fn agree<T: PartialEq + std::fmt::Debug>(
        &mut self,
        reply: &T,
        instants: &[i64],
        mut call: impl FnMut(&mut [Oracle], i64) -> T,
    ) {
        let mut expected = Vec::new();
        for &now in instants {
            let mut oracles = self.oracles.clone();
            for oracle in &mut oracles {
                oracle.expire(now);
            }
            let answer = call(&mut oracles, now);
            if answer == *reply {
                self.oracles = oracles;
                return;
            }
            expected.push((now, answer));
        }
        panic!("the reply {reply:?} is none of {expected:?}, given {:?}", self.oracles);
    }

    fn rules_or_policy(&mut self) -> (Vec<Rule>, String) {
        if self.random.below(4) == 0 {
            let (name, rules) = self.random.pick(&self.policies);
            return (rules.clone(), format!("POLICY {name}"));
        }
        let (limit, window_ms) = (*self.random.pick(&LIMITS), *self.random.pick(self.windows_ms));
        (vec![Rule { limit, window_ms }], format!("{limit} {window_ms}ms"))
    }
}

#[test]
fn random_calls_agree_with_the_oracles_while_nothing_expires() {
    let server = Server::start();
    let windows_ms = &[3_600_000, 7_200_000, 86_400_000, 31_622_400_000];
    for seed in 0..8 {
        server.connect().run::<()>("FLUSHALL");
        let mut comparison = Comparison::new(&server, seed, windows_ms);
        for _ in 0..250 {
            comparison.step();
        }
        assert!(comparison.outcomes.iter().all(|&count| count > 10), "{:?}", comparison.outcomes);
    }
}

#[test]
fn random_calls_agree_with_the_oracles_while_units_expire() {
    let server = Server::start();
    for seed in 0..4 {
        server.connect().run::<()>("FLUSHALL");
        let mut comparison = Comparison::new(&server, seed, &[1, 5, 20, 77, 150, 400]);
        let end = comparison.db.now_ms() + 700;
        while comparison.db.now_ms() < end {
            comparison.step();
        }
    }
}
