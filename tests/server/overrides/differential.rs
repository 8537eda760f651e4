//! Random commands on keys. After each, the list equals that of a naive model.

use std::collections::BTreeMap;

use redis::Value;

use crate::support::{Client, Random, Server, wait_until_in_step};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const DATABASES: usize = 3;

/// The value of a key: units and an override, or another type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyValue {
    Log { units: i64, key_override: Option<String> },
    Other,
}

/// The keyspace as a map, with loops over it.
#[derive(Default)]
struct Model {
    keys: BTreeMap<(usize, String), KeyValue>,
    database: usize,
    /// Dumps with their values.
    dumps: Vec<(Vec<u8>, KeyValue)>,
}

impl Model {
    fn place(&self, name: &str) -> (usize, String) {
        (self.database, name.to_owned())
    }

    fn get(&self, name: &str) -> Option<KeyValue> {
        self.keys.get(&self.place(name)).cloned()
    }

    fn set(&mut self, database: usize, name: &str, value: Option<KeyValue>) {
        let place = (database, name.to_owned());
        match value {
            None | Some(KeyValue::Log { units: 0, key_override: None }) => self.keys.remove(&place),
            Some(value) => self.keys.insert(place, value),
        };
    }

    /// Changes a log. A missing key counts as an empty log, and a key of another type stays unchanged.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut i64, &mut Option<String>)) {
        let value = self.get(name).unwrap_or(KeyValue::Log { units: 0, key_override: None });
        if let KeyValue::Log { mut units, mut key_override } = value {
            change(&mut units, &mut key_override);
            self.set(self.database, name, Some(KeyValue::Log { units, key_override }));
        }
    }

    fn copy(&mut self, name: &str, database: usize, target: &str, replace: bool) -> bool {
        let taken = self.keys.contains_key(&(database, target.to_owned()));
        match self.get(name) {
            Some(value) if replace || !taken => {
                self.set(database, target, Some(value));
                true
            }
            _ => false,
        }
    }

    fn rename(&mut self, name: &str, target: &str, replace: bool) {
        if name != target && self.copy(name, self.database, target, replace) {
            self.set(self.database, name, None);
        }
    }

    fn list(&self) -> Vec<String> {
        let key_override = |value: &KeyValue| match value {
            KeyValue::Log { key_override, .. } => key_override.clone(),
            KeyValue::Other => None,
        };
        self.keys
            .iter()
            .filter_map(|((database, name), value)| {
                key_override(value).map(|key_override| format!("{database} {name} {key_override}"))
            })
            .collect()
    }
}

struct Comparison {
    server: Server,
    db: Client,
    random: Random,
    model: Model,
    /// Whether the connection is in a transaction.
    in_multi: bool,
}

impl Comparison {
    fn new(seed: u64) -> Self {
        let server = Server::start();
        let db = server.connect();
        Self { server, db, random: Random::seeded(seed), model: Model::default(), in_multi: false }
    }

