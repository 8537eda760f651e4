use ratelog_core::Cost;

use super::{Bounds, keyword, parse_cost};
use crate::error::Error;

/// `[COST n]`
#[derive(Debug, PartialEq, Eq)]
pub struct Refund {
    /// The number of units to refund.
    pub units: Cost,
}

impl Refund {
    /// Parses the arguments after the key.
    ///
    /// # Errors
    /// [`Error`] for a bad cost, an unknown or repeated keyword, and any argument after the cost.
    pub fn parse<'a>(args: impl Iterator<Item = &'a [u8]>, bounds: &Bounds) -> Result<Self, Error> {
        let mut args = args;
        let units = match args.next() {
            None => Cost::ONE,
            Some(word) => parse_cost("cost", keyword("COST", word, &mut args)?, bounds)?,
        };
        Ok(Self { units })
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::{Bounds, Refund};

    #[test]
    fn accepts_one_keyword() {
        let refund = |line| Refund::parse(words(line), &Bounds::default());
        assert_eq!(refund("").unwrap().units.units(), 1);
        assert_eq!(refund("cost 7").unwrap().units.units(), 7);
        assert_eq!(refund("7").unwrap_err().to_string(), "ERR unknown keyword '7'");
    }
}
