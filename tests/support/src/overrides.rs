//! Overrides, as returned by `RL.OVERRIDE GET`, `RL.OVERRIDE LIST` and `RL.INSPECT`.

use std::fmt;

use redis::{FromRedisValue, ParsingError, Value};

use super::Client;

/// The override of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideInfo {
    pub action: String,
    /// Pairs of limit and window in milliseconds.
    pub rules: Vec<(i64, i64)>,
    /// -1 for an override without an end.
    pub ttl_ms: i64,
}

/// A line of `RL.OVERRIDE LIST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub database: i64,
    pub key: Vec<u8>,
    pub key_override: OverrideInfo,
}

/// `deny`, `limit 5 60000`. The remaining time is left out.
impl fmt::Display for OverrideInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.action)?;
        self.rules.iter().try_for_each(|(limit, window)| write!(f, " {limit} {window}"))
    }
}

/// `0 k deny`: database, key and override.
impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.database, self.key.escape_ascii(), self.key_override)
    }
}

/// Returns the value of a map's field. In RESP2, the map is an array of names and values.
pub fn field<T: FromRedisValue>(map: &Value, name: &str) -> Result<T, ParsingError> {
    let pairs: Vec<(String, Value)> = match map.clone() {
        Value::Map(pairs) => pairs
            .into_iter()
            .map(|(name, value)| Ok((redis::from_redis_value(name)?, value)))
            .collect::<Result<_, ParsingError>>()?,
        Value::Array(items) => items
            .chunks_exact(2)
            .map(|pair| Ok((redis::from_redis_value(pair[0].clone())?, pair[1].clone())))
            .collect::<Result<_, ParsingError>>()?,
        other => return Err(format!("{other:?} is not a map").into()),
    };
    let found = pairs.into_iter().find(|(other, _)| other == name);
    redis::from_redis_value(found.ok_or_else(|| format!("no {name} in {map:?}"))?.1)
}

impl FromRedisValue for OverrideInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let rules: Vec<Vec<i64>> = field(&value, "rules")?;
        Ok(Self {
            action: field(&value, "action")?,
            rules: rules.iter().map(|rule| (rule[0], rule[1])).collect(),
            ttl_ms: field(&value, "ttl_ms")?,
        })
    }
}

impl FromRedisValue for Listed {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        Ok(Self {
            database: field(&value, "database")?,
            key: field(&value, "key")?,
            key_override: redis::from_redis_value(value)?,
        })
    }
}

impl Client {
    /// Runs `RL.OVERRIDE GET`.
    #[track_caller]
    pub fn get_override(&mut self, key: &str) -> Option<OverrideInfo> {
        self.run(["RL.OVERRIDE", "GET", key])
    }

    /// Runs `RL.OVERRIDE LIST` for every page and returns one line for each override (see [`Listed`]), sorted by database
    /// and key.
    #[track_caller]
    pub fn overrides(&mut self) -> Vec<String> {
        self.listed_overrides().iter().map(Listed::to_string).collect()
    }

    /// Like [`Self::overrides`], with all that the command returns.
    #[track_caller]
    pub fn listed_overrides(&mut self) -> Vec<Listed> {
        let mut listed: Vec<Listed> = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let page: Vec<Listed>;
            (cursor, page) = self.run(&format!("RL.OVERRIDE LIST CURSOR {cursor} COUNT 3"));
            listed.extend(page);
            if cursor == "0" {
                break;
            }
        }
        listed.sort_by(|one, other| (one.database, &one.key).cmp(&(other.database, &other.key)));
        listed
    }

    /// Returns the text of a saved override. The text is empty if the key has no override.
    #[track_caller]
    pub fn override_text(&mut self, key: &str) -> String {
        let dump: Vec<u8> = self.run(["DUMP", key]);
        let dump = String::from_utf8_lossy(&dump).into_owned();
        let start = ["ALLOW ", "DENY ", "LIMIT "].iter().find_map(|word| dump.find(word));
        let text = start.map_or("", |start| &dump[start..]);
        let end = text.find('\0').unwrap_or(text.len());
        text[..end].to_owned()
    }

    /// Returns the time at which the key's override ends, in milliseconds since the Unix epoch, or -1 for an
    /// override without an end.
    #[track_caller]
    pub fn override_end(&mut self, key: &str) -> i64 {
        let text = self.override_text(key);
        let end = text.split(' ').nth(1).expect("the key has an override");
        end.parse().expect("the end is a number")
    }
}