    fn name(&mut self) -> &'static str {
        self.random.pick::<&'static str>(&NAMES)
    }

    /// Runs a command, sometimes in a script. Errors are ignored.
    fn send(&mut self, command: &str) {
        let words: Vec<_> = command.split(' ').map(str::to_owned).collect();
        let is_scripted = !self.in_multi
            && self.random.below(4) == 0
            && !["SELECT", "SWAPDB", "DEBUG"].contains(&words[0].as_str());
        if is_scripted {
            let script = "return redis.pcall(unpack(ARGV))";
            let call = [&["EVAL", script, "0"].map(str::to_owned)[..], &words].concat();
            self.db.attempt::<Value>(call.as_slice()).ok();
        } else {
            self.db.attempt::<Value>(words.as_slice()).ok();
        }
    }

    fn step(&mut self) -> String {
        let (name, other) = (self.name(), self.name());
        let database = self.random.below(DATABASES);
        let replace = self.random.below(2) == 0;
        let command = match self.random.below(100) {
            0..22 => {
                let (key_override, shown) = *self.random.pick(&[
                    ("ALLOW", "allow"),
                    ("DENY", "deny"),
                    ("DENY EX 7000", "deny"),
                    ("LIMIT 1000 1h", "limit 1000 3600000"),
                    ("LIMIT 0 1w", "limit 0 604800000"),
                ]);
                self.model.change(name, |_, value| *value = Some(shown.to_owned()));
                format!("RL.OVERRIDE SET {name} {key_override}")
            }
            22..27 => {
                self.model.change(name, |_, value| *value = None);
                format!("RL.OVERRIDE DEL {name}")
            }
            27..35 => {
                self.model.change(name, |units, key_override| {
                    let records = key_override
                        .as_ref()
                        .is_none_or(|key_override| key_override.starts_with("limit 1000"));
                    *units += i64::from(records);
                });
                format!("RL.CHECK {name} 100000 2h")
            }
            35..38 => {
                self.model.change(name, |units, _| *units = 0);
                format!("RL.RESET {name}")
            }
            38..41 => {
                self.model.change(name, |units, _| *units = (*units - 2).max(0));
                format!("RL.REFUND {name} COST 2")
            }
            41..50 => {
                self.model.rename(name, other, true);
                format!("RENAME {name} {other}")
            }
            50..54 => {
                self.model.rename(name, other, false);
                format!("RENAMENX {name} {other}")
            }
            54..66 => {
                if (self.model.database, name) != (database, other) {
                    self.model.copy(name, database, other, replace);
                }
                let replace = if replace { " REPLACE" } else { "" };
                format!("COPY {name} {other} DB {database}{replace}")
            }
            66..72 => {
                let from = self.model.database;
                if from != database && self.model.copy(name, database, name, false) {
                    self.model.set(from, name, None);
                }
                format!("MOVE {name} {database}")
            }
            72..77 => {
                self.model.set(self.model.database, name, None);
                format!("{} {name}", self.random.pick(&["DEL", "UNLINK"]))
            }
            77..79 => {
                if self.model.get(name).is_some() {
                    self.model.set(self.model.database, name, None);
                }
                format!("PEXPIREAT {name} 1")
            }
            79..82 => {
                self.model.set(self.model.database, name, Some(KeyValue::Other));
                format!("SET {name} v")
            }
            82..93 => self.step_of_databases(database),
            93..96 if !self.in_multi => "DEBUG RELOAD".to_owned(),
            _ => return self.restore(name, replace),
        };
        self.send(&command);
        command
    }

    /// Runs a command on whole databases.
    fn step_of_databases(&mut self, database: usize) -> String {
        match self.random.below(11) {
            0..4 => {
                self.model.database = database;
                format!("SELECT {database}")
            }
            4..8 => {
                let (one, two) = (database, self.random.below(DATABASES));
                let swap = |database| match database {
                    _ if database == one => two,
                    _ if database == two => one,
                    _ => database,
                };
                let keys = std::mem::take(&mut self.model.keys);
                self.model.keys = keys
                    .into_iter()
                    .map(|((database, name), value)| ((swap(database), name), value))
                    .collect();
                format!("SWAPDB {one} {two}")
            }
            8..10 => {
                let flushed = self.model.database;
                self.model.keys.retain(|place, _| place.0 != flushed);
                format!("FLUSHDB {}", self.random.pick(&["ASYNC", "SYNC"]))
            }
            _ => {
                self.model.keys.clear();
                format!("FLUSHALL {}", self.random.pick(&["ASYNC", "SYNC"]))
            }
        }
    }

    /// Dumps a key or restores a dump.
    fn restore(&mut self, name: &str, replace: bool) -> String {
        if self.in_multi {
            return String::new();
        }
        if let Some(value) = self.model.get(name)
            && self.random.below(3) == 0
        {
            let dump = self.db.run(["DUMP", name]);
            self.model.dumps.push((dump, value));
            return format!("DUMP {name}");
        }
        if self.model.dumps.is_empty() {
            return String::new();
        }
        let (dump, value) = self.random.pick(&self.model.dumps).clone();
        let is_past = self.random.below(4) == 0;
        let ttl = if is_past { "1" } else { "0" };
        let mut words = vec![&b"RESTORE"[..], name.as_bytes(), ttl.as_bytes(), &dump, b"ABSTTL"];
        if replace {
            words.push(b"REPLACE");
        }
        if replace || self.model.get(name).is_none() {
            self.model.set(self.model.database, name, (!is_past).then_some(value));
        }
        self.db.attempt::<Value>(words.as_slice()).ok();
        format!("RESTORE {name} {ttl} replace: {replace}")
    }

    /// Runs one step, or several in a transaction.
    fn advance(&mut self) -> String {
        if self.random.below(8) > 0 {
            return self.step();
        }
        self.db.run::<()>("MULTI");
        self.in_multi = true;
        let steps: Vec<_> = (0..=self.random.below(5)).map(|_| self.step()).collect();
        self.in_multi = false;
        self.db.attempt::<Value>("EXEC").ok();
        steps.join("; ")
    }
}

#[test]
fn the_list_equals_the_models_on_primary_and_replica() {
    for seed in 0..4 {
        let mut comparison = Comparison::new(seed);
        let replica = comparison.server.start_replica(&[]);
        let mut there = replica.connect();
        let mut done = Vec::new();
        for step in 0..600 {
            done.push(comparison.advance());
            let expected = comparison.model.list();
            let last = &done[done.len().saturating_sub(8)..];
            assert_eq!(comparison.db.overrides(), expected, "seed {seed}, after {last:?}");
            let keys =
                usize::try_from(keys_of(&mut comparison.db)).expect("the number of keys is small");
            assert_eq!(keys, comparison.model.keys.len(), "seed {seed}, after {last:?}");
            if step % 20 == 0 {
                wait_until_in_step(&comparison.server, &replica);
                assert_eq!(there.overrides(), expected, "replica, seed {seed}, {step} steps");
            }
        }
    }
}

/// Returns the number of keys in all databases.
fn keys_of(db: &mut Client) -> i64 {
    let info: String = db.run("INFO keyspace");
    let counts = info.lines().filter_map(|line| line.split_once(":keys=")?.1.split(',').next());
    counts.map(|count| count.parse::<i64>().expect("a number")).sum()
}
