//! In configuration files, rules are the text that a person would write.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::{PolicyName, Rule, Rules};

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for PolicyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text::new("a rule, such as \"100/minute\""))
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text::new("rules, such as \"10/second; 1000/hour\""))
    }
}

impl<'de> Deserialize<'de> for PolicyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text::new("the name of a policy"))
    }
}

/// Reads a string that tells a `T`.
struct Text<T> {
    expected: &'static str,
    told: PhantomData<T>,
}

impl<T> Text<T> {
    fn new(expected: &'static str) -> Self {
        Self { expected, told: PhantomData }
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;
    use serde::ser::Serialize;

    use crate::{PolicyName, Rule, Rules};

    fn survives<T: Serialize + DeserializeOwned + Debug + PartialEq>(json: &str) {
        let value: T = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
    }

    fn refused<T: DeserializeOwned + Debug>(json: &str) -> String {
        serde_json::from_str::<T>(json).unwrap_err().to_string()
    }

    #[test]
    fn configuration_is_written_as_it_is_read() {
        survives::<Rule>("\"100/minute\"");
        survives::<Rules>("\"10/second; 1000/hour\"");
        survives::<PolicyName>("\"api/search\"");
    }

    #[test]
    fn configuration_that_is_wrong_is_told_why() {
        let told =
            "expected a limit from 1 to 4294967295, found '0'\n0/minute\n^ at line 1 column 10";
        assert_eq!(refused::<Rule>("\"0/minute\""), told);
        assert_eq!(refused::<Rules>("\"0/minute\""), told);
        assert_eq!(
            refused::<PolicyName>("\"a b\""),
            "a policy's name is 1 to 64 characters of A-Z a-z 0-9 . _ : - / at line 1 column 5"
        );
        let told =
            |expected| format!("invalid type: integer `5`, expected {expected} at line 1 column 1");
        assert_eq!(refused::<Rule>("5"), told("a rule, such as \"100/minute\""));
        assert_eq!(refused::<Rules>("5"), told("rules, such as \"10/second; 1000/hour\""));
        assert_eq!(refused::<PolicyName>("5"), told("the name of a policy"));
    }
}
